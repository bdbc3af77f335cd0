//! The second level: entries and leases in Redis, shared by all instances.

use std::{sync::Arc, time::Duration};

use alpine_domain::{
    Timestamp,
    ports::{
        cache::{CacheKey, CachePolicy, Scope},
        secrets::Randomness as _,
    },
};
use redis::Script;
use sha2::{Digest, Sha256};

use super::{
    encoding::{self, DIGEST},
    entry::Entry,
    generations::Snapshot,
};
use crate::{
    InfraMetrics,
    redis::{RedisHandle, RedisUnavailable},
    secrets::OsRandomness,
};

/// How long Redis keeps an entry at most, whatever its policy. It is well below the time for which the
/// event log keeps rows, so an entry never outlives the row that ended its generation.
const LONGEST_LIFE: Duration = Duration::from_mins(30);

/// The names in Redis for one cache key under the generations of one instant.
///
/// The generations are part of the name: an instance that has applied an event never looks up older
/// entries. So nothing has to be deleted, and nothing that Redis loses, keeps for too long or restores
/// from an old dump can bring an invalidated body back.
#[derive(Debug, Clone)]
pub(super) struct SharedKey {
    digest: [u8; DIGEST],
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
    owner: String,
    release: Arc<Script>,
}

/// Entries and leases in Redis.
pub(super) struct RedisLevel {
    redis: RedisHandle,
    release: Arc<Script>,
    metrics: Arc<InfraMetrics>,
}

impl RedisLevel {
    pub(super) fn new(redis: RedisHandle, metrics: Arc<InfraMetrics>) -> Self {
        // An instance whose lease has expired must not release the next holder's.
        let release = Script::new(
            "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
             return 0",
        );
        Self { redis, release: Arc::new(release), metrics }
    }

    /// The names for `key`, or `None` if it may not be shared: bodies of one principal never leave the
    /// process, and only shared tags have a generation that is the same on all instances.
    pub(super) fn shared_key(&self, key: &CacheKey, snapshot: &Snapshot) -> Option<SharedKey> {
        if matches!(key.scope, Scope::Principal(_)) || !self.redis.is_in_use() {
            return None;
        }
        let generations = snapshot.shared.as_ref()?;
        let mut hash = Sha256::new();
        for generation in generations {
            hash.update(generation.to_be_bytes());
        }
        // The key's own text is unambiguous and comes last.
        hash.update(key.to_string());
        let digest: [u8; DIGEST] = hash.finalize().into();
        let name = hex::encode(digest);
        // The braces keep both in one slot of a cluster.
        Some(SharedKey {
            digest,
            entry: self.redis.key(&format!("cache:{{{name}}}:body")),
            lease: self.redis.key(&format!("cache:{{{name}}}:lease")),
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
        let entry = bytes
            .and_then(|bytes| encoding::decode(bytes, &key.digest))
            .map(|entry| entry.into_entry(snapshot.clone(), policy, now, left));
        let level =
            if entry.is_some() { &self.metrics.cache_hits } else { &self.metrics.cache_misses };
        level.with_label_values(&["redis"]).inc();
        entry
    }

    /// Stores an entry for the other instances.
    pub(super) async fn put(&self, key: &SharedKey, entry: &Entry, now: Timestamp) {
        let life = entry.life(now).min(LONGEST_LIFE);
        let Ok(millis) = u64::try_from(life.as_millis()) else {
            return;
        };
        if millis == 0 {
            return;
        }
        let mut set = redis::cmd("SET");
        set.arg(&key.entry).arg(encoding::encode(entry, &key.digest, now.later(life)));
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

    /// Takes the lease of `key` for `life`, unless another instance holds it.
    pub(super) async fn acquire_lease(&self, key: &SharedKey, life: Duration) -> LeaseAttempt {
        let mut owner = [0; 16];
        OsRandomness.fill(&mut owner);
        let owner = hex::encode(owner);
        let mut set = redis::cmd("SET");
        set.arg(&key.lease).arg(&owner).arg("NX").arg("PX");
        set.arg(u64::try_from(life.as_millis()).unwrap_or(u64::MAX).max(1));
        let took = self
            .redis
            .run(|mut c| async move { set.query_async::<Option<String>>(&mut c).await })
            .await;
        self.count("lease", &took);
        match took {
            Ok(Some(_)) => LeaseAttempt::Acquired(Lease {
                redis: self.redis.clone(),
                key: key.lease.clone(),
                owner,
                release: Arc::clone(&self.release),
            }),
            Ok(None) => LeaseAttempt::HeldElsewhere,
            Err(_) => LeaseAttempt::Unavailable,
        }
    }

    fn count<T>(&self, operation: &str, result: &Result<T, RedisUnavailable>) {
        let outcome = match result {
            Ok(_) => "ok",
            Err(RedisUnavailable::NotInUse) => "away",
            Err(RedisUnavailable::Deadline) => "deadline",
            Err(RedisUnavailable::Failed(_)) => "error",
        };
        self.metrics.cache_operations.with_label_values(&[operation, outcome]).inc();
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let (redis, release) = (self.redis.clone(), Arc::clone(&self.release));
        let (key, owner) = (std::mem::take(&mut self.key), std::mem::take(&mut self.owner));
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        runtime.spawn(async move {
            let mut call = release.key(key);
            call.arg(owner);
            let call = &call;
            // If this fails, the lease expires by itself.
            let _ = redis.run(|mut c| async move { call.invoke_async::<i64>(&mut c).await }).await;
        });
    }
}
