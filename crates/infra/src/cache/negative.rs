//! Negative entries: keys of which the source said that there is nothing, kept for a moment.

use std::{sync::Arc, time::Duration};

use alpine_domain::{
    Error, Timestamp,
    ports::cache::{CacheKey, CachePolicy},
};
use quick_cache::sync::Cache;

use super::generations::{Generations, Snapshot};

/// Negative entries at most. A client that guesses ids evicts other negative entries and nothing else.
const CAPACITY: usize = 10_000;

#[derive(Debug)]
struct NegativeEntry {
    what: &'static str,
    since: Timestamp,
    until: Timestamp,
    snapshot: Snapshot,
}

/// Keys whose loader answered "not found". While one is here, asking for it again costs the source
/// nothing.
#[derive(Debug)]
pub(super) struct NegativeEntries {
    ttl: Duration,
    entries: Cache<CacheKey, Arc<NegativeEntry>>,
}

impl NegativeEntries {
    pub(super) fn new(ttl: Duration) -> Self {
        Self { ttl, entries: Cache::new(CAPACITY) }
    }

    /// The error that the loader gave, if it still holds.
    pub(super) fn get(
        &self,
        key: &CacheKey,
        now: Timestamp,
        generations: &Generations,
    ) -> Option<Error> {
        let entry = self.entries.get(key)?;
        let holds =
            entry.since <= now && now < entry.until && generations.is_current(&entry.snapshot);
        holds.then_some(Error::NotFound(entry.what))
    }

    /// Keeps a "not found" for `absent_ttl`, at most for the policy's TTL. Other errors are not kept.
    pub(super) fn insert(
        &self,
        key: &CacheKey,
        error: &Error,
        policy: &CachePolicy,
        snapshot: &Snapshot,
        now: Timestamp,
    ) {
        let ttl = self.ttl.min(policy.ttl);
        if let Error::NotFound(what) = error
            && !ttl.is_zero()
        {
            let entry = NegativeEntry {
                what,
                since: now,
                until: now.later(ttl),
                snapshot: snapshot.clone(),
            };
            self.entries.insert(key.clone(), Arc::new(entry));
        }
    }

    pub(super) fn clear(&self) {
        self.entries.clear();
    }
}
