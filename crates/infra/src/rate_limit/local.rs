//! Counting in this process.

use std::{
    num::NonZeroU32,
    sync::{Arc, OnceLock},
};

use alpine_domain::{
    Clock,
    ports::rate_limit::{Decision, RatePolicy, Window},
};

use super::{
    arithmetic::{Grid, Reading, Readings, decision},
    caller::{CallerId, Mark},
    counters::{Counters, Source},
    lease::{Known, Standing, life_of},
    table::{Table, View},
};
use crate::{
    InfraMetrics,
    mutants::{Mechanism, is_off},
};

/// Policies known at most; their names come from a short fixed list.
const MAX_POLICIES: usize = 256;
/// One part in so many of a coarse limit belongs to the instances.
const OWN_PART: u32 = 20;

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

/// A policy, and all that is known of its callers here.
pub(super) struct Counted {
    /// As it was first asked about.
    policy: RatePolicy,
    table: Table,
    /// The longest window.
    longest: i64,
    /// How long a lease lives.
    pub(super) life: i64,
    pub(super) counters: Counters,
}

impl Counted {
    fn new(policy: &RatePolicy, limits: LocalLimits, metrics: &InfraMetrics) -> Self {
        let grids = policy.windows.iter().map(|w| Grid::of(w.length)).collect();
        let longest = policy.windows.iter().map(|w| w.length).max().unwrap_or_default();
        Self {
            table: Table::new(grids, limits.max_callers),
            longest: i64::try_from(longest.as_micros()).unwrap_or(i64::MAX),
            life: life_of(&policy.windows),
            counters: Counters::of(policy.name, metrics),
            policy: policy.clone(),
        }
    }

    /// Whether it counts for `policy`, whose limits may have changed.
    fn is_of(&self, policy: &RatePolicy) -> bool {
        self.policy.name == policy.name
            && self.policy.windows.len() == policy.windows.len()
            && self.policy.windows.iter().zip(&policy.windows).all(|(a, b)| a.length == b.length)
    }
}

/// The counts of every policy in this process.
pub(super) struct Local {
    limits: LocalLimits,
    clock: Arc<dyn Clock>,
    /// Filled from the front and never emptied, so that finding a policy waits for nobody.
    known: Box<[OnceLock<Counted>]>,
    metrics: Arc<InfraMetrics>,
}

impl Local {
    pub(super) fn new(
        limits: LocalLimits,
        clock: Arc<dyn Clock>,
        metrics: Arc<InfraMetrics>,
    ) -> Self {
        let known = std::iter::repeat_with(OnceLock::new).take(MAX_POLICIES).collect();
        Self { limits, clock, known, metrics }
    }

    /// The counts of one policy; nothing if there are too many policies.
    pub(super) fn of<'a>(&'a self, policy: &'a RatePolicy) -> Option<Counting<'a>> {
        let found = self.known.iter().find_map(|slot| {
            let counted = slot.get_or_init(|| Counted::new(policy, self.limits, &self.metrics));
            counted.is_of(policy).then_some(counted)
        });
        if found.is_none() {
            // Names come from code, so this is a defect there.
            tracing::error!(policy = policy.name, "too many rate-limit policies; this one refuses");
        }
        found.map(|counted| Counting { local: self, counted, policy })
    }

    /// Callers of whom the shared store has to hear, at most `max`, by the policies that were asked
    /// about so far.
    pub(super) fn to_tell(&self, everybody: bool, max: usize) -> Vec<(Counting<'_>, Vec<Mark>)> {
        let mut left = max;
        self.known
            .iter()
            .map_while(OnceLock::get)
            .map(|counted| {
                let callers = counted.table.to_tell(everybody, left);
                left -= callers.len();
                (Counting { local: self, counted, policy: &counted.policy }, callers)
            })
            .collect()
    }

    /// Microseconds by the limiter's clock.
    pub(super) fn now(&self) -> i64 {
        self.clock.now().micros()
    }
}

/// The counts of one policy, as it stands now.
#[derive(Clone, Copy)]
pub(super) struct Counting<'a> {
    local: &'a Local,
    pub(super) counted: &'a Counted,
    pub(super) policy: &'a RatePolicy,
}

impl<'a> Counting<'a> {
    /// Admits or refuses one request against `windows`, which may be tighter than the policy's own.
    /// An admission is noted as owed to the shared store if `owing`.
    pub(super) fn admit(self, windows: &[Window], caller: &str, owing: bool) -> Decision {
        self.with(self.counted.table.mark(caller), |view| {
            if !view.has_room(windows) {
                return decision(windows, &view.readings(windows), false);
            }
            view.record();
            if owing {
                view.owe(1);
            }
            decision(windows, &view.readings(windows), true)
        })
    }

    /// Answers from what is known here, if that is enough.
    pub(super) fn known(self, caller: &str, instances: NonZeroU32) -> Option<(Decision, Source)> {
        let mark = self.counted.table.mark(caller);
        self.with(mark, |view| self.answer(view, caller, instances))
    }

    /// The same, or says what to ask the shared store.
    pub(super) fn plan(
        self,
        caller: &str,
        instances: NonZeroU32,
    ) -> Result<Question<'a>, (Decision, Source)> {
        let mark = self.counted.table.mark(caller);
        self.with(mark, |view| {
            if let Some(answered) = self.answer(view, caller, instances) {
                return Err(answered);
            }
            let now = view.now;
            let standing = standing_of(view, caller);
            standing.keep_pace(self.counted.life, now);
            let wanted = standing.wanted(self.policy, instances.get(), now);
            let asked = Asked::by(standing, wanted);
            standing.asked(wanted);
            Ok(self.question(mark, view, asked))
        })
    }

    fn answer(
        self,
        view: &mut View<'_>,
        caller: &str,
        instances: NonZeroU32,
    ) -> Option<(Decision, Source)> {
        let (policy, counted, now) = (self.policy, self.counted, view.now);
        if view.has_own_room(&policy.windows, |w| own_part(policy, w, instances)) {
            view.record_own();
            let readings = view.readings(&policy.windows);
            return Some((decision(&policy.windows, &readings, true), Source::OwnPart));
        }
        let is_full = !view.has_room(&policy.windows);
        let standing = standing_of(view, caller);
        let wasted = standing.expire(counted.longest, now);
        if wasted > 0 {
            counted.counters.lease_waste.inc_by(wasted.into());
        }
        let answer = match standing.answer(policy, now) {
            Known::Leased(decision) => (decision, Source::Lease),
            Known::Refused(decision) => (decision, Source::DeniedLocally),
            Known::Nothing if is_full && !is_off(Mechanism::LocalDenial) => {
                let readings = view.readings(&policy.windows);
                (decision(&policy.windows, &readings, false), Source::DeniedLocally)
            }
            Known::Nothing => return None,
        };
        standing_of(view, caller).keep_pace(counted.life, now);
        if answer.1 == Source::Lease {
            view.record();
        }
        Some(answer)
    }

    /// What the shared store has to hear about a caller of whom it was asked before, asking for
    /// nothing.
    pub(super) fn report(self, mark: Mark) -> Option<Question<'a>> {
        self.with(mark, |view| {
            let asked = Asked::by(view.usage.standing.as_deref()?, 0);
            Some(self.question(mark, view, asked))
        })
    }

    fn question(self, mark: Mark, view: &mut View<'_>, asked: Asked) -> Question<'a> {
        let owed = view.take_owed();
        let Asked { id, wanted, known, elsewhere } = asked;
        Question {
            counting: self,
            mark,
            id,
            wanted,
            known,
            asked_at: view.now,
            owed_by_window: view.shared().map(|n| n.min(owed)).collect(),
            mine_by_window: view.shared().map(|n| n.saturating_add(elsewhere)).collect(),
            owed,
        }
    }

    fn with<T>(self, mark: Mark, mut f: impl FnMut(&mut View<'_>) -> T) -> T {
        let now = self.local.now();
        let (result, evicted) = self.counted.table.with(mark, now, |mut view| f(&mut view));
        if evicted > 0 {
            self.local.metrics.limit_evicted.inc_by(evicted as u64);
        }
        result
    }
}

/// What the shared store has said of the caller so far.
fn standing_of<'a>(view: &'a mut View<'_>, caller: &str) -> &'a mut Standing {
    view.usage.standing.get_or_insert_with(|| Box::new(Standing::of(CallerId::of(caller))))
}

/// What a standing says of a question, before it is asked.
#[derive(Clone, Copy)]
struct Asked {
    id: CallerId,
    wanted: u32,
    known: u64,
    /// Admissions that other questions and leases may bring.
    elsewhere: u32,
}

impl Asked {
    fn by(standing: &Standing, wanted: u32) -> Self {
        let elsewhere = standing.in_flight.saturating_add(standing.outstanding());
        Self { id: standing.id, wanted, known: standing.calls, elsewhere }
    }
}

/// A question to the shared store, with what it has to be told. Unless it is
/// [`answered`](Self::answered), dropping it takes everything back, also when the request that asked
/// goes away.
pub(super) struct Question<'a> {
    pub(super) counting: Counting<'a>,
    mark: Mark,
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
        let policy = self.counting.policy;
        self.counting.with(self.mark, |view| {
            if admitted > 0 {
                view.record();
            }
            let standing =
                view.usage.standing.get_or_insert_with(|| Box::new(Standing::of(self.id)));
            standing.calls = standing.calls.max(calls);
            if wanted > 0 {
                standing.answered(policy, wanted, self.asked_at, admitted, readings);
            }
        });
        // What was leased beyond this request is not used yet.
        let unspent = admitted.saturating_sub(1);
        let told: Readings = readings
            .iter()
            .map(|r| Reading { used: r.used.saturating_sub(unspent), ..*r })
            .collect();
        decision(&policy.windows, &told, admitted > 0)
    }
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        if self.owed > 0 || self.wanted > 0 {
            self.counting.with(self.mark, |view| {
                view.owe(self.owed);
                if let Some(standing) = &mut view.usage.standing {
                    standing.unanswered(self.wanted);
                }
            });
        }
    }
}

/// What an instance admits of a window without asking: of a coarse policy a twentieth of the limit,
/// divided among the instances. The shared store counts against the rest, so nothing is gained.
pub(super) fn own_part(policy: &RatePolicy, window: &Window, instances: NonZeroU32) -> u32 {
    if policy.is_coarse && !is_off(Mechanism::OwnPart) {
        window.limit / OWN_PART / instances
    } else {
        0
    }
}

/// The decision where no counts can be kept.
pub(super) fn refusal(policy: &RatePolicy) -> Decision {
    let full = |w: &Window| Reading { used: w.limit, retry_after: 0, reset_after: 0 };
    let readings: Readings = policy.windows.iter().map(full).collect();
    decision(&policy.windows, &readings, false)
}
