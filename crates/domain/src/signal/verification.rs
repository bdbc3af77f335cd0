//! The producer's hash: SHA-256 over the text that Python's `json.dumps(obj, sort_keys=True)` gives for
//! nine keys.

use std::{fmt, str::FromStr};

use serde::Serialize;
use sha2::{Digest as _, Sha256};

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
            Ok(Self(text.to_ascii_lowercase().into()))
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

/// Which of the two texts producers hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashForm {
    /// All nine keys, `null` when missing, numbers as floats.
    Full,
    /// Of older producers: missing keys left out, integers kept.
    Old,
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
        if matches!((value, form), (HashedValue::Missing, HashForm::Old)) {
            continue;
        }
        if text.len() > 1 {
            text.push_str(", ");
        }
        push_json_string(&mut text, key);
        text.push_str(": ");
        match value {
            HashedValue::Text(value) => push_json_string(&mut text, value),
            HashedValue::Number(literal) => push_number(&mut text, literal, form),
            HashedValue::Missing => text.push_str("null"),
        }
    }
    text.push('}');
    text
}

/// Whether `hash` is the hash of `fields` in either form.
pub fn hash_matches(fields: &HashedFields<'_>, hash: &VerificationHash) -> bool {
    [HashForm::Full, HashForm::Old]
        .into_iter()
        .any(|form| VerificationHash::of(&canonical_text(fields, form)) == *hash)
}

/// `json.dumps` with `ensure_ascii`: everything above ASCII as `\uXXXX`, in UTF-16.
fn push_json_string(text: &mut String, value: &str) {
    text.push('"');
    for c in value.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\u{8}' => text.push_str("\\b"),
            '\u{c}' => text.push_str("\\f"),
            ' '..='~' => text.push(c),
            _ => {
                let mut units = [0; 2];
                let escapes =
                    c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}"));
                text.extend(escapes);
            }
        }
    }
    text.push('"');
}

/// A number as Python writes it back: an integer stays one in the old form, anything else is a float.
fn push_number(text: &mut String, literal: &str, form: HashForm) {
    let is_integer = !literal.contains(['.', 'e', 'E']);
    match literal.parse::<f64>() {
        Ok(value) if form == HashForm::Full || !is_integer => text.push_str(&python_float(value)),
        _ => text.push_str(literal),
    }
}

/// Python's `repr(float)`: the shortest digits that read back, scientific below 1e-4 and from 1e16.
fn python_float(value: f64) -> String {
    let scientific = format!("{value:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if value != 0.0 && !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs());
    }
    let plain = value.to_string();
    if plain.contains('.') { plain } else { plain + ".0" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_print_as_in_python() {
        for (value, text) in [
            (1e-5, "1e-05"),
            (1e16, "1e+16"),
            (1e15, "1000000000000000.0"),
            (100.0, "100.0"),
            (0.0001, "0.0001"),
            (0.1, "0.1"),
            (1e-7, "1e-07"),
            (0.0, "0.0"),
            (-2.5, "-2.5"),
            (123_456_789.123_456_79, "123456789.12345679"),
            (1.5e300, "1.5e+300"),
            (2.225_073_858_507_201_4e-308, "2.2250738585072014e-308"),
        ] {
            assert_eq!(python_float(value), text);
        }
    }

    #[test]
    fn strings_are_escaped_as_in_python() {
        let mut text = String::new();
        push_json_string(&mut text, "naïve \"μ\" \\ \t🚀\u{7f}");
        assert_eq!(text, r#""na\u00efve \"\u03bc\" \\ \t\ud83d\ude80\u007f""#);
    }
}
