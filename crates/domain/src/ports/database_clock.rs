//! The database's clock, which all instances of a deployment share.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{Clock, Result, Timestamp};

/// What the database's clock showed, between two readings of a clock of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatabaseTime {
    /// What it showed.
    pub shown: Timestamp,
    /// The clock of this process right before it was asked.
    pub before: Timestamp,
    /// And right after it answered.
    pub after: Timestamp,
}

/// Reads the clock of the database's server.
#[async_trait]
pub trait DatabaseClock: Send + Sync {
    /// What it shows now, between two readings of `ours`.
    ///
    /// # Errors
    /// [`Error::Unavailable`](crate::Error::Unavailable) when the database does not answer.
    async fn read(&self, ours: &Arc<dyn Clock>) -> Result<DatabaseTime>;
}
