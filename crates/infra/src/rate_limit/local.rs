//! Counting in this process.

use std::sync::{Arc, RwLock};

use alpine_domain::{
    Clock,
    ports::rate_limit::{Decision, RatePolicy, Window},
};

use super::{
    arithmetic::{Grid, decision},
    table::Table,
};
use crate::{InfraMetrics, sync};

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

struct Known {
    name: &'static str,
    lengths: Vec<std::time::Duration>,
    table: Arc<Table>,
}

/// The counts of every policy in this process.
pub(super) struct Local {
    limits: LocalLimits,
    clock: Arc<dyn Clock>,
    known: RwLock<Vec<Known>>,
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
        self.with(policy, caller, |view| {
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

    /// The refusal of one more request if the counts here alone refuse it, debiting nothing; else
    /// what the shared store has to be told.
    pub(super) fn look<'a>(
        &'a self,
        policy: &'a RatePolicy,
        caller: &'a str,
    ) -> Result<Debt<'a>, Decision> {
        let limits = limits_of(&policy.windows);
        self.with(policy, caller, |view| {
            let readings = view.readings(&limits);
            if readings.iter().zip(&limits).any(|(r, limit)| r.used >= *limit) {
                return Err(decision(&policy.windows, &readings, false));
            }
            let owed = view.take_owed();
            Ok(Debt {
                local: self,
                policy,
                caller,
                per_window: readings.iter().map(|r| r.used.min(owed)).collect(),
                owed,
            })
        })
    }

    /// Counts an admission by the shared store.
    pub(super) fn record(&self, policy: &RatePolicy, caller: &str, admitted: u32) {
        if admitted > 0 {
            self.with(policy, caller, |view| view.record(admitted));
        }
    }

    /// Counts a decision in the metrics.
    pub(super) fn tell(&self, policy: &RatePolicy, decision: &Decision) {
        let outcome = if decision.allowed { "allowed" } else { "denied" };
        self.metrics.limit_requests.with_label_values(&[policy.name, outcome]).inc();
        if !decision.allowed {
            self.metrics.limit_exceeded.with_label_values(&[policy.name]).inc();
        }
    }

    fn with<T>(
        &self,
        policy: &RatePolicy,
        caller: &str,
        mut f: impl FnMut(&mut super::table::View<'_>) -> T,
    ) -> T {
        let table = self.table(policy);
        let now = self.clock.now().micros();
        let (result, evicted) = table.with(caller, now, |mut view| f(&mut view));
        if evicted > 0 {
            self.metrics.limit_evicted.inc_by(evicted as u64);
        }
        result
    }

    fn table(&self, policy: &RatePolicy) -> Arc<Table> {
        let find = |known: &[Known]| {
            known
                .iter()
                .find(|k| {
                    k.name == policy.name
                        && k.lengths.len() == policy.windows.len()
                        && k.lengths.iter().zip(&policy.windows).all(|(l, w)| *l == w.length)
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
        known.push(Known {
            name: policy.name,
            lengths: policy.windows.iter().map(|w| w.length).collect(),
            table: Arc::clone(&table),
        });
        table
    }
}

/// Local admissions on their way to the shared store. Unless [`settled`](Self::settled), dropping it
/// puts them back, also when the request that carries them goes away.
pub(super) struct Debt<'a> {
    local: &'a Local,
    policy: &'a RatePolicy,
    caller: &'a str,
    /// What to charge to each window: no more than still counts there.
    pub(super) per_window: Vec<u32>,
    owed: u32,
}

impl Debt<'_> {
    pub(super) fn settled(mut self) {
        self.owed = 0;
    }
}

impl Drop for Debt<'_> {
    fn drop(&mut self) {
        if self.owed > 0 {
            self.local.with(self.policy, self.caller, |view| view.owe(self.owed));
        }
    }
}

fn limits_of(windows: &[Window]) -> Vec<u32> {
    windows.iter().map(|w| w.limit).collect()
}
