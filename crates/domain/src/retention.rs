//! What has ended is not kept for ever.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::Deserialize;

use crate::{
    AgreedTime, Result, Timestamp,
    settings::{defaults, duration, within},
};

/// The section `retention` of the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionSettings {
    /// How long a session is kept after its refresh tokens have expired; until then an address that
    /// signed in is known.
    #[serde(deserialize_with = "duration")]
    pub sessions_after: Duration,
    /// How long an API key is kept after it was revoked or has expired.
    #[serde(deserialize_with = "duration")]
    pub api_keys_after: Duration,
    /// How often what is due is looked for.
    #[serde(deserialize_with = "duration")]
    pub interval: Duration,
    /// Rows after which a run ends, 1 to 10,000,000; a chunk that was begun is finished. What is left comes
    /// with the next run.
    #[serde(deserialize_with = "within::<_, _, 1, 10_000_000>")]
    pub max_rows_per_run: u64,
}

impl Default for RetentionSettings {
    /// What stands in `config/default.toml`.
    fn default() -> Self {
        defaults("retention")
    }
}

/// What may be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// Sessions that expired before this, with their refresh tokens.
    pub sessions: Timestamp,
    /// Sessions that expired before this are deleted already, or stay for now: nobody passes what the
    /// database has not cleared away yet.
    pub sessions_from: Timestamp,
    /// API keys that ended before this.
    pub api_keys: Timestamp,
    /// A session whose denial runs on at this instant stays.
    pub now: Timestamp,
}

/// Rows that were deleted, by table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Deleted {
    /// Sessions.
    pub sessions: u64,
    /// Refresh tokens of such sessions.
    pub refresh_tokens: u64,
    /// API keys.
    pub api_keys: u64,
}

impl Deleted {
    /// Rows of all tables.
    pub const fn rows(self) -> u64 {
        self.sessions + self.refresh_tokens + self.api_keys
    }
}

/// Deletes old rows.
#[async_trait]
pub trait RetentionStore: Send + Sync {
    /// Deletes some of what is due, the oldest sessions first, in one short transaction of 2,000 rows at
    /// most. Nothing deleted means that nothing is due. Says also [`Due::sessions_from`] for the next chunk.
    async fn delete_chunk(&self, due: Due) -> Result<(Deleted, Timestamp)>;
}

/// How far a run got.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Rows that it deleted so far.
    pub rows: u64,
    sessions_from: Timestamp,
}

impl Default for Progress {
    /// A run that begins.
    fn default() -> Self {
        Self { rows: 0, sessions_from: Timestamp::MIN }
    }
}

/// What came of one step of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetentionStep {
    /// These rows are gone; more may be due.
    Deleted(Deleted),
    /// Nothing more is due.
    Done,
    /// The run deleted as many rows as one may. More may be due.
    Bound,
    /// The clocks do not agree on what time it is.
    ClocksDiffer,
}

/// Deletes sessions and API keys some time after they have ended. That cannot be taken back, so it goes by
/// [`AgreedTime`], and a run is bounded. Whoever runs it pauses between the steps, for other writers.
pub struct Retention {
    store: Arc<dyn RetentionStore>,
    time: Arc<dyn AgreedTime>,
    settings: RetentionSettings,
}

impl Retention {
    /// Retention of what `store` holds.
    pub const fn new(
        store: Arc<dyn RetentionStore>,
        time: Arc<dyn AgreedTime>,
        settings: RetentionSettings,
    ) -> Self {
        Self { store, time, settings }
    }

    /// The next step of a run.
    pub async fn step(&self, run: &mut Progress) -> Result<RetentionStep> {
        if run.rows >= self.settings.max_rows_per_run {
            return Ok(RetentionStep::Bound);
        }
        let Some(now) = self.time.agreed_now() else {
            return Ok(RetentionStep::ClocksDiffer);
        };
        let due = Due {
            sessions: now.earlier(self.settings.sessions_after),
            sessions_from: run.sessions_from,
            api_keys: now.earlier(self.settings.api_keys_after),
            now,
        };
        let (deleted, sessions_from) = self.store.delete_chunk(due).await?;
        *run = Progress { rows: run.rows + deleted.rows(), sessions_from };
        Ok(if deleted.rows() == 0 { RetentionStep::Done } else { RetentionStep::Deleted(deleted) })
    }
}
