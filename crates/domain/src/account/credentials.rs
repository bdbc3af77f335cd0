//! What people type: addresses, names, passwords; and the secrets that they are given.

use std::{fmt, str::FromStr};

use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// An e-mail address, trimmed and in lower case; at most 254 characters (RFC 5321).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Email(String);

impl Email {
    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Characters that change how a text looks without being seen: zero-width and direction marks. The two
/// joiners are left out, since scripts and emoji need them.
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}' | '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

impl FromStr for Email {
    type Err = &'static str;

    /// Accepts what can be delivered to, not all of RFC 5322: one `@`, a local part, a dotted domain,
    /// no spaces or controls.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const REASON: &str = "must be an e-mail address, name@example.com for example";
        let address = text.trim().to_lowercase();
        let (local, domain) = address.rsplit_once('@').ok_or(REASON)?;
        let forbidden = |c: char| {
            c.is_control() || c.is_whitespace() || is_invisible(c) || "<>()[],;:\\\"@".contains(c)
        };
        let label_ok = |label: &str| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_alphanumeric() || c == '-')
        };
        let valid = address.len() <= 254
            && (1..=64).contains(&local.len())
            && !local.contains(forbidden)
            && domain.contains('.')
            && domain.split('.').all(label_ok);
        if valid { Ok(Self(address)) } else { Err(REASON) }
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A person's name: 1 to 200 characters, trimmed, without control characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct FullName(String);

impl FullName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for FullName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = text.trim();
        let valid = (1..=200).contains(&name.chars().count())
            && name.contains(char::is_alphanumeric)
            && !name.contains(|c: char| c.is_control() || is_invisible(c));
        valid
            .then(|| Self(name.to_owned()))
            .ok_or("must have 1 to 200 characters, letters or digits among them, and no control characters")
    }
}

/// A text that never shows in logs or debug output.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself. Only for handing it to its owner or to a hasher.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A password that may be set: 12 to 128 characters of any kind, and not a well-known one.
#[derive(Debug, Clone)]
pub struct NewPassword(Secret);

/// Long passwords that every guesser tries first.
const COMMON: &[&str] = &[
    "123456789012",
    "1234567890123",
    "12345678901234",
    "123456789123",
    "1234567891011",
    "qwertyuiop123",
    "qwertyuiop12",
    "qwertyuiopasdfghjkl",
    "password1234",
    "password12345",
    "password123456",
    "passwordpassword",
    "iloveyou1234",
    "administrator",
    "administrator1",
    "changeme1234",
    "letmein12345",
    "welcome12345",
    "1q2w3e4r5t6y",
    "1qaz2wsx3edc",
    "abcdefghijkl",
    "abcdefghijklm",
    "abc123abc123",
    "unknownunknown",
    "correcthorsebatterystaple",
    "football1234",
    "princess1234",
    "sunshine1234",
    "monkey123456",
    "dragon123456",
];

impl NewPassword {
    /// The longest password that is looked at at all, in characters.
    pub const MAX_CHARS: usize = 128;

    /// Accepts a password to be set.
    ///
    /// # Errors
    /// Says which rule it breaks, in words for the one who chose it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        // Four bytes is the longest UTF-8 character: a huge text is refused before it is walked.
        if text.len() > Self::MAX_CHARS * 4 || text.chars().count() > Self::MAX_CHARS {
            return Err("must have at most 128 characters");
        }
        if text.chars().count() < 12 {
            return Err("must have at least 12 characters");
        }
        let lower = text.to_lowercase();
        let mut chars = lower.chars();
        let first = chars.next();
        if COMMON.contains(&lower.as_str()) || chars.all(|c| Some(c) == first) {
            return Err("is among the passwords that are guessed first; choose another one");
        }
        Ok(Self(Secret::new(text)))
    }

    /// The password, for the hasher.
    pub fn reveal(&self) -> &str {
        self.0.reveal()
    }
}

/// SHA-256 in lower-case hex: how random secrets (refresh tokens, API keys) are stored. Not for
/// passwords, which people choose.
pub fn digest(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_folded_and_checked() {
        assert_eq!(" Ada@Example.COM ".parse::<Email>().unwrap().as_str(), "ada@example.com");
        for bad in ["", "a", "a@b", "a b@c.de", "@c.de", "a@.de", "a@c..de", "a@-c.de", "a\n@c.de"]
        {
            assert!(bad.parse::<Email>().is_err(), "{bad:?}");
        }
        assert!(format!("{}@example.com", "x".repeat(65)).parse::<Email>().is_err());
    }

    #[test]
    fn names_show_what_they_are() {
        assert!("Zoë O’Neill 3rd".parse::<FullName>().is_ok());
        for bad in ["", " ", "\u{200b}", "\u{202e}evil", "…", "a\nb"] {
            assert!(bad.parse::<FullName>().is_err(), "{bad:?}");
        }
        assert!("fr\u{200b}ee@x.io".parse::<Email>().is_err());
    }

    #[test]
    fn passwords_are_long_and_not_common() {
        assert!(NewPassword::parse("a quiet river at dawn").is_ok());
        assert!(NewPassword::parse("pässwörter für alle").is_ok());
        for bad in ["short", "Password1234", "aaaaaaaaaaaaaaaa", &"x1".repeat(65)] {
            assert!(NewPassword::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn secrets_do_not_show() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret(…)");
    }
}
