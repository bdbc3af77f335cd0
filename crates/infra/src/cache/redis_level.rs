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
    entry::Entry,
    generations::Snapshot,
    record::{self, DIGEST},
};
use crate::{
    InfraMetrics,
    mutants::{Mechanism, is_off},
    redis::{Away, RedisHandle},
    secrets::OsRandomness,
};

/// Entries are shared for so long at most, whatever their policy. It is well below the time for which
/// the log keeps rows, so that an entry never outlives the row that ended its generation.
const LONGEST_LIFE: Duration = Duration::from_mins(30);

/// Where the entry of one key under the generations of one instant is kept.
///
/// The generations are part of the name: an instance that has applied an event never even looks where
/// older entries are. So nothing has to be deleted, and nothing that Redis forgets, keeps for too long
/// or finds again in an old dump can bring an invalidated body back.
#[derive(Debug, Clone)]
pub(super) struct Place {
    digest: [u8; DIGEST],
    entry: String,
    lease: String,
}

/// What became of asking for the lease of a place.
pub(super) enum Turn {
    /// This instance loads; nobody else does until the lease is given back or ends by itself.
    Mine(Lease),
    /// Another instance is loading.
    Theirs,
    /// Redis is away: everybody loads.
    Nobodys,
}

/// The right to load on behalf of all instances. Dropping it gives it back.
pub(super) struct Lease {
    redis: RedisHandle,
    key: String,
    owner: String,
    release: Arc<Script>,
}

pub(super) struct RedisLevel {
    redis: RedisHandle,
    release: Arc<Script>,
    metrics: Arc<InfraMetrics>,
}

impl RedisLevel {
    pub(super) fn new(redis: RedisHandle, metrics: Arc<InfraMetrics>) -> Self {
        // Whoever was so slow that its lease ended must not give back somebody else's.
        let release = Script::new(
            "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
             return 0",
        );
        Self { redis, release: Arc::new(release), metrics }
    }

    /// The place of `key`, if it may be shared: bodies of one principal never leave the process, and
    /// other tags than shared ones have no generation that all instances agree on.
    pub(super) fn place(&self, key: &CacheKey, snapshot: &Snapshot) -> Option<Place> {
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
        Some(Place {
            digest,
            entry: self.redis.key(&format!("cache:{{{name}}}:body")),
            lease: self.redis.key(&format!("cache:{{{name}}}:lease")),
        })
    }

    /// The entry at `place`, whatever its age.
    pub(super) async fn fetch(
        &self,
        place: &Place,
        policy: &CachePolicy,
        snapshot: &Snapshot,
        now: Timestamp,
    ) -> Option<Entry> {
        let mut get = redis::pipe();
        get.cmd("GET").arg(&place.entry).cmd("PTTL").arg(&place.entry);
        let got = self
            .redis
            .run(|mut c| async move { get.query_async::<(Option<Vec<u8>>, i64)>(&mut c).await })
            .await;
        self.count("get_redis", &got);
        let (bytes, left) = got.ok()?;
        let left = Duration::from_millis(u64::try_from(left).unwrap_or(0));
        let entry = bytes
            .and_then(|bytes| record::decode(bytes, &place.digest))
            .map(|kept| kept.into_entry(snapshot.clone(), policy, now, left));
        let level =
            if entry.is_some() { &self.metrics.cache_hits } else { &self.metrics.cache_misses };
        level.with_label_values(&["redis"]).inc();
        entry
    }

    /// Stores an entry for the other instances.
    pub(super) async fn put(&self, place: &Place, entry: &Entry, now: Timestamp) {
        let life = entry.life(now).min(LONGEST_LIFE);
        let Ok(millis) = u64::try_from(life.as_millis()) else {
            return;
        };
        if millis == 0 {
            return;
        }
        let mut set = redis::cmd("SET");
        set.arg(&place.entry).arg(record::encode(entry, &place.digest, now.later(life)));
        set.arg("PX").arg(millis);
        let put = self.redis.run(|mut c| async move { set.query_async::<()>(&mut c).await }).await;
        self.count("set_redis", &put);
    }

    /// Deletes the entry at `place`.
    pub(super) async fn remove(&self, place: &Place) {
        let mut del = redis::cmd("DEL");
        del.arg(&place.entry);
        let gone = self.redis.run(|mut c| async move { del.query_async::<()>(&mut c).await }).await;
        self.count("del_redis", &gone);
    }

    /// Takes the lease of `place` for `life`, unless another instance has it.
    pub(super) async fn take_turn(&self, place: &Place, life: Duration) -> Turn {
        if is_off(Mechanism::LoadLease) {
            return Turn::Nobodys;
        }
        let mut owner = [0; 16];
        OsRandomness.fill(&mut owner);
        let owner = hex::encode(owner);
        let mut set = redis::cmd("SET");
        set.arg(&place.lease).arg(&owner).arg("NX").arg("PX");
        set.arg(u64::try_from(life.as_millis()).unwrap_or(u64::MAX).max(1));
        let took = self
            .redis
            .run(|mut c| async move { set.query_async::<Option<String>>(&mut c).await })
            .await;
        self.count("lease", &took);
        match took {
            Ok(Some(_)) => Turn::Mine(Lease {
                redis: self.redis.clone(),
                key: place.lease.clone(),
                owner,
                release: Arc::clone(&self.release),
            }),
            Ok(None) => Turn::Theirs,
            Err(_) => Turn::Nobodys,
        }
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
            // Lost or late, it ends by itself.
            let _ = redis.run(|mut c| async move { call.invoke_async::<i64>(&mut c).await }).await;
        });
    }
}
