//! The callers of one policy, bounded in number without ever forgetting in a caller's favour.
//!
//! When the table is full, the callers that were quiet longest are removed. Their counts are folded
//! into a fixed number of shared cells: a cell's count is the largest that any of its callers had. A
//! caller without an entry starts with the counts of its cell. So a caller is never admitted more for
//! having been removed. The price: while more callers than fit are active at once, a few quiet ones
//! find part of their limit used by another caller of the same cell. When many addresses ask once
//! each, that part is one or two admissions.

use std::{collections::HashMap, hash::BuildHasherDefault, sync::Mutex};

use alpine_domain::ports::rate_limit::Window;
use smallvec::{SmallVec, smallvec};

use super::{
    caller_id::{IdentityHasher, LocalCallerId, LocalHasher, RedisCallerId},
    remote_answers::RemoteAnswers,
    window_counts::WindowCounts,
    windows::{SubBuckets, WindowStates},
};
use crate::sync;

const SHARDS: usize = 16;
const CELLS_PER_SHARD: usize = 256;

/// A caller's windows, in the order of the policy.
#[derive(Debug, Clone)]
struct Usage {
    windows: SmallVec<[WindowCounts; 2]>,
    last: i64,
    /// Admissions that were not reported to the shared store.
    unsent: u32,
    /// The shared store's answers, if it was asked.
    remote: Option<Box<RemoteAnswers>>,
}

/// One caller's usage, while its shard is locked.
pub(super) struct CallerUsage<'a> {
    sub_buckets: &'a [SubBuckets],
    usage: &'a mut Usage,
    /// Microseconds; never before the caller's last admission.
    pub(super) now: i64,
}

struct Shard {
    callers: HashMap<LocalCallerId, Usage, BuildHasherDefault<IdentityHasher>>,
    cells: Vec<Option<Usage>>,
}

/// All callers of one policy.
pub(super) struct CallerTable {
    sub_buckets: Vec<SubBuckets>,
    shards: Vec<Mutex<Shard>>,
    per_shard: usize,
    hasher: LocalHasher,
}

impl CallerTable {
    pub(super) fn new(sub_buckets: Vec<SubBuckets>, max_callers: usize) -> Self {
        let shard = || {
            Mutex::new(Shard { callers: HashMap::default(), cells: vec![None; CELLS_PER_SHARD] })
        };
        Self {
            sub_buckets,
            shards: std::iter::repeat_with(shard).take(SHARDS).collect(),
            per_shard: max_callers.div_ceil(SHARDS).max(1),
            hasher: LocalHasher::new(),
        }
    }

    pub(super) fn id(&self, caller: &str) -> LocalCallerId {
        self.hasher.id(caller)
    }

    /// Runs `f` on the caller's usage at `now`, without expired counts. Also returns how many other
    /// callers were removed to make room.
    pub(super) fn with<T>(
        &self,
        id: LocalCallerId,
        now: i64,
        f: impl FnOnce(CallerUsage<'_>) -> T,
    ) -> (T, usize) {
        let mut shard = sync::lock(&self.shards[id.shard(SHARDS)]);
        let mut evicted = 0;
        if shard.callers.len() >= self.per_shard && !shard.callers.contains_key(&id) {
            evicted = shard.make_room(&self.sub_buckets, now, self.per_shard);
        }
        let Shard { callers, cells } = &mut *shard;
        let usage = callers.entry(id).or_insert_with(|| {
            cells[id.cell(CELLS_PER_SHARD)]
                .clone()
                .unwrap_or_else(|| Usage::empty(self.sub_buckets.len()))
        });
        // With a clock that went back, old admissions would count twice or not at all.
        let now = now.max(usage.last);
        usage.expire(&self.sub_buckets, now);
        let usage = CallerUsage { sub_buckets: &self.sub_buckets, usage, now };
        (f(usage), evicted)
    }

    /// The callers whose admissions the shared store lacks, at most `max`: those with unreported ones,
    /// and if `lost_everything` all that have any.
    pub(super) fn to_report(&self, lost_everything: bool, max: usize) -> Vec<LocalCallerId> {
        let mut found = Vec::new();
        for shard in &self.shards {
            let shard = sync::lock(shard);
            let callers = shard.callers.iter().filter(|(_, usage)| {
                usage.unsent > 0 || (lost_everything && usage.remote.is_some() && !usage.is_idle())
            });
            found.extend(callers.map(|(id, _)| *id).take(max - found.len()));
        }
        found
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| sync::lock(shard).callers.len()).sum()
    }
}

impl Shard {
    /// Removes callers until seven eighths of `capacity` are left: first those without counts, then
    /// those that were quiet longest. Scanning the shard so rarely makes an insertion cheap on average.
    fn make_room(&mut self, sub_buckets: &[SubBuckets], now: i64, capacity: usize) -> usize {
        self.callers.retain(|_, usage| {
            usage.expire(sub_buckets, now.max(usage.last));
            !usage.is_idle()
        });
        let target = capacity - capacity.div_ceil(8);
        let surplus = self.callers.len().saturating_sub(target);
        if surplus == 0 {
            return 0;
        }
        let mut by_age: Vec<(i64, LocalCallerId)> =
            self.callers.iter().map(|(id, usage)| (usage.last, *id)).collect();
        if surplus < by_age.len() {
            by_age.select_nth_unstable(surplus - 1);
        }
        for (_, id) in by_age.into_iter().take(surplus) {
            if let Some(mut usage) = self.callers.remove(&id) {
                // A lease is lost; a refusal is asked for again.
                usage.remote = None;
                match &mut self.cells[id.cell(CELLS_PER_SHARD)] {
                    Some(cell) => {
                        cell.expire(sub_buckets, now.max(cell.last));
                        cell.fold(&usage);
                    }
                    empty @ None => *empty = Some(usage),
                }
            }
        }
        surplus
    }
}

impl Usage {
    fn empty(windows: usize) -> Self {
        Self {
            windows: smallvec![WindowCounts::default(); windows],
            last: i64::MIN,
            unsent: 0,
            remote: None,
        }
    }

    fn is_idle(&self) -> bool {
        self.windows.iter().all(|counts| counts.used == 0)
    }

    fn expire(&mut self, sub_buckets: &[SubBuckets], now: i64) {
        for (counts, sub_buckets) in self.windows.iter_mut().zip(sub_buckets) {
            counts.expire(sub_buckets.oldest(sub_buckets.bucket(now)));
        }
    }

    /// Raises each count to the other's.
    fn fold(&mut self, other: &Self) {
        for (mine, theirs) in self.windows.iter_mut().zip(&other.windows) {
            mine.fold(theirs);
        }
        self.last = self.last.max(other.last);
        self.unsent = self.unsent.max(other.unsent);
    }
}

impl CallerUsage<'_> {
    /// Counts one admission now.
    pub(super) fn record(&mut self) {
        self.count(0);
    }

    /// Counts one admission of this instance's own part now.
    pub(super) fn record_own(&mut self) {
        self.count(1);
    }

    fn count(&mut self, own: u32) {
        for (counts, sub_buckets) in self.usage.windows.iter_mut().zip(self.sub_buckets) {
            counts.record(sub_buckets.bucket(self.now), 1, own);
        }
        self.usage.last = self.now;
    }

    /// Whether each window has room for one more.
    pub(super) fn has_room(&self, windows: &[Window]) -> bool {
        self.usage.windows.iter().zip(windows).all(|(counts, window)| counts.used < window.limit)
    }

    /// Whether this instance's own part of each window, which `part` names, has room for one more.
    pub(super) fn has_own_room(&self, windows: &[Window], part: impl Fn(&Window) -> u32) -> bool {
        self.usage.windows.iter().zip(windows).all(|(counts, window)| counts.own < part(window))
    }

    /// The admissions of each window that the shared store counts, or has to.
    pub(super) fn shared(&self) -> impl Iterator<Item = u32> {
        // Folded counts may come from several callers, each with its own part.
        self.usage.windows.iter().map(|counts| counts.used.saturating_sub(counts.own))
    }

    /// The state of each window under its limit.
    pub(super) fn window_states(&self, windows: &[Window]) -> WindowStates {
        let counts = self.usage.windows.iter().zip(self.sub_buckets).zip(windows);
        counts
            .map(|((counts, sub_buckets), w)| counts.state(*sub_buckets, w.limit, self.now))
            .collect()
    }

    /// Notes `n` admissions to report to the shared store.
    pub(super) fn owe(&mut self, n: u32) {
        self.usage.unsent = self.usage.unsent.saturating_add(n);
    }

    /// Takes the admissions to report to the shared store.
    pub(super) fn take_owed(&mut self) -> u32 {
        std::mem::take(&mut self.usage.unsent)
    }

    /// The shared store's answers, if it was asked about this caller.
    pub(super) fn remote(&mut self) -> Option<&mut RemoteAnswers> {
        self.usage.remote.as_deref_mut()
    }

    /// The shared store's answers; there are none at first.
    pub(super) fn remote_or_insert_with(
        &mut self,
        id: impl FnOnce() -> RedisCallerId,
    ) -> &mut RemoteAnswers {
        self.usage.remote.get_or_insert_with(|| Box::new(RemoteAnswers::of(id())))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn many_distinct_callers_stay_within_the_bound() {
        let table = CallerTable::new(vec![SubBuckets::of(Duration::from_hours(1))], 1_600);
        for n in 0..200_000_i64 {
            table.with(table.id(&n.to_string()), n, |mut usage| usage.record());
        }
        assert!(table.len() <= 1_600, "{}", table.len());
        assert!(table.len() > 1_000);
    }

    #[test]
    fn whoever_was_forgotten_comes_back_with_no_less() {
        let sub_buckets = vec![SubBuckets::of(Duration::from_mins(1))];
        let table = CallerTable::new(sub_buckets, 16);
        for n in 0..7 {
            table.with(table.id("kept in mind"), n, |mut usage| usage.record());
        }
        for n in 10..10_000_i64 {
            table.with(table.id(&n.to_string()), n, |mut usage| usage.record());
        }
        let minute = Window { length: Duration::from_mins(1), limit: 100 };
        let (states, _) =
            table.with(table.id("kept in mind"), 10_000, |usage| usage.window_states(&[minute]));
        assert!(states[0].used >= 7);
    }
}
