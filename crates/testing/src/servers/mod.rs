//! Throw-away PostgreSQL and Redis on free ports, and the signals that make them fail. They never
//! touch a server that exists already.
//!
//! Whatever becomes of the test, panic, Ctrl-C or SIGKILL, the servers are stopped and their files
//! removed: see [`Guard`].

pub mod certificate;
mod command;
mod guard;
mod port;
mod postgres;
mod process;
mod process_tree;
pub mod programs;
mod redis;
mod redis_cluster;
mod redis_sentinel;
mod shared;

pub use guard::Guard;
pub use postgres::Postgres;
pub use redis::{Memory, Redis};
pub use redis_cluster::RedisCluster;
pub use redis_sentinel::SentinelRedis;
pub use shared::{
    POSTGRES_AUTHORITY, POSTGRES_URL, REDIS_CLUSTER_URL, REDIS_SENTINEL_URL, REDIS_URL, Servers,
};
