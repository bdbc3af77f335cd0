//! The second level: entries and leases in Redis, shared by all instances.

use std::{
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, Instant},
};

use alpine_domain::{
    Timestamp,
    ports::{
        cache::{CacheKey, CachePolicy, Scope},
        secrets::Randomness as _,
    },
};
use redis::Script;

use super::{
    encoding,
    entry::Entry,
    generations::Snapshot,
    redis_budget::{RedisBudget, Refusal},
};
use crate::{
    InfraMetrics,
    redis::{CODE, Namespace, Purpose, RedisHandle, RedisUnavailable},
    secrets::OsRandomness,
};

/// How long Redis keeps an entry at most, whatever its policy. It is well below the time for which the
/// event log keeps rows, so an entry never outlives the row that ended its generation.
const LONGEST_LIFE: Duration = Duration::from_mins(30);

/// How far apart the clocks of two instances may be.
const CLOCK_DIFFERENCE: Duration = Duration::from_secs(10);

/// The names in Redis for one cache key under the generations of one instant.
///
/// The generations are part of the name: an instance that has applied an event never looks up older
/// entries. So nothing has to be deleted, and nothing that Redis loses, keeps for too long or restores
/// from an old dump can bring an invalidated body back.
#[derive(Debug, Clone)]
pub(super) struct SharedKey {
    /// The name of key and generations, to which entry and lease are bound.
    name: [u8; CODE],
    entry: String,
    lease: String,
}

/// The result of asking for the lease of an entry.
pub(super) enum LeaseAttempt {
    /// This instance loads; no other one does until the lease is released or expires.
    Acquired(Lease),
    /// Another instance holds it, and loads.
    HeldElsewhere,
    /// Redis is not in use: every instance loads for itself.
    Unavailable,
}

/// The right to load an entry on behalf of all instances. Dropping it releases it.
pub(super) struct Lease {
    redis: RedisHandle,
    key: String,
    value: Vec<u8>,
    release: Arc<Script>,
}

/// Entries and leases in Redis.
pub(super) struct RedisLevel {
    redis: RedisHandle,
    release: Arc<Script>,
    pub(super) budget: RedisBudget,
    metrics: Arc<InfraMetrics>,
}

impl RedisLevel {
    pub(super) fn new(
        redis: RedisHandle,
        bytes: u64,
        instances: NonZeroU32,
        metrics: Arc<InfraMetrics>,
    ) -> Self {
        // An instance whose lease has expired must not release the next holder's.
        let release = Script::new(
            "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
             return 0",
        );
        let budget = RedisBudget::new(bytes, instances);
        Self { redis, release: Arc::new(release), budget, metrics }
    }

    /// The names for `key`, or `None` if it may not be shared: bodies of one principal never leave the
    /// process, and only shared tags have a generation that is the same on all instances.
    pub(super) fn shared_key(&self, key: &CacheKey, snapshot: &Snapshot) -> Option<SharedKey> {
        if matches!(key.scope, Scope::Principal(_)) || !self.redis.is_in_use() {
            return None;
        }
        let namespace = self.redis.namespace()?;
        let generations = snapshot.shared.as_ref()?;
        let generations: Vec<u8> = generations.iter().flat_map(|n| n.to_be_bytes()).collect();
        // With the code's key, so that nobody else knows where an entry will be.
        let name = namespace.code(Purpose::CacheName, &[&generations, key.to_string().as_bytes()]);
        let text = hex::encode(name);
        // The braces keep both in one slot of a cluster.
        Some(SharedKey {
            name,
            entry: namespace.key(&format!("cache:{{{text}}}:body")),
            lease: namespace.key(&format!("cache:{{{text}}}:lease")),
        })
    }

    /// The entry under `key`, whatever its age.
    pub(super) async fn fetch(
        &self,
        key: &SharedKey,
        policy: &CachePolicy,
        snapshot: &Snapshot,
        now: Timestamp,
    ) -> Option<Entry> {
        let mut get = redis::pipe();
        get.cmd("GET").arg(&key.entry).cmd("PTTL").arg(&key.entry);
        let got = self
            .redis
            .run(|mut c| async move { get.query_async::<(Option<Vec<u8>>, i64)>(&mut c).await })
            .await;
        self.count("get_redis", &got);
        let (bytes, left) = got.ok()?;
        let left = Duration::from_millis(u64::try_from(left).unwrap_or(0));
        let namespace = self.redis.namespace()?;
        let is_there = bytes.is_some();
        let entry = bytes
            .and_then(|bytes| encoding::decode(bytes, namespace, &key.name))
            .map(|entry| entry.into_entry(snapshot.clone(), policy, now, left));
        if is_there && entry.is_none() {
            namespace.report_forgery(Purpose::CacheEntry, &self.metrics);
        }
        let level =
            if entry.is_some() { &self.metrics.cache_hits } else { &self.metrics.cache_misses };
        level.with_label_values(&["redis"]).inc();
        entry
    }

    /// Stores an entry for the other instances, if there is room for it. `is_wanted` says that somebody
    /// waits for it, or that its key was loaded before; what is not is kept while it is fresh.
    pub(super) async fn put(
        &self,
        key: &SharedKey,
        entry: &Entry,
        is_wanted: bool,
        now: Timestamp,
    ) {
        let end = if is_wanted { entry.expires_at } else { entry.fresh_until() };
        let life = end.since(now).min(LONGEST_LIFE);
        let Ok(millis) = u64::try_from(life.as_millis()) else {
            return;
        };
        if millis == 0 {
            return;
        }
        let Some(namespace) = self.redis.namespace() else { return };
        let value = encoding::encode(entry, namespace, &key.name, now.later(life));
        let length = value.len() + key.entry.len();
        let spent = self.budget.spend(length, life, is_wanted, Instant::now());
        let outcome = spent.map_or_else(Refusal::name, |()| "written");
        self.metrics.redis_cache_bytes.with_label_values(&[outcome]).inc_by(length as u64);
        if spent.is_err() {
            return;
        }
        let mut set = redis::cmd("SET");
        set.arg(&key.entry).arg(value);
        set.arg("PX").arg(millis);
        let put = self.redis.run(|mut c| async move { set.query_async::<()>(&mut c).await }).await;
        self.count("set_redis", &put);
    }

    /// Deletes the entry under `key`.
    pub(super) async fn remove(&self, key: &SharedKey) {
        let mut del = redis::cmd("DEL");
        del.arg(&key.entry);
        let gone = self.redis.run(|mut c| async move { del.query_async::<()>(&mut c).await }).await;
        self.count("del_redis", &gone);
    }

    /// Takes the lease of `key` for `life`, unless another instance holds it. A lease that this
    /// deployment did not write, or that has ended, keeps nobody from loading.
    pub(super) async fn acquire_lease(
        &self,
        key: &SharedKey,
        life: Duration,
        now: Timestamp,
    ) -> LeaseAttempt {
        let Some(namespace) = self.redis.namespace() else { return LeaseAttempt::Unavailable };
        let value = lease_value(namespace, key, now.later(life));
        let mut set = redis::cmd("SET");
        set.arg(&key.lease).arg(&value).arg("NX").arg("GET").arg("PX");
        set.arg(u64::try_from(life.as_millis()).unwrap_or(u64::MAX).max(1));
        let held = self
            .redis
            .run(|mut c| async move { set.query_async::<Option<Vec<u8>>>(&mut c).await })
            .await;
        self.count("lease", &held);
        match held {
            Ok(None) => LeaseAttempt::Acquired(Lease {
                redis: self.redis.clone(),
                key: key.lease.clone(),
                value,
                release: Arc::clone(&self.release),
            }),
            Ok(Some(held)) => match lease_end(namespace, key, &held) {
                Some(end) if now < end.later(CLOCK_DIFFERENCE) => LeaseAttempt::HeldElsewhere,
                Some(_) => LeaseAttempt::Unavailable,
                None => {
                    namespace.report_forgery(Purpose::CacheLease, &self.metrics);
                    LeaseAttempt::Unavailable
                }
            },
            Err(_) => LeaseAttempt::Unavailable,
        }
    }

    fn count<T>(&self, operation: &str, result: &Result<T, RedisUnavailable>) {
        let outcome = match result {
            Ok(_) => "ok",
            Err(RedisUnavailable::NotInUse) => "away",
            Err(RedisUnavailable::Deadline) => "deadline",
            Err(RedisUnavailable::Failed(_) | RedisUnavailable::Forged) => "error",
        };
        self.metrics.cache_operations.with_label_values(&[operation, outcome]).inc();
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let (redis, release) = (self.redis.clone(), Arc::clone(&self.release));
        let (key, value) = (std::mem::take(&mut self.key), std::mem::take(&mut self.value));
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        runtime.spawn(async move {
            let mut call = release.key(key);
            call.arg(value);
            let call = &call;
            // If this fails, the lease expires by itself.
            let _ = redis.run(|mut c| async move { call.invoke_async::<i64>(&mut c).await }).await;
        });
    }
}

/// The value of a lease: 16 random bytes, its end in microseconds, and a code over both and the entry.
fn lease_value(namespace: &Namespace, key: &SharedKey, end: Timestamp) -> Vec<u8> {
    let mut value = vec![0; 16];
    OsRandomness.fill(&mut value);
    value.extend_from_slice(&end.micros().to_be_bytes());
    let code = namespace.code(Purpose::CacheLease, &[&key.name, &value]);
    value.extend_from_slice(&code);
    value
}

/// The end of the lease with this value; `None` if this deployment did not write it.
fn lease_end(namespace: &Namespace, key: &SharedKey, value: &[u8]) -> Option<Timestamp> {
    let (content, code) = value.split_at_checked(16 + 8)?;
    if !namespace.verify(Purpose::CacheLease, &[&key.name, content], code) {
        return None;
    }
    let end: [u8; 8] = content.get(16..)?.try_into().ok()?;
    Some(Timestamp::from_micros(i64::from_be_bytes(end)))
}
