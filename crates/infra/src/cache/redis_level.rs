//! The second level: entries and tag generations in Redis.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use alpine_domain::{
    Timestamp,
    ports::cache::{CacheKey, Tag},
};
use sha2::{Digest, Sha256};

use super::{
    entry::Entry,
    record::{self, Kept},
};
use crate::{
    InfraMetrics,
    redis::{Away, RedisHandle},
    sync,
};

/// How long a generation is kept unasked. Losing one only makes its entries unservable.
const GENERATION_LIFE: Duration = Duration::from_hours(7 * 24);
/// New generations waiting for Redis at most; beyond that everything is invalidated there.
const MAX_UNSENT: usize = 1_024;

/// The generations of an entry's tags in Redis, as they were before its load.
pub(super) struct Vector([u8; 32]);

/// What Redis said.
pub(super) struct Seen {
    pub(super) vector: Vector,
    pub(super) kept: Option<Kept>,
}

/// Invalidations that Redis does not know of yet. While one concerns an entry, Redis is not asked
/// for it.
#[derive(Debug, Default)]
struct Unsent {
    everything: Option<u64>,
    tags: HashMap<Tag, u64>,
    /// Tells two invalidations of the same tag apart.
    next: u64,
}

pub(super) struct RedisLevel {
    redis: RedisHandle,
    unsent: Mutex<Unsent>,
    /// The epoch of the connection in which everything here is known to be current.
    epoch: AtomicU64,
    metrics: Arc<InfraMetrics>,
}

impl RedisLevel {
    pub(super) fn new(redis: RedisHandle, metrics: Arc<InfraMetrics>) -> Self {
        Self {
            // The first connection loses nothing; a later one may come back with older memory.
            epoch: AtomicU64::new(redis.epoch().max(1)),
            redis,
            unsent: Mutex::default(),
            metrics,
        }
    }

    /// Notes that entries under `tags` in Redis are invalid from now on.
    pub(super) fn bar(&self, tags: &[Tag]) {
        let mut unsent = sync::lock(&self.unsent);
        unsent.next += 1;
        let number = unsent.next;
        unsent.tags.extend(tags.iter().map(|t| (t.clone(), number)));
        if unsent.tags.len() > MAX_UNSENT {
            unsent.tags.clear();
            unsent.everything = Some(number);
        }
    }

    /// Notes that every entry in Redis is invalid from now on.
    pub(super) fn bar_everything(&self) {
        let mut unsent = sync::lock(&self.unsent);
        unsent.next += 1;
        unsent.everything = Some(unsent.next);
    }

    /// Starts new generations in Redis for all that is barred. Whether nothing is barred any more.
    pub(super) async fn send_unsent(&self) -> bool {
        let epoch = self.redis.epoch();
        if self.epoch.swap(epoch, Ordering::AcqRel) != epoch && epoch > 1 {
            self.bar_everything();
        }
        let (everything, tags) = {
            let unsent = sync::lock(&self.unsent);
            if unsent.everything.is_none() && unsent.tags.is_empty() {
                return true;
            }
            (unsent.everything, unsent.tags.clone())
        };
        let mut pipeline = redis::pipe();
        for key in everything
            .map(|_| self.everything_key())
            .into_iter()
            .chain(tags.keys().map(|tag| self.generation_key(tag)))
        {
            pipeline
                .cmd("SET")
                .arg(key)
                .arg(word())
                .arg("EX")
                .arg(GENERATION_LIFE.as_secs())
                .ignore();
        }
        let sent =
            self.redis.run(|mut c| async move { pipeline.query_async::<()>(&mut c).await }).await;
        self.count("invalidate_redis", &sent);
        if sent.is_err() {
            return false;
        }
        let mut unsent = sync::lock(&self.unsent);
        // What was invalidated again in the meantime stays barred.
        if unsent.everything == everything {
            unsent.everything = None;
        }
        unsent.tags.retain(|tag, number| tags.get(tag) != Some(number));
        unsent.everything.is_none() && unsent.tags.is_empty()
    }

    /// Reads generations and entry in one command. `None` while Redis is away or barred.
    pub(super) async fn fetch(&self, key: &CacheKey, tags: &[Tag], now: Timestamp) -> Option<Seen> {
        if !self.redis.is_in_use() || !self.send_unsent().await {
            return None;
        }
        let generations = self.generation_keys(tags);
        let entry_key = self.entry_key(key);
        let mut found = self.read(&generations, &entry_key).await?;
        if found.0.iter().any(Option::is_none) {
            self.begin_missing(&generations, &found.0).await?;
            found = self.read(&generations, &entry_key).await?;
        }
        let words = found.0.into_iter().collect::<Option<Vec<_>>>()?;
        let vector = Vector(digest_of(&words));
        let kept =
            found.1.and_then(|bytes| record::decode(bytes, &digest_of_key(key), &vector.0, now));
        let level =
            if kept.is_some() { &self.metrics.cache_hits } else { &self.metrics.cache_misses };
        level.with_label_values(&["redis"]).inc();
        Some(Seen { vector, kept })
    }

    /// Stores an entry for the other instances, under the generations from before its load.
    pub(super) async fn put(&self, key: &CacheKey, vector: &Vector, entry: &Entry, now: Timestamp) {
        let Ok(life) = u64::try_from(entry.life(now).as_millis()) else {
            return;
        };
        if life == 0 {
            return;
        }
        let mut set = redis::cmd("SET");
        set.arg(self.entry_key(key))
            .arg(record::encode(entry, &digest_of_key(key), &vector.0))
            .arg("PX")
            .arg(life);
        let put = self.redis.run(|mut c| async move { set.query_async::<()>(&mut c).await }).await;
        self.count("set_redis", &put);
    }

    async fn read(
        &self,
        generations: &[String],
        entry: &str,
    ) -> Option<(Vec<Option<Vec<u8>>>, Option<Vec<u8>>)> {
        let mut get = redis::cmd("MGET");
        get.arg(generations).arg(entry);
        let got = self
            .redis
            .run(|mut c| async move { get.query_async::<Vec<Option<Vec<u8>>>>(&mut c).await })
            .await;
        self.count("get_redis", &got);
        let mut values = got.ok()?;
        let body = values.pop()?;
        (values.len() == generations.len()).then_some((values, body))
    }

    /// Gives tags that Redis does not know a first generation; the first instance wins.
    async fn begin_missing(&self, keys: &[String], values: &[Option<Vec<u8>>]) -> Option<()> {
        let mut pipeline = redis::pipe();
        for (key, _) in keys.iter().zip(values).filter(|(_, v)| v.is_none()) {
            pipeline
                .cmd("SET")
                .arg(key)
                .arg(word())
                .arg("NX")
                .arg("EX")
                .arg(GENERATION_LIFE.as_secs())
                .ignore();
        }
        self.redis.run(|mut c| async move { pipeline.query_async::<()>(&mut c).await }).await.ok()
    }

    /// The braces keep all keys of the cache in one slot of a cluster, so `MGET` takes them at once.
    fn everything_key(&self) -> String {
        self.redis.key("{cache}:all")
    }

    fn generation_key(&self, tag: &Tag) -> String {
        let digest = Sha256::digest(tag.0.as_bytes());
        self.redis.key(&format!("{{cache}}:tag:{}", hex::encode(digest)))
    }

    fn generation_keys(&self, tags: &[Tag]) -> Vec<String> {
        std::iter::once(self.everything_key())
            .chain(tags.iter().map(|tag| self.generation_key(tag)))
            .collect()
    }

    fn entry_key(&self, key: &CacheKey) -> String {
        self.redis.key(&format!("{{cache}}:body:{}", hex::encode(digest_of_key(key))))
    }

    fn count<T>(&self, operation: &str, result: &Result<T, Away>) {
        let outcome = match result {
            Ok(_) => "ok",
            Err(Away::NotInUse) => "away",
            Err(Away::Deadline) => "deadline",
            Err(Away::Failed(_)) => "error",
        };
        self.metrics.cache_operations.with_label_values(&[operation, outcome]).inc();
    }
}

/// A generation: a random word, so that a lost one never comes back equal.
fn word() -> Vec<u8> {
    let mut word = vec![0; 16];
    if getrandom::fill(&mut word).is_err() {
        // Without randomness, time: still never equal to an earlier word of this process.
        let nanos = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default()
            .as_nanos();
        word.copy_from_slice(&nanos.to_le_bytes());
    }
    word
}

fn digest_of(words: &[Vec<u8>]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for word in words {
        hash.update((word.len() as u64).to_le_bytes());
        hash.update(word);
    }
    hash.finalize().into()
}

/// The key's own text is unambiguous, and a digest keeps ids of people out of Redis.
fn digest_of_key(key: &CacheKey) -> [u8; 32] {
    Sha256::digest(key.to_string()).into()
}
