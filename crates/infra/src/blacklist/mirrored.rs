//! Memory that answers, Redis that keeps a copy.

use std::sync::Arc;

use alpine_domain::{Clock, Result, Timestamp, ports::blacklist::TokenBlacklist};
use async_trait::async_trait;
use tokio::sync::Semaphore;

use super::{BlacklistSettings, MemoryBlacklist, redis::write};
use crate::{InfraMetrics, redis::RedisHandle};

/// Copies under way at most; a revocation beyond that is not copied, as if Redis were away.
const COPIES_AT_ONCE: usize = 256;

/// The blacklist of a server with Redis. Look-ups are local and never wait.
pub struct MirroredBlacklist {
    local: MemoryBlacklist,
    redis: RedisHandle,
    clock: Arc<dyn Clock>,
    copies: Arc<Semaphore>,
}

impl MirroredBlacklist {
    /// An empty set, copied to `redis` as it fills. Must be used on a Tokio runtime.
    pub fn new(
        settings: BlacklistSettings,
        redis: RedisHandle,
        clock: Arc<dyn Clock>,
        metrics: Arc<InfraMetrics>,
    ) -> Self {
        Self {
            local: MemoryBlacklist::new(settings, Arc::clone(&clock), metrics),
            redis,
            clock,
            copies: Arc::new(Semaphore::new(COPIES_AT_ONCE)),
        }
    }
}

#[async_trait]
impl TokenBlacklist for MirroredBlacklist {
    fn deny(&self, id: &str, until: Timestamp) {
        self.local.deny_now(id, until);
        let Ok(permit) = Arc::clone(&self.copies).try_acquire_owned() else {
            return;
        };
        let (redis, id, now) = (self.redis.clone(), id.to_owned(), self.clock.now());
        tokio::spawn(async move {
            let _permit = permit;
            if let Err(error) = write(&redis, &id, until, now).await {
                tracing::debug!(%error, "a revocation was not copied to Redis");
            }
        });
    }

    fn capacity(&self) -> usize {
        self.local.capacity()
    }

    async fn is_denied(&self, id: &str) -> Result<bool> {
        self.local.is_denied_now(id)
    }
}
