//! The in-memory limiter, for one instance.

use std::sync::Arc;

use alpine_domain::{
    Clock,
    ports::rate_limit::{Decision, RateLimiter, RatePolicy},
};
use async_trait::async_trait;

use super::{
    policy_counts::{LocalCounts, refusal},
    policy_metrics::DecisionSource,
};
use crate::InfraMetrics;

/// A limiter that counts in memory.
pub struct MemoryRateLimiter(LocalCounts);

impl MemoryRateLimiter {
    /// A limiter that has counted nothing yet, and counts up to `max_callers` callers of each policy one
    /// by one; further ones share cells. Give it a clock that never steps, a
    /// [`MonotonicClock`](crate::MonotonicClock) outside tests.
    pub fn new(max_callers: usize, clock: Arc<dyn Clock>, metrics: Arc<InfraMetrics>) -> Self {
        Self(LocalCounts::new(max_callers, clock, metrics))
    }
}

impl MemoryRateLimiter {
    fn decide(&self, policy: &RatePolicy, caller: &str) -> Decision {
        let Some(limiter) = self.0.of(policy) else { return refusal(policy) };
        let decision = limiter.admit(&policy.windows, caller, false);
        limiter.counts.metrics.count(&decision, DecisionSource::Memory);
        decision
    }
}

#[async_trait]
impl RateLimiter for MemoryRateLimiter {
    fn admit_now(&self, policy: &RatePolicy, caller: &str) -> Option<Decision> {
        Some(self.decide(policy, caller))
    }

    fn known_refusal(&self, policy: &RatePolicy, caller: &str) -> Option<Decision> {
        self.0.of(policy)?.known_refusal(caller)
    }

    async fn admit(&self, policy: &RatePolicy, caller: &str) -> Decision {
        self.decide(policy, caller)
    }
}
