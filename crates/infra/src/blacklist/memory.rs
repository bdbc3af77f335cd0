//! The exact set in this process.

use std::{
    collections::HashMap,
    sync::{Arc, RwLock},
    time::Duration,
};

use alpine_domain::{
    Clock, Error, Result, Timestamp,
    ports::blacklist::TokenBlacklist,
    settings::{at_least_one, defaults},
};
use async_trait::async_trait;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::{InfraMetrics, sync};

/// Ids longer than this are held as their digest.
const LONGEST_ID: usize = 64;
/// Expired ids are looked for once the set has doubled since last time, or grown by this much.
const FIRST_PURGE: usize = 1_024;

/// The section `blacklist` of the configuration: bounds of the set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlacklistSettings {
    /// Ids held at most, some 100 bytes each. Entries leave when their token would have expired. At the
    /// bound nothing is forgotten: see [`MemoryBlacklist`].
    #[serde(deserialize_with = "at_least_one")]
    pub capacity: usize,
}

impl Default for BlacklistSettings {
    /// What stands in `config/default.toml`.
    fn default() -> Self {
        defaults("blacklist")
    }
}

#[derive(Debug, Default)]
struct Denied {
    until: HashMap<Box<str>, Timestamp>,
    purge_at: usize,
    /// Ids that did not fit are refused until then.
    overflow_until: Option<Timestamp>,
}

/// The set of refused token ids, exact and bounded.
///
/// When it is full of ids that still count, the next one does not fit. From then until that id's
/// token has expired, an id that is not in the set might be it, so looking one up says
/// [`Error::Unavailable`]: sign-ins fail for minutes, but no revoked token gets in.
pub struct MemoryBlacklist {
    capacity: usize,
    clock: Arc<dyn Clock>,
    denied: RwLock<Denied>,
    metrics: Arc<InfraMetrics>,
}

impl MemoryBlacklist {
    /// An empty set.
    pub fn new(
        settings: BlacklistSettings,
        clock: Arc<dyn Clock>,
        metrics: Arc<InfraMetrics>,
    ) -> Self {
        Self { capacity: settings.capacity, clock, denied: RwLock::default(), metrics }
    }

    /// [`TokenBlacklist::deny`], which needs no waiting here.
    pub fn deny_now(&self, id: &str, until: Timestamp) {
        let now = self.clock.now();
        if until <= now {
            return;
        }
        let id = held_as(id);
        let mut denied = sync::write(&self.denied);
        if let Some(known) = denied.until.get_mut(&*id) {
            *known = until.max(*known);
            return;
        }
        let full = denied.until.len() >= self.capacity;
        if full || denied.until.len() >= denied.purge_at.max(FIRST_PURGE) {
            denied.until.retain(|_, until| *until > now);
            denied.purge_at = denied.until.len() * 2;
        }
        if denied.until.len() < self.capacity {
            denied.until.insert(id.into(), until);
        } else {
            denied.overflow_until = denied.overflow_until.max(Some(until));
            self.metrics.blacklist_overflows.inc();
            tracing::error!(
                capacity = self.capacity,
                "the token blacklist is full; unknown tokens are refused until the overflow expires"
            );
        }
        let held = i64::try_from(denied.until.len()).unwrap_or(i64::MAX);
        self.metrics.blacklist_entries.set(held);
    }

    /// [`TokenBlacklist::is_denied`], which needs no waiting here.
    pub fn is_denied_now(&self, id: &str) -> Result<bool> {
        let denied = sync::read(&self.denied);
        let until = denied.until.get(&*held_as(id)).copied();
        if until.is_none() && denied.overflow_until.is_none() {
            return Ok(false);
        }
        let now = self.clock.now();
        if until.is_some_and(|until| now < until) {
            return Ok(true);
        }
        match denied.overflow_until {
            Some(until) if now < until => Err(Error::Unavailable {
                what: "the list of revoked tokens",
                retry_after: until.since(now).max(Duration::from_secs(1)),
                source: None,
            }),
            _ => Ok(false),
        }
    }

    /// Ids held at most.
    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    /// Ids held now, expired ones that were not purged yet included.
    pub fn len(&self) -> usize {
        sync::read(&self.denied).until.len()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn held_as(id: &str) -> std::borrow::Cow<'_, str> {
    if id.len() <= LONGEST_ID {
        id.into()
    } else {
        // Longer by its mark than any id that is held as it is, so the two never meet.
        format!("sha256:{}", hex::encode(Sha256::digest(id))).into()
    }
}

#[async_trait]
impl TokenBlacklist for MemoryBlacklist {
    fn deny(&self, id: &str, until: Timestamp) {
        self.deny_now(id, until);
    }

    fn capacity(&self) -> usize {
        self.capacity
    }

    async fn is_denied(&self, id: &str) -> Result<bool> {
        self.is_denied_now(id)
    }
}

#[cfg(test)]
mod tests {
    use alpine_domain::time::ManualClock;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn list(capacity: usize) -> (MemoryBlacklist, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::starting_at(at(1_000)));
        let metrics = InfraMetrics::register(&prometheus::Registry::new()).unwrap();
        let list = MemoryBlacklist::new(
            BlacklistSettings { capacity },
            Arc::<ManualClock>::clone(&clock),
            metrics,
        );
        (list, clock)
    }

    #[test]
    fn at_its_bound_it_refuses_to_guess_and_recovers() {
        let (list, clock) = list(2);
        list.deny_now("a", at(1_010));
        list.deny_now("b", at(1_020));
        list.deny_now("c", at(1_015));
        assert!(list.is_denied_now("a").unwrap());
        assert!(matches!(list.is_denied_now("c"), Err(Error::Unavailable { .. })));
        clock.advance(Duration::from_secs(15));
        assert!(!list.is_denied_now("c").unwrap());
        assert!(list.is_denied_now("b").unwrap());
        // "a" has expired, so there is room again.
        list.deny_now("d", at(1_030));
        assert!(list.is_denied_now("d").unwrap());
        assert!(!list.is_denied_now("e").unwrap());
        assert_eq!(list.len(), 2);
    }

    #[test]
    fn expired_ids_do_not_pile_up() {
        let (list, clock) = list(1_000_000);
        for n in 0..100_000_i64 {
            list.deny_now(&format!("id-{n}"), at(1_000 + n / 100 + 10));
            if n % 100 == 99 {
                clock.advance(Duration::from_secs(1));
            }
        }
        assert!(list.len() < 5_000, "{}", list.len());
    }

    #[test]
    fn a_later_end_wins_and_a_past_one_does_nothing() {
        let (list, clock) = list(10);
        list.deny_now("a", at(1_010));
        list.deny_now("a", at(1_005));
        list.deny_now("old", at(1_000));
        clock.advance(Duration::from_secs(9));
        assert!(list.is_denied_now("a").unwrap());
        assert_eq!(list.len(), 1);
        let long = "x".repeat(5_000);
        list.deny_now(&long, at(2_000));
        assert!(list.is_denied_now(&long).unwrap());
        assert!(!list.is_denied_now(&long[1..]).unwrap());
    }
}
