//! A debit that the shared store has not answered yet.

use std::num::NonZeroU32;

use alpine_domain::ports::rate_limit::Decision;

use super::{
    caller_id::{LocalCallerId, RedisCallerId},
    caller_table::CallerUsage,
    policy_counts::{PolicyLimiter, remote_answers},
    policy_metrics::DecisionSource,
    windows::{WindowState, WindowStates, decision},
};

/// A debit for the shared store: the admissions asked for, and those that it has to charge besides.
/// Unless it is [`answered`](Self::answered), dropping it gives back what it took, also when the
/// request goes away.
pub(super) struct PendingDebit<'a> {
    pub(super) limiter: PolicyLimiter<'a>,
    local_id: LocalCallerId,
    pub(super) redis_id: RedisCallerId,
    /// Admissions asked for; 0 only reports.
    pub(super) requested: u32,
    /// This instance's calls about the caller that the store has counted.
    pub(super) calls: u64,
    asked_at: i64,
    /// Local admissions to charge to each window: no more than still count there.
    pub(super) owed_by_window: Vec<u32>,
    /// All admissions of this instance in each window, those under way included. They are charged when
    /// the store has forgotten the caller.
    pub(super) mine_by_window: Vec<u32>,
    owed: u32,
}

impl<'a> PolicyLimiter<'a> {
    /// The decision, if it can be made without asking the shared store, or the debit to send to the shared store.
    pub(super) fn decide_or_debit(
        self,
        caller: &str,
        instances: NonZeroU32,
    ) -> Result<PendingDebit<'a>, (Decision, DecisionSource)> {
        let id = self.local_id(caller);
        self.with_caller(id, |usage| {
            if let Some(decided) = self.decide(usage, caller, instances) {
                return Err(decided);
            }
            let now = usage.now;
            let remote = remote_answers(usage, caller);
            remote.count_request(self.counts.lease_life, now);
            let requested = remote.lease_size(self.policy, instances.get(), now);
            let redis_id = remote.id;
            let debit = PendingDebit::new(self, id, redis_id, usage, requested);
            remote_answers(usage, caller).debit_sent(requested);
            Ok(debit)
        })
    }

    /// A debit that asks for nothing and only charges what the shared store lacks; `None` for a caller
    /// of whom the shared store was never asked.
    pub(super) fn report(self, id: LocalCallerId) -> Option<PendingDebit<'a>> {
        self.with_caller(id, |usage| {
            let redis_id = usage.remote()?.id;
            Some(PendingDebit::new(self, id, redis_id, usage, 0))
        })
    }
}

impl<'a> PendingDebit<'a> {
    /// Takes what `usage` owes to the shared store.
    fn new(
        limiter: PolicyLimiter<'a>,
        local_id: LocalCallerId,
        redis_id: RedisCallerId,
        usage: &mut CallerUsage<'_>,
        requested: u32,
    ) -> Self {
        let owed = usage.take_owed();
        let shared: Vec<u32> = usage.shared().collect();
        let asked_at = usage.now;
        let remote = usage.remote_or_insert_with(|| redis_id);
        let under_way = remote.under_way();
        Self {
            limiter,
            local_id,
            redis_id,
            requested,
            calls: remote.calls,
            asked_at,
            owed_by_window: shared.iter().map(|n| (*n).min(owed)).collect(),
            mine_by_window: shared.iter().map(|n| n.saturating_add(under_way)).collect(),
            owed,
        }
    }

    /// Records the store's answer and makes the decision of it.
    pub(super) fn answered(
        mut self,
        calls: u64,
        admitted: u32,
        states: &[WindowState],
    ) -> Decision {
        self.owed = 0;
        let requested = std::mem::take(&mut self.requested);
        let policy = self.limiter.policy;
        self.limiter.with_caller(self.local_id, |usage| {
            if admitted > 0 {
                usage.record();
            }
            let remote = usage.remote_or_insert_with(|| self.redis_id);
            remote.calls = remote.calls.max(calls);
            if requested > 0 {
                remote.debit_answered(policy, requested, self.asked_at, admitted, states);
            }
        });
        // Of several admissions granted at once, this request uses one.
        let unspent = admitted.saturating_sub(1);
        let shown: WindowStates = states
            .iter()
            .map(|state| WindowState { used: state.used.saturating_sub(unspent), ..*state })
            .collect();
        decision(&policy.windows, &shown, admitted > 0)
    }
}

impl Drop for PendingDebit<'_> {
    fn drop(&mut self) {
        if self.owed > 0 || self.requested > 0 {
            self.limiter.with_caller(self.local_id, |usage| {
                usage.owe(self.owed);
                if let Some(remote) = usage.remote() {
                    remote.debit_unanswered(self.requested);
                }
            });
        }
    }
}
