//! The task that works off jobs, and what is counted of them.

use std::{future::poll_fn, panic::AssertUnwindSafe, sync::Arc, task::Poll, time::Duration};

use alpine_domain::{
    Clock, Error, Result,
    jobs::{Claim, ClaimedJob, JobStore, Lane, Lease, Outcome, RunJob, outcome, worth_beginning},
    ports::secrets::Randomness,
};
use futures_util::FutureExt as _;
use prometheus::{
    IntCounterVec, IntGauge, Registry, register_int_counter_vec_with_registry,
    register_int_gauge_with_registry,
};
use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
    time::{MissedTickBehavior, interval, timeout},
};

use crate::config;

/// For how much longer than it may take a job is held: what it came to is written meanwhile.
const LEASE_MARGIN: Duration = Duration::from_secs(30);

/// What this instance counts of jobs.
#[derive(Clone)]
pub(super) struct JobMetrics {
    done: IntCounterVec,
    pending: IntGauge,
    failed: IntGauge,
}

impl JobMetrics {
    /// # Errors
    /// When a metric is registered already.
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        Ok(Self {
            done: register_int_counter_vec_with_registry!(
                "jobs_done_total",
                "Attempts at jobs by this instance, by kind and what they came to: done, again, failed, \
                 or lost to another instance.",
                &["kind", "outcome"],
                registry
            )?,
            pending: register_int_gauge_with_registry!(
                "jobs_pending",
                "Jobs of all instances that wait or are being done, 1000 for as many or more.",
                registry
            )?,
            failed: register_int_gauge_with_registry!(
                "jobs_failed",
                "Jobs of all instances that were given up, 1000 for as many or more; see `alpine jobs`.",
                registry
            )?,
        })
    }
}

/// Works off jobs.
pub(super) struct Worker {
    pub(super) store: Arc<dyn JobStore>,
    pub(super) runner: Arc<dyn RunJob>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) randomness: Arc<dyn Randomness>,
    pub(super) settings: config::Jobs,
    pub(super) metrics: JobMetrics,
    /// Notified when this instance has added a job.
    pub(super) added: Arc<Notify>,
}

impl Worker {
    /// Claims jobs and does them, so many of each lane at once, until it is stopped; then those under way
    /// are waited for.
    pub(super) async fn run(self, mut stopped: watch::Receiver<bool>) {
        // An error means that the sender is gone: the application is, too.
        let stop = async move { stopped.wait_for(|stopped| *stopped).await.is_err() };
        tokio::pin!(stop);
        let worker = Arc::new(self);
        let mut running = Lane::ALL.map(|lane| (lane, JoinSet::new()));
        let mut looks = interval(worker.settings.interval);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = &mut stop => break,
                _ = looks.tick() => worker.measure().await,
                () = worker.added.notified() => {}
                () = any_ended(&mut running) => {}
            }
            for (lane, running) in &mut running {
                let free = worker.settings.concurrent.saturating_sub(running.len());
                for job in worker.claim(*lane, free).await {
                    let worker = Arc::clone(&worker);
                    running.spawn(async move { worker.work_on(job).await });
                }
            }
        }
        for (_, running) in &mut running {
            while running.join_next().await.is_some() {}
        }
    }

    /// Failures are told, and the next look comes all the same.
    async fn measure(&self) {
        match self.store.counts().await {
            Ok(counts) => {
                self.metrics.pending.set(counts.pending.into());
                self.metrics.failed.set(counts.failed.into());
            }
            Err(error) => tracing::warn!(%error, "jobs cannot be counted"),
        }
    }

    async fn claim(&self, lane: Lane, free: usize) -> Vec<ClaimedJob> {
        let Ok(limit @ 1..) = u32::try_from(free) else { return Vec::new() };
        let now = self.clock.now();
        let until = now.later(self.settings.deadline + LEASE_MARGIN);
        let lease = Lease::generate(&*self.randomness);
        match self.store.claim(Claim { lane, now, until, lease, limit }).await {
            Ok(jobs) => jobs,
            Err(error) => {
                tracing::warn!(%error, "jobs cannot be claimed; they will be looked for again");
                Vec::new()
            }
        }
    }

    async fn work_on(&self, held: ClaimedJob) {
        let (id, kind, attempts) = (held.id, held.job.kind(), held.attempts);
        let result = if worth_beginning(attempts) {
            self.attempt(&held).await
        } else {
            Err(Error::internal("no attempt told how it ended"))
        };
        let mut random = [0; 4];
        self.randomness.fill(&mut random);
        let random = u32::from_ne_bytes(random);
        let now = self.clock.now();
        let outcome = outcome(result.as_ref().copied(), attempts, now, random);
        let (told, word) = match &outcome {
            Outcome::Done => (self.store.finish(&held).await, "done"),
            Outcome::Again { due_at, reason } => {
                tracing::warn!(job = %id, kind, attempts, reason, "a job will be tried again");
                (self.store.retry(&held, *due_at, reason).await, "again")
            }
            Outcome::Failed { reason } => {
                tracing::error!(
                    job = %id, kind, attempts, reason,
                    "a job has failed; `alpine jobs retry` tries it again"
                );
                (self.store.fail(&held, now, reason).await, "failed")
            }
        };
        let word = match told {
            Ok(true) => word,
            Ok(false) => "lost",
            Err(error) => {
                // The lease ends by itself, and the job comes again.
                tracing::warn!(job = %id, kind, %error, "what a job came to cannot be kept");
                "lost"
            }
        };
        self.metrics.done.with_label_values(&[kind, word]).inc();
    }

    /// One attempt, within its time; a panic is an error like others.
    async fn attempt(&self, held: &ClaimedJob) -> Result<()> {
        let work = AssertUnwindSafe(self.runner.run(&held.job)).catch_unwind();
        match timeout(self.settings.deadline, work).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(Error::internal("it panicked")),
            Err(_) => Err(Error::internal("it did not end in time (jobs.deadline)")),
        }
    }
}

/// Waits until one of these has ended, for ever if there is none.
async fn any_ended(running: &mut [(Lane, JoinSet<()>)]) {
    poll_fn(|context| {
        let mut ended = running.iter_mut().map(|(_, running)| running.poll_join_next(context));
        if ended.any(|ended| matches!(ended, Poll::Ready(Some(_)))) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use alpine_domain::{
        Timestamp,
        jobs::{Job, JobCounts, JobId, JobState, MAX_ATTEMPTS, NewJob, StoredJob},
        time::ManualClock,
    };
    use alpine_infra::secrets::OsRandomness;
    use alpine_persistence::{Database, DatabaseSettings, Migrator};
    use alpine_testing::Wait;
    use async_trait::async_trait;

    use super::*;

    const START: Timestamp = Timestamp::from_seconds(1_767_225_600);

    /// What becomes of the first job, the second one and so on.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Fate {
        Done,
        Hangs,
        Panics,
        Refused,
        Away,
    }

    #[derive(Default)]
    struct Runner {
        fates: Vec<Fate>,
        begun: AtomicUsize,
        running: AtomicUsize,
        most: AtomicUsize,
        pause: Duration,
        mails_hang: bool,
    }

    #[async_trait]
    impl RunJob for Runner {
        async fn run(&self, job: &Job) -> Result<()> {
            let fate = self.fates.get(self.begun.fetch_add(1, Ordering::SeqCst));
            let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(running, Ordering::SeqCst);
            tokio::time::sleep(self.pause).await;
            if self.mails_hang && job.lane() == Lane::Mail {
                return std::future::pending().await;
            }
            let result = match fate.copied().unwrap_or(Fate::Done) {
                Fate::Done => Ok(()),
                Fate::Hangs => std::future::pending().await,
                Fate::Panics => panic!("as it was to"),
                Fate::Refused => Err(Error::NotFound("account")),
                Fate::Away => Err(Error::unavailable("the mail server", "no answer")),
            };
            self.running.fetch_sub(1, Ordering::SeqCst);
            result
        }
    }

    /// A worker over a database of its own.
    struct Bench {
        store: Arc<dyn JobStore>,
        runner: Arc<Runner>,
        clock: Arc<ManualClock>,
        metrics: JobMetrics,
        settings: config::Jobs,
        stop: watch::Sender<bool>,
        _folder: tempfile::TempDir,
    }

    impl Bench {
        fn new(runner: Runner) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("alpine.db");
            let settings = DatabaseSettings::new(format!("sqlite:{}", file.display()));
            Migrator::connect(&settings).unwrap().run().unwrap();
            let database = Database::open(settings, &Registry::new()).unwrap();
            Self {
                store: alpine_persistence::stores(&database).jobs,
                runner: Arc::new(runner),
                clock: Arc::new(ManualClock::starting_at(START)),
                metrics: JobMetrics::register(&Registry::new()).unwrap(),
                settings: config::Jobs {
                    interval: Duration::from_millis(10),
                    concurrent: 2,
                    deadline: Duration::from_mins(1),
                },
                stop: watch::Sender::new(false),
                _folder: folder,
            }
        }

        async fn add(&self, jobs: usize) -> Vec<JobId> {
            let mut ids = Vec::new();
            for _ in 0..jobs {
                let job = NewJob::new(Job::Check, START);
                ids.push(self.store.add(job).await.unwrap().unwrap());
            }
            ids
        }

        fn work(&self) -> tokio::task::JoinHandle<()> {
            let worker = Worker {
                store: self.store.clone(),
                runner: self.runner.clone(),
                clock: self.clock.clone(),
                randomness: Arc::new(OsRandomness),
                settings: self.settings,
                metrics: self.metrics.clone(),
                added: Arc::new(Notify::new()),
            };
            tokio::spawn(worker.run(self.stop.subscribe()))
        }

        async fn until(&self, what: &str, holds: impl AsyncFn() -> bool) {
            Wait::unpromised("a busy machine decides").until(what, holds).await;
        }

        async fn pending(&self) -> Vec<StoredJob> {
            self.store.list(JobState::Pending, 100, 0).await.unwrap()
        }

        /// Attempts that came to this.
        fn counted(&self, outcome: &str) -> u64 {
            self.metrics.done.with_label_values(&["check", outcome]).get()
        }
    }

    #[tokio::test]
    async fn as_many_are_done_at_once_as_is_set() {
        let pause = Duration::from_millis(30);
        let bench = Bench::new(Runner { pause, ..Runner::default() });
        bench.add(7).await;
        bench.work();
        bench.until("all are done", async || bench.pending().await.is_empty()).await;
        assert_eq!(bench.runner.most.load(Ordering::SeqCst), 2);
        bench.until("seven are counted", async || bench.counted("done") == 7).await;
    }

    #[tokio::test]
    async fn one_that_hangs_panics_or_fails_delays_no_other() {
        let fates = vec![Fate::Hangs, Fate::Panics, Fate::Refused, Fate::Away];
        let mut bench = Bench::new(Runner { fates, ..Runner::default() });
        bench.settings.deadline = Duration::from_millis(300);
        bench.add(8).await;
        bench.work();
        let done = async || bench.pending().await.len() == 3 && bench.counted("again") == 3;
        bench.until("the others are done", done).await;
        let mut reasons: Vec<_> =
            bench.pending().await.into_iter().map(|job| job.last_error.unwrap()).collect();
        reasons.sort();
        let expected = [
            "it did not end in time (jobs.deadline)",
            "it panicked",
            "the mail server is unavailable: no answer",
        ];
        assert_eq!(reasons, expected);
        for job in bench.pending().await {
            let pause = job.due_at.since(START);
            assert!((5..=10).contains(&pause.as_secs()), "{pause:?}");
        }
        let failed = bench.store.list(JobState::Failed, 10, 0).await.unwrap();
        assert_eq!(failed.len(), 1);
        assert_eq!(failed[0].last_error.as_deref(), Some("account not found"));
        assert_eq!([bench.counted("done"), bench.counted("failed")], [4, 1]);
        // Each is tried again once its pause is over.
        bench.clock.advance(Duration::from_secs(10));
        bench.until("all are done", async || bench.pending().await.is_empty()).await;
    }

    /// As those do that wait for a mail server that says nothing, however many there are.
    #[tokio::test]
    async fn mails_that_hang_delay_no_job_of_another_lane() {
        let bench = Bench::new(Runner { mails_hang: true, ..Runner::default() });
        for n in 0..9 {
            let job = Job::ResetRequested { email: format!("u{n}@example.com") };
            bench.store.add(NewJob::new(job, START)).await.unwrap();
        }
        bench.add(3).await;
        bench.work();
        bench.until("the others are done", async || bench.counted("done") == 3).await;
        // Two mails are begun, as many as are done at once.
        assert_eq!(bench.runner.begun.load(Ordering::SeqCst), 5);
        assert_eq!(bench.pending().await.len(), 9);
    }

    /// As a job that ends the process does, whenever it is begun.
    #[tokio::test]
    async fn a_job_whose_attempts_never_ended_is_not_begun_for_ever() {
        let bench = Bench::new(Runner::default());
        let id = bench.add(1).await[0];
        for _ in 0..MAX_ATTEMPTS {
            let lease = Lease::generate(&OsRandomness);
            let claim = Claim { lane: Lane::Other, now: START, until: START, lease, limit: 1 };
            assert_eq!(bench.store.claim(claim).await.unwrap()[0].id, id);
        }
        bench.work();
        let failed = JobCounts { pending: 0, failed: 1 };
        bench.until("it has failed", async || bench.store.counts().await.unwrap() == failed).await;
        assert_eq!(bench.runner.begun.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn who_took_too_long_for_its_lease_says_nothing() {
        let bench = Bench::new(Runner { pause: Duration::from_millis(300), ..Runner::default() });
        let id = bench.add(1).await[0];
        bench.work();
        bench.until("it runs", async || bench.runner.running.load(Ordering::SeqCst) == 1).await;
        let over = START.later(bench.settings.deadline + LEASE_MARGIN);
        let lease = Lease::generate(&OsRandomness);
        let mut claim =
            Claim { lane: Lane::Other, now: over, until: Timestamp::MAX, lease, limit: 1 };
        claim.now = over.earlier(Duration::from_micros(1));
        assert_eq!(bench.store.claim(claim).await.unwrap(), []);
        claim.now = over;
        assert_eq!(bench.store.claim(claim).await.unwrap()[0].id, id);
        bench.until("it is lost", async || bench.counted("lost") == 1).await;
        assert!(bench.store.find(id).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_stop_waits_for_those_under_way_and_begins_no_other() {
        let bench = Bench::new(Runner { pause: Duration::from_millis(300), ..Runner::default() });
        bench.add(4).await;
        let worker = bench.work();
        bench.until("two run", async || bench.runner.running.load(Ordering::SeqCst) == 2).await;
        bench.stop.send_replace(true);
        worker.await.unwrap();
        assert_eq!(bench.runner.begun.load(Ordering::SeqCst), 2);
        assert_eq!((bench.pending().await.len(), bench.counted("done")), (2, 2));
    }
}
