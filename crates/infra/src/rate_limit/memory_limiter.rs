//! The in-memory limiter, for one instance, or for several that each count for themselves.

use std::{borrow::Cow, num::NonZeroU32, sync::Arc};

use alpine_domain::{
    Clock,
    ports::rate_limit::{Decision, RateLimiter, RatePolicy, Window},
};
use async_trait::async_trait;

use super::{
    policy_counts::{LocalCounts, instance_share, refusal},
    policy_metrics::DecisionSource,
};
use crate::InfraMetrics;

/// A limiter that counts in memory.
pub struct MemoryRateLimiter {
    counts: LocalCounts,
    instances: NonZeroU32,
}

impl MemoryRateLimiter {
    /// A limiter that has counted nothing yet, and counts up to `max_callers` callers of each policy one
    /// by one; further ones share cells. Give it a clock that never steps, a
    /// [`MonotonicClock`](crate::MonotonicClock) outside tests.
    pub fn new(max_callers: usize, clock: Arc<dyn Clock>, metrics: Arc<InfraMetrics>) -> Self {
        let counts = LocalCounts::new(max_callers, clock, metrics);
        Self { counts, instances: NonZeroU32::MIN }
    }

    /// One of so many instances, which know nothing of each other: it admits its part of every limit, and at
    /// least one request a window.
    #[must_use]
    pub fn one_of(self, instances: NonZeroU32) -> Self {
        Self { instances, ..self }
    }

    /// What this instance admits.
    fn windows<'a>(&self, policy: &'a RatePolicy) -> Cow<'a, [Window]> {
        match self.instances {
            NonZeroU32::MIN => Cow::Borrowed(&policy.windows),
            several => Cow::Owned(instance_share(&policy.windows, several)),
        }
    }

    fn decide(&self, policy: &RatePolicy, caller: &str) -> Decision {
        let Some(limiter) = self.counts.of(policy) else { return refusal(policy) };
        let decision = limiter.admit(&self.windows(policy), caller, false);
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
        self.counts.of(policy)?.known_refusal(&self.windows(policy), caller)
    }

    async fn admit(&self, policy: &RatePolicy, caller: &str) -> Decision {
        self.decide(policy, caller)
    }
}
