//! The callers of one policy, bounded in number without ever forgetting in a caller's favour.
//!
//! When the table is full, the callers that were quiet longest leave it, and their counts are folded
//! into one of a fixed number of shared cells, each count the largest that any of them had. A caller
//! without an entry of its own begins with its cell's counts. So nobody is ever admitted more for
//! having been forgotten; the price is that, while more callers than fit are active at once, a few
//! quiet ones find part of their limit used by a stranger in the same cell. Under a flood of addresses
//! that ask once each, that part is one or two.

use std::{collections::HashMap, hash::BuildHasherDefault, sync::Mutex};

use alpine_domain::ports::rate_limit::Window;
use smallvec::{SmallVec, smallvec};

use super::{
    arithmetic::{Grid, Reading, Readings},
    caller::{AsItIs, Mark, Marker},
    lease::Standing,
};
use crate::{
    mutants::{Mechanism, is_off},
    sync,
};

const SHARDS: usize = 16;
const CELLS_PER_SHARD: usize = 256;

/// The admissions of one sub-bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bucket {
    index: i64,
    admitted: u32,
    /// Those of them that were this instance's own part: the shared store does not count them.
    own: u32,
}

/// One window's admissions, only those that count, and their sums. The newest sub-bucket stands apart:
/// most requests touch nothing else, and so no memory beyond the caller's entry.
#[derive(Debug, Clone, Default)]
struct Counts {
    /// Ascending.
    older: Vec<Bucket>,
    newest: Option<Bucket>,
    /// The first of all.
    oldest: i64,
    used: u32,
    own: u32,
}

impl Counts {
    fn all(&self) -> impl Iterator<Item = &Bucket> {
        self.older.iter().chain(&self.newest)
    }

    /// Forgets what is older than `oldest`.
    fn expire(&mut self, oldest: i64) {
        if self.oldest < oldest && self.newest.is_some() {
            self.older.retain(|bucket| bucket.index >= oldest);
            self.newest.take_if(|bucket| bucket.index < oldest);
            self.add_up();
        }
    }

    fn add_up(&mut self) {
        let oldest = self.all().next().map_or(i64::MAX, |bucket| bucket.index);
        self.oldest = oldest;
        (self.used, self.own) = self.all().fold((0_u32, 0_u32), |(used, own), bucket| {
            (used.saturating_add(bucket.admitted), own.saturating_add(bucket.own))
        });
    }

    fn record(&mut self, index: i64, admitted: u32, own: u32) {
        match &mut self.newest {
            Some(newest) if newest.index >= index => {
                newest.admitted = newest.admitted.saturating_add(admitted);
                newest.own = newest.own.saturating_add(own);
            }
            newest => {
                let next = Bucket { index, admitted, own };
                match newest.replace(next) {
                    Some(last) => self.older.push(last),
                    None => self.oldest = index,
                }
            }
        }
        self.used = self.used.saturating_add(admitted);
        self.own = self.own.saturating_add(own);
    }

    /// Takes over another's counts where they are larger.
    fn fold(&mut self, other: &Self) {
        self.older.extend(self.newest.take());
        for theirs in other.all() {
            match self.older.binary_search_by_key(&theirs.index, |bucket| bucket.index) {
                Ok(at) => {
                    let mine = &mut self.older[at];
                    mine.admitted = mine.admitted.max(theirs.admitted);
                    mine.own = mine.own.max(theirs.own);
                }
                Err(at) => self.older.insert(at, *theirs),
            }
        }
        self.newest = self.older.pop();
        self.add_up();
    }

    fn reading(&self, grid: Grid, limit: u32, now: i64) -> Reading {
        // The sub-buckets that must end before one more fits.
        let mut surplus = (u64::from(self.used) + 1).saturating_sub(u64::from(limit));
        let mut retry_after = 0;
        if surplus > 0 {
            for bucket in self.all() {
                surplus = surplus.saturating_sub(u64::from(bucket.admitted));
                retry_after = grid.end_of(bucket.index) - now;
                if surplus == 0 {
                    break;
                }
            }
        }
        let reset_after = self.newest.map_or(0, |newest| grid.end_of(newest.index) - now);
        Reading { used: self.used, retry_after, reset_after }
    }
}

/// A caller's windows, in the order of the policy.
#[derive(Debug, Clone)]
pub(super) struct Usage {
    windows: SmallVec<[Counts; 2]>,
    last: i64,
    /// Admissions that the shared store has not been told of.
    unsent: u32,
    /// What the shared store has said, if it was asked.
    pub(super) standing: Option<Box<Standing>>,
}

/// What the caller of a table wants done, with the usage under the lock.
pub(super) struct View<'a> {
    pub(super) grids: &'a [Grid],
    pub(super) usage: &'a mut Usage,
    pub(super) now: i64,
}

struct Shard {
    callers: HashMap<Mark, Usage, BuildHasherDefault<AsItIs>>,
    cells: Vec<Option<Usage>>,
}

/// All callers of one policy.
pub(super) struct Table {
    grids: Vec<Grid>,
    shards: Vec<Mutex<Shard>>,
    per_shard: usize,
    marker: Marker,
}

impl Table {
    pub(super) fn new(grids: Vec<Grid>, max_callers: usize) -> Self {
        let shard = || {
            Mutex::new(Shard { callers: HashMap::default(), cells: vec![None; CELLS_PER_SHARD] })
        };
        Self {
            grids,
            shards: std::iter::repeat_with(shard).take(SHARDS).collect(),
            per_shard: max_callers.div_ceil(SHARDS).max(1),
            marker: Marker::new(),
        }
    }

    pub(super) fn mark(&self, caller: &str) -> Mark {
        self.marker.mark(caller)
    }

    /// Runs `f` on the caller's usage at `now`, expired counts removed. Says how many other callers
    /// had to leave for it.
    pub(super) fn with<T>(
        &self,
        mark: Mark,
        now: i64,
        f: impl FnOnce(View<'_>) -> T,
    ) -> (T, usize) {
        let mut shard = sync::lock(&self.shards[mark.shard(SHARDS)]);
        let mut evicted = 0;
        if shard.callers.len() >= self.per_shard
            && !is_off(Mechanism::LimiterBound)
            && !shard.callers.contains_key(&mark)
        {
            evicted = shard.make_room(&self.grids, now, self.per_shard);
        }
        let Shard { callers, cells } = &mut *shard;
        let usage = callers.entry(mark).or_insert_with(|| {
            cells[mark.cell(CELLS_PER_SHARD)]
                .clone()
                .unwrap_or_else(|| Usage::empty(self.grids.len()))
        });
        // A clock that went back would count old admissions twice or not at all.
        let now = now.max(usage.last);
        usage.expire(&self.grids, now);
        let view = View { grids: &self.grids, usage, now };
        (f(view), evicted)
    }

    /// Callers of whom the shared store should hear, at most `max`: those with admissions that it was
    /// not told of, and if `everybody` all that were admitted.
    pub(super) fn to_tell(&self, everybody: bool, max: usize) -> Vec<Mark> {
        let mut found = Vec::new();
        for shard in &self.shards {
            let shard = sync::lock(shard);
            let callers = shard.callers.iter().filter(|(_, usage)| {
                usage.unsent > 0 || (everybody && usage.standing.is_some() && !usage.is_idle())
            });
            found.extend(callers.map(|(mark, _)| *mark).take(max - found.len()));
        }
        found
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| sync::lock(shard).callers.len()).sum()
    }
}

impl Shard {
    /// Frees an eighth: first whoever has nothing that counts, then whoever was quiet longest.
    /// Scanning the shard that rarely makes each insertion cheap on average.
    fn make_room(&mut self, grids: &[Grid], now: i64, capacity: usize) -> usize {
        self.callers.retain(|_, usage| {
            usage.expire(grids, now.max(usage.last));
            !usage.is_idle()
        });
        let target = capacity - capacity.div_ceil(8);
        let surplus = self.callers.len().saturating_sub(target);
        if surplus == 0 {
            return 0;
        }
        let mut by_age: Vec<(i64, Mark)> =
            self.callers.iter().map(|(mark, usage)| (usage.last, *mark)).collect();
        if surplus < by_age.len() {
            by_age.select_nth_unstable(surplus - 1);
        }
        for (_, mark) in by_age.into_iter().take(surplus) {
            if let Some(mut usage) = self.callers.remove(&mark) {
                // A lease goes unused; a refusal is asked for again.
                usage.standing = None;
                match &mut self.cells[mark.cell(CELLS_PER_SHARD)] {
                    Some(cell) => {
                        cell.expire(grids, now.max(cell.last));
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
            windows: smallvec![Counts::default(); windows],
            last: i64::MIN,
            unsent: 0,
            standing: None,
        }
    }

    fn is_idle(&self) -> bool {
        self.windows.iter().all(|counts| counts.used == 0)
    }

    fn expire(&mut self, grids: &[Grid], now: i64) {
        for (counts, grid) in self.windows.iter_mut().zip(grids) {
            counts.expire(grid.oldest(grid.bucket(now)));
        }
    }

    /// Takes over another's counts where they are larger.
    fn fold(&mut self, other: &Self) {
        for (mine, theirs) in self.windows.iter_mut().zip(&other.windows) {
            mine.fold(theirs);
        }
        self.last = self.last.max(other.last);
        self.unsent = self.unsent.max(other.unsent);
    }
}

impl View<'_> {
    /// Counts one admission now.
    pub(super) fn record(&mut self) {
        self.count(0);
    }

    /// Counts one admission of this instance's own part now.
    pub(super) fn record_own(&mut self) {
        self.count(1);
    }

    fn count(&mut self, own: u32) {
        for (counts, grid) in self.usage.windows.iter_mut().zip(self.grids) {
            counts.record(grid.bucket(self.now), 1, own);
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

    /// The admissions in each window that the shared store counts, or should.
    pub(super) fn shared(&self) -> impl Iterator<Item = u32> {
        // Folded counts may come from several callers, of whom each had an own part.
        self.usage.windows.iter().map(|counts| counts.used.saturating_sub(counts.own))
    }

    /// How each window stands, against its limit.
    pub(super) fn readings(&self, windows: &[Window]) -> Readings {
        let counts = self.usage.windows.iter().zip(self.grids).zip(windows);
        counts.map(|((counts, grid), w)| counts.reading(*grid, w.limit, self.now)).collect()
    }

    /// Notes `n` admissions that the shared store was not told of.
    pub(super) fn owe(&mut self, n: u32) {
        self.usage.unsent = self.usage.unsent.saturating_add(n);
    }

    /// Takes what the shared store has to be told: for each window, no more than still counts.
    pub(super) fn take_owed(&mut self) -> u32 {
        std::mem::take(&mut self.usage.unsent)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn many_distinct_callers_stay_within_the_bound() {
        let table = Table::new(vec![Grid::of(Duration::from_hours(1))], 1_600);
        for n in 0..200_000_i64 {
            table.with(table.mark(&n.to_string()), n, |mut view| view.record());
        }
        assert!(table.len() <= 1_600, "{}", table.len());
        assert!(table.len() > 1_000);
    }

    #[test]
    fn whoever_was_forgotten_comes_back_with_no_less() {
        let grids = vec![Grid::of(Duration::from_mins(1))];
        let table = Table::new(grids, 16);
        for n in 0..7 {
            table.with(table.mark("kept in mind"), n, |mut view| view.record());
        }
        for n in 10..10_000_i64 {
            table.with(table.mark(&n.to_string()), n, |mut view| view.record());
        }
        let minute = Window { length: Duration::from_mins(1), limit: 100 };
        let (readings, _) =
            table.with(table.mark("kept in mind"), 10_000, |view| view.readings(&[minute]));
        assert!(readings[0].used >= 7);
    }
}
