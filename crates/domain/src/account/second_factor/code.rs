//! Codes, and the secret that they are made of.

use totp_rs::{Builder, Totp};

use super::super::{Email, Secret, digest};
use crate::{Error, Result, Timestamp};

/// Seconds for which a code stands (RFC 6238, section 4.1).
const STEP: u64 = 30;

/// Steps before and after the present one whose codes are taken (RFC 6238, section 5.2).
const SKEW: i64 = 1;

/// Who authenticators say that an account is of.
const ISSUER: &str = "Alpine";

/// The characters of backup codes: base 32 without those that are taken for others.
const LETTERS: &[u8; 32] = b"23456789abcdefghijkmnpqrstuvwxyz";

/// The characters of a backup code, of 5 bits each.
const LENGTH: usize = 16;

/// A code as somebody typed it.
#[derive(Debug, Clone)]
pub enum FactorCode {
    /// Six digits of an authenticator.
    Totp(Secret),
    /// The [`digest`] of a backup code.
    Backup(String),
}

impl FactorCode {
    /// Reads a code. Spaces and hyphens do not count, nor does the case of letters.
    ///
    /// # Errors
    /// When it is neither six digits nor sixteen characters.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const RULE: &str = "must be six digits, or a backup code of sixteen characters";
        if text.len() > 64 {
            return Err(RULE);
        }
        let code: String = text
            .chars()
            .filter(|c| !matches!(c, ' ' | '-'))
            .map(|c| c.to_ascii_lowercase())
            .collect();
        if code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit()) {
            Ok(Self::Totp(Secret::new(code)))
        } else if code.len() == LENGTH && code.bytes().all(|byte| LETTERS.contains(&byte)) {
            Ok(Self::Backup(digest(&code)))
        } else {
            Err(RULE)
        }
    }
}

/// A backup code of 80 random bits, in groups of four, and its digest.
pub(super) fn backup_code(random: [u8; 10]) -> (Secret, String) {
    let bits = random.iter().fold(0_u128, |bits, byte| bits << 8 | u128::from(*byte));
    let letter = |place: usize| char::from(LETTERS[(bits >> (5 * place) & 31) as usize]);
    let code: String = (0..LENGTH).rev().map(letter).collect();
    let shown = [&code[..4], &code[4..8], &code[8..12], &code[12..]].join("-");
    (Secret::new(shown), digest(&code))
}

/// The secret that an authenticator shares: 160 bits (RFC 4226, section 4, R6).
pub(super) struct TotpSecret([u8; 20]);

impl TotpSecret {
    pub(super) const fn new(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// # Errors
    /// When it has another length: what was sealed is no such secret.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        bytes.try_into().map(Self).map_err(Error::internal)
    }

    pub(super) const fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Six digits by HMAC-SHA-1, as every authenticator has them; one step at a time.
    fn totp(&self, email: Option<&Email>) -> Result<Totp> {
        let secret = totp_rs::Secret::new_stack(self.0);
        let totp = Builder::new().with_secret(secret).with_skew(0).with_step_duration(STEP);
        let totp = match email {
            // No colon may stand in a label.
            Some(email) => {
                totp.with_account_name(email.as_str().replace(':', " ")).with_issuer(Some(ISSUER))
            }
            None => totp,
        };
        totp.build().map_err(|error| Error::internal(error.to_string()))
    }

    /// The step whose code this is: the present one, the one before or the one after, if it is later than
    /// `after`.
    pub(super) fn step(&self, code: &Secret, now: Timestamp, after: i64) -> Result<Option<i64>> {
        let totp = self.totp(None)?;
        let seconds = u64::try_from(now.seconds()).map_err(Error::internal)?;
        let present = i64::try_from(seconds / STEP).map_err(Error::internal)?;
        let is_code = |step: &i64| {
            let seconds = u64::try_from(*step).map(|step| step * STEP);
            seconds.is_ok_and(|seconds| totp.check(code.reveal(), seconds).is_some())
        };
        let steps = present - SKEW..=present + SKEW;
        Ok(steps.filter(|step| *step > after).find(is_code))
    }

    /// In base 32 (RFC 4648), to be typed into an authenticator.
    pub(super) fn shown(&self) -> Secret {
        Secret::new(totp_rs::Secret::new_stack(self.0).to_base32())
    }

    /// `otpauth://totp/…`, as authenticators read it from a QR code.
    pub(super) fn uri(&self, email: &Email) -> Result<Secret> {
        let uri = self.totp(Some(email))?.to_url();
        uri.map(Secret::new).map_err(|error| Error::internal(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ASCII secret of RFC 6238, appendix B.
    fn secret() -> TotpSecret {
        TotpSecret::new(*b"12345678901234567890")
    }

    fn step(code: &str, seconds: i64, after: i64) -> Option<i64> {
        secret().step(&Secret::new(code), Timestamp::from_seconds(seconds), after).unwrap()
    }

    /// The last six of the eight digits of the SHA-1 rows.
    #[test]
    fn codes_are_those_of_rfc_6238() {
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(step(code, seconds, -1), Some(seconds / 30), "{code}");
        }
    }

    #[test]
    fn a_code_is_good_one_step_before_and_after_its_own() {
        // 081804 stands for step 37037036, which begins at 1,111,111,080.
        let taken = [1_049, 1_050, 1_079, 1_080, 1_109, 1_110, 1_139, 1_140]
            .map(|seconds| step("081804", 1_111_110_000 + seconds, -1).is_some());
        assert_eq!(taken, [false, true, true, true, true, true, true, false]);
    }

    #[test]
    fn a_step_that_was_accepted_is_past() {
        let step = |after| step("081804", 1_111_111_109, after);
        assert_eq!([step(37_037_035), step(37_037_036)], [Some(37_037_036), None]);
    }

    #[test]
    fn a_code_is_read_however_it_is_typed() {
        for text in ["081804", "081 804", " 081-804 "] {
            assert!(
                matches!(FactorCode::parse(text), Ok(FactorCode::Totp(code)) if code.reveal() == "081804")
            );
        }
        // RFC 4648 writes AAAQEAYEAUDAOCAJ, with other letters.
        let (shown, hash) = backup_code([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(shown.reveal(), "222i-62s6-2n52-g42b");
        for text in [shown.reveal(), "222I62S62N52G42B", "222i 62s6 2n52 g42b"] {
            assert!(
                matches!(FactorCode::parse(text), Ok(FactorCode::Backup(read)) if read == hash),
                "{text}"
            );
        }
        for text in [
            "",
            "08180",
            "0818040",
            "+81804",
            "０８１８０４",
            "222i-62s6-2n52-g42",
            "222i-62s6-2n52-g420",
            &"0".repeat(1_000),
        ] {
            assert!(FactorCode::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_authenticator_reads_whose_the_secret_is() {
        let uri = secret().uri(&"ada+x@example.com".parse().unwrap()).unwrap();
        assert_eq!(
            uri.reveal(),
            "otpauth://totp/Alpine:ada%2Bx%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Alpine"
        );
        assert_eq!(secret().shown().reveal(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    }
}
