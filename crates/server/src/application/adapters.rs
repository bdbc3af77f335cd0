//! Chooses the adapters: Redis in front where it is configured, memory otherwise.

use std::sync::Arc;

use alpine_domain::{
    Clock,
    ports::{
        blacklist::TokenBlacklist,
        cache::ResponseCache,
        events::EventBus,
        rate_limit::{Decision, RateLimiter, RatePolicy},
    },
};
use alpine_infra::{
    InfraMetrics,
    blacklist::{MemoryBlacklist, MirroredBlacklist},
    cache::BodyCache,
    events::{NoWakeBus, RedisWakeBus},
    rate_limit::{MemoryRateLimiter, RedisRateLimiter, SharedLimits},
    redis::RedisHandle,
};
use async_trait::async_trait;

use super::settings;
use crate::config::Config;

/// What makes the hot path fast. None of it is an authority.
pub(super) struct Adapters {
    pub(super) cache: Arc<dyn ResponseCache>,
    pub(super) limiter: Arc<dyn RateLimiter>,
    pub(super) blacklist: Arc<dyn TokenBlacklist>,
    pub(super) bus: Arc<dyn EventBus>,
    pub(super) redis: Option<RedisHandle>,
}

impl Adapters {
    /// Never waits for Redis: until it answers, it counts as away.
    pub(super) fn choose(
        config: &Config,
        clock: &Arc<dyn Clock>,
        steady: &Arc<dyn Clock>,
        metrics: &Arc<InfraMetrics>,
    ) -> anyhow::Result<Self> {
        let open = |_| RedisHandle::open(config.redis.clone(), Arc::clone(metrics));
        let redis = config.redis.url.as_ref().map(open).transpose()?;
        let mut adapters = match &redis {
            Some(redis) => Self::with_redis(config, redis, clock, steady, metrics)?,
            None => Self::in_memory(config, clock, steady, metrics)?,
        };
        if !config.rate_limits.enabled {
            adapters.limiter = Arc::new(Unlimited);
        }
        Ok(adapters)
    }

    fn with_redis(
        config: &Config,
        redis: &RedisHandle,
        clock: &Arc<dyn Clock>,
        steady: &Arc<dyn Clock>,
        metrics: &Arc<InfraMetrics>,
    ) -> anyhow::Result<Self> {
        if !config.is_development() {
            redis.expect_memory_limit(config.cache.redis_bytes);
        }
        let cache = BodyCache::with_redis(
            config.cache.clone(),
            redis.clone(),
            settings::instances(config),
            Arc::clone(clock),
            Arc::clone(metrics),
        )?;
        let limiter = RedisRateLimiter::new(
            settings::limiter(config),
            redis.clone(),
            Arc::clone(steady),
            Arc::clone(metrics),
        );
        let blacklist = MirroredBlacklist::new(
            config.blacklist,
            redis.clone(),
            Arc::clone(clock),
            Arc::clone(metrics),
        );
        Ok(Self {
            cache: Arc::new(cache),
            limiter: Arc::new(limiter),
            blacklist: Arc::new(blacklist),
            bus: Arc::new(RedisWakeBus::new(redis.clone())),
            redis: Some(redis.clone()),
        })
    }

    fn in_memory(
        config: &Config,
        clock: &Arc<dyn Clock>,
        steady: &Arc<dyn Clock>,
        metrics: &Arc<InfraMetrics>,
    ) -> anyhow::Result<Self> {
        let cache =
            BodyCache::in_memory(config.cache.clone(), Arc::clone(clock), Arc::clone(metrics))?;
        let SharedLimits { max_callers, instances } = settings::limiter(config);
        let limiter = MemoryRateLimiter::new(max_callers, Arc::clone(steady), Arc::clone(metrics))
            .one_of(instances);
        let blacklist =
            MemoryBlacklist::new(config.blacklist, Arc::clone(clock), Arc::clone(metrics));
        Ok(Self {
            cache: Arc::new(cache),
            limiter: Arc::new(limiter),
            blacklist: Arc::new(blacklist),
            bus: Arc::new(NoWakeBus),
            redis: None,
        })
    }
}

/// For an operator whose gateway limits already (`rate_limits.enabled = false`).
struct Unlimited;

#[async_trait]
impl RateLimiter for Unlimited {
    async fn admit(&self, policy: &RatePolicy, _caller: &str) -> Decision {
        let window = policy.windows.first();
        let limit = window.map_or(u32::MAX, |window| window.limit);
        Decision {
            allowed: true,
            limit,
            window: window.map_or(std::time::Duration::ZERO, |window| window.length),
            remaining: limit,
            reset_after: std::time::Duration::ZERO,
            retry_after: None,
        }
    }
}
