//! The section `cache` of the configuration.

use std::time::Duration;

use alpine_domain::settings::{at_least_one, defaults, duration, duration_or_zero, size};
use serde::Deserialize;

use crate::SettingsError;

/// Bounds of a cache in memory.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheSettings {
    /// Bytes of bodies, compressed copies and overhead at most.
    #[serde(deserialize_with = "size")]
    pub max_bytes: u64,
    /// Entries at most.
    #[serde(deserialize_with = "at_least_one")]
    pub max_entries: u64,
    /// Bodies of more bytes than this are passed through and not kept.
    #[serde(deserialize_with = "size")]
    pub max_body: usize,
    /// Bytes that Redis keeps of bodies at most, those of all instances together.
    #[serde(deserialize_with = "size")]
    pub redis_bytes: u64,
    /// How long a load may take. A load that hangs frees its key then.
    #[serde(deserialize_with = "duration")]
    pub load_deadline: Duration,
    /// The part of a TTL by which it may be shortened at random, 0 to 1. It keeps entries that were
    /// filled together from expiring together.
    pub jitter: f64,
    /// How long it is remembered that something does not exist, when a loader says so; zero to ask each
    /// time. Never longer than the TTL of the route.
    #[serde(deserialize_with = "duration_or_zero")]
    pub absent_ttl: Duration,
}

impl Default for CacheSettings {
    /// What stands in `config/default.toml`.
    fn default() -> Self {
        defaults("cache")
    }
}

impl CacheSettings {
    pub(super) fn checked(self) -> Result<Self, SettingsError> {
        if self.max_entries == 0 || self.max_bytes == 0 {
            return Err(SettingsError::new(
                "cache.max_bytes",
                "a cache of no bytes or no entries holds nothing",
                "give at least one entry and as many bytes as its body needs",
            ));
        }
        if !(0.0..=1.0).contains(&self.jitter) {
            return Err(SettingsError::new(
                "cache.jitter",
                format!("{} is not a part of a whole", self.jitter),
                "give a number from 0 to 1, 0.1 for example",
            ));
        }
        Ok(self)
    }
}
