//! What a client calls a request, whose name it is, and what the request was.

use std::{fmt, str::FromStr};

use sha2::{Digest as _, Sha256};

use crate::{account::UserId, producer::ProducerId};

/// Characters of a key at most: the draft asks for a bound, and a UUID has 36.
const MAX_CHARS: usize = 255;

/// What a client calls a request: 1 to 255 visible characters of ASCII, without quotation marks and backslashes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The key, without quotation marks.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IdempotencyKey {
    type Err = &'static str;

    /// Reads the value of the header: a string in quotation marks (RFC 9651, section 3.3.3), or the same without them.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let inner = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let key = inner.unwrap_or(text);
        let is_good = |byte: u8| byte.is_ascii_graphic() && !b"\"\\".contains(&byte);
        ((1..=MAX_CHARS).contains(&key.len()) && key.bytes().all(is_good))
            .then(|| Self(key.to_owned()))
            .ok_or("must have 1 to 255 visible characters of ASCII")
    }
}

/// Whose key it is: two callers may choose the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyOwner {
    /// A user, by token.
    User(UserId),
    /// A producer.
    Producer(ProducerId),
}

impl fmt::Display for KeyOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => write!(f, "user:{user}"),
            Self::Producer(producer) => write!(f, "producer:{}", producer.get()),
        }
    }
}

/// What a request was: SHA-256 over its method, its target and its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of a request. `target` is its path and query.
    pub fn of(method: &str, target: &str, body: &[u8]) -> Self {
        let mut digest = Sha256::new();
        for head in [method, target] {
            // The length keeps the parts apart.
            digest.update((head.len() as u64).to_be_bytes());
            digest.update(head);
        }
        digest.update(body);
        Self(digest.finalize().into())
    }
}

impl fmt::Display for Fingerprint {
    /// 64 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_string_of_the_draft_or_the_same_without_quotation_marks() {
        let longest = "k".repeat(MAX_CHARS);
        for (text, key) in [
            ("\"a-1\"", "a-1"),
            ("a-1", "a-1"),
            ("  \"a-1\" ", "a-1"),
            ("0", "0"),
            (longest.as_str(), longest.as_str()),
        ] {
            assert_eq!(text.parse::<IdempotencyKey>().map(|key| key.0), Ok(key.to_owned()));
        }
        let too_long = "k".repeat(MAX_CHARS + 1);
        for text in ["", "\"\"", "\"", "a b", "\"a", "a\"", "a\\b", "é", "a\tb", &too_long] {
            assert!(text.parse::<IdempotencyKey>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_fingerprint_tells_every_part_of_a_request() {
        let all = [
            Fingerprint::of("POST", "/a", b"b"),
            Fingerprint::of("PUT", "/a", b"b"),
            Fingerprint::of("POST", "/ab", b""),
            Fingerprint::of("POST", "/a", b"c"),
            Fingerprint::of("POS", "T/a", b"b"),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(all.iter().skip(at + 1).all(|other| other != one), "{at}");
        }
        assert_eq!(all[0], Fingerprint::of("POST", "/a", b"b"));
    }
}
