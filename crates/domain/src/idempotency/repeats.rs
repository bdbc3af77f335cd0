//! Answers a request once.

use std::{sync::Arc, time::Duration};

use super::{
    Begun, Fingerprint, IdempotencyKey, IdempotencyStore, KeptAnswer, KeyOwner, NewRequest,
};
use crate::{Clock, Result, jobs::Lease, ports::secrets::Randomness};

/// How long a request may be answered. Its key is held for twice that, so that no other instance begins while the
/// first may still be at it.
pub const MAX_RUN: Duration = Duration::from_secs(30);

/// The right to answer a request.
#[derive(Debug, Clone)]
pub struct Run {
    owner: KeyOwner,
    key: IdempotencyKey,
    lease: Lease,
}

/// Has each request under a key answered once.
#[derive(Clone)]
pub struct Repeats {
    store: Arc<dyn IdempotencyStore>,
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
}

impl Repeats {
    /// Requests that are kept in `store`.
    pub fn new(
        store: Arc<dyn IdempotencyStore>,
        clock: Arc<dyn Clock>,
        randomness: Arc<dyn Randomness>,
    ) -> Self {
        Self { store, clock, randomness }
    }

    /// What a request is. The [`Run`] is good after [`Begun::Run`] alone.
    ///
    /// # Errors
    /// [`Error::Unavailable`](crate::Error::Unavailable) and what else the store fails with; nothing was begun then.
    pub async fn begin(
        &self,
        owner: KeyOwner,
        key: IdempotencyKey,
        fingerprint: Fingerprint,
    ) -> Result<(Begun, Run)> {
        let lease = Lease::generate(&*self.randomness);
        let now = self.clock.now();
        let run = Run { owner, key: key.clone(), lease };
        let until = now.later(2 * MAX_RUN);
        let request = NewRequest { owner, key, fingerprint, lease, now, until };
        Ok((self.store.begin(request).await?, run))
    }

    /// Keeps the answer. Says whether this run still held the request.
    ///
    /// # Errors
    /// What the store fails with. The key stays held until its time is over.
    pub async fn finish(&self, run: &Run, answer: KeptAnswer) -> Result<bool> {
        self.store.finish(run.owner, &run.key, run.lease, answer).await
    }

    /// Sets the key free: the request had no effect, or may have it again.
    ///
    /// # Errors
    /// As [`finish`](Self::finish).
    pub async fn give_up(&self, run: &Run) -> Result<()> {
        self.store.give_up(run.owner, &run.key, run.lease).await
    }
}
