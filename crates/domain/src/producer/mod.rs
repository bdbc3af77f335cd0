//! Who may push signals in.

mod producers;

use std::{fmt, str::FromStr};

use async_trait::async_trait;

pub use self::producers::{DEFAULT_OVERLAP, MAX_OVERLAP, Producers};
use crate::{Result, Timestamp};

/// A producer's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProducerId(i64);

impl ProducerId {
    /// The id with this value.
    pub const fn new(id: i64) -> Self {
        Self(id)
    }

    /// The value.
    pub const fn get(self) -> i64 {
        self.0
    }
}

/// What a producer is called: 1 to 64 lower-case letters, digits, `-` and `_`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProducerName(String);

impl ProducerName {
    /// Characters at most.
    pub const MAX_CHARS: usize = 64;
    /// An ECMA-262 pattern that every valid name matches, and nothing else.
    pub const PATTERN: &'static str = "^[a-z0-9_-]{1,64}$";

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProducerName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let valid = (1..=Self::MAX_CHARS).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b));
        valid
            .then(|| Self(text.to_owned()))
            .ok_or("must have 1 to 64 lower-case letters, digits, '-' or '_'")
    }
}

impl fmt::Display for ProducerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A producer. Its key is stored hashed and shown once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Producer {
    /// Its number.
    pub id: ProducerId,
    /// Its name.
    pub name: ProducerName,
    /// Everything it says is made up, and marked so wherever it shows.
    pub is_simulated: bool,
    /// A revoked producer's key is refused.
    pub is_active: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Producers, kept durably.
#[async_trait]
pub trait ProducerStore: Send + Sync {
    /// Makes a producer whose key has the digest `key_hash`, and logs `ProducersChanged`.
    ///
    /// # Errors
    /// [`ConflictKind::ProducerExists`](crate::error::ConflictKind::ProducerExists).
    async fn create(
        &self,
        name: &ProducerName,
        key_hash: &str,
        is_simulated: bool,
        now: Timestamp,
    ) -> Result<Producer>;

    /// Gives a producer another key, or makes the producer, whichever is needed: how a key from the
    /// configuration takes effect. Doing it twice changes nothing, and a key that was rotated out is not brought back.
    async fn ensure(
        &self,
        name: &ProducerName,
        key_hash: &str,
        is_simulated: bool,
        now: Timestamp,
    ) -> Result<Producer>;

    /// Every producer, by name.
    async fn list(&self) -> Result<Vec<Producer>>;

    /// Until when the key that each producer had before is good, for those where it still is at `now`.
    async fn old_keys(&self, now: Timestamp) -> Result<Vec<(ProducerId, Timestamp)>>;

    /// Gives a producer another key; the one that it had is good until `old_until`, and the one before that is not
    /// any more. Logs `ProducersChanged`.
    ///
    /// # Errors
    /// `NotFound`.
    async fn rotate(
        &self,
        id: ProducerId,
        key_hash: &str,
        old_until: Timestamp,
        now: Timestamp,
    ) -> Result<Producer>;

    /// Enables a producer and logs `ProducersChanged`.
    ///
    /// # Errors
    /// `NotFound`.
    async fn enable(&self, id: ProducerId, now: Timestamp) -> Result<()>;

    /// The active producer that had the key with this digest before its last rotation, and until when the key is good.
    async fn by_old_key_hash(&self, key_hash: &str) -> Result<Option<(Producer, Timestamp)>>;

    /// Disables a producer and logs `ProducersChanged`.
    ///
    /// # Errors
    /// `NotFound`.
    async fn disable(&self, id: ProducerId, now: Timestamp) -> Result<()>;

    /// The active producer whose key has this digest.
    async fn by_key_hash(&self, key_hash: &str) -> Result<Option<Producer>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_plain() {
        let longest = "a".repeat(64);
        for text in ["a", "argo", "argo-2_x", &longest] {
            let name: ProducerName = text.parse().unwrap();
            assert_eq!((name.as_str(), name.to_string().as_str()), (text, text));
        }
        let refused = Err("must have 1 to 64 lower-case letters, digits, '-' or '_'");
        for text in ["", "Argo", "a b", "é", "a.b", &"a".repeat(65)] {
            assert_eq!(text.parse::<ProducerName>(), refused, "{text}");
        }
        assert_eq!(ProducerId::new(7).get(), 7);
    }
}
