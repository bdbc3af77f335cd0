//! Servers, prefixes and metrics for tests.

use std::{net::TcpListener, num::NonZeroU32, sync::Arc, time::Duration};

use alpine_domain::ports::database_id::DatabaseId;
use alpine_infra::{
    InfraMetrics,
    rate_limit::SharedLimits,
    redis::{RedisHandle, RedisSettings},
};
use alpine_testing::{
    Memory, Redis, own_redis, redis_cluster_url, redis_prefix, redis_sentinel_url, redis_url,
};

/// Callers that a limiter counts one by one.
pub(crate) const MAX_CALLERS: usize = 100_000;

/// An instance that has all of Redis for itself.
pub(crate) const ONE: NonZeroU32 = NonZeroU32::MIN;

pub(crate) fn metrics() -> Arc<InfraMetrics> {
    InfraMetrics::register(&prometheus::Registry::new()).unwrap()
}

/// What is behind `redis.url`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum On {
    Server,
    Sentinel,
    Cluster,
}

impl On {
    pub(crate) const ALL: [Self; 3] = [Self::Server, Self::Sentinel, Self::Cluster];

    /// Settings for the servers that the tests share, under a new prefix. The deadline is generous: a
    /// busy machine must not make a contract test fall back.
    pub(crate) fn settings(self) -> Option<RedisSettings> {
        let url = match self {
            Self::Server => redis_url(),
            Self::Sentinel => redis_sentinel_url(),
            Self::Cluster => redis_cluster_url(),
        };
        let mut settings = RedisSettings::new(&url?).unwrap();
        settings.key_prefix = redis_prefix();
        settings.deadline = Duration::from_secs(2);
        Some(settings)
    }

    /// The addresses of the single servers that hold keys; through a Sentinel that is for it to say.
    pub(crate) fn servers(self) -> Vec<String> {
        match self {
            Self::Server => redis_url().into_iter().collect(),
            Self::Sentinel => vec![master_of(&redis_sentinel_url().unwrap())],
            Self::Cluster => redis_cluster_url()
                .unwrap()
                .trim_start_matches("redis+cluster://")
                .split(',')
                .map(|node| format!("redis://{node}/"))
                .collect(),
        }
    }
}

/// Asks the Sentinels of `redis+sentinel://host:port,…/name`.
fn master_of(url: &str) -> String {
    let (hosts, name) = url.trim_start_matches("redis+sentinel://").split_once('/').unwrap();
    let sentinels = hosts.split(',').map(|host| format!("redis://{host}/")).collect();
    let mut client = redis::sentinel::SentinelClient::build(
        sentinels,
        name.to_owned(),
        None,
        redis::sentinel::SentinelServerType::Master,
    )
    .unwrap();
    let master = client.get_client().unwrap();
    format!("redis://{}/", master.get_connection_info().addr())
}

/// Limits that so many instances share.
pub(crate) fn shared_limits(instances: u32) -> SharedLimits {
    SharedLimits { max_callers: MAX_CALLERS, instances: instances.try_into().unwrap() }
}

/// Settings for the shared server.
pub(crate) fn shared_settings() -> Option<RedisSettings> {
    On::Server.settings()
}

pub(crate) async fn open(settings: RedisSettings) -> RedisHandle {
    let redis = identified(RedisHandle::open(settings, metrics()).unwrap());
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
        settings.check_interval = Duration::from_millis(500);
        settings
    }
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Does what the server does once it knows its database.
pub(crate) fn identified(redis: RedisHandle) -> RedisHandle {
    database_of(redis, 1)
}

/// The same on the database with the id `id`.
pub(crate) fn database_of(redis: RedisHandle, id: u128) -> RedisHandle {
    redis.identify(b"a secret of the tests", DatabaseId::new(id));
    redis
}
