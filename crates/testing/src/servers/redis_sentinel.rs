//! A throw-away master with a replica, and the Sentinel that watches them.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::{port, redis::Redis};

/// How long replica and Sentinel may take to find their places, and a failover at most.
const TIMEOUT: Duration = Duration::from_secs(30);
/// What the Sentinel calls the master.
const NAME: &str = "mymaster";

/// Two servers of which one is the master, and a Sentinel that makes the other one the master when
/// that is silent for half a second. One Sentinel decides alone: what it takes several to agree on is
/// not ours to test.
pub struct SentinelRedis {
    /// Both servers; the first one is the master at the start.
    pub servers: [Redis; 2],
    /// The Sentinel.
    pub sentinel: Redis,
    /// Nobody listens there.
    closed: u16,
}

impl SentinelRedis {
    /// Starts all three and waits until the Sentinel would find a successor.
    pub fn start() -> Result<Self> {
        let (master, replica) = (server()?, server()?);
        let port = master.port().to_string();
        replica.command(&["REPLICAOF", "127.0.0.1", &port])?;
        let sentinel = Redis::start_with(|folder| {
            // It writes to its file, and wants one of its own.
            let file = folder.join("sentinel.conf");
            std::fs::write(
                &file,
                format!(
                    "sentinel monitor {NAME} 127.0.0.1 {port} 1\n\
                     sentinel down-after-milliseconds {NAME} 500\n\
                     sentinel failover-timeout {NAME} 3000\n"
                ),
            )?;
            Ok(vec![file.display().to_string(), "--sentinel".to_owned()])
        })?;
        let set = Self { servers: [master, replica], sentinel, closed: port::free()? };
        set.wait_for("the replica follows, and the Sentinel knows it", || {
            let link = set.servers[1].command(&["INFO", "replication"])?;
            let seen = set.sentinel.command(&["SENTINEL", "REPLICAS", NAME])?;
            // What it has not asked yet it would not promote.
            Ok(link.contains("master_link_status:up") && seen.contains("master-link-status\nok"))
        })?;
        Ok(set)
    }

    /// `redis+sentinel://127.0.0.1:PORT,…/mymaster`. The first of two hosts does not answer, as one of
    /// several Sentinels may not.
    pub fn url(&self) -> String {
        let (closed, port) = (self.closed, self.sentinel.port());
        format!("redis+sentinel://127.0.0.1:{closed},127.0.0.1:{port}/{NAME}")
    }

    /// The port of the server that is the master for the Sentinel.
    pub fn master(&self) -> Result<u16> {
        let answer = self.sentinel.command(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME])?;
        Ok(answer.lines().last().unwrap_or_default().parse()?)
    }

    /// Waits until the Sentinel has made another server than the one at `port` the master.
    pub fn wait_for_another_master_than(&self, port: u16) -> Result<()> {
        self.wait_for("another master", || Ok(self.master()? != port))
    }

    /// Has the Sentinel make the other server the master, although this one works.
    pub fn fail_over(&self) -> Result<()> {
        let before = self.master()?;
        self.sentinel.command(&["SENTINEL", "FAILOVER", NAME])?;
        self.wait_for_another_master_than(before)
    }

    fn wait_for(&self, what: &str, holds: impl Fn() -> Result<bool>) -> Result<()> {
        let started = Instant::now();
        loop {
            let result = holds();
            if matches!(result, Ok(true)) {
                return Ok(());
            }
            if started.elapsed() > TIMEOUT {
                bail!(
                    "not after {TIMEOUT:?}: {what} ({result:?}); Sentinel at {}",
                    self.sentinel.port()
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn server() -> Result<Redis> {
    Redis::start_with(|_| {
        let arguments = [
            ["--save", ""],
            ["--repl-diskless-sync-delay", "0"],
            // At the end nobody waits until the other one has everything.
            ["--shutdown-timeout", "0"],
        ];
        Ok(arguments.as_flattened().iter().map(|word| (*word).to_owned()).collect())
    })
}
