//! The durable, numbered log by which instances tell each other what changed, and the bus that wakes
//! its readers.

use async_trait::async_trait;

use crate::{Result, Timestamp};

/// One row of the log. Opaque to everything but the one that wrote it and the one that applies it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedEvent {
    /// Its number: rows become visible in ascending order, never out of it.
    pub seq: i64,
    /// When it was written.
    pub recorded_at: Timestamp,
    /// What kind of event it is.
    pub kind: String,
    /// Its content, as JSON.
    pub payload: String,
}

/// The log, as its followers see it. Rows are appended by the stores, inside the transaction of the
/// change that they tell of.
#[async_trait]
pub trait EventLog: Send + Sync {
    /// The newest number, or 0 while the log is empty.
    async fn head(&self) -> Result<i64>;

    /// At most `limit` rows after `seq`, ascending.
    async fn read_after(&self, seq: i64, limit: u32) -> Result<Vec<LoggedEvent>>;

    /// The newest row of each kind that has rows, in any order. A kind whose last row was deleted is
    /// missing.
    async fn newest_of_each_kind(&self) -> Result<Vec<LoggedEvent>>;

    /// Deletes rows older than `before` off the old end of the log, 2,000 at most, in one transaction, and
    /// never the newest row. `from` is what the chunk before said, 0 for the first. Says how many, none of
    /// which means that no more are that old, and `from` for the next chunk.
    async fn prune_chunk(&self, before: Timestamp, from: i64) -> Result<(u64, i64)>;
}

/// Applies rows on this instance. Rows may come twice; applying is idempotent.
#[async_trait]
pub trait EventHandler: Send + Sync {
    /// Applies one row.
    ///
    /// # Errors
    /// The follower stops at the row and tries again.
    async fn apply(&self, event: &LoggedEvent) -> Result<()>;

    /// Nothing was applied yet, or the rows after the last one applied are gone (retention, or a
    /// restored database): start anew from what is stored. Rows after the head of `log` as of just
    /// before will be applied again.
    ///
    /// # Errors
    /// The follower tries again.
    async fn reset(&self, log: &dyn EventLog) -> Result<()>;
}

/// Wakes the followers of other instances: this one applies its own changes when it commits them. Only a hint: the database is the truth, a lost wake-up costs
/// the poll interval and nothing else.
#[async_trait]
pub trait EventBus: Send + Sync {
    /// Tells the other followers that there may be something new. Never waits and never fails.
    fn wake(&self);

    /// Returns when another instance called [`wake`](Self::wake) since the last return. Several calls
    /// may be told as one.
    async fn woken(&self);
}
