//! The cache of one process.

use std::sync::Arc;

use alpine_domain::{
    Clock, Result,
    ports::cache::{CacheKey, CachePolicy, CachedBody, Loader, ResponseCache, Tag},
};
use async_trait::async_trait;

use super::{engine::Engine, settings::CacheSettings};
use crate::{InfraMetrics, SettingsError};

/// A bounded cache in memory. Its loads run on the Tokio runtime of the caller.
pub struct MemoryCache(Arc<Engine>);

impl MemoryCache {
    /// An empty cache.
    ///
    /// # Errors
    /// When `settings` leave no room or jitter is not a part of a whole.
    pub fn new(
        settings: CacheSettings,
        clock: Arc<dyn Clock>,
        metrics: Arc<InfraMetrics>,
    ) -> Result<Self, SettingsError> {
        Ok(Self(Arc::new(Engine::new(settings, clock, None, metrics)?)))
    }
}

#[async_trait]
impl ResponseCache for MemoryCache {
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
