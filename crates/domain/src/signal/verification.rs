//! The producer's hash: SHA-256 over the text that Python's `json.dumps(obj, sort_keys=True)` gives for
//! nine keys. [`HashForm`] says which three texts are taken.

use std::{fmt, str::FromStr};

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::python;

/// SHA-256, 64 lower-case hex digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct VerificationHash(Box<str>);

impl VerificationHash {
    /// The hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The hash of a canonical text.
    pub fn of(text: &str) -> Self {
        Self(hex::encode(Sha256::digest(text.as_bytes())).into())
    }
}

impl FromStr for VerificationHash {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            let mut digits: Box<str> = text.into();
            digits.make_ascii_lowercase();
            Ok(Self(digits))
        } else {
            Err("must be a SHA-256 in 64 hex digits")
        }
    }
}

impl fmt::Display for VerificationHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which of three texts a producer hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashForm {
    /// All nine keys, `null` when missing, numbers as floats.
    Full,
    /// Of older producers: missing keys left out, integers kept.
    Old,
    /// `json.dumps` of what the producer holds: all nine keys, `null` when missing, integers kept.
    Plain,
}

impl HashForm {
    /// Every form, the usual one first.
    pub const ALL: [Self; 3] = [Self::Full, Self::Old, Self::Plain];

    /// For producers.
    pub(crate) const fn meaning(self) -> &'static str {
        match self {
            Self::Full => "all nine keys, null where one is missing, numbers as floats",
            Self::Old => "missing keys left out, integers as they are",
            Self::Plain => "all nine keys, null where one is missing, integers as they are",
        }
    }

    const fn keeps_missing(self) -> bool {
        matches!(self, Self::Full | Self::Plain)
    }

    const fn keeps_integers(self) -> bool {
        matches!(self, Self::Old | Self::Plain)
    }
}

/// A value under one of the nine keys, as the producer sent it.
#[derive(Debug, Clone, Copy)]
pub enum HashedValue<'a> {
    /// A text.
    Text(&'a str),
    /// A number, in the producer's own digits.
    Number(&'a str),
    /// Not there.
    Missing,
}

/// The nine keys of the hash, in the order in which they are hashed.
#[derive(Debug, Clone, Copy)]
pub struct HashedFields<'a>(pub [(&'static str, HashedValue<'a>); 9]);

/// The text that is hashed.
///
/// ```
/// use alpine_domain::signal::{HashForm, VerificationHash, canonical_text};
/// use alpine_domain::signal::hashed::{HashedFields, HashedValue::{Missing, Number, Text}};
///
/// let fields = HashedFields([
///     ("action", Text("BUY")),
///     ("confidence", Number("95.5")),
///     ("entry_price", Number("175.5")),
///     ("signal_id", Text("SIG-1")),
///     ("stop_price", Missing),
///     ("strategy", Text("weighted_consensus_v6")),
///     ("symbol", Text("AAPL")),
///     ("target_price", Missing),
///     ("timestamp", Text("2025-01-15T10:30:00+00:00")),
/// ]);
/// let hash = VerificationHash::of(&canonical_text(&fields, HashForm::Full));
/// assert_eq!(hash.as_str(), "c06f39e9228f34088b9940470d7b36ec33f3388135a74d758638c7812b8b77f0");
/// ```
pub fn canonical_text(fields: &HashedFields<'_>, form: HashForm) -> String {
    let mut text = String::from("{");
    for (key, value) in &fields.0 {
        if matches!(value, HashedValue::Missing) && !form.keeps_missing() {
            continue;
        }
        if text.len() > 1 {
            text.push_str(", ");
        }
        python::push_string(&mut text, key);
        text.push_str(": ");
        match value {
            HashedValue::Text(value) => python::push_string(&mut text, value),
            HashedValue::Number(literal)
                if form.keeps_integers() && python::is_integer(literal) =>
            {
                python::push_integer(&mut text, literal);
            }
            HashedValue::Number(literal) => python::push_as_float(&mut text, literal),
            HashedValue::Missing => text.push_str("null"),
        }
    }
    text.push('}');
    text
}

/// Whether `hash` is the hash of `fields` in any form.
pub fn hash_matches(fields: &HashedFields<'_>, hash: &VerificationHash) -> bool {
    HashForm::ALL
        .into_iter()
        .any(|form| VerificationHash::of(&canonical_text(fields, form)) == *hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_has_sixty_four_hex_digits_of_either_case() {
        let parsed = |text: &str| text.parse::<VerificationHash>().map(|hash| hash.to_string());
        assert_eq!(parsed(&"aB09".repeat(16)), Ok("ab09".repeat(16)));
        for text in ["", &"a".repeat(63), &"a".repeat(65), &"g".repeat(64), &"é".repeat(32)] {
            assert!(parsed(text).is_err(), "{text}");
        }
    }
}
