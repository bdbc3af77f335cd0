//! The copy in Redis.

use std::sync::Arc;

use alpine_domain::{Clock, Error, Result, Timestamp, ports::blacklist::TokenBlacklist};
use async_trait::async_trait;
use sha2::{Digest, Sha256};

use super::{BlacklistSettings, MemoryBlacklist};
use crate::{
    InfraMetrics,
    redis::{RedisHandle, RedisUnavailable},
};

/// Refused ids in Redis: keys are hashes of the ids, their lives end with the tokens'. What this
/// instance denied is known locally as well, so it is refused whatever becomes of Redis; about other
/// ids nothing can be told while Redis is away.
pub struct RedisBlacklist {
    redis: RedisHandle,
    clock: Arc<dyn Clock>,
    own: MemoryBlacklist,
}

impl RedisBlacklist {
    /// The list in `redis`, with room for `settings` of this instance's own.
    pub fn new(
        settings: BlacklistSettings,
        redis: RedisHandle,
        clock: Arc<dyn Clock>,
        metrics: Arc<InfraMetrics>,
    ) -> Self {
        Self { redis, own: MemoryBlacklist::new(settings, Arc::clone(&clock), metrics), clock }
    }
}

#[async_trait]
impl TokenBlacklist for RedisBlacklist {
    /// Must be called on a Tokio runtime.
    fn deny(&self, id: &str, until: Timestamp) {
        self.own.deny_now(id, until);
        let (redis, id, now) = (self.redis.clone(), id.to_owned(), self.clock.now());
        tokio::spawn(async move {
            // The durable record is elsewhere, and the refusal holds here already.
            let _ = write(&redis, &id, until, now).await;
        });
    }

    async fn is_denied(&self, id: &str) -> Result<bool> {
        if self.own.is_denied_now(id)? {
            return Ok(true);
        }
        let mut exists = redis::cmd("EXISTS");
        exists.arg(key(&self.redis, id));
        self.redis
            .run(|mut c| async move { exists.query_async::<bool>(&mut c).await })
            .await
            .map_err(|error| Error::unavailable("the list of revoked tokens", error))
    }
}

/// Copies one refusal, for as long as it matters.
pub(super) async fn write(
    redis: &RedisHandle,
    id: &str,
    until: Timestamp,
    now: Timestamp,
) -> Result<(), RedisUnavailable> {
    // A key that ends a millisecond late costs nothing, one that ends early a hole.
    let Ok(life) = u64::try_from(until.since(now).as_micros().div_ceil(1_000)) else {
        return Ok(());
    };
    if life == 0 {
        return Ok(());
    }
    // GT would say "never shorten" but knows no new keys; a script would be one more thing to load.
    let key = key(redis, id);
    let mut pipeline = redis::pipe();
    pipeline
        .cmd("SET")
        .arg(&key)
        .arg(1)
        .arg("NX")
        .arg("PX")
        .arg(life)
        .ignore()
        .cmd("PEXPIRE")
        .arg(&key)
        .arg(life)
        .arg("GT")
        .ignore();
    redis.run(|mut c| async move { pipeline.query_async::<()>(&mut c).await }).await
}

fn key(redis: &RedisHandle, id: &str) -> String {
    redis.key(&format!("denied:{}", hex::encode(Sha256::digest(id))))
}
