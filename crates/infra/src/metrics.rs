//! The metrics of this crate, registered once and shared by its adapters. Labels are from short
//! fixed lists: policies, levels, operations and outcomes, never a caller or a key.

use std::sync::Arc;

use prometheus::{Gauge, IntCounter, IntCounterVec, IntGauge, Opts, Registry, core::Collector};

/// Counters and gauges of cache, limiter, blacklist, event log and Redis.
#[derive(Debug)]
pub struct InfraMetrics {
    pub(crate) cache_hits: IntCounterVec,
    pub(crate) cache_misses: IntCounterVec,
    pub(crate) cache_operations: IntCounterVec,
    pub(crate) cache_bytes: IntGauge,
    pub(crate) cache_entries: IntGauge,
    pub(crate) limit_requests: IntCounterVec,
    pub(crate) limit_exceeded: IntCounterVec,
    pub(crate) limit_fallbacks: IntCounter,
    pub(crate) limit_evicted: IntCounter,
    pub(crate) blacklist_entries: IntGauge,
    pub(crate) blacklist_overflows: IntCounter,
    pub(crate) log_position: IntGauge,
    pub(crate) log_lag: Gauge,
    pub(crate) log_resets: IntCounter,
    pub(crate) redis_connected: IntGauge,
    pub(crate) redis_memory: IntGauge,
    pub(crate) redis_transitions: IntCounterVec,
    pub(crate) redis_failures: IntCounterVec,
    pub(crate) redis_hiccups: IntCounter,
    pub(crate) redis_forgeries: IntCounterVec,
    pub(crate) breaker_state: IntGauge,
    pub(crate) limit_lease_waste: IntCounterVec,
    pub(crate) blacklist_age: Gauge,
    pub(crate) hashes_waiting: IntGauge,
}

impl InfraMetrics {
    /// Creates the metrics and registers them.
    ///
    /// # Errors
    /// When `registry` holds metrics of these names already.
    pub fn register(registry: &Registry) -> Result<Arc<Self>, prometheus::Error> {
        let on = Registrar(registry);
        Ok(Arc::new(Self {
            cache_hits: on.counters(
                "redis_cache_hits_total",
                "Cached bodies served, by level: memory or redis.",
                &["level"],
            )?,
            cache_misses: on.counters(
                "redis_cache_misses_total",
                "Look-ups that found nothing servable, by level: memory or redis.",
                &["level"],
            )?,
            cache_operations: on.counters(
                "redis_cache_operations_total",
                "Cache operations by outcome.",
                &["operation", "outcome"],
            )?,
            cache_bytes: on.gauge("cache_bytes", "Bytes that cached bodies hold in memory.")?,
            cache_entries: on.gauge("cache_entries", "Cached bodies in memory.")?,
            limit_requests: on.counters(
                "rate_limit_requests_total",
                "Decisions of the rate limiter, by policy, outcome (allowed or denied) and where they \
                 came from: own_part, lease, shared, denied_locally, fallback or memory.",
                &["policy", "outcome", "source"],
            )?,
            limit_exceeded: on.counters(
                "rate_limit_exceeded_total",
                "Requests refused by the rate limiter.",
                &["policy"],
            )?,
            limit_fallbacks: on.counter(
                "rate_limit_fallbacks_total",
                "Decisions taken locally because Redis was configured but away.",
            )?,
            limit_evicted: on.counter(
                "rate_limit_evicted_total",
                "Callers folded into a shared cell because the limiter's memory was full.",
            )?,
            blacklist_entries: on.gauge("token_blacklist_entries", "Token ids refused here.")?,
            blacklist_overflows: on.counter(
                "token_blacklist_overflows_total",
                "Token ids that did not fit; every unknown token is refused until they expire.",
            )?,
            log_position: on.gauge("event_log_position", "The newest event applied here.")?,
            log_lag: on.own(Gauge::new(
                "event_log_lag_seconds",
                "Time since the event log was last read to its end.",
            )?)?,
            log_resets: on.counter(
                "event_log_resets_total",
                "Times that the state was loaded anew because events were missing.",
            )?,
            redis_connected: on.gauge("redis_connected", "1 while Redis is in use, else 0.")?,
            redis_memory: on.gauge(
                "redis_memory_usage_bytes",
                "Memory that Redis says it uses, polled in the background.",
            )?,
            redis_transitions: on.counters(
                "redis_transitions_total",
                "Times that Redis was taken into use (up) or given up (down).",
                &["to"],
            )?,
            redis_failures: on.counters(
                "redis_failures_total",
                "Uses of Redis that failed, by reason: deadline, connection, refused (it cannot be written) or \
                 reply (an error that concerns one command).",
                &["reason"],
            )?,
            redis_forgeries: on.counters(
                "redis_forgeries_total",
                "Values in Redis that this deployment did not write or that were changed, by what they \
                 are; none is used.",
                &["value"],
            )?,
            redis_hiccups: on.counter(
                "redis_suspicions_total",
                "Times that a use of Redis failed and the probe was sent to look.",
            )?,
            breaker_state: on.gauge(
                "redis_breaker_state",
                "0 while requests use Redis, 1 while the probe examines a failure, 2 while it is away.",
            )?,
            limit_lease_waste: on.counters(
                "rate_limit_lease_waste_total",
                "Admissions that were leased from Redis and not used in time.",
                &["policy"],
            )?,
            blacklist_age: on.own(Gauge::new(
                "token_blacklist_age_seconds",
                "Time since the list of refused tokens was last known to be complete.",
            )?)?,
            hashes_waiting: on
                .gauge("password_hashes_waiting", "Password checks that wait for a processor.")?,
        }))
    }
}

/// Creates a metric and registers it in one step.
struct Registrar<'a>(&'a Registry);

impl Registrar<'_> {
    fn own<C: Collector + Clone + 'static>(&self, metric: C) -> Result<C, prometheus::Error> {
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntCounterVec, prometheus::Error> {
        self.own(IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    fn counter(&self, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
        self.own(IntCounter::new(name, help)?)
    }

    fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
        self.own(IntGauge::new(name, help)?)
    }
}
