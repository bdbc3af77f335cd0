//! Memory in front of Redis.

use std::sync::Arc;

use alpine_domain::{
    Clock, Result,
    ports::cache::{CacheKey, CachePolicy, CachedBody, Loader, ResponseCache, Tag},
};
use async_trait::async_trait;

use super::{engine::Engine, redis_level::RedisLevel, settings::CacheSettings};
use crate::{InfraMetrics, SettingsError, redis::RedisHandle};

/// The cache of several instances: memory first, then Redis, then the source, which one instance at a
/// time asks for a key. While Redis is away, and until [`restart`](ResponseCache::restart) has told
/// which tags are shared, it is the cache of one process.
pub struct LayeredCache(Arc<Engine>);

impl LayeredCache {
    /// An empty memory in front of what `redis` holds.
    ///
    /// # Errors
    /// When `settings` leave no room or jitter is not a part of a whole.
    pub fn new(
        settings: CacheSettings,
        redis: RedisHandle,
        clock: Arc<dyn Clock>,
        metrics: Arc<InfraMetrics>,
    ) -> Result<Self, SettingsError> {
        let second = RedisLevel::new(redis, Arc::clone(&metrics));
        let engine = Engine::new(settings, clock, Some(second), metrics)?;
        Ok(Self(Arc::new(engine)))
    }
}

#[async_trait]
impl ResponseCache for LayeredCache {
    fn get(&self, key: &CacheKey) -> Option<Arc<CachedBody>> {
        self.0.get(key)
    }

    async fn get_or_load(
        &self,
        key: CacheKey,
        policy: &CachePolicy,
        load: Loader,
    ) -> Result<Arc<CachedBody>> {
        self.0.get_or_load(key, policy, load).await
    }

    async fn invalidate(&self, tags: &[Tag], at: i64) {
        self.0.invalidate(tags, at);
    }

    async fn outdate(&self, tags: &[Tag]) {
        self.0.outdate(tags);
    }

    async fn restart(&self, shared: &[(Tag, i64)]) {
        self.0.restart(shared);
    }
}
