//! The servers that all tests of a run share, and the variables by which tests find them.

use std::ffi::OsString;

use anyhow::Result;

use super::{
    guard::Guard,
    postgres::Postgres,
    programs,
    redis::{Memory, Redis},
    redis_cluster::RedisCluster,
    redis_sentinel::SentinelRedis,
};

/// Variable with the superuser's URL of a throw-away PostgreSQL.
pub const POSTGRES_URL: &str = "ALPINE_TEST_POSTGRES_URL";
/// Variable with the file of the authority that vouches for that server's certificate.
pub const POSTGRES_AUTHORITY: &str = "ALPINE_TEST_POSTGRES_CA";
/// Variable with the URL of a throw-away Redis.
pub const REDIS_URL: &str = "ALPINE_TEST_REDIS_URL";
/// Variable with the URL of a throw-away Redis Cluster.
pub const REDIS_CLUSTER_URL: &str = "ALPINE_TEST_REDIS_CLUSTER_URL";
/// Variable with the URL of a throw-away Redis behind a Sentinel.
pub const REDIS_SENTINEL_URL: &str = "ALPINE_TEST_REDIS_SENTINEL_URL";

/// The servers for a whole run of many tests.
pub struct Servers {
    /// The database.
    pub postgres: Postgres,
    /// The cache, which is empty after a restart.
    pub redis: Redis,
    /// The same as a cluster.
    pub redis_cluster: RedisCluster,
    /// The same behind a Sentinel.
    pub redis_sentinel: SentinelRedis,
    /// For the runner: stops what is started through it when the value goes.
    pub guard: Guard,
}

impl Servers {
    /// Starts them and waits until they answer.
    ///
    /// # Errors
    /// When a program is missing ([`programs::find`]) or does not start.
    pub fn start() -> Result<Self> {
        programs::find()?;
        let redis = Redis::start(Memory::Lost)?;
        Ok(Self {
            postgres: Postgres::start()?,
            redis,
            redis_cluster: RedisCluster::start()?,
            redis_sentinel: SentinelRedis::start()?,
            guard: Guard::new()?,
        })
    }

    /// The environment by which tests find the servers, see `fixtures`.
    pub fn environment(&self) -> [(&'static str, OsString); 5] {
        [
            (POSTGRES_URL, self.postgres.url().into()),
            (POSTGRES_AUTHORITY, self.postgres.authority().into()),
            (REDIS_URL, self.redis.url().into()),
            (REDIS_CLUSTER_URL, self.redis_cluster.url().into()),
            (REDIS_SENTINEL_URL, self.redis_sentinel.url().into()),
        ]
    }
}
