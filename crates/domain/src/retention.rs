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
    /// How long a job that failed is kept.
    #[serde(deserialize_with = "duration")]
    pub failed_jobs_after: Duration,
    /// How long a line of the audit log is kept. The databases refuse to delete one younger than 30 days.
    #[serde(deserialize_with = "duration")]
    pub audit_after: Duration,
    /// How long a notification is kept, read or not.
    #[serde(deserialize_with = "duration")]
    pub notifications_after: Duration,
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

/// How long the counts of the audit log are kept: what adds them up looks back for a day.
pub const COUNTS_KEPT: Duration = Duration::from_hours(48);

/// How long it is kept which events of the payment provider were taken. Stripe sends one again for three days, and a
/// person can have it sent again for thirty: docs.stripe.com/webhooks.
pub const PAYMENT_EVENTS_KEPT: Duration = Duration::from_hours(90 * 24);

/// What may be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// Sessions that expired before this, with their refresh tokens.
    pub sessions: Timestamp,
    /// API keys that ended before this.
    pub api_keys: Timestamp,
    /// Jobs that failed before this.
    pub failed_jobs: Timestamp,
    /// Lines of the audit log that are older than this.
    pub audit: Timestamp,
    /// Notifications that are older than this.
    pub notifications: Timestamp,
    /// A session whose denial runs on at this instant stays; what waits for its confirmation by mail goes once it has
    /// ended by then.
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
    /// Jobs, by when they failed.
    pub failed_jobs: Timestamp,
    /// Lines of the audit log.
    pub audit: Timestamp,
    /// Notifications.
    pub notifications: Timestamp,
    /// Events of the payment provider.
    pub payment_events: Timestamp,
    /// Requests that named a key, by when they began.
    pub keyed_requests: Timestamp,
    /// Sign-ups that nobody confirmed, by when they ended.
    pub sign_ups: Timestamp,
    /// Changes of an address that were not confirmed, by when they ended.
    pub address_changes: Timestamp,
}

impl Default for Positions {
    /// Nothing was passed.
    fn default() -> Self {
        let first = Timestamp::MIN;
        Self {
            sessions: first,
            revoked_keys: first,
            expired_keys: first,
            failed_jobs: first,
            audit: first,
            notifications: first,
            payment_events: first,
            keyed_requests: first,
            sign_ups: first,
            address_changes: first,
        }
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
    /// Jobs that failed.
    pub jobs: u64,
    /// Lines of the audit log, and its counts of past hours.
    pub audit: u64,
    /// Notifications.
    pub notifications: u64,
    /// Events of the payment provider.
    pub payment_events: u64,
    /// Requests that named a key.
    pub keyed_requests: u64,
    /// Sign-ups that nobody confirmed.
    pub sign_ups: u64,
    /// Changes of an address that were not confirmed at both.
    pub address_changes: u64,
    /// Rows of the event log.
    pub events: u64,
}

impl Deleted {
    /// Rows of all tables.
    pub const fn rows(self) -> u64 {
        let of_accounts = self.sessions + self.refresh_tokens + self.api_keys;
        let unconfirmed = self.sign_ups + self.address_changes;
        let told = self.notifications + self.payment_events + self.keyed_requests;
        of_accounts + unconfirmed + told + self.jobs + self.audit + self.events
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

/// Deletes sessions, API keys and failed jobs some time after they have ended, notifications once they are old, and what was never confirmed as soon as
/// it has.
pub struct Retention {
    store: Arc<dyn RetentionStore>,
    bounds: Bounds,
    sessions_after: Duration,
    api_keys_after: Duration,
    failed_jobs_after: Duration,
    audit_after: Duration,
    notifications_after: Duration,
}

impl Retention {
    /// Retention of what `store` holds.
    pub fn new(
        store: Arc<dyn RetentionStore>,
        time: Arc<dyn AgreedTime>,
        settings: &RetentionSettings,
    ) -> Self {
        let RetentionSettings {
            sessions_after,
            api_keys_after,
            failed_jobs_after,
            audit_after,
            notifications_after,
            max_rows_per_run,
            ..
        } = *settings;
        let bounds = Bounds { time, max_rows: max_rows_per_run };
        Self {
            store,
            bounds,
            sessions_after,
            api_keys_after,
            failed_jobs_after,
            audit_after,
            notifications_after,
        }
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
            failed_jobs: now.earlier(self.failed_jobs_after),
            audit: now.earlier(self.audit_after),
            notifications: now.earlier(self.notifications_after),
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

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        sync::Mutex,
        task::{Context, Poll, Waker},
    };

    use super::*;
    use crate::{ports::events::LoggedEvent, time::ManualClock};

    const HOUR: Duration = Duration::from_hours(1);

    /// A store that answers as it was told, and notes what it was asked.
    struct Chunks<Asked, Answer> {
        asked: Mutex<Vec<Asked>>,
        answers: Mutex<Vec<Answer>>,
    }

    impl<Asked, Answer> Chunks<Asked, Answer> {
        /// The last answer comes first.
        fn answering(answers: Vec<Answer>) -> Arc<Self> {
            Arc::new(Self { asked: Mutex::default(), answers: Mutex::new(answers) })
        }

        fn next(&self, asked: Asked) -> Answer {
            self.asked.lock().unwrap().push(asked);
            self.answers.lock().unwrap().pop().unwrap()
        }
    }

    #[async_trait]
    impl RetentionStore for Chunks<Due, (Deleted, Positions)> {
        async fn delete_chunk(&self, due: Due) -> Result<(Deleted, Positions)> {
            Ok(self.next(due))
        }
    }

    #[async_trait]
    impl EventLog for Chunks<(Timestamp, i64), (u64, i64)> {
        async fn head(&self) -> Result<i64> {
            Ok(0)
        }

        async fn read_after(&self, _: i64, _: u32) -> Result<Vec<LoggedEvent>> {
            Ok(Vec::new())
        }

        async fn newest_of_each_kind(&self) -> Result<Vec<LoggedEvent>> {
            Ok(Vec::new())
        }

        async fn prune_chunk(&self, before: Timestamp, from: i64) -> Result<(u64, i64)> {
            Ok(self.next((before, from)))
        }
    }

    fn at_once<T>(work: impl Future<Output = T>) -> T {
        match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => value,
            Poll::Pending => panic!("the store never waits"),
        }
    }

    /// The steps of a run until it ends, and how many rows it counted.
    fn run(retention: &dyn RetentionRun) -> (Vec<RetentionStep>, u64) {
        let (mut progress, mut steps) = (Progress::default(), Vec::new());
        loop {
            let step = at_once(retention.step(&mut progress));
            steps.push(step.unwrap());
            if !matches!(steps.last(), Some(RetentionStep::Deleted(_))) {
                return (steps, progress.rows);
            }
        }
    }

    fn clock() -> Arc<ManualClock> {
        Arc::new(ManualClock::starting_at(Timestamp::from_seconds(100_000)))
    }

    #[test]
    fn each_chunk_of_a_run_begins_where_the_one_before_ended() {
        let at = |seconds| Positions {
            sessions: Timestamp::from_seconds(seconds),
            ..Positions::default()
        };
        let rows = Deleted {
            sessions: 1,
            refresh_tokens: 2,
            api_keys: 4,
            jobs: 8,
            audit: 16,
            sign_ups: 32,
            address_changes: 64,
            notifications: 128,
            payment_events: 256,
            keyed_requests: 512,
            events: 0,
        };
        let answers = vec![(Deleted::default(), at(3)), (rows, at(2)), (rows, at(1))];
        let store = Chunks::answering(answers);
        let settings = RetentionSettings {
            sessions_after: HOUR,
            api_keys_after: 2 * HOUR,
            failed_jobs_after: 3 * HOUR,
            audit_after: 4 * HOUR,
            notifications_after: 5 * HOUR,
            ..RetentionSettings::default()
        };
        let told = run(&Retention::new(store.clone(), clock(), &settings));
        let step = RetentionStep::Deleted(rows);
        assert_eq!(told, (vec![step, step, RetentionStep::Done], 2_046));
        let due = |from| Due {
            sessions: Timestamp::from_seconds(96_400),
            api_keys: Timestamp::from_seconds(92_800),
            failed_jobs: Timestamp::from_seconds(89_200),
            audit: Timestamp::from_seconds(85_600),
            notifications: Timestamp::from_seconds(82_000),
            now: Timestamp::from_seconds(100_000),
            from,
        };
        assert_eq!(*store.asked.lock().unwrap(), [Positions::default(), at(1), at(2)].map(due));
    }

    #[test]
    fn each_chunk_of_the_log_begins_where_the_one_before_ended() {
        let log = Chunks::answering(vec![(0, 9), (3, 7), (5, 4)]);
        let told = run(&LogRetention::new(log.clone(), clock(), HOUR, 100));
        let step = |events| RetentionStep::Deleted(Deleted { events, ..Deleted::default() });
        assert_eq!(told, (vec![step(5), step(3), RetentionStep::Done], 8));
        let old = Timestamp::from_seconds(96_400);
        assert_eq!(*log.asked.lock().unwrap(), [(old, 0), (old, 4), (old, 7)]);
    }

    #[test]
    fn a_run_over_the_log_is_bounded() {
        for (bound, ends) in
            [(1, RetentionStep::Bound), (5, RetentionStep::Bound), (6, RetentionStep::Done)]
        {
            let log = Chunks::answering(vec![(0, 9), (5, 4)]);
            let deleted = RetentionStep::Deleted(Deleted { events: 5, ..Deleted::default() });
            let told = run(&LogRetention::new(log, clock(), HOUR, bound));
            assert_eq!(told, (vec![deleted, ends], 5), "{bound}");
        }
    }
}
