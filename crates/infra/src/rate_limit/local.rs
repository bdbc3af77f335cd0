//! Counting in this process.

use std::sync::{Arc, RwLock};

use alpine_domain::{
    Clock,
    ports::rate_limit::{Decision, RatePolicy, Window},
};

use super::{
    arithmetic::{Grid, Reading, decision},
    lease::Known,
    table::{CallerId, Table, View},
};
use crate::{
    InfraMetrics,
    mutants::{Mechanism, is_off},
    sync,
};

/// Policies known at most; their names come from a short fixed list.
const MAX_POLICIES: usize = 256;

/// Bounds of a limiter in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalLimits {
    /// Callers of one policy that are counted one by one; default 100,000. An active caller takes
    /// some 300 bytes, at worst 1.5 kB. Beyond that the quietest share cells, in which a stranger's
    /// requests may count as theirs; nobody is ever admitted more than the limit.
    pub max_callers: usize,
}

impl Default for LocalLimits {
    fn default() -> Self {
        Self { max_callers: 100_000 }
    }
}

struct Counted {
    /// As it was first asked about.
    policy: RatePolicy,
    table: Arc<Table>,
}

/// The counts of every policy in this process.
pub(super) struct Local {
    limits: LocalLimits,
    clock: Arc<dyn Clock>,
    known: RwLock<Vec<Counted>>,
    metrics: Arc<InfraMetrics>,
}

impl Local {
    pub(super) fn new(
        limits: LocalLimits,
        clock: Arc<dyn Clock>,
        metrics: Arc<InfraMetrics>,
    ) -> Self {
        Self { limits, clock, known: RwLock::default(), metrics }
    }

    /// Admits or refuses one request against `windows`, which may be tighter than the policy's own.
    /// An admission is noted as owed to the shared store if `owing`.
    pub(super) fn admit(
        &self,
        policy: &RatePolicy,
        windows: &[Window],
        caller: &str,
        owing: bool,
    ) -> Decision {
        let limits = limits_of(windows);
        self.with(policy, CallerId::of(caller), |view| {
            let before = view.readings(&limits);
            let allowed = before.iter().zip(&limits).all(|(r, limit)| r.used < *limit);
            if !allowed {
                return decision(windows, &before, false);
            }
            view.record(1);
            if owing {
                view.owe(1);
            }
            decision(windows, &view.readings(&limits), true)
        })
    }

    /// Answers from what is known here, or says what to ask the shared store.
    pub(super) fn plan<'a>(
        &'a self,
        policy: &'a RatePolicy,
        caller: &str,
        instances: u32,
    ) -> Result<Question<'a>, (Decision, &'static str)> {
        let limits = limits_of(&policy.windows);
        let id = CallerId::of(caller);
        self.with(policy, id, |view| {
            let now = view.now;
            let readings = view.readings(&limits);
            let is_full = readings.iter().zip(&limits).any(|(r, limit)| r.used >= *limit);
            let standing = view.usage.standing.get_or_insert_default();
            let longest = policy.windows.iter().map(|w| w.length).max().unwrap_or_default();
            let longest = i64::try_from(longest.as_micros()).unwrap_or(i64::MAX);
            let wasted = standing.expire(longest, now);
            if wasted > 0 {
                let waste = self.metrics.limit_lease_waste.with_label_values(&[policy.name]);
                waste.inc_by(wasted.into());
            }
            match standing.answer(policy, now) {
                Known::Leased(decision) => {
                    view.record(1);
                    return Err((decision, "lease"));
                }
                Known::Refused(decision) => return Err((decision, "denied_locally")),
                Known::Nothing if is_full && !is_off(Mechanism::LocalDenial) => {
                    return Err((decision(&policy.windows, &readings, false), "denied_locally"));
                }
                Known::Nothing => {}
            }
            let wanted = standing.wanted(policy, instances, now);
            let elsewhere = standing.in_flight.saturating_add(standing.outstanding());
            standing.asked(wanted);
            let known = standing.calls;
            Ok(self.question(policy, id, view, &readings, wanted, elsewhere, known))
        })
    }

    /// What the shared store has to hear about a caller, asking for nothing.
    pub(super) fn report<'a>(&'a self, policy: &'a RatePolicy, id: CallerId) -> Question<'a> {
        let limits = limits_of(&policy.windows);
        self.with(policy, id, |view| {
            let readings = view.readings(&limits);
            let standing = view.usage.standing.get_or_insert_default();
            let elsewhere = standing.in_flight.saturating_add(standing.outstanding());
            let known = standing.calls;
            self.question(policy, id, view, &readings, 0, elsewhere, known)
        })
    }

    #[expect(clippy::too_many_arguments, reason = "private, and each is a fact of its own")]
    fn question<'a>(
        &'a self,
        policy: &'a RatePolicy,
        id: CallerId,
        view: &mut View<'_>,
        readings: &[Reading],
        wanted: u32,
        elsewhere: u32,
        known: u64,
    ) -> Question<'a> {
        let owed = view.take_owed();
        Question {
            local: self,
            policy,
            id,
            wanted,
            known,
            asked_at: view.now,
            owed_by_window: readings.iter().map(|r| r.used.min(owed)).collect(),
            mine_by_window: readings.iter().map(|r| r.used.saturating_add(elsewhere)).collect(),
            owed,
        }
    }

    /// The policies that were asked about so far, and callers of each that the shared store has to
    /// hear of.
    pub(super) fn to_tell(&self, everybody: bool, max: usize) -> Vec<(RatePolicy, Vec<CallerId>)> {
        let known = sync::read(&self.known);
        let mut left = max;
        known
            .iter()
            .map(|known| {
                let callers = known.table.to_tell(everybody, left);
                left -= callers.len();
                (known.policy.clone(), callers)
            })
            .collect()
    }

    /// Counts a decision in the metrics.
    pub(super) fn tell(&self, policy: &RatePolicy, decision: &Decision, source: &str) {
        self.metrics.limit_decisions.with_label_values(&[policy.name, source]).inc();
        let outcome = if decision.allowed { "allowed" } else { "denied" };
        self.metrics.limit_requests.with_label_values(&[policy.name, outcome]).inc();
        if !decision.allowed {
            self.metrics.limit_exceeded.with_label_values(&[policy.name]).inc();
        }
    }

    /// Microseconds by the limiter's clock.
    pub(super) fn now(&self) -> i64 {
        self.clock.now().micros()
    }

    fn with<T>(
        &self,
        policy: &RatePolicy,
        id: CallerId,
        mut f: impl FnMut(&mut View<'_>) -> T,
    ) -> T {
        let table = self.table(policy);
        let now = self.clock.now().micros();
        let (result, evicted) = table.with(id, now, |mut view| f(&mut view));
        if evicted > 0 {
            self.metrics.limit_evicted.inc_by(evicted as u64);
        }
        result
    }

    fn table(&self, policy: &RatePolicy) -> Arc<Table> {
        let find = |known: &[Counted]| {
            known
                .iter()
                .find(|k| {
                    let lengths = k.policy.windows.iter().map(|w| w.length);
                    k.policy.name == policy.name
                        && lengths.eq(policy.windows.iter().map(|w| w.length))
                })
                .map(|k| Arc::clone(&k.table))
        };
        if let Some(table) = find(&sync::read(&self.known)) {
            return table;
        }
        let mut known = sync::write(&self.known);
        if let Some(table) = find(&known) {
            return table;
        }
        if known.len() >= MAX_POLICIES {
            // Names come from code, so this is a defect there; memory stays bounded all the same.
            tracing::error!(
                policy = policy.name,
                "too many rate-limit policies; the oldest is forgotten"
            );
            known.remove(0);
        }
        let grids = policy.windows.iter().map(|w| Grid::of(w.length)).collect();
        let table = Arc::new(Table::new(grids, self.limits.max_callers));
        known.push(Counted { policy: policy.clone(), table: Arc::clone(&table) });
        table
    }
}

/// A question to the shared store, with what it has to be told. Unless it is
/// [`answered`](Self::answered), dropping it takes everything back, also when the request that asked
/// goes away.
pub(super) struct Question<'a> {
    local: &'a Local,
    pub(super) policy: &'a RatePolicy,
    pub(super) id: CallerId,
    /// How many admissions to ask for.
    pub(super) wanted: u32,
    /// The calls that the store should remember.
    pub(super) known: u64,
    asked_at: i64,
    /// Local admissions to charge to each window: no more than still counts there.
    pub(super) owed_by_window: Vec<u32>,
    /// All that this instance knows to have been admitted, and may be while this is under way.
    pub(super) mine_by_window: Vec<u32>,
    owed: u32,
}

impl Question<'_> {
    pub(super) fn answered(mut self, calls: u64, admitted: u32, readings: &[Reading]) -> Decision {
        self.owed = 0;
        let wanted = std::mem::take(&mut self.wanted);
        self.local.with(self.policy, self.id, |view| {
            if admitted > 0 {
                view.record(1);
            }
            let standing = view.usage.standing.get_or_insert_default();
            standing.calls = standing.calls.max(calls);
            if wanted > 0 {
                standing.answered(self.policy, wanted, self.asked_at, admitted, readings);
            }
        });
        // What was leased beyond this request is not used yet.
        let unspent = admitted.saturating_sub(1);
        let told: Vec<Reading> = readings
            .iter()
            .map(|r| Reading { used: r.used.saturating_sub(unspent), ..*r })
            .collect();
        decision(&self.policy.windows, &told, admitted > 0)
    }
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        if self.owed > 0 || self.wanted > 0 {
            self.local.with(self.policy, self.id, |view| {
                view.owe(self.owed);
                if let Some(standing) = &mut view.usage.standing {
                    standing.unanswered(self.wanted);
                }
            });
        }
    }
}

fn limits_of(windows: &[Window]) -> Vec<u32> {
    windows.iter().map(|w| w.limit).collect()
}
