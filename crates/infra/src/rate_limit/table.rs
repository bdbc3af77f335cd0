//! The callers of one policy, bounded in number without ever forgetting in a caller's favour.
//!
//! When the table is full, the callers that were quiet longest leave it, and their counts are folded
//! into one of a fixed number of shared cells, each count the largest that any of them had. A caller
//! without an entry of its own begins with its cell's counts. So nobody is ever admitted more for
//! having been forgotten; the price is that, while more callers than fit are active at once, a few
//! quiet ones find part of their limit used by a stranger in the same cell. Under a flood of addresses
//! that ask once each, that part is one or two.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::Mutex,
};

use sha2::{Digest, Sha256};

use super::{
    arithmetic::{Grid, Reading},
    lease::Standing,
};
use crate::{
    mutants::{Mechanism, is_off},
    sync,
};

const SHARDS: usize = 16;
const CELLS_PER_SHARD: usize = 256;

/// A caller as the tables and Redis know it: half a SHA-256, which keeps addresses and ids of people
/// out of both. Two callers that share one would share a limit, which nobody can bring about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct CallerId([u8; 16]);

impl CallerId {
    pub(super) fn of(caller: &str) -> Self {
        let mut half = [0; 16];
        half.copy_from_slice(&Sha256::digest(caller.as_bytes())[..16]);
        Self(half)
    }

    pub(super) fn hex(self) -> String {
        hex::encode(self.0)
    }
}

/// One window's admissions: sub-bucket and count, ascending, only those that count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Counts(Vec<(i64, u32)>);

/// A caller's windows, in the order of the policy.
#[derive(Debug, Clone)]
pub(super) struct Usage {
    windows: Box<[Counts]>,
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
    callers: HashMap<CallerId, Usage>,
    cells: Vec<Option<Usage>>,
}

/// All callers of one policy.
pub(super) struct Table {
    grids: Vec<Grid>,
    shards: Vec<Mutex<Shard>>,
    per_shard: usize,
    hasher: RandomState,
}

impl Table {
    pub(super) fn new(grids: Vec<Grid>, max_callers: usize) -> Self {
        let shard =
            || Mutex::new(Shard { callers: HashMap::new(), cells: vec![None; CELLS_PER_SHARD] });
        Self {
            grids,
            shards: std::iter::repeat_with(shard).take(SHARDS).collect(),
            per_shard: max_callers.div_ceil(SHARDS).max(1),
            hasher: RandomState::new(),
        }
    }

    /// Runs `f` on the caller's usage at `now`, expired counts removed. Says how many other callers
    /// had to leave for it.
    pub(super) fn with<T>(
        &self,
        id: CallerId,
        now: i64,
        f: impl FnOnce(View<'_>) -> T,
    ) -> (T, usize) {
        // Keyed at random, so that nobody can crowd one shard or one cell by choosing addresses.
        let hash = self.hasher.hash_one(id);
        let mut shard = sync::lock(&self.shards[to_index(hash, SHARDS)]);
        let mut evicted = 0;
        if !shard.callers.contains_key(&id) {
            if shard.callers.len() >= self.per_shard && !is_off(Mechanism::LimiterBound) {
                evicted = shard.make_room(&self.grids, now, self.per_shard, &self.hasher);
            }
            let usage = shard.cells[cell_of(hash)]
                .clone()
                .unwrap_or_else(|| Usage::empty(self.grids.len()));
            shard.callers.insert(id, usage);
        }
        let Some(usage) = shard.callers.get_mut(&id) else {
            unreachable!("the entry was inserted above, under the same lock");
        };
        // A clock that went back would count old admissions twice or not at all.
        let now = now.max(usage.last);
        usage.expire(&self.grids, now);
        let view = View { grids: &self.grids, usage, now };
        (f(view), evicted)
    }

    /// Callers of whom the shared store should hear, at most `max`: those with admissions that it was
    /// not told of, and if `everybody` all that were admitted.
    pub(super) fn to_tell(&self, everybody: bool, max: usize) -> Vec<CallerId> {
        let mut found = Vec::new();
        for shard in &self.shards {
            let shard = sync::lock(shard);
            let callers = shard.callers.iter().filter(|(_, usage)| {
                usage.unsent > 0 || (everybody && usage.standing.is_some() && !usage.is_idle())
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

/// Scales the high half of a hash to an index; the map inside the shard uses the low bits.
fn to_index(hash: u64, len: usize) -> usize {
    (((hash >> 32) * len as u64) >> 32) as usize
}

/// Other bits than those that chose the shard.
fn cell_of(hash: u64) -> usize {
    to_index(hash << 32, CELLS_PER_SHARD)
}

impl Shard {
    /// Frees an eighth: first whoever has nothing that counts, then whoever was quiet longest.
    /// Scanning the shard that rarely makes each insertion cheap on average.
    fn make_room(
        &mut self,
        grids: &[Grid],
        now: i64,
        capacity: usize,
        hasher: &RandomState,
    ) -> usize {
        self.callers.retain(|_, usage| {
            usage.expire(grids, now.max(usage.last));
            !usage.is_idle()
        });
        let target = capacity - capacity.div_ceil(8);
        let surplus = self.callers.len().saturating_sub(target);
        if surplus == 0 {
            return 0;
        }
        let mut by_age: Vec<(i64, CallerId)> =
            self.callers.iter().map(|(id, usage)| (usage.last, *id)).collect();
        if surplus < by_age.len() {
            by_age.select_nth_unstable(surplus - 1);
        }
        for (_, id) in by_age.into_iter().take(surplus) {
            if let Some(mut usage) = self.callers.remove(&id) {
                // A lease goes unused; a refusal is asked for again.
                usage.standing = None;
                match &mut self.cells[cell_of(hasher.hash_one(id))] {
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
            windows: vec![Counts::default(); windows].into(),
            last: i64::MIN,
            unsent: 0,
            standing: None,
        }
    }

    fn is_idle(&self) -> bool {
        self.windows.iter().all(|counts| counts.0.is_empty())
    }

    fn expire(&mut self, grids: &[Grid], now: i64) {
        for (counts, grid) in self.windows.iter_mut().zip(grids) {
            let oldest = grid.oldest(grid.bucket(now));
            counts.0.retain(|(bucket, _)| *bucket >= oldest);
        }
    }

    /// Takes over another's counts where they are larger.
    fn fold(&mut self, other: &Self) {
        for (mine, theirs) in self.windows.iter_mut().zip(&other.windows) {
            for (bucket, count) in &theirs.0 {
                match mine.0.binary_search_by_key(bucket, |(b, _)| *b) {
                    Ok(at) => mine.0[at].1 = mine.0[at].1.max(*count),
                    Err(at) => mine.0.insert(at, (*bucket, *count)),
                }
            }
        }
        self.last = self.last.max(other.last);
        self.unsent = self.unsent.max(other.unsent);
    }
}

impl View<'_> {
    /// Counts `n` admissions now.
    pub(super) fn record(&mut self, n: u32) {
        for (counts, grid) in self.usage.windows.iter_mut().zip(self.grids) {
            let bucket = grid.bucket(self.now);
            match counts.0.last_mut() {
                Some((last, count)) if *last >= bucket => *count = count.saturating_add(n),
                _ => counts.0.push((bucket, n)),
            }
        }
        self.usage.last = self.now;
    }

    /// How each window stands, against these limits.
    pub(super) fn readings(&self, limits: &[u32]) -> Vec<Reading> {
        self.usage
            .windows
            .iter()
            .zip(self.grids)
            .zip(limits)
            .map(|((counts, grid), limit)| {
                let used = counts.0.iter().fold(0_u32, |sum, (_, n)| sum.saturating_add(*n));
                // The sub-buckets that must end before one more fits.
                let mut surplus = (u64::from(used) + 1).saturating_sub(u64::from(*limit));
                let mut retry_after = 0;
                for (bucket, count) in &counts.0 {
                    if surplus == 0 {
                        break;
                    }
                    surplus = surplus.saturating_sub(u64::from(*count));
                    retry_after = grid.end_of(*bucket) - self.now;
                }
                let reset_after =
                    counts.0.last().map_or(0, |(bucket, _)| grid.end_of(*bucket) - self.now);
                Reading { used, retry_after, reset_after }
            })
            .collect()
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
            table.with(CallerId::of(&n.to_string()), n, |mut view| view.record(1));
        }
        assert!(table.len() <= 1_600, "{}", table.len());
        assert!(table.len() > 1_000);
    }

    #[test]
    fn whoever_was_forgotten_comes_back_with_no_less() {
        let grids = vec![Grid::of(Duration::from_mins(1))];
        let table = Table::new(grids, 16);
        for n in 0..7 {
            table.with(CallerId::of("kept in mind"), n, |mut view| view.record(1));
        }
        for n in 10..10_000_i64 {
            table.with(CallerId::of(&n.to_string()), n, |mut view| view.record(1));
        }
        let (readings, _) =
            table.with(CallerId::of("kept in mind"), 10_000, |view| view.readings(&[100]));
        assert!(readings[0].used >= 7);
    }
}
