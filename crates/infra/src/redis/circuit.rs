//! The circuit between requests and Redis, and the probe that closes it.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use redis::RedisResult;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep, timeout},
};

use super::{Connection, RedisSettings, source::Source};
use crate::{
    InfraMetrics,
    mutants::{Mechanism, is_off},
    sync,
};

/// How long the background probe waits for an answer, and whoever asks for the state at most.
pub(super) const PROBE_DEADLINE: Duration = Duration::from_secs(1);
/// Answers within the request deadline, in a row, that put a lost Redis into use again.
const ANSWERS_TO_CLOSE: u32 = 3;
/// How often a Redis under suspicion is asked, each time for the request deadline at most.
const SUSPICIOUS_LOOKS: u32 = 4;
const SUSPICIOUS_PAUSE: Duration = Duration::from_millis(5);
/// How long bringing a returned Redis up to date may take.
const RECOVERY_DEADLINE: Duration = Duration::from_secs(2);

/// Brings a returned Redis up to date, over the connection given.
pub(crate) type Recovery =
    Arc<dyn Fn(Connection) -> Pin<Box<dyn Future<Output = RedisResult<()>> + Send>> + Send + Sync>;

/// The circuit between requests and Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Requests use Redis.
    Closed = 0,
    /// A use has failed; the probe is finding out what that means.
    Suspect = 1,
    /// Redis is away.
    Open = 2,
}

/// What the background probe saw last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    Nothing,
    Answering,
    Slow,
    Unreachable,
}

/// What the handle and its probe share.
pub(super) struct Shared {
    pub(super) source: Arc<Source>,
    pub(super) settings: RedisSettings,
    /// None until a master or a cluster was found for the first time.
    pub(super) connection: RwLock<Option<Connection>>,
    /// What the probe reads on a cluster: a key for each part of its slots, never written.
    pub(super) probed: Vec<String>,
    /// Requests ask Redis only while this is true, which is while the circuit is closed.
    pub(super) in_use: AtomicBool,
    pub(super) state: watch::Sender<State>,
    pub(super) was_used: AtomicBool,
    pub(super) recoveries: Mutex<Vec<Recovery>>,
    pub(super) look_now: Notify,
    pub(super) seen: watch::Sender<Seen>,
    pub(super) metrics: Arc<InfraMetrics>,
}

impl Shared {
    fn state(&self) -> State {
        *self.state.borrow()
    }

    /// Takes Redis out of use until the probe has looked.
    pub(super) fn suspect(&self) {
        if is_off(Mechanism::Breaker) {
            return;
        }
        let changed = self.state.send_if_modified(|state| {
            let was_closed = *state == State::Closed;
            if was_closed {
                *state = State::Suspect;
            }
            was_closed
        });
        if changed {
            self.in_use.store(false, Ordering::Release);
            self.metrics.breaker_state.set(State::Suspect as i64);
            self.metrics.redis_hiccups.inc();
            self.look_now.notify_one();
        }
    }

    fn give_up(&self) {
        if is_off(Mechanism::Breaker) {
            return;
        }
        self.in_use.store(false, Ordering::Release);
        if self.state.send_replace(State::Open) == State::Open {
            return;
        }
        tracing::warn!(
            address = self.settings.address(),
            "Redis does not answer; local fallbacks take over"
        );
        self.metrics.breaker_state.set(State::Open as i64);
        self.metrics.redis_connected.set(0);
        self.metrics.redis_transitions.with_label_values(&["down"]).inc();
    }

    fn take_into_use(&self) {
        // First: who is told that it is closed may ask at once. A use that fails in between is noticed
        // by the next one that does.
        self.in_use.store(true, Ordering::Release);
        let before = self.state.send_replace(State::Closed);
        self.metrics.breaker_state.set(State::Closed as i64);
        if before == State::Open {
            tracing::info!(address = self.settings.address(), "Redis is in use");
            self.metrics.redis_connected.set(1);
            self.metrics.redis_transitions.with_label_values(&["up"]).inc();
        }
    }

    pub(super) fn connection(&self) -> Option<Connection> {
        sync::read(&self.connection).clone()
    }

    /// Whether `error` says that Redis had better not be used.
    pub(super) fn is_lost(&self, error: &redis::RedisError) -> bool {
        sync::read(&self.connection).as_ref().is_none_or(|connection| connection.is_lost(error))
    }

    /// Asks once and says how long the answer took.
    async fn ask(&self, limit: Duration) -> Option<Duration> {
        let mut connection = self.connection()?;
        let started = Instant::now();
        match timeout(limit, connection.ask(&self.probed)).await {
            Ok(Ok(())) => Some(started.elapsed()),
            Ok(Err(_)) | Err(_) => None,
        }
    }

    /// Brings a Redis that has answered, and may have lost everything, up to date.
    async fn recover(&self) -> bool {
        let recoveries = sync::lock(&self.recoveries).clone();
        for recovery in recoveries {
            let Some(connection) = self.connection() else { return false };
            match timeout(RECOVERY_DEADLINE, recovery(connection)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) if !self.is_lost(&error) => {
                    // It answers; what it refuses now it would refuse later as well.
                    tracing::debug!(%error, "Redis takes only part of what it missed");
                }
                Ok(Err(_)) | Err(_) => return false,
            }
        }
        true
    }

    /// A connection whose other end went silent never reports a fault by itself; start anew, from
    /// whoever knows today's master or map of slots. While nobody does, the old one stays.
    async fn reconnect(&self) {
        match self.source.connect().await {
            Ok(fresh) => *sync::write(&self.connection) = Some(fresh),
            Err(error) => tracing::debug!(%error, "no way to Redis is known for now"),
        }
    }

    async fn poll_memory(&self) {
        let Some(mut connection) = self.connection() else { return };
        // A user without the right to INFO simply leaves the gauge where it was.
        if let Ok(Ok(Some(bytes))) = timeout(PROBE_DEADLINE, connection.memory_used()).await {
            self.metrics.redis_memory.set(bytes);
        }
    }
}

/// The background probe: never a user's request finds out that Redis is back.
pub(super) async fn keep_looking(shared: Arc<Shared>) {
    if shared.connection().is_none() {
        shared.reconnect().await;
    }
    loop {
        match shared.state() {
            State::Closed => watch_over(&shared).await,
            State::Suspect => examine(&shared).await,
            State::Open => await_return(&shared).await,
        }
    }
}

/// Looks now and then whether a Redis that nobody uses is still there.
async fn watch_over(shared: &Shared) {
    tokio::select! {
        () = sleep(shared.settings.poll_interval) => {
            if shared.ask(PROBE_DEADLINE).await.is_none() {
                shared.suspect();
                return;
            }
            shared.poll_memory().await;
            // The Sentinels may take their time; a use that fails meanwhile is looked at first.
            let has_moved = tokio::select! {
                has_moved = shared.source.has_moved() => has_moved,
                () = shared.look_now.notified() => false,
            };
            if has_moved {
                tracing::info!("the Sentinels name another master of Redis");
                // The old one says that it is the master, too: asking it any further tells nothing.
                shared.give_up();
                shared.reconnect().await;
            }
        }
        () = shared.look_now.notified() => {}
    }
}

/// A hiccup, or the end? Nobody uses Redis until that is clear, so it is asked at once and often. Even
/// a hiccup may have been a restart, and something was decided locally meanwhile.
async fn examine(shared: &Shared) {
    let mut good = 0;
    for _ in 0..SUSPICIOUS_LOOKS {
        if shared.ask(shared.settings.deadline).await.is_none() {
            good = 0;
            sleep(SUSPICIOUS_PAUSE).await;
            continue;
        }
        good += 1;
        // One prompt answer may have been luck.
        if good >= 2 && shared.recover().await {
            shared.take_into_use();
            return;
        }
    }
    shared.seen.send_replace(Seen::Unreachable);
    shared.give_up();
    shared.reconnect().await;
}

/// Looks until Redis has answered in time several times in a row, then brings it up to date.
async fn await_return(shared: &Shared) {
    let interval = shared.settings.probe_interval;
    let mut good = 0;
    loop {
        match shared.ask(PROBE_DEADLINE).await {
            Some(took) if took <= shared.settings.deadline => {
                shared.seen.send_replace(Seen::Answering);
                good += 1;
            }
            // The first answer on a new connection includes connecting; the next one tells.
            Some(_) => {
                good = 0;
                shared.seen.send_replace(Seen::Slow);
            }
            None => {
                good = 0;
                shared.seen.send_replace(Seen::Unreachable);
                shared.reconnect().await;
            }
        }
        // At start nothing was lost, so one good answer is enough.
        let is_first = !shared.was_used.load(Ordering::Relaxed);
        if good >= ANSWERS_TO_CLOSE || (is_first && good > 0) {
            if shared.recover().await {
                shared.was_used.store(true, Ordering::Relaxed);
                shared.take_into_use();
                return;
            }
            // Not all of it, perhaps: the next connection knows better who is there.
            good = 0;
            shared.reconnect().await;
        }
        sleep(if good > 0 { interval / 5 } else { interval }).await;
    }
}
