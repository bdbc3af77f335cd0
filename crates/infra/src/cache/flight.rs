//! One load per key at a time, shared by everybody who waits for it.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex},
};

use alpine_domain::{
    Error, Result,
    ports::cache::{CacheKey, CachedBody},
};
use tokio::sync::watch;

use super::generations::Snapshot;
use crate::sync;

/// What a load came to, for all who wait.
pub(super) type Landed = Result<Arc<CachedBody>, Arc<Error>>;

/// A load under way.
#[derive(Debug)]
pub(super) struct Flight {
    /// The generations that it started under.
    pub(super) snapshot: Snapshot,
    landed: watch::Sender<Option<Landed>>,
}

/// The loads under way. As many as there are keys being asked for; each ends at its deadline.
#[derive(Debug, Default)]
pub(super) struct Flights(Mutex<HashMap<CacheKey, Arc<Flight>>>);

/// What a caller got by boarding.
pub(super) enum Boarding {
    /// Waits with others.
    Joined(watch::Receiver<Option<Landed>>),
    /// Must start the load, and may wait for it.
    Started(Departure, watch::Receiver<Option<Landed>>),
    /// An entry appeared in the meantime.
    Found(Arc<CachedBody>),
}

/// The right and duty to load. Dropping it lets the key go, also when the load panics.
pub(super) struct Departure {
    flights: Arc<Flights>,
    key: CacheKey,
    pub(super) flight: Arc<Flight>,
}

impl Flights {
    /// Joins the load of `key` if `may_join` it, else starts one. `look_again` runs under the same
    /// lock as landing, so an entry stored by a load that just ended is not loaded twice.
    pub(super) fn board(
        self: &Arc<Self>,
        key: &CacheKey,
        may_join: impl Fn(&Snapshot) -> bool,
        snapshot: impl FnOnce() -> Snapshot,
        look_again: impl FnOnce() -> Option<Arc<CachedBody>>,
    ) -> Boarding {
        let mut flights = sync::lock(&self.0);
        if let Some(flight) = flights.get(key)
            && may_join(&flight.snapshot)
        {
            return Boarding::Joined(flight.landed.subscribe());
        }
        if let Some(found) = look_again() {
            return Boarding::Found(found);
        }
        let flight = Arc::new(Flight { snapshot: snapshot(), landed: watch::Sender::new(None) });
        let wait = flight.landed.subscribe();
        flights.insert(key.clone(), Arc::clone(&flight));
        let departure = Departure { flights: Arc::clone(self), key: key.clone(), flight };
        Boarding::Started(departure, wait)
    }
}

impl Departure {
    /// Ends the load and tells everybody.
    pub(super) fn land(self, landed: Landed) {
        let landed = Some(landed);
        self.flight.landed.send_replace(landed);
        // Dropping lets the key go.
    }
}

impl Drop for Departure {
    fn drop(&mut self) {
        // A load that ended without a word has panicked; nobody may wait for it for ever.
        if self.flight.landed.borrow().is_none() {
            self.flight
                .landed
                .send_replace(Some(Err(Arc::new(Error::internal("the load broke off")))));
        }
        let mut flights = sync::lock(&self.flights.0);
        if flights.get(&self.key).is_some_and(|current| Arc::ptr_eq(current, &self.flight)) {
            flights.remove(&self.key);
        }
    }
}

/// Waits for a load to end.
pub(super) async fn landing(mut wait: watch::Receiver<Option<Landed>>) -> Result<Arc<CachedBody>> {
    let landed = match wait.wait_for(Option::is_some).await {
        Ok(landed) => landed.clone(),
        Err(_) => None,
    };
    match landed {
        Some(Ok(body)) => Ok(body),
        Some(Err(error)) => Err(copy_of(error)),
        None => Err(Error::internal("the load broke off")),
    }
}

/// An error that several callers get; the original stays behind it for operators.
#[derive(Debug)]
struct Shared(Arc<Error>);

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Shared {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // `Unavailable` keeps its source in a field that is not its formal source.
        match &*self.0 {
            Error::Unavailable { source: Some(source), .. } => Some(source.as_ref()),
            other => other.source(),
        }
    }
}

/// The same error once more: errors hold sources that cannot be cloned.
fn copy_of(error: Arc<Error>) -> Error {
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
            source: Some(Box::new(Shared(error))),
        },
        Error::Internal(_) => Error::internal(Shared(error)),
    }
}
