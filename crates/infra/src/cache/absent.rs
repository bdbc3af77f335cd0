//! What does not exist, remembered for a moment.

use std::{sync::Arc, time::Duration};

use alpine_domain::{
    Error, Timestamp,
    ports::cache::{CacheKey, CachePolicy},
};
use quick_cache::sync::Cache;

use super::generations::{Generations, Snapshot};

/// Absences remembered at most. Guessing ids pushes out other absences and nothing else.
const CAPACITY: usize = 10_000;

#[derive(Debug)]
struct Absence {
    what: &'static str,
    since: Timestamp,
    until: Timestamp,
    snapshot: Snapshot,
}

/// Keys whose loader said that there is nothing, so that asking for it over and over costs the source
/// nothing.
#[derive(Debug)]
pub(super) struct Absences {
    ttl: Duration,
    known: Cache<CacheKey, Arc<Absence>>,
}

impl Absences {
    pub(super) fn new(ttl: Duration) -> Self {
        Self { ttl, known: Cache::new(CAPACITY) }
    }

    /// The error that the loader gave, if it still holds.
    pub(super) fn get(
        &self,
        key: &CacheKey,
        now: Timestamp,
        generations: &Generations,
    ) -> Option<Error> {
        let absence = self.known.get(key)?;
        let holds = absence.since <= now
            && now < absence.until
            && generations.is_current(&absence.snapshot);
        holds.then_some(Error::NotFound(absence.what))
    }

    /// Remembers an absence; any other error is no answer.
    pub(super) fn note(
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
            let absence =
                Absence { what, since: now, until: now.later(ttl), snapshot: snapshot.clone() };
            self.known.insert(key.clone(), Arc::new(absence));
        }
    }

    pub(super) fn clear(&self) {
        self.known.clear();
    }
}
