//! Wake-ups between instances, over a short stream in Redis. It carries no events.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
    time::Duration,
};

use ::redis::{Cmd, cmd, streams::StreamReadReply};
use alpine_domain::ports::events::EventBus;
use async_trait::async_trait;
use tokio::{sync::Notify, task::JoinHandle, time::sleep};

use crate::redis::{PooledBlockingConnection, RedisHandle, RedisUnavailable};

/// Entries that one `XREAD` returns at most.
const MOST_READ: u32 = 64;
/// How long one `XREAD` blocks; a silent connection is noticed after it.
const BLOCK: Duration = Duration::from_secs(2);
/// The pause after a failed read, doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// The pause after a successful read.
const LEAST_PAUSE: Duration = Duration::from_millis(20);
/// The field of an entry that says which instance added it.
const SENDER: &str = "sender";

/// Wakes the followers of all other instances. A stream rather than publish and subscribe: a reader
/// that reconnects finds what was added meanwhile.
pub struct RedisWakeBus {
    local: Arc<Notify>,
    outgoing: Arc<Notify>,
    tasks: [JoinHandle<()>; 2],
}

impl RedisWakeBus {
    /// A bus over `redis`, connecting in the background. Must be called on a Tokio runtime.
    pub fn new(redis: RedisHandle) -> Self {
        let local = Arc::new(Notify::new());
        let outgoing = Arc::new(Notify::new());
        // Its keys are random, so the value is another one in each process.
        let instance: Arc<str> = format!("{:016x}", RandomState::new().hash_one(0)).into();
        let tasks = [
            tokio::spawn(send(redis.clone(), Arc::clone(&outgoing), Arc::clone(&instance))),
            tokio::spawn(receive(redis, Arc::clone(&local), instance)),
        ];
        Self { local, outgoing, tasks }
    }
}

impl Drop for RedisWakeBus {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

#[async_trait]
impl EventBus for RedisWakeBus {
    fn wake(&self) {
        self.outgoing.notify_one();
    }

    async fn woken(&self) {
        self.local.notified().await;
    }
}

/// `None` until the deployment is known.
fn stream_key(redis: &RedisHandle) -> Option<String> {
    redis.namespace().map(|namespace| namespace.key("wake"))
}

/// Sends wake-ups, one at a time: those that come meanwhile become one.
async fn send(redis: RedisHandle, outgoing: Arc<Notify>, instance: Arc<str>) {
    loop {
        outgoing.notified().await;
        let Some(key) = stream_key(&redis) else { continue };
        if let Err(error) = add_entry(&redis, &key, &instance).await {
            // Its last id may be the greatest there is, or the key of another type: a writer other than
            // Alpine can do that. A new stream takes entries again.
            if matches!(error, RedisUnavailable::Failed(_)) && redis.is_in_use() {
                let mut del = cmd("DEL");
                del.arg(&key);
                let _ = redis.run(|mut c| async move { del.query_async::<()>(&mut c).await }).await;
                let _ = add_entry(&redis, &key, &instance).await;
            }
            // A lost wake-up costs the others their poll interval, nothing else.
            tracing::debug!(%error, "other instances were not woken");
        }
    }
}

async fn add_entry(
    redis: &RedisHandle,
    key: &str,
    instance: &str,
) -> Result<String, RedisUnavailable> {
    let mut add = cmd("XADD");
    // A few entries are enough: they say nothing but who added them.
    add.arg(key).arg(&["MAXLEN", "~", "16", "*", SENDER, instance]);
    redis.run(|mut c| async move { add.query_async(&mut c).await }).await
}

async fn receive(redis: RedisHandle, local: Arc<Notify>, instance: Arc<str>) {
    let mut pause = FIRST_PAUSE;
    let mut last: Option<String> = None;
    loop {
        let Some(key) = stream_key(&redis) else {
            sleep(FIRST_PAUSE).await;
            continue;
        };
        match listen(&redis, &key, &local, &instance, &mut last).await {
            Ok(()) => {
                pause = FIRST_PAUSE;
                // However many wake-ups come, the log is read for them 50 times a second at most.
                sleep(LEAST_PAUSE).await;
            }
            Err(error) => {
                tracing::debug!(%error, "waiting for wake-ups failed");
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
                // Wake-ups may be missed meanwhile, or lost with the server's memory.
                last = None;
            }
        }
    }
}

/// Waits once. The first position is that of the newest entry: `$` on every call would miss what is
/// added between two calls. What was added before it may be missed, so this instance is woken once it
/// is known. The position after a wait in vain is the newest entry as well: the stream may be a new one.
async fn listen(
    redis: &RedisHandle,
    key: &str,
    local: &Notify,
    instance: &str,
    last: &mut Option<String>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut connection = redis.blocking().get().await?;
    let patience = redis.settings().connect_timeout;
    let position = if let Some(position) = last {
        position.clone()
    } else {
        let newest = newest(&mut connection, key, patience).await?;
        *last = Some(newest.clone());
        local.notify_one();
        newest
    };
    let reply: Option<StreamReadReply> =
        connection.wait_for(&read(key, &position), BLOCK + patience).await?;
    let added = reply.and_then(|mut reply| reply.keys.pop()).map(|stream| stream.ids);
    let added = added.unwrap_or_default();
    if added.iter().any(|entry| entry.get::<String>(SENDER).as_deref() != Some(instance)) {
        local.notify_one();
    }
    if let Some(entry) = added.into_iter().next_back() {
        *last = Some(entry.id);
    } else {
        let newest = newest(&mut connection, key, patience).await?;
        if newest != position {
            local.notify_one();
        }
        *last = Some(newest);
    }
    Ok(())
}

/// The id of the newest entry.
async fn newest(
    connection: &mut PooledBlockingConnection,
    key: &str,
    patience: Duration,
) -> redis::RedisResult<String> {
    let mut newest = cmd("XREVRANGE");
    newest.arg(key).arg(&["+", "-", "COUNT", "1"]);
    let newest: Vec<(String, Vec<String>)> = connection.wait_for(&newest, patience).await?;
    Ok(newest.into_iter().next().map_or_else(|| "0-0".to_owned(), |(id, _)| id))
}

fn read(key: &str, after: &str) -> Cmd {
    let mut read = cmd("XREAD");
    read.arg("BLOCK")
        .arg(u64::try_from(BLOCK.as_millis()).unwrap_or(1_000))
        .arg("COUNT")
        .arg(MOST_READ)
        .arg("STREAMS")
        .arg(key)
        .arg(after);
    read
}
