//! Stripe's signatures of webhooks: docs.stripe.com/webhooks/signature. A header says when it was signed (`t`), and a
//! signature for each secret that is good (`v1`, HMAC-SHA-256 over the time, a dot and the raw body).

use std::time::Duration;

use alpine_domain::{Error, Result, Timestamp, account::Secret};
use hmac::{Hmac, Mac as _, digest::CtOutput};
use sha2::Sha256;

use crate::keyed;

/// How old a signature may be, and how far ahead: whoever saw one cannot send it again later.
pub const TOLERANCE: Duration = Duration::from_mins(5);

/// The header's longest form that is read.
const MOST_BYTES: usize = 4_096;

fn mac(secret: &Secret, at: &str, body: &[u8]) -> Hmac<Sha256> {
    let mut mac = keyed(secret.reveal().as_bytes());
    mac.update(at.as_bytes());
    mac.update(b".");
    mac.update(body);
    mac
}

/// The header for a body that is sent at `at`.
pub fn sign(secret: &Secret, at: Timestamp, body: &[u8]) -> String {
    let at = at.seconds().to_string();
    let signature = hex::encode(mac(secret, &at, body).finalize().into_bytes());
    format!("t={at},v1={signature}")
}

/// Makes sure that one of the secrets signed the body within [`TOLERANCE`] of `now`.
///
/// # Errors
/// [`Error::Malformed`] naming `Stripe-Signature`.
pub(super) fn verify(header: &str, body: &[u8], secrets: &[Secret], now: Timestamp) -> Result<()> {
    let refused = |why: &str| Error::malformed("Stripe-Signature", why);
    let (at, signatures) = read(header).ok_or_else(|| refused("has no time, or cannot be read"))?;
    // First what costs nothing: the body is hashed once for each secret, whatever the header says.
    if now.seconds().abs_diff(at) > TOLERANCE.as_secs() {
        return Err(refused("was made more than 300 seconds ago, or ahead"));
    }
    let text = at.to_string();
    let is_signed = secrets.iter().any(|secret| {
        let expected = mac(secret, &text, body).finalize();
        // Compared in constant time.
        signatures.iter().any(|it| CtOutput::new((*it).into()) == expected)
    });
    if is_signed {
        Ok(())
    } else {
        Err(refused("is no signature of this body by a secret that is configured"))
    }
}

/// The first time and every signature.
fn read(header: &str) -> Option<(i64, Vec<[u8; 32]>)> {
    if header.len() > MOST_BYTES {
        return None;
    }
    let (mut at, mut signatures) = (None, Vec::new());
    for item in header.split(',') {
        let mut parts = item.splitn(3, '=');
        match (parts.next()?, parts.next()) {
            ("t", text) => at = at.or(Some(text?)),
            ("v1", text) => signatures.extend(decoded(text?)),
            _ => {}
        }
    }
    Some((whole_number(at?)?, signatures))
}

/// A whole number as Stripe's own library for Python reads it: spaces around it, a sign, and single `_` between digits.
fn whole_number(text: &str) -> Option<i64> {
    let text = text.trim();
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_parted = !digits.starts_with('_') && !digits.ends_with('_') && !digits.contains("__");
    let plain = digits.replace('_', "");
    let is_number = is_parted && !plain.is_empty() && plain.bytes().all(|b| b.is_ascii_digit());
    if !is_number || text.starts_with('-') {
        return None;
    }
    plain.parse().ok()
}

/// Lower-case hexadecimal digits alone, as they are sent.
fn decoded(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let is_lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
    (is_lower && hex::decode_to_slice(text, &mut bytes).is_ok()).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn secrets() -> Vec<Secret> {
        vec![Secret::new("whsec_new"), Secret::new("whsec_old")]
    }

    fn accepts(header: &str, body: &[u8]) -> bool {
        verify(header, body, &secrets(), NOW).is_ok()
    }

    #[test]
    fn any_secret_signs_within_the_tolerance_and_nothing_else_does() {
        let body = br#"{"id":"evt_1"}"#;
        for secret in secrets() {
            for (seconds, is_good) in [(0, true), (300, true), (301, false)] {
                for at in [1_800_000_000 - seconds, 1_800_000_000 + seconds] {
                    let header = sign(&secret, Timestamp::from_seconds(at), body);
                    assert_eq!(accepts(&header, body), is_good, "{header}");
                }
            }
        }
        let header = sign(&Secret::new("whsec_other"), NOW, body);
        assert!(!accepts(&header, body));
        let header = sign(&secrets()[0], NOW, body);
        assert!(!accepts(&header, br#"{"id":"evt_2"}"#));
        assert!(!accepts(&header.replace("v1=", "v0="), body));
        assert!(!accepts(&header.to_uppercase(), body));
        assert!(!accepts(&header[..header.len() - 2], body));
        assert!(verify(&header, body, &[], NOW).is_err());
    }

    /// An independent implementation signed this: Python's `hmac`, with the secret `whsec_new`.
    #[test]
    fn the_signature_is_that_of_the_documentation() {
        let expected =
            "t=1800000000,v1=bcd5b8f84c1762e896c564b29f53d2d26064aba6607250fa924f75df06e0f8a4";
        assert_eq!(sign(&secrets()[0], NOW, br#"{"id":"evt_1"}"#), expected);
    }

    /// What Stripe's library for Python, 16.1.0, says of each of 780 mutated headers and bodies. What it
    /// takes from the future is refused here.
    #[test]
    fn the_official_library_agrees() {
        let cases = include_str!("../../tests/data/stripe-signatures.tsv");
        let mut taken = 0;
        for line in cases.lines() {
            let parts: Vec<&str> = line.split('\t').collect();
            let [verdict, header, body] = parts[..] else { panic!("{line}") };
            let (header, body) = (hex::decode(header).unwrap(), hex::decode(body).unwrap());
            let header = String::from_utf8(header).unwrap();
            let is_text = std::str::from_utf8(&body).is_ok();
            let found = is_text && accepts(&header, &body);
            assert_eq!(found, verdict == "taken", "{header:?} {body:?}");
            taken += usize::from(found);
        }
        assert!(taken > 50, "{taken} were taken");
    }
}
