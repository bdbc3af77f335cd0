//! Several instances on one database, and a Redis that only they use.

use std::time::Instant;

use alpine_domain::account::{Role, Tier};
use alpine_testing::{FaultProxy, Memory, Redis, Wait, own_redis, postgres_url};

use super::watch::within_delta;
use crate::support::{Backend, Client, Deployment, Options, SignedIn, TestApp};

/// What has become of Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Up,
    /// All keys deleted, by hand or by an accident.
    Flushed,
    /// Gone without a word and back with nothing, on the same port.
    RestartedEmpty,
    /// Connections are refused.
    Killed,
    /// Connections are accepted, by the kernel, and nothing is answered.
    Stopped,
    /// Nothing comes through any more, in either direction.
    BlackHoled,
}

impl State {
    pub const ALL: [Self; 6] = [
        Self::Up,
        Self::Flushed,
        Self::RestartedEmpty,
        Self::Killed,
        Self::Stopped,
        Self::BlackHoled,
    ];
}

pub struct Cluster {
    pub apps: Vec<TestApp>,
    pub redis: Redis,
    pub proxy: FaultProxy,
    state: State,
}

impl Cluster {
    /// Starts `count` instances, with Redis in use on all of them; `None`: skip the test. A Redis that
    /// is up gets a deadline that leaves room for a busy machine, unless the test wants another.
    pub async fn start(count: usize, options: Options) -> Option<Self> {
        Self::on_hosts(&vec![0; count], options).await
    }

    /// The same on hosts whose clocks are wrong by so many seconds.
    pub async fn on_hosts(skews: &[i64], mut options: Options) -> Option<Self> {
        let (redis, Some(_)) = (own_redis(Memory::Lost)?, postgres_url()) else { return None };
        let proxy = FaultProxy::before(&redis.url()).unwrap();
        let back_end = Backend::PostgresRedis { redis: proxy.url(&redis.url()).unwrap() };
        let mut settings = vec![
            ("ALPINE__INSTANCES".to_owned(), skews.len().to_string()),
            ("ALPINE__HTTP__WORKERS".to_owned(), "1".to_owned()),
            ("ALPINE__DATABASE__POOL_KEPT".to_owned(), "2".to_owned()),
            ("ALPINE__REDIS__DEADLINE".to_owned(), "300ms".to_owned()),
            ("ALPINE__REDIS__PROBE_INTERVAL".to_owned(), "50ms".to_owned()),
        ];
        settings.append(&mut options.settings);
        options.settings = settings;
        options.skew = skews[0];
        let first = TestApp::spawn_with(&back_end, options).await;
        let deployment = first.deployment();
        let mut apps = vec![first];
        for skew in &skews[1..] {
            apps.push(deployment.start(*skew).await);
        }
        let cluster = Self { apps, redis, proxy, state: State::Up };
        cluster.until_redis_is(true).await;
        Some(cluster)
    }

    /// Brings Redis into a state. If it is away it comes back first, and into use everywhere.
    pub async fn enter(&mut self, state: State) {
        match self.state {
            State::Killed => self.redis.restart().unwrap(),
            State::Stopped => self.redis.resume().unwrap(),
            State::BlackHoled => self.proxy.pass(),
            State::Up | State::Flushed | State::RestartedEmpty => {}
        }
        if self.state != State::Up {
            self.until_redis_is(true).await;
        }
        eprintln!("Redis: {state:?}");
        self.state = state;
        match state {
            State::Up => {}
            State::Flushed => {
                self.redis.command(&["FLUSHALL"]).unwrap();
            }
            State::RestartedEmpty => self.redis.restart().unwrap(),
            State::Killed => self.redis.kill().unwrap(),
            State::Stopped => self.redis.stop().unwrap(),
            State::BlackHoled => self.proxy.black_hole(),
        }
    }

    /// Waits until every instance uses Redis (`true`), or has given it up.
    pub async fn until_redis_is(&self, in_use: bool) {
        let wanted = if in_use { 0 } else { 2 };
        for app in &self.apps {
            let reached = async || measured(app, "redis_breaker_state", "").await == wanted;
            Wait::unpromised("the probe looks until Redis has answered, or failed, several times")
                .until("the circuit follows", reached)
                .await;
        }
    }

    /// Waits until every follower has applied what the log holds now. An answer that shows a change is no
    /// proof of that: it may have been loaded before the event came.
    pub async fn until_the_log_is_applied(&self) {
        let head = u64::try_from(self.apps[0].core.stores.events.head().await.unwrap()).unwrap();
        for app in &self.apps {
            let applied = async || measured(app, "event_log_position", "").await >= head;
            within_delta(Instant::now()).until("the log is applied", applied).await;
        }
    }

    /// Stops every instance, as in a deployment without overlap, and starts as many anew.
    pub async fn restart_instances(&mut self) {
        let deployment: Deployment = self.apps[0].deployment();
        let count = self.apps.len();
        for app in self.apps.drain(..) {
            app.stop().await.unwrap();
        }
        for _ in 0..count {
            self.apps.push(deployment.start(0).await);
        }
    }

    /// Makes an account and signs in to it on the first instance.
    pub async fn account(&self, email: &str, tier: Tier) -> SignedIn {
        let accounts = &self.apps[0].core.use_cases.accounts;
        accounts.create(email, Client::PASSWORD, "Ada", tier, Role::User).await.unwrap();
        self.apps[0].client().sign_in(email).await
    }

    /// The sum of a metric over all instances.
    pub async fn total(&self, name: &str, label: &str) -> u64 {
        let mut sum = 0;
        for app in &self.apps {
            sum += measured(app, name, label).await;
        }
        sum
    }

    /// The commands that instances have sent to Redis for requests: not those that wait for wake-ups,
    /// nor the background probe's.
    pub fn commands(&self) -> u64 {
        const COUNTED: [&str; 9] =
            ["evalsha", "eval", "get", "mget", "set", "del", "exists", "pttl", "script|load"];
        // The call of the probe's script, and the commands in it: SET, GET, PTTL, DEL.
        const OF_A_PROBE: u64 = 5;
        let stats = self.redis.command(&["INFO", "commandstats"]).unwrap();
        let calls = |wanted: &str| -> u64 {
            let found = stats.lines().find_map(|line| {
                let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
                (name == wanted).then(|| rest.split(',').next()?.parse().ok())?
            });
            found.unwrap_or(0)
        };
        let all: u64 = COUNTED.iter().map(|name| calls(name)).sum();
        // The limiter's script runs TIME and PEXPIRE once, the probe's PEXPIRE twice.
        all.saturating_sub(OF_A_PROBE * calls("pexpire").saturating_sub(calls("time")))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // A stopped Redis must not hold up the instances that go after it.
        if self.state == State::Stopped {
            let _gone = self.redis.resume();
        }
    }
}

/// The sum of a metric of whole numbers over the series that contain `label`; 0 if there is none.
pub async fn measured(app: &TestApp, name: &str, label: &str) -> u64 {
    let text = app.client().get("/metrics").await.text;
    text.lines()
        .filter(|line| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(['{', ' '])) && line.contains(label)
        })
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
        .sum()
}
