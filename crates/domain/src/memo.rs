//! A bounded memory of what was looked up, safe against look-ups that race an invalidation.

use std::{
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
};

use quick_cache::sync::Cache;

/// Values by key, about `capacity` of them; each of its shards rounds its part up. When it is full it
/// forgets those that are asked for seldom (S3-FIFO, as `quick_cache` implements it).
pub(crate) struct Memo<K, V> {
    values: Cache<K, V>,
    /// Raised by every invalidation: a value looked up before it must not be kept after it. Held while
    /// values change, and never while one is only read.
    epoch: Mutex<u64>,
}

/// Proof of when a look-up began.
#[derive(Clone, Copy)]
pub(crate) struct Ticket(u64);

impl<K: Eq + Hash, V: Clone> Memo<K, V> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { values: Cache::new(capacity.max(1)), epoch: Mutex::new(0) }
    }

    /// The remembered value, or a ticket to bring along with the one that is looked up now.
    pub(crate) fn get(&self, key: &K) -> Result<V, Ticket> {
        self.values.get(key).ok_or_else(|| Ticket(*self.epoch()))
    }

    /// Remembers a value, unless something was invalidated since `ticket` was drawn.
    pub(crate) fn put(&self, ticket: Ticket, key: K, value: V) {
        let epoch = self.epoch();
        if *epoch == ticket.0 {
            self.values.insert(key, value);
        }
    }

    pub(crate) fn forget(&self, key: &K) {
        *self.epoch() += 1;
        self.values.remove(key);
    }

    pub(crate) fn clear(&self) {
        *self.epoch() += 1;
        self.values.clear();
    }

    fn epoch(&self) -> MutexGuard<'_, u64> {
        self.epoch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks for `key`, looks it up if it is not remembered. Whether it was.
    fn ask(memo: &Memo<u32, u32>, key: u32) -> bool {
        memo.get(&key).inspect_err(|ticket| memo.put(*ticket, key, key)).is_ok()
    }

    /// Numbers below `end`, the same in each run (a linear congruence modulo 2^64 by Knuth).
    fn numbers(end: u32) -> impl Iterator<Item = u32> {
        let next = |n: &u64| Some(n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        std::iter::successors(Some(17), next)
            .map(move |n| u32::try_from((u128::from(n) * u128::from(end)) >> 64).unwrap())
    }

    #[test]
    fn a_look_up_that_raced_an_invalidation_is_not_kept() {
        for invalidate in [|memo: &Memo<_, _>| memo.forget(&1), |memo: &Memo<_, _>| memo.clear()] {
            let memo = Memo::new(10);
            let Err(ticket) = memo.get(&1) else { panic!("empty memo answered") };
            invalidate(&memo);
            memo.put(ticket, 1, "old");
            assert!(memo.get(&1).is_err());
        }
    }

    #[test]
    fn what_is_forgotten_is_looked_up_again() {
        let memo = Memo::new(10);
        for key in 0..3 {
            ask(&memo, key);
        }
        memo.forget(&1);
        assert_eq!([0, 1, 2].map(|key| memo.get(&key).is_ok()), [true, false, true]);
        memo.clear();
        assert_eq!([0, 1, 2].map(|key| memo.get(&key).is_ok()), [false; 3]);
    }

    #[test]
    fn it_never_holds_more_than_its_capacity() {
        let memo = Memo::new(3);
        for key in 0..100 {
            ask(&memo, key);
        }
        assert!((0..100).filter(|key| memo.get(key).is_ok()).count() <= 3);
    }

    /// With room for 30 of 104 users who come at random, 30 of 104 requests need no look-up, whatever is
    /// forgotten; a memory that forgets everything is half empty on average.
    #[test]
    fn users_who_come_at_random_find_it_full() {
        let memo = Memo::new(30);
        let hits = numbers(104).take(20_000).filter(|key| ask(&memo, *key)).count();
        assert!(hits > 20_000 * 30 / 104 * 9 / 10, "{hits}");
    }

    /// Of 104 users in turn the least recently used is the next one, so nothing is promised for most;
    /// but those who come between all others are never looked up again.
    #[test]
    fn who_comes_often_stays_while_others_come_in_turn() {
        let memo = Memo::new(30);
        let mut often = (0, 0);
        for round in 0..2_000 {
            ask(&memo, 10 + round % 94);
            let is_hit = ask(&memo, round % 10);
            if round >= 94 {
                often = (often.0 + u32::from(is_hit), often.1 + 1);
            }
        }
        assert_eq!(often.0, often.1);
    }
}
