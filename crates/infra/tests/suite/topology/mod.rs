//! Redis behind Sentinels and as a cluster: masters that die, are demoted or left, nodes that die, slots
//! that move. Nobody waits longer than a deadline meanwhile, nothing is admitted twice or let in.

mod cluster;
mod sentinel;

use std::{sync::Arc, time::Duration};

use alpine_domain::{
    Clock as _,
    ports::{
        blacklist::TokenBlacklist as _,
        events::EventBus as _,
        health::{Condition, Probe as _},
        rate_limit::{RateLimiter as _, RatePolicy, Window},
    },
    time::SystemClock,
};
use alpine_infra::{
    InfraMetrics, MonotonicClock,
    blacklist::{BlacklistSettings, MirroredBlacklist},
    events::RedisWakeBus,
    rate_limit::RedisRateLimiter,
    redis::{RedisHandle, RedisProbe, RedisSettings},
};
use alpine_testing::{Redis, Wait, redis_prefix};
use tokio::time::{Instant, timeout};

use crate::support::{free_port, shared_limits};

const DEADLINE: Duration = Duration::from_millis(250);
/// A busy machine may add as much again.
const PROMPT: Duration = Duration::from_millis(500);
/// Everything comes back within this, failovers included.
const PATIENCE: Duration = Duration::from_secs(20);

/// What `alpine_infra::redis` says that a user needs everywhere.
const RIGHTS: &str = "+ping +info +get +set +del +evalsha +script|load +time +hlen \
                      +hgetall +hdel +hset +hincrby +pexpire +pttl +xadd +xread +xrevrange";

fn set_user(server: &Redis, rules: &str) {
    let words: Vec<_> = ["ACL", "SETUSER"].into_iter().chain(rules.split_whitespace()).collect();
    server.command(&words).unwrap();
}

/// One instance with all that uses Redis, over one handle.
struct Instance {
    redis: RedisHandle,
    limiter: RedisRateLimiter,
    list: MirroredBlacklist,
    bus: RedisWakeBus,
    registry: prometheus::Registry,
}

fn settings(url: &str) -> RedisSettings {
    let mut settings = RedisSettings::new(url).unwrap();
    settings.key_prefix = redis_prefix();
    settings.deadline = DEADLINE;
    settings.probe_interval = Duration::from_millis(50);
    settings.check_interval = Duration::from_millis(300);
    settings
}

/// An instance, one of two.
async fn instance(settings: RedisSettings) -> Instance {
    let registry = prometheus::Registry::new();
    let metrics = InfraMetrics::register(&registry).unwrap();
    let redis =
        crate::support::identified(RedisHandle::open(settings, Arc::clone(&metrics)).unwrap());
    let limits = shared_limits(2);
    let limiter = RedisRateLimiter::new(
        limits,
        redis.clone(),
        Arc::new(MonotonicClock::new()),
        Arc::clone(&metrics),
    );
    let list = MirroredBlacklist::new(
        BlacklistSettings::default(),
        redis.clone(),
        Arc::new(SystemClock),
        metrics,
    );
    let bus = RedisWakeBus::new(redis.clone());
    let instance = Instance { redis, limiter, list, bus, registry };
    instance.until_in_use().await;
    instance
}

fn policy(limit: u32) -> RatePolicy {
    let window = Window { length: Duration::from_mins(1), limit };
    RatePolicy { name: "test", windows: vec![window], is_coarse: false }
}

impl Instance {
    async fn until_in_use(&self) {
        assert!(self.redis.wait_until_in_use(PATIENCE).await, "Redis is not used");
    }

    /// Asks for admissions until Redis is found to be away.
    async fn until_away(&self, policy: &RatePolicy, caller: &str) -> u32 {
        let mut admitted = 0;
        let away = async || {
            if !self.redis.is_in_use() && self.condition().await != Condition::Up {
                return true;
            }
            admitted += self.admit(policy, caller, 1).await;
            false
        };
        let promise = "\"a failure takes Redis out of use at once\", and whoever meets it first waits \
                       for a deadline; the rest is for a busy machine";
        Wait::promised(Duration::from_secs(5), Instant::now(), promise)
            .until("Redis is out of use", away)
            .await;
        admitted
    }

    /// Asks `times` times, and none may take longer than the deadline.
    async fn admit(&self, policy: &RatePolicy, caller: &str, times: u32) -> u32 {
        let mut admitted = 0;
        for _ in 0..times {
            let asked = Instant::now();
            admitted += u32::from(self.limiter.admit(policy, caller).await.allowed);
            assert!(asked.elapsed() < PROMPT, "took {:?}", asked.elapsed());
        }
        admitted
    }

    fn deny(&self, id: &str) {
        self.list.deny(id, SystemClock.now().later(Duration::from_mins(5)));
    }

    async fn denies(&self, id: &str) -> bool {
        self.list.is_denied(id).await.unwrap()
    }

    async fn condition(&self) -> Condition {
        RedisProbe::new(Some(self.redis.clone())).probe().await.condition
    }

    fn measured(&self, name: &str) -> f64 {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name() == name).unwrap();
        family
            .get_metric()
            .iter()
            .map(|m| m.get_counter().get_value() + m.get_gauge().get_value())
            .sum()
    }
}

/// Whether wake-ups of `from` reach `to`, within as many tries as the reader's reconnecting may take.
async fn wakes(from: &Instance, to: &Instance) {
    let woken = timeout(PATIENCE, async {
        // What it was told when it reconnected.
        while timeout(Duration::from_millis(300), to.bus.woken()).await.is_ok() {}
        loop {
            from.bus.wake();
            if timeout(Duration::from_millis(300), to.bus.woken()).await.is_ok() {
                return;
            }
        }
    });
    assert!(woken.await.is_ok(), "nobody was woken");
}

#[tokio::test]
async fn absent_at_boot_nobody_waits() {
    let (a, b) = (free_port(), free_port());
    for url in [
        format!("redis+sentinel://127.0.0.1:{a},127.0.0.1:{b}/mymaster"),
        format!("redis+cluster://127.0.0.1:{a},127.0.0.1:{b}"),
    ] {
        let redis = crate::support::identified(
            RedisHandle::open(settings(&url), crate::support::metrics()).unwrap(),
        );
        let limits = shared_limits(1);
        let clock = Arc::new(MonotonicClock::new());
        let limiter =
            RedisRateLimiter::new(limits, redis.clone(), clock, crate::support::metrics());
        let asked = Instant::now();
        for _ in 0..3 {
            assert!(limiter.admit(&policy(3), "x").await.allowed);
        }
        assert!(!limiter.admit(&policy(3), "x").await.allowed);
        assert!(asked.elapsed() < PROMPT);
        assert!(!redis.wait_until_in_use(Duration::from_millis(300)).await);
        let report = RedisProbe::new(Some(redis)).probe().await;
        assert_eq!(report.condition, Condition::Down);
    }
}
