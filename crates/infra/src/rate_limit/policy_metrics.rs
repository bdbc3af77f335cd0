//! The metrics of one policy, resolved once.

use alpine_domain::ports::rate_limit::Decision;
use prometheus::IntCounter;

use crate::InfraMetrics;

/// Where a decision came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DecisionSource {
    /// The in-memory limiter.
    Memory,
    /// This instance's own part of a coarse policy.
    OwnPart,
    /// Granted by the shared store some requests ago.
    Lease,
    /// The shared store, asked for this request.
    Shared,
    /// A refusal that is known here, without asking the shared store.
    DeniedLocally,
    /// The counts of this process, since the shared store is away.
    Fallback,
}

impl DecisionSource {
    const ALL: [Self; 6] = [
        Self::Memory,
        Self::OwnPart,
        Self::Lease,
        Self::Shared,
        Self::DeniedLocally,
        Self::Fallback,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::OwnPart => "own_part",
            Self::Lease => "lease",
            Self::Shared => "shared",
            Self::DeniedLocally => "denied_locally",
            Self::Fallback => "fallback",
        }
    }
}

/// The metrics of one policy.
pub(super) struct PolicyMetrics {
    /// In the order of [`DecisionSource::ALL`].
    allowed: [IntCounter; DecisionSource::ALL.len()],
    denied: [IntCounter; DecisionSource::ALL.len()],
    exceeded: IntCounter,
    pub(super) lease_waste: IntCounter,
}

impl PolicyMetrics {
    pub(super) fn of(policy: &str, metrics: &InfraMetrics) -> Self {
        let requests = |outcome| {
            DecisionSource::ALL.map(|source| {
                metrics.limit_requests.with_label_values(&[policy, outcome, source.name()])
            })
        };
        Self {
            allowed: requests("allowed"),
            denied: requests("denied"),
            exceeded: metrics.limit_exceeded.with_label_values(&[policy]),
            lease_waste: metrics.limit_lease_waste.with_label_values(&[policy]),
        }
    }

    pub(super) fn count(&self, decision: &Decision, source: DecisionSource) {
        if decision.allowed {
            self.allowed[source as usize].inc();
        } else {
            self.denied[source as usize].inc();
            self.exceeded.inc();
        }
    }
}
