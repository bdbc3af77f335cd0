//! One test and more for each invariant of the hot path that this crate upholds, named after it, with
//! several instances over one Redis that may be killed, stopped, flushed or cut off.
//!
//! Each fails when the mechanism that it depends on is switched off: `xtask/mutants/hot-path.toml`.

mod blacklist;
mod bounds;
mod breaker;
mod cache;
mod limiter;
mod loss;

use std::{sync::Arc, time::Duration};

use alpine_domain::{
    Clock, Timestamp,
    ports::rate_limit::{RateLimiter, RatePolicy, Window},
};
use alpine_infra::{
    InfraMetrics, MonotonicClock,
    rate_limit::RedisRateLimiter,
    redis::{RedisHandle, RedisSettings},
};

use alpine_testing::redis_prefix;

/// Settings for a server of the test's own. The deadline leaves room for a busy machine.
fn settings_for(url: &str) -> RedisSettings {
    let mut settings = RedisSettings::new(url).unwrap();
    settings.key_prefix = redis_prefix();
    settings.deadline = Duration::from_millis(250);
    settings.probe_interval = Duration::from_millis(50);
    settings
}

fn registered() -> (prometheus::Registry, Arc<InfraMetrics>) {
    let registry = prometheus::Registry::new();
    let metrics = InfraMetrics::register(&registry).unwrap();
    (registry, metrics)
}

/// The sum of a counter or gauge over the labels that contain `label`; 0 if it never counted.
fn measured(registry: &prometheus::Registry, name: &str, label: &str) -> f64 {
    let families = registry.gather();
    let metrics = families
        .iter()
        .filter(|family| family.name() == name)
        .flat_map(prometheus::proto::MetricFamily::get_metric);
    metrics
        .filter(|m| label.is_empty() || m.get_label().iter().any(|pair| pair.value() == label))
        .map(|m| m.get_counter().get_value() + m.get_gauge().get_value())
        .sum()
}

/// A steady clock that is wrong by some seconds.
struct Skewed(MonotonicClock, i64);

impl Clock for Skewed {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.now().micros() + self.1 * 1_000_000)
    }
}

fn limiter(redis: RedisHandle, instances: u32, skew: i64) -> RedisRateLimiter {
    measured_limiter(redis, instances, skew, registered().1)
}

fn measured_limiter(
    redis: RedisHandle,
    instances: u32,
    skew: i64,
    metrics: Arc<InfraMetrics>,
) -> RedisRateLimiter {
    let limits = crate::support::shared_limits(instances);
    let clock = Arc::new(Skewed(MonotonicClock::new(), skew));
    RedisRateLimiter::new(limits, redis, clock, metrics)
}

fn policy(windows: &[(u64, u32)]) -> RatePolicy {
    let window = |(millis, limit): &(u64, u32)| Window {
        length: Duration::from_millis(*millis),
        limit: *limit,
    };
    RatePolicy { name: "test", windows: windows.iter().map(window).collect(), is_coarse: false }
}

/// Asks `times` times, one after the other; says how many were admitted.
async fn admitted(limiter: &dyn RateLimiter, policy: &RatePolicy, times: u32) -> u32 {
    let mut admitted = 0;
    for _ in 0..times {
        admitted += u32::from(limiter.admit(policy, "caller").await.allowed);
    }
    admitted
}
