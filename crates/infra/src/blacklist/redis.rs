//! The copy in Redis.

use std::sync::Arc;

use alpine_domain::{Clock, Error, Result, Timestamp, ports::blacklist::TokenBlacklist};
use async_trait::async_trait;
use sha2::{Digest, Sha256};

use super::{BlacklistSettings, MemoryBlacklist};
use crate::{
    InfraMetrics,
    redis::{Namespace, Purpose, RedisHandle, RedisUnavailable},
};

/// Refused ids in Redis: keys are hashes of the ids, their lives end with the tokens'. What this
/// instance denied is known locally as well, so it is refused whatever becomes of Redis; about other
/// ids nothing can be told while Redis is away.
pub struct RedisBlacklist {
    redis: RedisHandle,
    clock: Arc<dyn Clock>,
    own: MemoryBlacklist,
    metrics: Arc<InfraMetrics>,
}

impl RedisBlacklist {
    /// The list in `redis`, with room for `settings` of this instance's own.
    pub fn new(
        settings: BlacklistSettings,
        redis: RedisHandle,
        clock: Arc<dyn Clock>,
        metrics: Arc<InfraMetrics>,
    ) -> Self {
        let own = MemoryBlacklist::new(settings, Arc::clone(&clock), Arc::clone(&metrics));
        Self { redis, clock, own, metrics }
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

    fn capacity(&self) -> usize {
        self.own.capacity()
    }

    async fn is_denied(&self, id: &str) -> Result<bool> {
        if self.own.is_denied_now(id)? {
            return Ok(true);
        }
        let unknown = |error| Error::unavailable("the list of revoked tokens", error);
        let namespace =
            self.redis.namespace().ok_or(RedisUnavailable::NotInUse).map_err(unknown)?;
        let mut get = redis::cmd("GET");
        get.arg(key(namespace, id));
        let found: Option<Vec<u8>> = self
            .redis
            .run(|mut c| async move { get.query_async(&mut c).await })
            .await
            .map_err(unknown)?;
        match found {
            None => Ok(false),
            Some(code) if namespace.verify(Purpose::Revocation, &[id.as_bytes()], &code) => {
                Ok(true)
            }
            // It may stand in the place of a revocation, so nothing is known about this id.
            Some(_) => {
                namespace.report_forgery(Purpose::Revocation, &self.metrics);
                Err(unknown(RedisUnavailable::Forged))
            }
        }
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
    let Some(namespace) = redis.namespace() else { return Err(RedisUnavailable::NotInUse) };
    let key = key(namespace, id);
    let mut pipeline = redis::pipe();
    pipeline
        .cmd("SET")
        .arg(&key)
        .arg(&namespace.code(Purpose::Revocation, &[id.as_bytes()])[..])
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

fn key(namespace: &Namespace, id: &str) -> String {
    namespace.key(&format!("denied:{}", hex::encode(Sha256::digest(id))))
}
