//! The one connection and its deadline.

use std::{
    fmt,
    future::Future,
    sync::{
        Arc, Mutex, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use redis::RedisResult;
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
    time::timeout,
};

use super::{
    BlockingConnections, Connection, RedisSettings,
    address::RedisAddress,
    circuit::{Recovery, Seen, Shared, State, keep_looking},
    slots::spread,
    source::Source,
};
use crate::{
    InfraMetrics, SettingsError,
    mutants::{Mechanism, is_off},
    sync,
};

/// Why a use of Redis gave nothing. After a deadline the outcome is unknown: the command may still
/// take effect.
#[derive(Debug, thiserror::Error)]
pub enum Away {
    /// The circuit is open: Redis was not asked.
    #[error("Redis is not in use for now")]
    NotInUse,
    /// No answer within the deadline.
    #[error("Redis did not answer in time")]
    Deadline,
    /// The connection broke, or the server refused the command.
    #[error("Redis failed: {0}")]
    Failed(#[from] redis::RedisError),
}

/// A shared handle on Redis. Cloning is cheap; the last clone to go ends the background probe.
/// Creating it never waits: until the first answer Redis counts as away.
#[derive(Clone)]
pub struct RedisHandle(Arc<Owner>);

struct Owner {
    shared: Arc<Shared>,
    blocking: BlockingConnections,
    probe: JoinHandle<()>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.probe.abort();
    }
}

impl RedisHandle {
    /// A handle on what `settings` name, connecting in the background. Must be called
    /// on a Tokio runtime.
    pub fn open(
        settings: RedisSettings,
        metrics: Arc<InfraMetrics>,
    ) -> Result<Self, SettingsError> {
        settings.check()?;
        let source = Source::new(&settings).map_err(|e| RedisSettings::refused(&e))?;
        let connection = source.at_once().map_err(|e| RedisSettings::refused(&e))?;
        let source = Arc::new(source);
        let blocking = BlockingConnections::new(Arc::clone(&source), &settings);
        metrics.breaker_state.set(State::Open as i64);
        let shared = Arc::new(Shared {
            source,
            probed: spread(&format!("{}:probe", settings.key_prefix)),
            settings,
            connection: RwLock::new(connection),
            in_use: AtomicBool::new(false),
            state: watch::Sender::new(State::Open),
            was_used: AtomicBool::new(false),
            recoveries: Mutex::default(),
            look_now: Notify::new(),
            seen: watch::Sender::new(Seen::Nothing),
            metrics,
        });
        let probe = tokio::spawn(keep_looking(Arc::clone(&shared)));
        Ok(Self(Arc::new(Owner { shared, blocking, probe })))
    }

    /// Whether Redis is in use now.
    pub fn is_in_use(&self) -> bool {
        self.0.shared.in_use.load(Ordering::Acquire)
    }

    /// Waits until Redis is in use (`true`), or for `patience` (`false`).
    pub async fn wait_until_in_use(&self, patience: Duration) -> bool {
        let mut changes = self.0.shared.state.subscribe();
        let closed = changes.wait_for(|state| *state == State::Closed);
        matches!(timeout(patience, closed).await, Ok(Ok(_)))
    }

    /// Has `recovery` run before Redis is used, the first time and whenever it comes back.
    pub(crate) fn before_use(&self, recovery: Recovery) {
        sync::lock(&self.0.shared.recoveries).push(recovery);
    }

    /// The full name of a key: prefix, colon, `name`.
    pub fn key(&self, name: &str) -> String {
        format!("{}:{name}", self.0.shared.settings.key_prefix)
    }

    /// Keys that meet everything that can forget by itself: `name`, or on a cluster one for each part
    /// of its slots.
    pub(crate) fn everywhere(&self, name: &str) -> Vec<String> {
        let key = self.key(name);
        match self.settings().address {
            RedisAddress::Server(_) | RedisAddress::Sentinel(_) => vec![key],
            RedisAddress::Cluster(_) => spread(&key),
        }
    }

    /// The settings in force.
    pub fn settings(&self) -> &RedisSettings {
        &self.0.shared.settings
    }

    pub(crate) fn blocking(&self) -> &BlockingConnections {
        &self.0.blocking
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.0.shared
    }

    /// Runs one use of Redis under the deadline: reconnecting, sending and the answer included.
    ///
    /// The first use that fails takes Redis out of use at once, for all: whoever had begun waits for
    /// the rest of its own deadline, and nobody after it. Whether that was a hiccup or the end of it
    /// is for the background probe to find out.
    pub(crate) async fn run<T, F, Fut>(&self, f: F) -> Result<T, Away>
    where
        F: FnOnce(Connection) -> Fut,
        Fut: Future<Output = RedisResult<T>>,
    {
        let shared = &self.0.shared;
        if !self.is_in_use() {
            return Err(Away::NotInUse);
        }
        let Some(connection) = shared.connection() else { return Err(Away::NotInUse) };
        let deadline = if is_off(Mechanism::RedisDeadline) {
            shared.settings.deadline.saturating_mul(1_000)
        } else {
            shared.settings.deadline
        };
        let (reason, away) = match timeout(deadline, f(connection)).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) if shared.is_lost(&error) => ("connection", Away::Failed(error)),
            Ok(Err(error)) => {
                // The server answered: out of memory, a read-only replica, a missing right. That
                // costs no waiting, so the circuit stays closed for what does work.
                shared.metrics.redis_failures.with_label_values(&["reply"]).inc();
                return Err(Away::Failed(error));
            }
            Err(_) => ("deadline", Away::Deadline),
        };
        shared.metrics.redis_failures.with_label_values(&[reason]).inc();
        shared.suspect();
        Err(away)
    }
}

impl fmt::Debug for RedisHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisHandle")
            .field("settings", self.settings())
            .field("in_use", &self.is_in_use())
            .finish()
    }
}
