//! The handle through which everything uses Redis: one shared connection, one deadline.

use std::{
    fmt,
    future::Future,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use alpine_domain::ports::database_id::DatabaseId;
use redis::RedisResult;
use tokio::{task::JoinHandle, time::timeout};

use super::{
    blocking::BlockingConnections,
    cause::Cause,
    circuit::{RecoveryHook, Shared, State},
    connection::Connection,
    connector::Connector,
    namespace::Namespace,
    probe,
    settings::RedisSettings,
    slots::spread,
    write_check::WriteCheck,
};
use crate::{InfraMetrics, SettingsError, random_text, sync};

/// Why a use of Redis failed. After a deadline the outcome is unknown: the command may still take
/// effect.
#[derive(Debug, thiserror::Error)]
pub enum RedisUnavailable {
    /// The circuit is open: Redis was not asked.
    #[error("Redis is not in use for now")]
    NotInUse,
    /// No answer within the deadline.
    #[error("Redis did not answer in time")]
    Deadline,
    /// The value was not written by this deployment, or was changed.
    #[error("a value in Redis is not what was written")]
    Forged,
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
        let connector = Connector::new(settings.url()?, settings.connect_timeout)
            .map_err(|e| RedisSettings::refused(&e))?;
        let connection = connector.connect_lazily().map_err(|e| RedisSettings::refused(&e))?;
        let connector = Arc::new(connector);
        let blocking = BlockingConnections::new(Arc::clone(&connector), &settings);
        let name = format!("{}:probe:{}", settings.key_prefix, random_text());
        let write_check = WriteCheck::new(&name, settings.is_cluster());
        let shared = Arc::new(Shared::new(connector, settings, connection, write_check, metrics));
        let probe = tokio::spawn(probe::run(Arc::clone(&shared)));
        Ok(Self(Arc::new(Owner { shared, blocking, probe })))
    }

    /// Whether Redis is in use now.
    pub fn is_in_use(&self) -> bool {
        self.0.shared.in_use.load(Ordering::Acquire)
    }

    /// Waits until Redis is in use, for `patience` at most. Whether it is.
    pub async fn wait_until_in_use(&self, patience: Duration) -> bool {
        let mut changes = self.0.shared.state.subscribe();
        let closed = changes.wait_for(|state| *state == State::Closed);
        matches!(timeout(patience, closed).await, Ok(Ok(_)))
    }

    /// Runs `hook` before Redis is used, the first time and whenever it is back.
    pub(crate) fn on_recovery(&self, hook: RecoveryHook) {
        sync::lock(&self.0.shared.recovery_hooks).push(hook);
    }

    /// Says of which database Redis keeps copies, and the deployment's secret. Redis is not used before
    /// that. Only the first call counts.
    pub fn identify(&self, secret: &[u8], database: DatabaseId) {
        let shared = &self.0.shared;
        let namespace = Namespace::new(&shared.settings.key_prefix, secret, database);
        if shared.namespace.set(namespace).is_ok() {
            shared.identified.notify_one();
        }
    }

    /// Says that its memory must have a limit above the `bodies` bytes that cached bodies may take. From
    /// then on a warning and [`RedisProbe`](super::RedisProbe) tell of limits that do not fit. Only the
    /// first call counts.
    pub fn expect_memory_limit(&self, bodies: u64) {
        let _is_first = self.0.shared.bodies.set(bodies).is_ok();
    }

    /// The keys and codes of this deployment. It is known whenever Redis is in use.
    pub(crate) fn namespace(&self) -> Option<&Namespace> {
        self.0.shared.namespace.get()
    }

    /// The keys for `key` by which every server is met: `key` itself, or on a cluster one key in each
    /// 32nd of the slots, so that every master has at least one of them.
    pub(crate) fn keys_for_all_slots(&self, key: &str) -> Vec<String> {
        if self.settings().is_cluster() { spread(key) } else { vec![key.to_owned()] }
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
    /// The first use that fails takes Redis out of use at once, for everybody. Uses that had begun wait
    /// for the rest of their own deadlines; those after it do not wait. The background probe finds out
    /// whether Redis is away.
    pub(crate) async fn run<T, F, Fut>(&self, f: F) -> Result<T, RedisUnavailable>
    where
        F: FnOnce(Connection) -> Fut,
        Fut: Future<Output = RedisResult<T>>,
    {
        let shared = &self.0.shared;
        if !self.is_in_use() {
            return Err(RedisUnavailable::NotInUse);
        }
        let Some(connection) = shared.connection() else { return Err(RedisUnavailable::NotInUse) };
        let (reason, failure) = match timeout(shared.settings.deadline, f(connection)).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => match Cause::of(&error) {
                Some(Cause::Unreachable) => ("connection", RedisUnavailable::Failed(error)),
                // It concerns this command or its key; others are used on. Whether a right is missing
                // that all need, the probe finds out.
                None | Some(Cause::LacksRights) => {
                    shared.metrics.redis_failures.with_label_values(&["reply"]).inc();
                    if shared.reply_warnings.is_due() {
                        tracing::warn!(%error, "Redis answered a command with an error");
                    }
                    return Err(RedisUnavailable::Failed(error));
                }
                Some(cause) => {
                    shared.note(cause);
                    ("refused", RedisUnavailable::Failed(error))
                }
            },
            Err(_) => ("deadline", RedisUnavailable::Deadline),
        };
        shared.metrics.redis_failures.with_label_values(&[reason]).inc();
        shared.suspect();
        Err(failure)
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
