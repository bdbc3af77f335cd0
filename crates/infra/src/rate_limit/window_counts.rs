//! The admissions of one caller in one window.

use super::windows::{SubBuckets, WindowState};

/// The admissions of one sub-bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bucket {
    index: i64,
    admitted: u32,
    /// Those of them that belong to this instance's own part, which the shared store does not count.
    own: u32,
}

/// The admissions of one window that still count, and their sums. The newest sub-bucket stands apart:
/// most requests touch nothing else, and so no memory beyond the caller's entry.
#[derive(Debug, Clone, Default)]
pub(super) struct WindowCounts {
    /// Ordered by time, the oldest first.
    older: Vec<Bucket>,
    newest: Option<Bucket>,
    /// The index of the first one.
    oldest: i64,
    pub(super) used: u32,
    pub(super) own: u32,
}

impl WindowCounts {
    fn all(&self) -> impl Iterator<Item = &Bucket> {
        self.older.iter().chain(&self.newest)
    }

    /// Forgets what is older than `oldest`.
    pub(super) fn expire(&mut self, oldest: i64) {
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

    pub(super) fn record(&mut self, index: i64, admitted: u32, own: u32) {
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

    /// Raises each count to the other's.
    pub(super) fn fold(&mut self, other: &Self) {
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

    pub(super) fn state(&self, sub_buckets: SubBuckets, limit: u32, now: i64) -> WindowState {
        // The sub-buckets that must end before one more fits.
        let mut surplus = (u64::from(self.used) + 1).saturating_sub(u64::from(limit));
        let mut retry_after = 0;
        if surplus > 0 {
            for bucket in self.all() {
                surplus = surplus.saturating_sub(u64::from(bucket.admitted));
                retry_after = sub_buckets.end_of(bucket.index) - now;
                if surplus == 0 {
                    break;
                }
            }
        }
        let reset_after = self.newest.map_or(0, |newest| sub_buckets.end_of(newest.index) - now);
        WindowState { used: self.used, retry_after, reset_after }
    }
}
