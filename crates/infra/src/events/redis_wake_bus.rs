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

use crate::redis::RedisHandle;

/// How long one `XREAD` blocks; a silent connection is noticed after it.
const BLOCK: Duration = Duration::from_secs(2);
/// The pause after a failed read, doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
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

fn stream_key(redis: &RedisHandle) -> String {
    redis.key("wake")
}

/// Sends wake-ups, one at a time: those that come meanwhile become one.
async fn send(redis: RedisHandle, outgoing: Arc<Notify>, instance: Arc<str>) {
    let mut add = cmd("XADD");
    // A few entries are enough: they say nothing but who added them.
    add.arg(stream_key(&redis)).arg(&["MAXLEN", "~", "16", "*", SENDER, &*instance]);
    loop {
        outgoing.notified().await;
        let add = &add;
        // A lost wake-up costs the others their poll interval, nothing else.
        if let Err(error) =
            redis.run(|mut c| async move { add.query_async::<String>(&mut c).await }).await
        {
            tracing::debug!(%error, "other instances were not woken");
        }
    }
}

async fn receive(redis: RedisHandle, local: Arc<Notify>, instance: Arc<str>) {
    let key = stream_key(&redis);
    let mut pause = FIRST_PAUSE;
    let mut last: Option<String> = None;
    loop {
        match listen(&redis, &key, &local, &instance, &mut last).await {
            Ok(()) => pause = FIRST_PAUSE,
            Err(error) => {
                tracing::debug!(%error, "waiting for wake-ups failed");
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
                // Wake-ups may have been missed meanwhile, or lost with the server's memory.
                last = None;
                local.notify_one();
            }
        }
    }
}

/// Waits once. The first position is that of the newest entry: `$` on every call would miss what is
/// added between two calls.
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
        let mut newest = cmd("XREVRANGE");
        newest.arg(key).arg(&["+", "-", "COUNT", "1"]);
        let newest: Vec<(String, Vec<String>)> = connection.wait_for(&newest, patience).await?;
        newest.into_iter().next().map_or_else(|| "0-0".to_owned(), |(id, _)| id)
    };
    *last = Some(position.clone());
    let reply: Option<StreamReadReply> =
        connection.wait_for(&read(key, &position), BLOCK + patience).await?;
    let entries = reply.and_then(|mut reply| reply.keys.pop()).map(|stream| stream.ids);
    for entry in entries.unwrap_or_default() {
        if entry.get::<String>(SENDER).as_deref() != Some(instance) {
            local.notify_one();
        }
        *last = Some(entry.id);
    }
    Ok(())
}

fn read(key: &str, after: &str) -> Cmd {
    let mut read = cmd("XREAD");
    read.arg("BLOCK")
        .arg(u64::try_from(BLOCK.as_millis()).unwrap_or(1_000))
        .arg("STREAMS")
        .arg(key)
        .arg(after);
    read
}
