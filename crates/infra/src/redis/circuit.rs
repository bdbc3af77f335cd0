//! The circuit between requests and Redis.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, OnceLock, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use redis::RedisResult;
use tokio::sync::{Notify, watch};

use super::{
    cause::Cause, connection::Connection, connector::Connector, memory::Advice,
    namespace::Namespace, settings::RedisSettings, write_check::WriteCheck,
};
use crate::{InfraMetrics, sync, throttle::Throttle};

/// While Redis is out of use, a line in the log says so this often.
const REMINDER: Duration = Duration::from_mins(1);
/// A Redis that is not reached at the start is logged after this time.
const START_PATIENCE: Duration = Duration::from_secs(2);

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

/// The result of the last probe of an open circuit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProbeResult {
    NotProbed,
    Usable,
    Failed(Cause),
}

/// What the handle and its probe share.
pub(super) struct Shared {
    pub(super) connector: Arc<Connector>,
    pub(super) settings: RedisSettings,
    /// Set once, when the database's id is known. Redis is not used before that.
    pub(super) namespace: OnceLock<Namespace>,
    /// Notified when the namespace is set.
    pub(super) identified: Notify,
    /// `None` until a master or a cluster was found for the first time.
    pub(super) connection: RwLock<Option<Connection>>,
    pub(super) write_check: WriteCheck,
    /// Requests ask Redis only while this is true, which is while the circuit is closed.
    pub(super) in_use: AtomicBool,
    pub(super) state: watch::Sender<State>,
    pub(super) was_used: AtomicBool,
    pub(super) recovery_hooks: Mutex<Vec<RecoveryHook>>,
    pub(super) probe_now: Notify,
    pub(super) last_probe: watch::Sender<ProbeResult>,
    /// A write was refused for lack of memory, and there was not enough since.
    pub(super) is_full: AtomicBool,
    /// What its operator should change about its memory.
    pub(super) advice: Mutex<Option<Advice>>,
    /// Bytes that bodies may take, once it is known that its memory must have a limit above them.
    pub(super) bodies: OnceLock<u64>,
    /// The server was asked for its memory and does not say.
    pub(super) hides_memory: AtomicBool,
    reminder: Throttle,
    pub(super) reply_warnings: Throttle,
    pub(super) metrics: Arc<InfraMetrics>,
}

impl Shared {
    pub(super) fn new(
        connector: Arc<Connector>,
        settings: RedisSettings,
        connection: Option<Connection>,
        write_check: WriteCheck,
        metrics: Arc<InfraMetrics>,
    ) -> Self {
        metrics.breaker_state.set(State::Open as i64);
        Self {
            connector,
            settings,
            namespace: OnceLock::new(),
            identified: Notify::new(),
            connection: RwLock::new(connection),
            write_check,
            in_use: AtomicBool::new(false),
            state: watch::Sender::new(State::Open),
            was_used: AtomicBool::new(false),
            recovery_hooks: Mutex::default(),
            probe_now: Notify::new(),
            last_probe: watch::Sender::new(ProbeResult::NotProbed),
            is_full: AtomicBool::new(false),
            advice: Mutex::default(),
            bodies: OnceLock::new(),
            hides_memory: AtomicBool::new(false),
            reminder: Throttle::after(START_PATIENCE, REMINDER),
            reply_warnings: Throttle::new(REMINDER),
            metrics,
        }
    }

    pub(super) fn state(&self) -> State {
        *self.state.borrow()
    }

    /// Notes why a use of Redis failed.
    pub(super) fn note(&self, cause: Cause) {
        if cause == Cause::OutOfMemory {
            self.is_full.store(true, Ordering::Relaxed);
        }
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

    /// Takes Redis out of use until the probe finds it usable.
    pub(super) fn open(&self, cause: Cause) {
        // First: whoever sees the circuit open may ask why.
        self.last_probe.send_replace(ProbeResult::Failed(cause));
        self.in_use.store(false, Ordering::Release);
        if self.state.send_replace(State::Open) == State::Open {
            return;
        }
        self.reminder.restart();
        tracing::warn!(
            address = self.settings.address(),
            cause = cause.text(),
            "Redis is out of use; local fallbacks take over"
        );
        self.metrics.breaker_state.set(State::Open as i64);
        self.metrics.redis_connected.set(0);
        self.metrics.redis_transitions.with_label_values(&["down"]).inc();
    }

    /// Notes that the probe of an open circuit failed. Logs it now and then.
    pub(super) fn still_open(&self, cause: Cause) {
        let before = self.last_probe.send_replace(ProbeResult::Failed(cause));
        // One that does not answer may still be starting; what it answers, it will answer again.
        let is_new = cause != Cause::Unreachable && before != ProbeResult::Failed(cause);
        if is_new {
            self.reminder.restart();
        }
        if is_new || self.reminder.is_due() {
            tracing::warn!(
                address = self.settings.address(),
                cause = cause.text(),
                "Redis is still out of use"
            );
        }
    }

    /// Puts Redis into use.
    pub(super) fn close(&self) {
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
}
