//! The number of a signal.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A signal's number at Alpine, from 0 to 2^52 − 1, so that it is exact as a number of JSON. It tells
/// nothing of other signals, of their number or their order: stores permute it under a key. The
/// order of signals is that of `created_at`, and among equals only the store knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SignalId(i64);

impl SignalId {
    /// The id with this value.
    pub const fn new(id: i64) -> Self {
        Self(id)
    }

    /// The value.
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl fmt::Display for SignalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for SignalId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_number = text.len() <= 16 && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|_| is_number);
        number.map(Self).ok_or("must be the id of a signal")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_its_number() {
        let id = SignalId::new(4_503_599_627_370_495);
        assert_eq!(id.get(), 4_503_599_627_370_495);
        assert_eq!(id.to_string(), "4503599627370495");
        assert_eq!("4503599627370495".parse(), Ok(id));
        for text in ["", "-1", "+1", "1.0", "12345678901234567"] {
            assert!(text.parse::<SignalId>().is_err(), "{text}");
        }
        assert_eq!(serde_json::to_string(&id).unwrap(), "4503599627370495");
    }
}
