//! Jobs as they are kept, and by whom they are held.

use std::fmt;

use async_trait::async_trait;
use uuid::{Builder, Uuid};

use super::{Job, Lane};
use crate::{Result, Timestamp, ports::secrets::Randomness, text_enum::text_enum};

/// Rows that are counted at most; a count of so many means "as many or more".
pub const MAX_COUNTED: u32 = 1_000;

/// The number of a job, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(i64);

impl JobId {
    /// The job of this number.
    pub const fn new(number: i64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A job before it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJob {
    /// What to do.
    pub job: Job,
    /// While a job with this key is pending, also while it is being done, no other is added: that one is
    /// taken to do for the later cause as well.
    pub unique_key: Option<String>,
    /// When it is asked for.
    pub created_at: Timestamp,
    /// When it may be done.
    pub due_at: Timestamp,
}

impl NewJob {
    /// A job to be done at once.
    pub const fn new(job: Job, now: Timestamp) -> Self {
        Self { job, unique_key: None, created_at: now, due_at: now }
    }

    /// The same, once for each key.
    #[must_use]
    pub fn once_for(self, unique_key: impl Into<String>) -> Self {
        Self { unique_key: Some(unique_key.into()), ..self }
    }

    /// The same, at another time.
    #[must_use]
    pub fn due(self, due_at: Timestamp) -> Self {
        Self { due_at, ..self }
    }
}

/// By what a store knows who holds a job, or answers a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease(Uuid);

impl Lease {
    /// One that nobody else has.
    pub fn generate(randomness: &dyn Randomness) -> Self {
        let mut bytes = [0; 16];
        randomness.fill(&mut bytes);
        Self(Builder::from_random_bytes(bytes).into_uuid())
    }
}

impl fmt::Display for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Who asks for jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// Jobs of this lane are asked for.
    pub lane: Lane,
    /// Jobs that are due at this instant are asked for.
    pub now: Timestamp,
    /// Until when they are held; from then on others may claim them.
    pub until: Timestamp,
    /// By what they are held.
    pub lease: Lease,
    /// Jobs at most.
    pub limit: u32,
}

/// A job that is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedJob {
    /// Which one.
    pub id: JobId,
    /// What to do.
    pub job: Job,
    /// How often it was claimed, this time included.
    pub attempts: u32,
    /// By what it is held.
    pub lease: Lease,
}

text_enum! {
    /// What is to become of a job.
    JobState, {
        /// It waits, or is being done.
        Pending = "pending",
        /// It is not tried again, unless an operator asks for it.
        Failed = "failed",
    }
}

/// A job as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredJob {
    /// Which one.
    pub id: JobId,
    /// The name of its kind, which may be of another release.
    pub kind: String,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it may be done; while somebody does it, until when that one holds it.
    pub due_at: Timestamp,
    /// How often it was claimed.
    pub attempts: u32,
    /// When it was given up.
    pub failed_at: Option<Timestamp>,
    /// Why the last attempt came to nothing.
    pub last_error: Option<String>,
}

impl StoredJob {
    /// What is to become of it.
    pub const fn state(&self) -> JobState {
        if self.failed_at.is_some() { JobState::Failed } else { JobState::Pending }
    }
}

/// How many jobs there are, [`MAX_COUNTED`] of each at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobCounts {
    /// Those that wait or are being done.
    pub pending: u32,
    /// Those that were given up.
    pub failed: u32,
}

/// Keeps jobs until they are done.
#[async_trait]
pub trait JobStore: Send + Sync {
    /// Adds a job whose cause changes nothing else; `None` if one with its key is pending.
    async fn add(&self, job: NewJob) -> Result<Option<JobId>>;

    /// Holds jobs of the lane, of kinds that this release knows, that are due and held by nobody, those that
    /// have been due for longest first. One whose lease is over is due again. A stored job that cannot be
    /// read has failed.
    async fn claim(&self, claim: Claim) -> Result<Vec<ClaimedJob>>;

    /// The job is done: it is deleted. False if another holds it by now, and then nothing is changed.
    async fn finish(&self, held: &ClaimedJob) -> Result<bool>;

    /// The job is held no more and due at `due_at`. False as above.
    async fn retry(&self, held: &ClaimedJob, due_at: Timestamp, error: &str) -> Result<bool>;

    /// The job is given up, and kept. False as above.
    async fn fail(&self, held: &ClaimedJob, now: Timestamp, error: &str) -> Result<bool>;

    /// The job, unless it is done.
    async fn find(&self, id: JobId) -> Result<Option<StoredJob>>;

    /// Some jobs in this state: pending ones by when they are due, failed ones the newest first.
    async fn list(&self, state: JobState, limit: u32, offset: u32) -> Result<Vec<StoredJob>>;

    /// A job that was given up is due at once, as if it had never been tried. If one with its key is
    /// pending, that one stands for it, and it is deleted. Says which one is pending now.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`] if no such job was given up.
    async fn retry_failed(&self, id: JobId, now: Timestamp) -> Result<JobId>;

    /// How many there are.
    async fn counts(&self) -> Result<JobCounts>;
}
