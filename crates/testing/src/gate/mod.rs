//! The rule for tests that need a server: they get it from the environment, skip without it, and
//! fail without it when `CI=true`, so that nothing is ever skipped where it counts.
//!
//! The servers are shared by all tests of a run. Each test therefore works in a [`TestDatabase`] and
//! under a [`redis_prefix`] of its own, and none of them kills the shared servers: for that there are
//! [`own_redis`], [`own_redis_cluster`], [`own_redis_sentinel`] and [`own_postgres`].

mod database;

use std::path::PathBuf;

use crate::servers::{Memory, Postgres, Redis, RedisCluster, SentinelRedis, install};

pub use database::TestDatabase;

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

/// The superuser's URL of a throw-away PostgreSQL; `None`: skip the test.
///
/// # Panics
/// When it is not set and `CI=true`, as all functions of this module.
pub fn postgres_url() -> Option<String> {
    variable(POSTGRES_URL)
}

/// The file for `sslrootcert`; the certificate names `localhost` and `127.0.0.1`.
pub fn postgres_authority() -> Option<PathBuf> {
    variable(POSTGRES_AUTHORITY).map(PathBuf::from)
}

/// The URL of a throw-away Redis; keys begin with a [`redis_prefix`].
pub fn redis_url() -> Option<String> {
    variable(REDIS_URL)
}

/// The URL of a throw-away Redis Cluster; keys begin with a [`redis_prefix`].
pub fn redis_cluster_url() -> Option<String> {
    variable(REDIS_CLUSTER_URL)
}

/// The URL of a throw-away Redis behind a Sentinel; keys begin with a [`redis_prefix`].
pub fn redis_sentinel_url() -> Option<String> {
    variable(REDIS_SENTINEL_URL)
}

/// A cluster for this test alone, to be killed and stopped node by node; `None`, or a panic, if Redis
/// is not installed.
///
/// # Panics
/// When it is installed and does not start.
pub fn own_redis_cluster() -> Option<RedisCluster> {
    allow(install::redis().map_err(|error| error.to_string()), is_ci())?;
    Some(RedisCluster::start().expect("Redis is installed and starts as a cluster"))
}

/// A master, a replica and a Sentinel for this test alone; `None`, or a panic, if Redis is not
/// installed.
///
/// # Panics
/// When it is installed and does not start.
pub fn own_redis_sentinel() -> Option<SentinelRedis> {
    allow(install::redis().map_err(|error| error.to_string()), is_ci())?;
    Some(SentinelRedis::start().expect("Redis is installed and starts behind a Sentinel"))
}

/// A Redis for this test alone, to be killed and stopped; `None`, or a panic, if it is not installed.
///
/// # Panics
/// When it is installed and does not start.
pub fn own_redis(memory: Memory) -> Option<Redis> {
    allow(install::redis().map_err(|error| error.to_string()), is_ci())?;
    Some(Redis::start(memory).expect("Redis is installed and starts"))
}

/// A PostgreSQL for this test alone; `None`, or a panic, if it is not installed.
///
/// # Panics
/// When it is installed and does not start.
pub fn own_postgres() -> Option<Postgres> {
    allow(install::postgres().map_err(|error| error.to_string()), is_ci())?;
    Some(Postgres::start().expect("PostgreSQL is installed and starts"))
}

/// A prefix for Redis keys that no other test has, with a colon at the end.
pub fn redis_prefix() -> String {
    format!("alpine-test:{}:", random_word())
}

fn variable(name: &str) -> Option<String> {
    let value = std::env::var(name).ok().filter(|value| !value.is_empty());
    let found = value
        .ok_or_else(|| format!("{name} is not set; `cargo xtask test` starts servers and sets it"));
    allow(found, is_ci())
}

fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true")
}

/// The rule itself.
fn allow<T>(found: Result<T, String>, is_ci: bool) -> Option<T> {
    match found {
        Ok(found) => Some(found),
        Err(reason) if is_ci => panic!("a test may not be skipped when CI=true: {reason}"),
        Err(reason) => {
            eprintln!("skipped: {reason}");
            None
        }
    }
}

/// 16 hexadecimal digits.
fn random_word() -> String {
    format!("{:016x}", getrandom::u64().expect("the system has random numbers"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_used_everywhere() {
        assert_eq!(allow(Ok(1), true), Some(1));
        assert_eq!(allow(Ok(1), false), Some(1));
    }

    #[test]
    fn what_is_missing_is_skipped_at_a_desk() {
        assert_eq!(allow::<()>(Err("away".to_owned()), false), None);
    }

    #[test]
    #[should_panic(expected = "away")]
    fn what_is_missing_fails_in_ci() {
        allow::<()>(Err("away".to_owned()), true);
    }

    #[test]
    fn prefixes_differ() {
        assert_ne!(redis_prefix(), redis_prefix());
    }
}
