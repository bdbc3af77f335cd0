//! The counts of every policy in this process, and the decisions that need no shared store. Both
//! limiters use it: the in-memory one decides by it alone, the one on Redis before it asks and while
//! Redis is away.

use std::{
    num::NonZeroU32,
    sync::{Arc, OnceLock},
};

use alpine_domain::{
    Clock,
    ports::rate_limit::{Decision, RatePolicy, Window},
};

use super::{
    caller_id::{LocalCallerId, RedisCallerId},
    caller_table::{CallerTable, CallerUsage},
    policy_metrics::{DecisionSource, PolicyMetrics},
    remote_answers::{KnownAnswer, RemoteAnswers, lease_life},
    windows::{SubBuckets, WindowState, WindowStates, decision},
};
use crate::InfraMetrics;

/// Policies at most; their names come from a short fixed list.
const MAX_POLICIES: usize = 256;
/// The instances' own part of a coarse limit: one in so many admissions.
const OWN_PART: u32 = 20;

/// One policy, and the counts of its callers in this process.
pub(super) struct PolicyCounts {
    /// As it was at the first request under it.
    policy: RatePolicy,
    callers: CallerTable,
    /// The longest window, microseconds.
    longest: i64,
    /// How long a lease lives, microseconds.
    pub(super) lease_life: i64,
    pub(super) metrics: PolicyMetrics,
}

impl PolicyCounts {
    fn new(policy: &RatePolicy, max_callers: usize, metrics: &InfraMetrics) -> Self {
        let sub_buckets = policy.windows.iter().map(|w| SubBuckets::of(w.length)).collect();
        let longest = policy.windows.iter().map(|w| w.length).max().unwrap_or_default();
        Self {
            callers: CallerTable::new(sub_buckets, max_callers),
            longest: i64::try_from(longest.as_micros()).unwrap_or(i64::MAX),
            lease_life: lease_life(&policy.windows),
            metrics: PolicyMetrics::of(policy.name, metrics),
            policy: policy.clone(),
        }
    }

    /// Whether these are the counts of `policy`, whose limits may have changed.
    fn is_of(&self, policy: &RatePolicy) -> bool {
        self.policy.name == policy.name
            && self.policy.windows.len() == policy.windows.len()
            && self.policy.windows.iter().zip(&policy.windows).all(|(a, b)| a.length == b.length)
    }
}

/// The counts of every policy in this process. Up to `max_callers` callers of a policy are counted one by
/// one; an active caller takes some 300 bytes, 1.5 kB at most. Beyond that number the callers that were
/// quiet longest share cells, in which another's requests may count as theirs; no caller is ever admitted
/// more than its limit.
pub(super) struct LocalCounts {
    max_callers: usize,
    clock: Arc<dyn Clock>,
    /// Filled from the front and never emptied, so finding a policy takes no lock.
    policies: Box<[OnceLock<PolicyCounts>]>,
    metrics: Arc<InfraMetrics>,
}

impl LocalCounts {
    pub(super) fn new(
        max_callers: usize,
        clock: Arc<dyn Clock>,
        metrics: Arc<InfraMetrics>,
    ) -> Self {
        let policies = std::iter::repeat_with(OnceLock::new).take(MAX_POLICIES).collect();
        Self { max_callers, clock, policies, metrics }
    }

    /// The limiter of one policy; `None` if there are too many policies.
    pub(super) fn of<'a>(&'a self, policy: &'a RatePolicy) -> Option<PolicyLimiter<'a>> {
        let found = self.policies.iter().find_map(|slot| {
            let counts =
                slot.get_or_init(|| PolicyCounts::new(policy, self.max_callers, &self.metrics));
            counts.is_of(policy).then_some(counts)
        });
        if found.is_none() {
            // Names come from code, so this is a defect there.
            tracing::error!(policy = policy.name, "too many rate-limit policies; this one refuses");
        }
        found.map(|counts| PolicyLimiter { local: self, counts, policy })
    }

    /// The callers, by policy, whose counts the shared store lacks, at most `max`; if
    /// `lost_everything` all that have counts.
    pub(super) fn callers_to_report(
        &self,
        lost_everything: bool,
        max: usize,
    ) -> Vec<(PolicyLimiter<'_>, Vec<LocalCallerId>)> {
        let mut left = max;
        self.policies
            .iter()
            .map_while(OnceLock::get)
            .map(|counts| {
                let callers = counts.callers.to_report(lost_everything, left);
                left -= callers.len();
                (PolicyLimiter { local: self, counts, policy: &counts.policy }, callers)
            })
            .collect()
    }

    /// Microseconds by the limiter's clock.
    pub(super) fn now(&self) -> i64 {
        self.clock.now().micros()
    }
}

/// What one of so many instances admits of every limit when each counts for itself: at least one request a
/// window.
pub(super) fn instance_share(windows: &[Window], instances: NonZeroU32) -> Vec<Window> {
    windows.iter().map(|w| Window { limit: (w.limit / instances).max(1), ..*w }).collect()
}

/// The limiter of one policy in this process, with the limits of the present request.
#[derive(Clone, Copy)]
pub(super) struct PolicyLimiter<'a> {
    local: &'a LocalCounts,
    pub(super) counts: &'a PolicyCounts,
    pub(super) policy: &'a RatePolicy,
}

impl PolicyLimiter<'_> {
    /// Admits or refuses one request against `windows`, which may be tighter than the policy's own.
    /// If `owing`, an admission is charged to the shared store later.
    pub(super) fn admit(self, windows: &[Window], caller: &str, owing: bool) -> Decision {
        self.with_caller(self.local_id(caller), |usage| {
            if !usage.has_room(windows) {
                return decision(windows, &usage.window_states(windows), false);
            }
            usage.record();
            if owing {
                usage.owe(1);
            }
            decision(windows, &usage.window_states(windows), true)
        })
    }

    /// The decision, if it can be made without asking the shared store.
    pub(super) fn decide_locally(
        self,
        caller: &str,
        instances: NonZeroU32,
    ) -> Option<(Decision, DecisionSource)> {
        let id = self.local_id(caller);
        self.with_caller(id, |usage| self.decide(usage, caller, instances))
    }

    pub(super) fn decide(
        self,
        usage: &mut CallerUsage<'_>,
        caller: &str,
        instances: NonZeroU32,
    ) -> Option<(Decision, DecisionSource)> {
        let (policy, counts, now) = (self.policy, self.counts, usage.now);
        if usage.has_own_room(&policy.windows, |w| own_part(policy, w, instances)) {
            usage.record_own();
            let states = usage.window_states(&policy.windows);
            return Some((decision(&policy.windows, &states, true), DecisionSource::OwnPart));
        }
        let is_full = !usage.has_room(&policy.windows);
        let remote = remote_answers(usage, caller);
        let wasted = remote.expire(counts.longest, now);
        if wasted > 0 {
            counts.metrics.lease_waste.inc_by(wasted.into());
        }
        let decided = match remote.known_answer(policy, now) {
            Some(KnownAnswer::Leased(decision)) => (decision, DecisionSource::Lease),
            Some(KnownAnswer::Refused(decision)) => (decision, DecisionSource::DeniedLocally),
            None if is_full => {
                let states = usage.window_states(&policy.windows);
                (decision(&policy.windows, &states, false), DecisionSource::DeniedLocally)
            }
            None => return None,
        };
        remote_answers(usage, caller).count_request(counts.lease_life, now);
        if decided.1 == DecisionSource::Lease {
            usage.record();
        }
        Some(decided)
    }

    /// The refusal that is known in this process, against `windows` as in [`admit`](Self::admit). Counts nothing.
    pub(super) fn known_refusal(self, windows: &[Window], caller: &str) -> Option<Decision> {
        self.with_caller(self.local_id(caller), |usage| {
            let now = usage.now;
            if !usage.has_room(windows) {
                return Some(decision(windows, &usage.window_states(windows), false));
            }
            usage.remote()?.known_refusal(self.policy, now)
        })
    }

    /// Where the caller's counts stand.
    pub(super) fn local_id(self, caller: &str) -> LocalCallerId {
        self.counts.callers.id(caller)
    }

    pub(super) fn with_caller<T>(
        self,
        id: LocalCallerId,
        mut f: impl FnMut(&mut CallerUsage<'_>) -> T,
    ) -> T {
        let now = self.local.now();
        let (result, evicted) = self.counts.callers.with(id, now, |mut usage| f(&mut usage));
        if evicted > 0 {
            self.local.metrics.limit_evicted.inc_by(evicted as u64);
        }
        result
    }
}

/// What the shared store has answered about the caller so far.
pub(super) fn remote_answers<'a>(
    usage: &'a mut CallerUsage<'_>,
    caller: &str,
) -> &'a mut RemoteAnswers {
    usage.remote_or_insert_with(|| RedisCallerId::of(caller))
}

/// Admissions of a window that one instance makes without asking the shared store: of a coarse policy
/// a twentieth of the limit, divided by the instances. The shared store counts against the rest of the
/// limit, so the sum stays within it.
pub(super) fn own_part(policy: &RatePolicy, window: &Window, instances: NonZeroU32) -> u32 {
    if policy.is_coarse { window.limit / OWN_PART / instances } else { 0 }
}

/// The decision where nothing can be counted.
pub(super) fn refusal(policy: &RatePolicy) -> Decision {
    let full = |w: &Window| WindowState { used: w.limit, retry_after: 0, reset_after: 0 };
    let states: WindowStates = policy.windows.iter().map(full).collect();
    decision(&policy.windows, &states, false)
}
