//! The fault harness of all test trees: servers that can be killed, a network that can fail.
//!
//! Only tests and chores depend on this crate, and it depends on no other crate of the workspace.
//!
//! | module | what it holds |
//! |---|---|
//! | [`servers`] | throw-away PostgreSQL and Redis, alone, behind a Sentinel and as a cluster: SIGKILL, SIGSTOP, restart, clean-up in any case |
//! | [`proxy`] | a TCP proxy that delays, throttles, cuts, swallows and refuses on demand |
//! | [`balancer`] | steady traffic to the instances that say that they are ready |
//! | [`fixtures`] | the servers that tests share, and when a test may be skipped |
//! | [`Wait`] | waiting until something holds, by when it was promised |
//!
//! ```no_run
//! use alpine_testing::{FaultProxy, Memory, own_redis};
//!
//! let Some(mut redis) = own_redis(Memory::Lost) else { return Ok(()) };
//! let proxy = FaultProxy::before(&redis.url())?;
//! let url = proxy.url(&redis.url())?; // for the code under test
//!
//! proxy.black_hole(); // silence on every connection
//! proxy.pass(); // those that lost bytes are reset, new ones work
//! redis.stop()?; // SIGSTOP
//! redis.resume()?;
//! redis.restart()?; // SIGKILL; back on the same port, empty
//! # Ok::<(), anyhow::Error>(())
//! ```
#![expect(clippy::expect_used, reason = "a test that cannot be set up must panic, saying why")]

pub mod balancer;
pub mod fixtures;
pub mod proxy;
pub mod servers;
mod wait;

pub use fixtures::{
    TestDatabase, own_postgres, own_redis, own_redis_cluster, own_redis_sentinel,
    postgres_authority, postgres_url, redis_cluster_url, redis_prefix, redis_sentinel_url,
    redis_url,
};
pub use proxy::FaultProxy;
pub use servers::{Memory, Postgres, Redis, RedisCluster, SentinelRedis, Servers};
pub use wait::Wait;
