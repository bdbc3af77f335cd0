//! Bounds of a cache.

use std::time::Duration;

use crate::SettingsError;

/// Bounds of a cache in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct CacheSettings {
    /// Bytes of bodies, compressed copies and overhead at most; default 64 MiB.
    pub max_bytes: u64,
    /// Entries at most; default 100,000.
    pub max_entries: u64,
    /// Bodies longer than this are passed through and not kept; default 2 MiB.
    pub max_body: usize,
    /// How long a load may take; default 2 s. A load that hangs frees its key then.
    pub load_deadline: Duration,
    /// The part of a TTL by which it may be shortened at random, 0 to 1; default 0.1. It keeps
    /// entries that were filled together from expiring together.
    pub jitter: f64,
    /// How long it is remembered that something does not exist, when a loader says so; default 1 s,
    /// zero to ask each time. Never longer than the TTL of the route.
    pub absent_ttl: Duration,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            max_bytes: 64 << 20,
            max_entries: 100_000,
            max_body: 2 << 20,
            load_deadline: Duration::from_secs(2),
            jitter: 0.1,
            absent_ttl: Duration::from_secs(1),
        }
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
