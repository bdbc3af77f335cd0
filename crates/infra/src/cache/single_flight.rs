//! Single flight: one load per key at a time, whose result all callers of that key get.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex},
};

use alpine_domain::{
    Error, Result, Timestamp,
    ports::cache::{CacheKey, CachedBody},
};
use tokio::sync::watch;

use super::generations::Snapshot;
use crate::sync;

/// The result of a load, shared by all callers that wait for it.
#[derive(Debug, Clone)]
pub(super) struct LoadResult {
    pub(super) body: Result<Arc<CachedBody>, Arc<Error>>,
    /// It answers who asked before then.
    pub(super) good_until: Timestamp,
}

/// Where a caller waits for the result.
pub(super) type Waiting = watch::Receiver<Option<LoadResult>>;

/// A load that has not ended.
#[derive(Debug)]
pub(super) struct PendingLoad {
    /// The generations of the load's tags when it started.
    pub(super) snapshot: Snapshot,
    result: watch::Sender<Option<LoadResult>>,
}

/// The pending loads: one for each key that is missing and asked for. Each ends at its deadline.
#[derive(Debug, Default)]
pub(super) struct SingleFlight(Mutex<HashMap<CacheKey, Arc<PendingLoad>>>);

/// What a caller has to do about a missing key.
pub(super) enum Role {
    /// Wait for a load that somebody else started.
    Follower(Waiting),
    /// Run the load, and wait for it like a follower. `None` once the load was handed to its task.
    Leader(Option<Leader>, Waiting),
    /// Nothing: a load that just ended has stored the entry.
    Found(Arc<CachedBody>),
}

/// The one that runs a load. Dropping it releases the key, also when the load panics.
pub(super) struct Leader {
    loads: Arc<SingleFlight>,
    key: CacheKey,
    pub(super) load: Arc<PendingLoad>,
}

impl SingleFlight {
    /// Joins the pending load of `key` if `may_join` allows it, else leads a new one. `look_again`
    /// runs under the same lock as the end of a load, so an entry that was just stored is not loaded
    /// twice.
    pub(super) fn join_or_lead(
        self: &Arc<Self>,
        key: &CacheKey,
        may_join: impl Fn(&Snapshot) -> bool,
        snapshot: impl FnOnce() -> Snapshot,
        look_again: impl FnOnce() -> Option<Arc<CachedBody>>,
    ) -> Role {
        let mut loads = sync::lock(&self.0);
        if let Some(load) = loads.get(key)
            && may_join(&load.snapshot)
            // One that has just ended, and is still listed, began before this caller came.
            && load.result.borrow().is_none()
        {
            return Role::Follower(load.result.subscribe());
        }
        if let Some(found) = look_again() {
            return Role::Found(found);
        }
        let load = Arc::new(PendingLoad { snapshot: snapshot(), result: watch::Sender::new(None) });
        let wait = load.result.subscribe();
        loads.insert(key.clone(), Arc::clone(&load));
        Role::Leader(Some(Leader { loads: Arc::clone(self), key: key.clone(), load }), wait)
    }
}

impl Leader {
    /// Gives the result to all who wait, and releases the key. Returns how many they were.
    pub(super) fn finish(self, result: LoadResult) -> usize {
        // Counted before: who has the result waits no longer.
        let waiting = self.load.result.receiver_count();
        self.load.result.send_replace(Some(result));
        waiting
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        // A load without a result has panicked. Its followers must not wait for ever.
        if self.load.result.borrow().is_none() {
            self.load.result.send_replace(Some(LoadResult::none()));
        }
        let mut loads = sync::lock(&self.loads.0);
        if loads.get(&self.key).is_some_and(|current| Arc::ptr_eq(current, &self.load)) {
            loads.remove(&self.key);
        }
    }
}

impl LoadResult {
    /// What a load without a result has ended with.
    fn none() -> Self {
        let error = Error::internal("the load ended without a result");
        Self { body: Err(Arc::new(error)), good_until: Timestamp::MAX }
    }

    /// For one of the callers.
    pub(super) fn answer(self) -> Result<Arc<CachedBody>> {
        self.body.map_err(clone_error)
    }
}

/// Waits for the end of a load.
pub(super) async fn wait_for_result(mut wait: Waiting) -> LoadResult {
    match wait.wait_for(Option::is_some).await {
        Ok(result) => result.clone().unwrap_or_else(LoadResult::none),
        Err(_) => LoadResult::none(),
    }
}

/// An error that several callers get. The original is its source, for operators.
#[derive(Debug)]
struct SharedError(Arc<Error>);

impl fmt::Display for SharedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for SharedError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // `Unavailable` keeps its source in a field that is not its formal source.
        match &*self.0 {
            Error::Unavailable { source: Some(source), .. } => Some(source.as_ref()),
            other => other.source(),
        }
    }
}

/// Copies an error for one of several callers: errors hold sources that cannot be cloned.
fn clone_error(error: Arc<Error>) -> Error {
    match &*error {
        Error::Invalid(fields) => Error::Invalid(fields.clone()),
        Error::Malformed(fields) => Error::Malformed(fields.clone()),
        Error::Unauthenticated(text) => Error::Unauthenticated(text),
        Error::Forbidden(text) => Error::Forbidden(text),
        Error::NotFound(what) => Error::NotFound(what),
        Error::Conflict(conflict) => Error::Conflict(conflict.clone()),
        Error::Unavailable { what, retry_after, .. } => Error::Unavailable {
            what,
            retry_after: *retry_after,
            source: Some(Box::new(SharedError(error))),
        },
        Error::Internal(_) => Error::internal(SharedError(error)),
    }
}
