//! The cache's state in this process, and how a look-up is answered from it.

use std::sync::Arc;

use alpine_domain::{
    Clock, Result, Timestamp,
    ports::cache::{CacheKey, CacheOutcome, CachePolicy, CachedBody, Loader, Tag},
};
use prometheus::IntCounter;

use super::{
    entry::{Age, Entry, with_outcome},
    generations::Generations,
    negative::NegativeEntries,
    redis_level::RedisLevel,
    settings::CacheSettings,
    single_flight::{Role, SingleFlight, wait_for_result},
    store::Store,
};
use crate::{InfraMetrics, SettingsError};

/// What a load is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A caller waits for the body.
    Answer,
    /// The old entry is served meanwhile.
    Refresh,
}

/// Entries in memory, and Redis behind them where it is configured.
pub(super) struct Engine {
    pub(super) settings: CacheSettings,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) store: Store,
    pub(super) generations: Generations,
    pub(super) loads: Arc<SingleFlight>,
    pub(super) negative: NegativeEntries,
    pub(super) redis: Option<RedisLevel>,
    /// Counted at each hit, hence resolved once.
    hits: IntCounter,
    fresh: IntCounter,
    pub(super) metrics: Arc<InfraMetrics>,
}

impl Engine {
    pub(super) fn new(
        settings: CacheSettings,
        clock: Arc<dyn Clock>,
        redis: Option<RedisLevel>,
        metrics: Arc<InfraMetrics>,
    ) -> Result<Self, SettingsError> {
        let settings = settings.checked()?;
        Ok(Self {
            store: Store::new(&settings)?,
            negative: NegativeEntries::new(settings.absent_ttl),
            settings,
            clock,
            generations: Generations::default(),
            loads: Arc::default(),
            redis,
            hits: metrics.cache_hits.with_label_values(&["memory"]),
            fresh: metrics.cache_operations.with_label_values(&["get", "hit"]),
            metrics,
        })
    }

    /// A fresh body that is not due for a refresh.
    pub(super) fn get(&self, key: &CacheKey) -> Option<Arc<CachedBody>> {
        let now = self.clock.now();
        let (entry, age) = self.look_up(key, now)?;
        if age != Age::Fresh || entry.is_due_for_refresh(now) {
            return None;
        }
        self.hits.inc();
        self.fresh.inc();
        Some(Arc::clone(&entry.body))
    }

    pub(super) async fn get_or_load(
        self: &Arc<Self>,
        key: CacheKey,
        policy: &CachePolicy,
        load: Loader,
    ) -> Result<Arc<CachedBody>> {
        let now = self.clock.now();
        let Some((entry, age)) = self.look_up(&key, now) else {
            if let Some(not_found) = self.negative.get(&key, now, &self.generations) {
                self.count("get", "absent");
                return Err(not_found);
            }
            self.metrics.cache_misses.with_label_values(&["memory"]).inc();
            self.count("get", "miss");
            return self.load(&key, policy, load, now).await;
        };
        self.hits.inc();
        if entry.is_due_for_refresh(now) && entry.claim_refresh() {
            // Nobody waits for this load. If it fails, the entry is served on within its grace.
            drop(self.start_or_join_load(&key, policy, load, Purpose::Refresh));
        }
        if age == Age::Fresh {
            self.fresh.inc();
            Ok(Arc::clone(&entry.body))
        } else {
            self.count("get", "stale");
            Ok(with_outcome(&entry.body, CacheOutcome::Stale))
        }
    }

    /// The result of a load that answers who asked at `asked`.
    async fn load(
        self: &Arc<Self>,
        key: &CacheKey,
        policy: &CachePolicy,
        load: Loader,
        asked: Timestamp,
    ) -> Result<Arc<CachedBody>> {
        match self.start_or_join_load(key, policy, Arc::clone(&load), Purpose::Answer) {
            Role::Follower(result) => {
                let result = wait_for_result(result).await;
                if asked < result.good_until {
                    return result.answer();
                }
            }
            Role::Leader(_, result) => return wait_for_result(result).await.answer(),
            Role::Found(body) => return Ok(body),
        }
        // The load had begun before something came into sight, and this caller came after that. The next
        // load begins after the caller came.
        match self.start_or_join_load(key, policy, load, Purpose::Answer) {
            Role::Leader(_, result) | Role::Follower(result) => {
                wait_for_result(result).await.answer()
            }
            Role::Found(body) => Ok(body),
        }
    }

    pub(super) fn invalidate(&self, tags: &[Tag], at: i64) {
        self.generations.invalidate(tags, at);
        self.count("invalidate", "ok");
    }

    pub(super) fn restart(&self, shared: &[(Tag, i64)]) {
        self.generations.restart(shared);
        self.store.clear();
        self.negative.clear();
        self.measure();
        self.count("restart", "ok");
    }

    /// The entry under `key` if it may be served, fresh or stale.
    pub(super) fn look_up(&self, key: &CacheKey, now: Timestamp) -> Option<(Arc<Entry>, Age)> {
        let entry = self.store.get(key)?;
        let age = entry.age(now);
        if age == Age::Expired || !self.generations.is_current(&entry.snapshot) {
            self.store.remove(key, &entry);
            self.measure();
            return None;
        }
        Some((entry, age))
    }

    /// Stores an entry, unless its tags were invalidated while it was loaded. An invalidation right
    /// after this check does no harm: the entry carries the older generations.
    pub(super) fn store_if_current(&self, key: &CacheKey, entry: Arc<Entry>) -> bool {
        if !self.generations.is_current(&entry.snapshot) {
            self.count("set", "outdated");
            return false;
        }
        self.store.insert(key.clone(), entry);
        self.measure();
        self.count("set", "ok");
        true
    }

    pub(super) fn count(&self, operation: &str, outcome: &str) {
        self.metrics.cache_operations.with_label_values(&[operation, outcome]).inc();
    }

    pub(super) fn measure(&self) {
        let as_gauge = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        self.metrics.cache_bytes.set(as_gauge(self.store.bytes()));
        self.metrics.cache_entries.set(as_gauge(self.store.len() as u64));
    }
}
