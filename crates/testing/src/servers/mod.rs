//! Throw-away PostgreSQL and Redis on free ports, and the signals that make them fail. They never
//! touch a server that exists already.
//!
//! Whatever becomes of the test, panic, Ctrl-C or SIGKILL, the servers are stopped and their files
//! removed: see [`Guard`].

pub mod certificate;
mod guard;
pub mod install;
mod port;
mod postgres;
mod process;
mod process_tree;
mod redis;
mod redis_cluster;
mod redis_sentinel;

use std::{
    ffi::OsString,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

pub use guard::Guard;
pub use postgres::Postgres;
pub use redis::{Memory, Redis};
pub use redis_cluster::RedisCluster;
pub use redis_sentinel::SentinelRedis;

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
    /// Starts them and waits until they answer. Installs what is missing, where it may
    /// ([`install::find_or_install`]).
    pub fn start() -> Result<Self> {
        install::find_or_install()?;
        let redis = Redis::start(Memory::Lost)?;
        Ok(Self {
            postgres: Postgres::start()?,
            redis,
            redis_cluster: RedisCluster::start()?,
            redis_sentinel: SentinelRedis::start()?,
            guard: Guard::new()?,
        })
    }

    /// The environment by which tests find the servers, see [`fixtures`](crate::fixtures).
    pub fn environment(&self) -> [(&'static str, OsString); 5] {
        use crate::fixtures::{
            POSTGRES_AUTHORITY, POSTGRES_URL, REDIS_CLUSTER_URL, REDIS_SENTINEL_URL, REDIS_URL,
        };
        [
            (POSTGRES_URL, self.postgres.url().into()),
            (POSTGRES_AUTHORITY, self.postgres.authority().into()),
            (REDIS_URL, self.redis.url().into()),
            (REDIS_CLUSTER_URL, self.redis_cluster.url().into()),
            (REDIS_SENTINEL_URL, self.redis_sentinel.url().into()),
        ]
    }
}

/// Runs a command to its end and returns its output; what it printed is part of the error.
fn run(command: &mut Command) -> Result<String> {
    let program = command.get_program().display().to_string();
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {program}"))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("{program} failed ({}):\n{stdout}{stderr}", output.status);
    }
    Ok(stdout)
}
