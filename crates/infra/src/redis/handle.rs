//! The one connection, its deadline and its circuit.

use std::{
    fmt,
    future::Future,
    sync::{
        Arc, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use redis::{
    Client, RedisResult,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use super::{BlockingConnections, RedisSettings};
use crate::{InfraMetrics, SettingsError, sync};

/// How long the background probe waits for an answer, and whoever asks for the state at most.
const PROBE_DEADLINE: Duration = Duration::from_secs(1);
/// Answers within the request deadline, in a row, that put a lost Redis into use again.
const ANSWERS_TO_CLOSE: u32 = 2;

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

/// What the background probe saw last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    Nothing,
    Answering,
    Slow,
    Unreachable,
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

pub(super) struct Shared {
    client: Client,
    settings: RedisSettings,
    connection: RwLock<ConnectionManager>,
    /// The circuit: requests ask Redis only while this is true.
    in_use: AtomicBool,
    /// The same for those that wait for a change.
    changed: watch::Sender<bool>,
    /// Moves each time that Redis comes back, when it may have lost or found old memory.
    epoch: AtomicU64,
    look_now: Notify,
    pub(super) seen: watch::Sender<Seen>,
    metrics: Arc<InfraMetrics>,
}

impl RedisHandle {
    /// A handle on the server that `settings` name, connecting in the background. Must be called
    /// on a Tokio runtime.
    pub fn open(
        settings: RedisSettings,
        metrics: Arc<InfraMetrics>,
    ) -> Result<Self, SettingsError> {
        let refused = |e: redis::RedisError| {
            SettingsError::new(
                "redis.url",
                e.detail().unwrap_or("not usable").to_owned(),
                "check scheme, host and TLS",
            )
        };
        let client = Client::open(settings.url.clone()).map_err(refused)?;
        let connection = connect_lazily(&client, &settings).map_err(refused)?;
        let blocking = BlockingConnections::new(&client, &settings);
        let shared = Arc::new(Shared {
            client,
            settings,
            connection: RwLock::new(connection),
            in_use: AtomicBool::new(false),
            changed: watch::Sender::new(false),
            epoch: AtomicU64::new(0),
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
        let mut changes = self.0.shared.changed.subscribe();
        matches!(timeout(patience, changes.wait_for(|in_use| *in_use)).await, Ok(Ok(_)))
    }

    /// How often Redis was taken into use so far. Whoever keeps state there compares this with
    /// what it was, since a server that came back may hold less, or older things, than before.
    pub fn epoch(&self) -> u64 {
        self.0.shared.epoch.load(Ordering::Acquire)
    }

    /// The full name of a key: prefix, colon, `name`.
    pub fn key(&self, name: &str) -> String {
        format!("{}:{name}", self.0.shared.settings.key_prefix)
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
    /// The first failure opens the circuit, so the requests after it do not wait.
    pub(crate) async fn run<T, F, Fut>(&self, f: F) -> Result<T, Away>
    where
        F: FnOnce(ConnectionManager) -> Fut,
        Fut: Future<Output = RedisResult<T>>,
    {
        let shared = &self.0.shared;
        if !self.is_in_use() {
            return Err(Away::NotInUse);
        }
        let connection = sync::read(&shared.connection).clone();
        let (reason, away) = match timeout(shared.settings.deadline, f(connection)).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) if is_connection_fault(&error) => ("connection", Away::Failed(error)),
            Ok(Err(error)) => {
                // The server answered: out of memory, a read-only replica, a missing right. That
                // costs no waiting, so the circuit stays closed for what does work.
                shared.metrics.redis_failures.with_label_values(&["reply"]).inc();
                return Err(Away::Failed(error));
            }
            Err(_) => ("deadline", Away::Deadline),
        };
        shared.metrics.redis_failures.with_label_values(&[reason]).inc();
        shared.give_up(reason);
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

fn is_connection_fault(error: &redis::RedisError) -> bool {
    error.is_io_error()
        || error.is_timeout()
        || error.is_connection_dropped()
        || error.is_connection_refusal()
        || error.is_unrecoverable_error()
}

fn connect_lazily(client: &Client, settings: &RedisSettings) -> RedisResult<ConnectionManager> {
    // No retries: the probe drives reconnecting, and requests are under their own deadline.
    let config = ConnectionManagerConfig::new()
        .set_number_of_retries(0)
        .set_connection_timeout(Some(settings.connect_timeout))
        .set_response_timeout(Some(PROBE_DEADLINE))
        .set_pipeline_buffer_size(1_024);
    ConnectionManager::new_lazy_with_config(client.clone(), config)
}

impl Shared {
    fn give_up(&self, reason: &str) {
        if self.in_use.swap(false, Ordering::AcqRel) {
            tracing::warn!(reason, "Redis is away; local fallbacks take over");
            self.metrics.redis_connected.set(0);
            self.metrics.redis_transitions.with_label_values(&["down"]).inc();
            self.changed.send_replace(false);
        }
        self.look_now.notify_one();
    }

    fn take_into_use(&self) {
        // The epoch moves first: nobody may use a returned Redis under the old one.
        self.epoch.fetch_add(1, Ordering::AcqRel);
        if !self.in_use.swap(true, Ordering::AcqRel) {
            tracing::info!("Redis is in use");
            self.metrics.redis_connected.set(1);
            self.metrics.redis_transitions.with_label_values(&["up"]).inc();
            self.changed.send_replace(true);
        }
    }

    /// Asks once, however long the request deadline is, and says how long the answer took.
    async fn ask(&self) -> Option<Duration> {
        let mut connection = sync::read(&self.connection).clone();
        let started = Instant::now();
        let ping = async move { redis::cmd("PING").query_async::<String>(&mut connection).await };
        match timeout(PROBE_DEADLINE, ping).await {
            Ok(Ok(_)) => Some(started.elapsed()),
            Ok(Err(_)) | Err(_) => None,
        }
    }

    /// A connection whose other end went silent never reports a fault by itself; start anew.
    fn replace_connection(&self) {
        if let Ok(fresh) = connect_lazily(&self.client, &self.settings) {
            *sync::write(&self.connection) = fresh;
        }
    }

    async fn poll_memory(&self) {
        let mut connection = sync::read(&self.connection).clone();
        let info = async move {
            redis::cmd("INFO").arg("memory").query_async::<String>(&mut connection).await
        };
        // A user without the right to INFO simply leaves the gauge where it was.
        if let Ok(Ok(text)) = timeout(PROBE_DEADLINE, info).await {
            let used = text
                .lines()
                .find_map(|line| line.strip_prefix("used_memory:")?.trim().parse().ok());
            if let Some(bytes) = used {
                self.metrics.redis_memory.set(bytes);
            }
        }
    }
}

/// The background probe: never a user's request finds out that Redis is back.
async fn keep_looking(shared: Arc<Shared>) {
    let mut good = 0;
    loop {
        let answer = shared.ask().await;
        let in_use = shared.in_use.load(Ordering::Acquire);
        match answer {
            Some(took) if took <= shared.settings.deadline => {
                shared.seen.send_replace(Seen::Answering);
                good += 1;
                // At start nothing was lost, so one good answer is enough.
                let first = shared.epoch.load(Ordering::Acquire) == 0;
                if !in_use && (first || good >= ANSWERS_TO_CLOSE) {
                    shared.take_into_use();
                }
                if shared.in_use.load(Ordering::Acquire) {
                    shared.poll_memory().await;
                }
            }
            // The first answer on a new connection includes connecting; the next one tells.
            Some(_) => {
                good = 0;
                shared.seen.send_replace(Seen::Slow);
            }
            None => {
                good = 0;
                shared.seen.send_replace(Seen::Unreachable);
                shared.give_up("no answer to the probe");
                shared.replace_connection();
            }
        }
        let pause = if shared.in_use.load(Ordering::Acquire) {
            shared.settings.poll_interval
        } else {
            // A stored wake-up of our own giving up must not shorten this pause.
            sleep(shared.settings.probe_interval).await;
            Duration::ZERO
        };
        if !pause.is_zero() {
            tokio::select! {
                () = sleep(pause) => {}
                () = shared.look_now.notified() => { good = 0; }
            }
        }
    }
}
