//! Requests that named a key, and what was answered.

use std::time::Duration;

use async_trait::async_trait;

use super::{Fingerprint, IdempotencyKey, KeyOwner};
use crate::{Result, Timestamp, jobs::Lease};

/// How long an answer is kept, from the beginning of its request. After that its key is free.
pub const KEPT_FOR: Duration = Duration::from_hours(24);

/// Bytes of an answer's body that are kept at most. A request with a longer answer has none that is kept: sent
/// again, it is done again.
pub const MAX_KEPT_BODY: usize = 1 << 20;

/// An answer as it is sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAnswer {
    /// The HTTP status.
    pub status: u16,
    /// `Content-Type`.
    pub media_type: Option<String>,
    /// `Location`.
    pub location: Option<String>,
    /// At most [`MAX_KEPT_BODY`] bytes.
    pub body: String,
}

/// A request that names a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRequest {
    /// Whose key it is.
    pub owner: KeyOwner,
    /// The key.
    pub key: IdempotencyKey,
    /// What is asked for.
    pub fingerprint: Fingerprint,
    /// By what the store knows who answers it.
    pub lease: Lease,
    /// When it begins.
    pub now: Timestamp,
    /// Until then nobody else answers it.
    pub until: Timestamp,
}

/// What a request with a key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// The first one, or the first one was given up: the caller is to answer it.
    Run,
    /// One that was answered.
    Replay(KeptAnswer),
    /// One that somebody else is answering.
    Running,
    /// Another one than that to which the key belongs.
    Other,
}

/// Keeps requests by owner and key.
#[async_trait]
pub trait IdempotencyStore: Send + Sync {
    /// Keeps a request whose key is free, and says what it is. A key is free [`KEPT_FOR`] after its request began. A
    /// request that nobody answered `until` its time goes to whoever sends the same one then.
    async fn begin(&self, request: NewRequest) -> Result<Begun>;

    /// Keeps the answer, if this lease still holds the request; says whether it did.
    async fn finish(
        &self,
        owner: KeyOwner,
        key: &IdempotencyKey,
        lease: Lease,
        answer: KeptAnswer,
    ) -> Result<bool>;

    /// Sets the key free, if this lease still holds the request.
    async fn give_up(&self, owner: KeyOwner, key: &IdempotencyKey, lease: Lease) -> Result<()>;
}
