//! What has ended is not kept for ever.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::Deserialize;

use crate::{
    AgreedTime, Result, Timestamp,
    ports::events::EventLog,
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
    /// API keys that ended before this.
    pub api_keys: Timestamp,
    /// A session whose denial runs on at this instant stays.
    pub now: Timestamp,
    /// How far the run got.
    pub from: Positions,
}

/// What ended before these instants is deleted already, or stays for now: nobody passes what the database
/// has not cleared away yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Positions {
    /// Sessions, by when they expired.
    pub sessions: Timestamp,
    /// API keys, by when they were revoked.
    pub revoked_keys: Timestamp,
    /// API keys that were not revoked, by when they expired.
    pub expired_keys: Timestamp,
}

impl Default for Positions {
    /// Nothing was passed.
    fn default() -> Self {
        let first = Timestamp::MIN;
        Self { sessions: first, revoked_keys: first, expired_keys: first }
    }
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
    /// Rows of the event log.
    pub events: u64,
}

impl Deleted {
    /// Rows of all tables.
    pub const fn rows(self) -> u64 {
        self.sessions + self.refresh_tokens + self.api_keys + self.events
    }
}

/// Deletes old rows.
#[async_trait]
pub trait RetentionStore: Send + Sync {
    /// Deletes some of what is due, the oldest sessions first, in one short transaction of 2,000 rows at
    /// most. Nothing deleted means that nothing is due. Says also [`Due::from`] for the next chunk.
    async fn delete_chunk(&self, due: Due) -> Result<(Deleted, Positions)>;
}

/// How far a run got.
#[derive(Debug, Clone, Copy, Default)]
pub struct Progress {
    /// Rows that it deleted so far.
    pub rows: u64,
    from: Positions,
    log_from: i64,
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

/// Deletes what is due, step by step. That cannot be taken back, so it goes by [`AgreedTime`], and a run is
/// bounded. Whoever runs it pauses between the steps, for other writers.
#[async_trait]
pub trait RetentionRun: Send + Sync {
    /// The next step of a run: a short transaction of 2,000 rows at most.
    async fn step(&self, run: &mut Progress) -> Result<RetentionStep>;
}

/// What ends a run before everything is deleted.
struct Bounds {
    time: Arc<dyn AgreedTime>,
    max_rows: u64,
}

impl Bounds {
    /// The instant by which the next step goes, or why there is none.
    fn next(&self, run: &Progress) -> Result<Timestamp, RetentionStep> {
        if run.rows >= self.max_rows {
            return Err(RetentionStep::Bound);
        }
        self.time.agreed_now().ok_or(RetentionStep::ClocksDiffer)
    }
}

const fn step_of(deleted: Deleted) -> RetentionStep {
    if deleted.rows() == 0 { RetentionStep::Done } else { RetentionStep::Deleted(deleted) }
}

/// Deletes sessions and API keys some time after they have ended.
pub struct Retention {
    store: Arc<dyn RetentionStore>,
    bounds: Bounds,
    sessions_after: Duration,
    api_keys_after: Duration,
}

impl Retention {
    /// Retention of what `store` holds.
    pub fn new(
        store: Arc<dyn RetentionStore>,
        time: Arc<dyn AgreedTime>,
        settings: &RetentionSettings,
    ) -> Self {
        let RetentionSettings { sessions_after, api_keys_after, max_rows_per_run, .. } = *settings;
        let bounds = Bounds { time, max_rows: max_rows_per_run };
        Self { store, bounds, sessions_after, api_keys_after }
    }
}

#[async_trait]
impl RetentionRun for Retention {
    async fn step(&self, run: &mut Progress) -> Result<RetentionStep> {
        let now = match self.bounds.next(run) {
            Ok(now) => now,
            Err(end) => return Ok(end),
        };
        let due = Due {
            sessions: now.earlier(self.sessions_after),
            api_keys: now.earlier(self.api_keys_after),
            now,
            from: run.from,
        };
        let (deleted, from) = self.store.delete_chunk(due).await?;
        *run = Progress { rows: run.rows + deleted.rows(), from, ..*run };
        Ok(step_of(deleted))
    }
}

/// Deletes rows of the event log once they are old.
pub struct LogRetention {
    log: Arc<dyn EventLog>,
    bounds: Bounds,
    kept: Duration,
}

impl LogRetention {
    /// Keeps rows of `log` for `kept`, and deletes `max_rows_per_run` in one run at most, give or take a step.
    pub fn new(
        log: Arc<dyn EventLog>,
        time: Arc<dyn AgreedTime>,
        kept: Duration,
        max_rows_per_run: u64,
    ) -> Self {
        Self { log, bounds: Bounds { time, max_rows: max_rows_per_run }, kept }
    }
}

#[async_trait]
impl RetentionRun for LogRetention {
    async fn step(&self, run: &mut Progress) -> Result<RetentionStep> {
        let now = match self.bounds.next(run) {
            Ok(now) => now,
            Err(end) => return Ok(end),
        };
        let (events, log_from) = self.log.prune_chunk(now.earlier(self.kept), run.log_from).await?;
        *run = Progress { rows: run.rows + events, log_from, ..*run };
        Ok(step_of(Deleted { events, ..Deleted::default() }))
    }
}
