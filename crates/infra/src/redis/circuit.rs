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

use super::{
    connection::Connection,
    connector::Connector,
    settings::{PROBE_DEADLINE, RedisSettings},
};
use crate::{InfraMetrics, sync};

/// Consecutive answers within the request deadline that close an open circuit.
const ANSWERS_TO_CLOSE: u32 = 3;
/// Probes of a suspect Redis, each for the request deadline at most, before the circuit opens.
const SUSPECT_PROBES: u32 = 4;
const SUSPECT_PAUSE: Duration = Duration::from_millis(5);
/// How long one recovery hook may take.
const RECOVERY_DEADLINE: Duration = Duration::from_secs(2);

/// Brings a Redis that is back up to date, over the given connection.
pub(crate) type RecoveryHook =
    Arc<dyn Fn(Connection) -> Pin<Box<dyn Future<Output = RedisResult<()>> + Send>> + Send + Sync>;

/// The circuit between requests and Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Requests use Redis.
    Closed = 0,
    /// A use has failed. Requests do not use Redis while the probe finds out why.
    Suspect = 1,
    /// Requests do not use Redis.
    Open = 2,
}

/// The result of the last probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProbeResult {
    Nothing,
    Answering,
    Slow,
    Unreachable,
}

/// What the handle and its probe share.
pub(super) struct Shared {
    pub(super) connector: Arc<Connector>,
    pub(super) settings: RedisSettings,
    /// `None` until a master or a cluster was found for the first time.
    pub(super) connection: RwLock<Option<Connection>>,
    /// The keys that the probe reads on a cluster: one in each part of the slots, never written.
    pub(super) probe_keys: Vec<String>,
    /// Requests ask Redis only while this is true, which is while the circuit is closed.
    pub(super) in_use: AtomicBool,
    pub(super) state: watch::Sender<State>,
    pub(super) was_used: AtomicBool,
    pub(super) recovery_hooks: Mutex<Vec<RecoveryHook>>,
    pub(super) probe_now: Notify,
    pub(super) last_probe: watch::Sender<ProbeResult>,
    pub(super) metrics: Arc<InfraMetrics>,
}

impl Shared {
    fn state(&self) -> State {
        *self.state.borrow()
    }

    /// Takes Redis out of use until the probe has found out what is wrong.
    pub(super) fn suspect(&self) {
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
            self.probe_now.notify_one();
        }
    }

    fn open(&self) {
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

    fn close(&self) {
        // First: whoever sees the circuit closed may use Redis at once. A use that fails in between is
        // noticed by the next one.
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

    /// Whether `error` means that requests should not use Redis.
    pub(super) fn is_lost(&self, error: &redis::RedisError) -> bool {
        sync::read(&self.connection).as_ref().is_none_or(|connection| connection.is_lost(error))
    }

    /// Probes once. Returns how long the answer took, `None` if there was none.
    async fn ask(&self, limit: Duration) -> Option<Duration> {
        let mut connection = self.connection()?;
        let started = Instant::now();
        match timeout(limit, connection.ask(&self.probe_keys)).await {
            Ok(Ok(())) => Some(started.elapsed()),
            Ok(Err(_)) | Err(_) => None,
        }
    }

    /// Runs the recovery hooks on a Redis that answers and may have lost everything. Whether they ran.
    async fn recover(&self) -> bool {
        let recovery_hooks = sync::lock(&self.recovery_hooks).clone();
        for recovery in recovery_hooks {
            let Some(connection) = self.connection() else { return false };
            match timeout(RECOVERY_DEADLINE, recovery(connection)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) if !self.is_lost(&error) => {
                    // It answers. What it refuses now it would refuse later as well.
                    tracing::debug!(%error, "Redis takes only part of what it missed");
                }
                Ok(Err(_)) | Err(_) => return false,
            }
        }
        true
    }

    /// Makes a new connection, to the present master or by the present map of slots: a connection whose
    /// other end went silent never reports a fault by itself. Keeps the old one if that fails.
    async fn reconnect(&self) {
        match self.connector.connect().await {
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

/// The background probe. Only it closes the circuit; no request tries whether Redis is back.
pub(super) async fn run_probe(shared: Arc<Shared>) {
    if shared.connection().is_none() {
        shared.reconnect().await;
    }
    loop {
        match shared.state() {
            State::Closed => probe_closed(&shared).await,
            State::Suspect => probe_suspect(&shared).await,
            State::Open => probe_open(&shared).await,
        }
    }
}

/// Probes every `poll_interval`, so that a Redis which no request uses is noticed as well.
async fn probe_closed(shared: &Shared) {
    tokio::select! {
        () = sleep(shared.settings.poll_interval) => {
            if shared.ask(PROBE_DEADLINE).await.is_none() {
                shared.suspect();
                return;
            }
            shared.poll_memory().await;
            // The Sentinels may take long; a use that fails meanwhile goes first.
            let has_new_master = tokio::select! {
                has_new_master = shared.connector.has_new_master() => has_new_master,
                () = shared.probe_now.notified() => false,
            };
            if has_new_master {
                tracing::info!("the Sentinels name another master of Redis");
                // The old one says that it is the master, too. Probing it any longer proves nothing.
                shared.open();
                shared.reconnect().await;
            }
        }
        () = shared.probe_now.notified() => {}
    }
}

/// Probes at once and often whether a failed use was an exception; no request uses Redis until that is
/// known. The hooks run in any case: Redis may have restarted, and requests were decided locally.
async fn probe_suspect(shared: &Shared) {
    let mut good = 0;
    for _ in 0..SUSPECT_PROBES {
        if shared.ask(shared.settings.deadline).await.is_none() {
            good = 0;
            sleep(SUSPECT_PAUSE).await;
            continue;
        }
        good += 1;
        // One prompt answer may be chance.
        if good >= 2 && shared.recover().await {
            shared.close();
            return;
        }
    }
    shared.last_probe.send_replace(ProbeResult::Unreachable);
    shared.open();
    shared.reconnect().await;
}

/// Probes until Redis has answered in time several times in a row, then runs the hooks and closes the
/// circuit.
async fn probe_open(shared: &Shared) {
    let interval = shared.settings.probe_interval;
    let mut good = 0;
    loop {
        match shared.ask(PROBE_DEADLINE).await {
            Some(took) if took <= shared.settings.deadline => {
                shared.last_probe.send_replace(ProbeResult::Answering);
                good += 1;
            }
            // The first answer on a new connection includes connecting.
            Some(_) => {
                good = 0;
                shared.last_probe.send_replace(ProbeResult::Slow);
            }
            None => {
                good = 0;
                shared.last_probe.send_replace(ProbeResult::Unreachable);
                shared.reconnect().await;
            }
        }
        // At the start nothing was lost, so one answer is enough.
        let is_first = !shared.was_used.load(Ordering::Relaxed);
        if good >= ANSWERS_TO_CLOSE || (is_first && good > 0) {
            if shared.recover().await {
                shared.was_used.store(true, Ordering::Relaxed);
                shared.close();
                return;
            }
            // Part of it may be away. A new connection looks the masters up again.
            good = 0;
            shared.reconnect().await;
        }
        sleep(if good > 0 { interval / 5 } else { interval }).await;
    }
}
