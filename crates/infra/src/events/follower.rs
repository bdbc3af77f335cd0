//! Reads the log in order, applies it, and knows how fresh this instance is.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use alpine_domain::{
    Error, Result,
    ports::{
        events::{EventBus, EventHandler, EventLog},
        health::{Condition, Probe, Report},
    },
    settings::{defaults, duration},
};
use async_trait::async_trait;
use serde::Deserialize;
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
    time::{Instant, sleep, timeout, timeout_at},
};

use crate::InfraMetrics;

/// The section `events` of the configuration: how the log is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FollowerSettings {
    /// How often the log is read without being woken. Keep it below `max_staleness`.
    #[serde(deserialize_with = "duration")]
    pub poll_interval: Duration,
    /// Rows read at once.
    pub page: u32,
    /// How old the last proof of freshness may be before somebody waits for a new one (Δ).
    #[serde(deserialize_with = "duration")]
    pub max_staleness: Duration,
    /// How long somebody waits for that.
    #[serde(deserialize_with = "duration")]
    pub catch_up_deadline: Duration,
    /// How long one read, or applying one row, may take. Starting anew from what is stored may take
    /// ten times as long.
    #[serde(deserialize_with = "duration")]
    pub step_deadline: Duration,
    /// How long rows are kept. Before the first row was seen a gap cannot be told from an empty log:
    /// when no read succeeded for a sixth of this, everything is loaded anew in that case.
    #[serde(deserialize_with = "duration")]
    pub retention: Duration,
}

impl Default for FollowerSettings {
    /// What stands in `config/default.toml`.
    fn default() -> Self {
        defaults("events")
    }
}

/// How far this instance has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FollowState {
    /// The newest row applied; `None` before the stored state was loaded.
    pub position: Option<i64>,
    /// When the last read began that reached the log's end: every row visible then is applied.
    pub fresh_at: Option<Instant>,
}

impl FollowState {
    /// How old the last proof of freshness is; `None` before the first.
    pub fn age(&self) -> Option<Duration> {
        self.fresh_at.map(|at| at.elapsed())
    }
}

/// Follows the log on a task of its own, until it is dropped. Only that task reads, so however many
/// requests ask for freshness at once, they share one read.
pub struct Follower {
    settings: FollowerSettings,
    state: watch::Receiver<FollowState>,
    read_now: Arc<Notify>,
    must_start_anew: Arc<AtomicBool>,
    metrics: Arc<InfraMetrics>,
    task: JoinHandle<()>,
}

impl Follower {
    /// Starts following: takes the log's head, lets `handler` load what is stored
    /// ([`EventHandler::reset`]), and applies what comes after. Both are tried again until they
    /// succeed, so a database that is away delays nothing but freshness. Must be called on a Tokio
    /// runtime.
    pub fn start(
        settings: FollowerSettings,
        log: Arc<dyn EventLog>,
        bus: Arc<dyn EventBus>,
        handler: Arc<dyn EventHandler>,
        metrics: Arc<InfraMetrics>,
    ) -> Self {
        let (sender, state) = watch::channel(FollowState { position: None, fresh_at: None });
        let read_now = Arc::new(Notify::new());
        let must_start_anew = Arc::new(AtomicBool::new(false));
        let reader = Reader {
            settings,
            log,
            handler,
            state: sender,
            must_start_anew: Arc::clone(&must_start_anew),
            metrics: Arc::clone(&metrics),
        };
        let task = tokio::spawn(reader.follow(bus, Arc::clone(&read_now)));
        Self { settings, state, read_now, must_start_anew, metrics, task }
    }

    /// From now on this instance is not fresh, until what is stored has been loaded anew. For a clock that
    /// is set back: revocations that had been forgotten, because their time was over, count again.
    pub fn start_anew(&self) {
        self.must_start_anew.store(true, Ordering::SeqCst);
        self.read_now.notify_one();
    }

    /// Returns once this instance has applied every row that was visible some instant no longer ago
    /// than Δ: at once as a rule, else after one read shared by all who wait.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when that cannot be had within the deadline.
    pub async fn ensure_fresh(&self) -> Result<()> {
        if self.is_fresh() {
            return Ok(());
        }
        let deadline = Instant::now() + self.settings.catch_up_deadline;
        let mut state = self.state.clone();
        self.read_now.notify_one();
        let fresh = state.wait_for(|state| self.is_fresh_in(state));
        match timeout_at(deadline, fresh).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(closed)) => Err(Error::unavailable("the event log", closed)),
            Err(elapsed) => Err(Error::unavailable("the event log", elapsed)),
        }
    }

    /// Whether [`ensure_fresh`](Self::ensure_fresh) would return at once.
    pub fn is_fresh(&self) -> bool {
        self.is_fresh_in(&self.state.borrow())
    }

    /// How far this instance has come.
    pub fn state(&self) -> FollowState {
        *self.state.borrow()
    }

    /// Tells how far this instance has come, each time that this changes.
    pub fn watch(&self) -> watch::Receiver<FollowState> {
        self.state.clone()
    }

    /// Brings the gauge of the age up to date; call it before metrics are read.
    pub fn measure(&self) {
        if let Some(age) = self.state().age() {
            self.metrics.log_lag.set(age.as_secs_f64());
            // The log feeds the list, so one is as fresh as the other.
            self.metrics.blacklist_age.set(age.as_secs_f64());
        }
    }

    /// Stops following and waits until the task has gone.
    pub async fn stop(mut self) {
        self.task.abort();
        // The only outcome is that it was cancelled.
        let _ = (&mut self.task).await;
    }

    fn is_fresh_in(&self, state: &FollowState) -> bool {
        !self.must_start_anew.load(Ordering::SeqCst)
            && state.age().is_some_and(|age| age < self.settings.max_staleness)
    }
}

/// Whether revocations of other instances are known here. Essential: without that, requests with a
/// credential are answered with 503, so they belong on another instance.
#[async_trait]
impl Probe for Follower {
    fn name(&self) -> &'static str {
        "event_log"
    }

    fn is_essential(&self) -> bool {
        true
    }

    async fn probe(&self) -> Report {
        match self.ensure_fresh().await {
            Ok(()) => Report { condition: Condition::Up, detail: None },
            Err(_) => Report {
                condition: Condition::Down,
                detail: Some("not read to its end lately; who signs in is refused".to_owned()),
            },
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The task that reads the log.
struct Reader {
    settings: FollowerSettings,
    log: Arc<dyn EventLog>,
    handler: Arc<dyn EventHandler>,
    state: watch::Sender<FollowState>,
    must_start_anew: Arc<AtomicBool>,
    metrics: Arc<InfraMetrics>,
}

impl Reader {
    async fn follow(self, bus: Arc<dyn EventBus>, read_now: Arc<Notify>) {
        let mut failing = false;
        loop {
            let result = self.catch_up().await;
            if let Err(error) = &result
                && !failing
            {
                tracing::warn!(%error, "the event log cannot be followed; trying again");
            } else if result.is_ok() && failing {
                tracing::info!("the event log is followed again");
            }
            failing = result.is_err();
            tokio::select! {
                () = sleep(self.settings.poll_interval) => {}
                () = bus.woken() => {}
                () = read_now.notified() => {}
            }
            if failing {
                // However many requests want freshness, a failing log is asked ten times a second.
                sleep(Duration::from_millis(100).min(self.settings.poll_interval)).await;
            }
        }
    }

    /// Reads to the end of the log.
    async fn catch_up(&self) -> Result<()> {
        loop {
            if self.must_start_anew.load(Ordering::SeqCst) {
                self.forget("the clock was set back");
                self.must_start_anew.store(false, Ordering::SeqCst);
            }
            let Some(position) = self.state.borrow().position else {
                self.start_anew().await?;
                continue;
            };
            let started = Instant::now();
            if position == 0 && self.was_silent_too_long() {
                self.forget("no read succeeded for longer than rows may be kept");
                continue;
            }
            // The row at the position is read again: while it is there, nothing after it was pruned.
            let page = self.settings.page.max(1);
            let from = (position - 1).max(0);
            let reading = self.log.read_after(from, page.saturating_add(1));
            let mut rows = self.in_time(self.settings.step_deadline, reading).await?;
            if position > 0 {
                if rows.first().is_none_or(|row| row.seq != position) {
                    self.forget("rows of the event log are missing");
                    continue;
                }
                rows.remove(0);
            }
            let reached_end = rows.len() < page as usize;
            for row in &rows {
                self.in_time(self.settings.step_deadline, self.handler.apply(row)).await?;
                self.state.send_modify(|state| state.position = Some(row.seq));
                self.metrics.log_position.set(row.seq);
            }
            if reached_end {
                self.state.send_modify(|state| state.fresh_at = Some(started));
                self.metrics.log_lag.set(started.elapsed().as_secs_f64());
                return Ok(());
            }
        }
    }

    /// Loads what is stored. The head is taken first: rows that come while loading are applied
    /// again, rather than missed.
    async fn start_anew(&self) -> Result<()> {
        let head = self.in_time(self.settings.step_deadline, self.log.head()).await?;
        let patience = self.settings.step_deadline.saturating_mul(10);
        self.in_time(patience, self.handler.reset(&*self.log)).await?;
        self.state.send_modify(|state| state.position = Some(head));
        self.metrics.log_position.set(head);
        Ok(())
    }

    fn forget(&self, why: &str) {
        tracing::warn!(why, "the state is loaded anew");
        self.metrics.log_resets.inc();
        self.state.send_replace(FollowState { position: None, fresh_at: None });
    }

    fn was_silent_too_long(&self) -> bool {
        let age = self.state.borrow().age();
        age.is_some_and(|age| age > self.settings.retention / 6)
    }

    async fn in_time<T>(
        &self,
        limit: Duration,
        step: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        timeout(limit, step)
            .await
            .unwrap_or_else(|elapsed| Err(Error::unavailable("the event log", elapsed)))
    }
}
