//! Servers, prefixes and metrics for tests.

use std::{net::TcpListener, sync::Arc, time::Duration};

use alpine_infra::{
    InfraMetrics,
    redis::{RedisHandle, RedisSettings},
};
use alpine_testing::{Memory, Redis, own_redis, redis_prefix, redis_url};

pub(crate) fn metrics() -> Arc<InfraMetrics> {
    InfraMetrics::register(&prometheus::Registry::new()).unwrap()
}

/// Settings for the shared server, under a new prefix. The deadline is generous: a busy machine must
/// not make a contract test fall back.
pub(crate) fn shared_settings() -> Option<RedisSettings> {
    let mut settings = RedisSettings::new(&redis_url()?).unwrap();
    settings.key_prefix = redis_prefix();
    settings.deadline = Duration::from_secs(2);
    Some(settings)
}

pub(crate) async fn open(settings: RedisSettings) -> RedisHandle {
    let redis = RedisHandle::open(settings, metrics()).unwrap();
    assert!(redis.wait_until_in_use(Duration::from_secs(10)).await, "Redis does not answer");
    redis
}

/// A server that belongs to one test and ends with it; when it comes back, it is empty.
pub(crate) struct OwnRedis(pub(crate) Redis);

impl OwnRedis {
    pub(crate) fn start() -> Option<Self> {
        own_redis(Memory::Lost).map(Self)
    }

    pub(crate) fn settings(&self) -> RedisSettings {
        let mut settings = RedisSettings::new(&self.0.url()).unwrap();
        settings.key_prefix = redis_prefix();
        settings.deadline = Duration::from_millis(100);
        settings.probe_interval = Duration::from_millis(50);
        settings.poll_interval = Duration::from_millis(500);
        settings
    }
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
