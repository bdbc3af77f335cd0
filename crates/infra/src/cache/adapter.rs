//! The adapter of the `ResponseCache` port.

use std::{num::NonZeroU32, sync::Arc};

use alpine_domain::{
    Clock, Result,
    ports::cache::{CacheKey, CachePolicy, CachedBody, Loader, ResponseCache, Tag},
};
use async_trait::async_trait;

use super::{engine::Engine, redis_level::RedisLevel, settings::CacheSettings};
use crate::{InfraMetrics, SettingsError, redis::RedisHandle};

/// A bounded cache of response bodies. Its loads run on the Tokio runtime of the caller.
pub struct BodyCache(Arc<Engine>);

impl BodyCache {
    /// The cache of one process.
    ///
    /// # Errors
    /// When `settings` leave no room, or jitter is not between 0 and 1.
    pub fn in_memory(
        settings: CacheSettings,
        clock: Arc<dyn Clock>,
        metrics: Arc<InfraMetrics>,
    ) -> Result<Self, SettingsError> {
        Ok(Self(Arc::new(Engine::new(settings, clock, None, metrics)?)))
    }

    /// The cache of several instances: memory first, then Redis, then the source, which one instance
    /// at a time asks for a key. While Redis is away, and until
    /// [`restart`](ResponseCache::restart) has said which tags are shared, it works as
    /// [`in_memory`](Self::in_memory) does. `instances` is how many share the bytes in Redis.
    ///
    /// # Errors
    /// The same as for [`in_memory`](Self::in_memory).
    pub fn with_redis(
        settings: CacheSettings,
        redis: RedisHandle,
        instances: NonZeroU32,
        clock: Arc<dyn Clock>,
        metrics: Arc<InfraMetrics>,
    ) -> Result<Self, SettingsError> {
        let redis = RedisLevel::new(redis, settings.redis_bytes, instances, Arc::clone(&metrics));
        Ok(Self(Arc::new(Engine::new(settings, clock, Some(redis), metrics)?)))
    }
}

#[async_trait]
impl ResponseCache for BodyCache {
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

    fn invalidate(&self, tags: &[Tag], at: i64) {
        self.0.invalidate(tags, at);
    }

    fn restart(&self, shared: &[(Tag, i64)]) {
        self.0.restart(shared);
    }
}
