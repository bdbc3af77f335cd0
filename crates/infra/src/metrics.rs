//! The metrics of this crate, registered once and shared by its adapters. Labels are from short
//! fixed lists: policies, levels, operations and outcomes, never a caller or a key.

use std::sync::Arc;

use prometheus::{
    Gauge, GaugeVec, IntCounter, IntCounterVec, IntGauge, Registry,
    register_gauge_vec_with_registry as gauges, register_gauge_with_registry as gauge,
    register_int_counter_vec_with_registry as counters,
    register_int_counter_with_registry as counter, register_int_gauge_with_registry as int_gauge,
};

/// Counters and gauges of cache, limiter, blacklist, event log and Redis.
#[derive(Debug)]
pub struct InfraMetrics {
    pub(crate) cache_hits: IntCounterVec,
    pub(crate) cache_misses: IntCounterVec,
    pub(crate) cache_operations: IntCounterVec,
    pub(crate) redis_cache_bytes: IntCounterVec,
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
    pub(crate) clock_difference: GaugeVec,
    pub(crate) clock_agreed: IntGauge,
    pub(crate) clock_steps: IntCounter,
}

impl InfraMetrics {
    /// Creates the metrics and registers them.
    ///
    /// # Errors
    /// When `registry` holds metrics of these names already.
    #[expect(clippy::too_many_lines, reason = "one entry for each metric, and nothing else")]
    pub fn register(registry: &Registry) -> Result<Arc<Self>, prometheus::Error> {
        Ok(Arc::new(Self {
            cache_hits: counters!(
                "redis_cache_hits_total",
                "Cached bodies served, by level: memory or redis.",
                &["level"],
                registry
            )?,
            cache_misses: counters!(
                "redis_cache_misses_total",
                "Look-ups that found nothing servable, by level: memory or redis.",
                &["level"],
                registry
            )?,
            cache_operations: counters!(
                "redis_cache_operations_total",
                "Cache operations by outcome.",
                &["operation", "outcome"],
                registry
            )?,
            redis_cache_bytes: counters!(
                "redis_cache_bytes_total",
                "Bytes of bodies for Redis, by outcome: written, or refused because the share of \
                 cache.redis_bytes is used (full), or its part for what was asked for once \
                 (asked_once), or because one body is too large for it (too_large).",
                &["outcome"],
                registry
            )?,
            cache_bytes: int_gauge!(
                "cache_bytes",
                "Bytes that cached bodies hold in memory.",
                registry
            )?,
            cache_entries: int_gauge!("cache_entries", "Cached bodies in memory.", registry)?,
            limit_requests: counters!(
                "rate_limit_requests_total",
                "Decisions of the rate limiter, by policy, outcome (allowed or denied) and where they \
                 came from: own_part, lease, shared, denied_locally, fallback or memory.",
                &["policy", "outcome", "source"],
                registry
            )?,
            limit_exceeded: counters!(
                "rate_limit_exceeded_total",
                "Requests refused by the rate limiter.",
                &["policy"],
                registry
            )?,
            limit_fallbacks: counter!(
                "rate_limit_fallbacks_total",
                "Decisions taken locally because Redis was configured but away.",
                registry
            )?,
            limit_evicted: counter!(
                "rate_limit_evicted_total",
                "Callers folded into a shared cell because the limiter's memory was full.",
                registry
            )?,
            blacklist_entries: int_gauge!(
                "token_blacklist_entries",
                "Token ids refused here.",
                registry
            )?,
            blacklist_overflows: counter!(
                "token_blacklist_overflows_total",
                "Token ids that did not fit; every unknown token is refused until they expire.",
                registry
            )?,
            log_position: int_gauge!(
                "event_log_position",
                "The newest event applied here.",
                registry
            )?,
            log_lag: gauge!(
                "event_log_lag_seconds",
                "Time since the event log was last read to its end.",
                registry
            )?,
            log_resets: counter!(
                "event_log_resets_total",
                "Times that the state was loaded anew because events were missing.",
                registry
            )?,
            redis_connected: int_gauge!(
                "redis_connected",
                "1 while Redis is in use, else 0.",
                registry
            )?,
            redis_memory: int_gauge!(
                "redis_memory_usage_bytes",
                "Memory that Redis says it uses, polled in the background.",
                registry
            )?,
            redis_transitions: counters!(
                "redis_transitions_total",
                "Times that Redis was taken into use (up) or given up (down).",
                &["to"],
                registry
            )?,
            redis_failures: counters!(
                "redis_failures_total",
                "Uses of Redis that failed, by reason: deadline, connection, refused (it cannot be written) or \
                 reply (an error that concerns one command).",
                &["reason"],
                registry
            )?,
            redis_forgeries: counters!(
                "redis_forgeries_total",
                "Values in Redis that this deployment did not write or that were changed, by what they \
                 are; none is used.",
                &["value"],
                registry
            )?,
            redis_hiccups: counter!(
                "redis_suspicions_total",
                "Times that a use of Redis failed and the probe was sent to look.",
                registry
            )?,
            breaker_state: int_gauge!(
                "redis_breaker_state",
                "0 while requests use Redis, 1 while the probe examines a failure, 2 while it is away.",
                registry
            )?,
            limit_lease_waste: counters!(
                "rate_limit_lease_waste_total",
                "Admissions that were leased from Redis and not used in time.",
                &["policy"],
                registry
            )?,
            blacklist_age: gauge!(
                "token_blacklist_age_seconds",
                "Time since the list of refused tokens was last known to be complete.",
                registry
            )?,
            hashes_waiting: int_gauge!(
                "password_hashes_waiting",
                "Password checks that wait for a processor.",
                registry
            )?,
            clock_difference: gauges!(
                "clock_difference_seconds",
                "How far a clock is ahead of the time in use, by source: wall (the machine's) or database.",
                &["source"],
                registry
            )?,
            clock_agreed: int_gauge!(
                "clock_agreed",
                "1 while the clocks agree and have for long enough, so that signals expire; else 0.",
                registry
            )?,
            clock_steps: counter!(
                "clock_steps_total",
                "Times that the time in use was set, because the clock that it goes by differed for long \
                 enough.",
                registry
            )?,
        }))
    }
}
