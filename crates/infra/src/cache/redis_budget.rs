//! How many bytes of cached bodies this instance may have in Redis, and for which entries they are spent.
//!
//! Redis is worth its memory only for what another instance will ask for. So what is loaded for the first
//! time is kept while it is fresh and shares a quarter of the budget: cursors and rare filters crowd out
//! neither each other's successors nor popular pages. What is asked for again, or waited for, may use all
//! of it, and is kept past its freshness for the time in which loading may fail.

use std::{
    collections::BTreeMap,
    hash::{BuildHasher as _, RandomState},
    num::NonZeroU32,
    sync::Mutex,
    time::{Duration, Instant},
};

use alpine_domain::ports::cache::CacheKey;
use quick_cache::sync::Cache;

use crate::sync;

/// Keys of which it is remembered that they were loaded.
const KEYS: usize = 16_384;
/// The part of the budget for what was asked for once.
const ASKED_ONCE: u64 = 4;
/// The part of the budget that one entry may take.
const LARGEST: u64 = 16;
/// Bytes that Redis needs for a key besides its name and value, an upper estimate.
const OVERHEAD: u64 = 256;

/// Why an entry is not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It would take too large a part of the budget by itself.
    TooLarge,
    /// The part for entries that were asked for once is used up.
    AskedOnce,
    /// The budget is used up.
    Full,
}

impl Refusal {
    /// The label of its metric.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::AskedOnce => "asked_once",
            Self::Full => "full",
        }
    }
}

/// Bytes, and those among them that were asked for once.
#[derive(Debug, Default, Clone, Copy)]
struct Spent {
    all: u64,
    once: u64,
}

#[derive(Debug, Default)]
struct State {
    now: Spent,
    /// What ends in each second after `start`; as many rows as the longest life has seconds.
    ends: BTreeMap<u64, Spent>,
}

/// This instance's share of `cache.redis_bytes`: a bound for the sum of all that it wrote and that has not
/// expired yet. What is overwritten counts until it would have expired.
#[derive(Debug)]
pub(super) struct RedisBudget {
    share: u64,
    start: Instant,
    state: Mutex<State>,
    /// Keyed hashes of the keys that were loaded before, whatever their generations.
    loaded: Cache<u64, ()>,
    hasher: RandomState,
}

impl RedisBudget {
    /// `bytes` are those of all `instances` together.
    pub(super) fn new(bytes: u64, instances: NonZeroU32) -> Self {
        Self {
            share: bytes / u64::from(instances.get()),
            start: Instant::now(),
            state: Mutex::default(),
            loaded: Cache::new(KEYS),
            hasher: RandomState::new(),
        }
    }

    /// Notes that `key` is loaded. Whether it was before, as far as that is remembered.
    pub(super) fn was_loaded(&self, key: &CacheKey) -> bool {
        let hash = self.hasher.hash_one(key);
        let was_loaded = self.loaded.get(&hash).is_some();
        if !was_loaded {
            self.loaded.insert(hash, ());
        }
        was_loaded
    }

    /// Spends what a value of `length` bytes takes in Redis for `life` from `now` on.
    pub(super) fn spend(
        &self,
        length: usize,
        life: Duration,
        is_wanted: bool,
        now: Instant,
    ) -> Result<(), Refusal> {
        // Allocators round up, by a quarter at most.
        let bytes = (length as u64).saturating_mul(5) / 4 + OVERHEAD;
        if bytes > self.share / LARGEST {
            return Err(Refusal::TooLarge);
        }
        let now = now.saturating_duration_since(self.start);
        let mut state = sync::lock(&self.state);
        let State { now: spent, ends } = &mut *state;
        while let Some(first) = ends.first_entry()
            && *first.key() < now.as_secs()
        {
            let ended = first.remove();
            spent.all -= ended.all;
            spent.once -= ended.once;
        }
        if spent.all + bytes > self.share {
            return Err(Refusal::Full);
        }
        let once = if is_wanted { 0 } else { bytes };
        if once > 0 && spent.once + once > self.share / ASKED_ONCE {
            return Err(Refusal::AskedOnce);
        }
        for sum in [spent, ends.entry((now + life).as_secs()).or_default()] {
            sum.all += bytes;
            sum.once += once;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn budget(bytes: u64, instances: u32) -> RedisBudget {
        RedisBudget::new(bytes, instances.try_into().unwrap())
    }

    /// How many entries of 1,000 bytes (1,506 in Redis) are taken.
    fn taken(budget: &RedisBudget, is_wanted: bool, now: Instant) -> (usize, Refusal) {
        let mut count = 0;
        loop {
            match budget.spend(1_000, MINUTE, is_wanted, now) {
                Ok(()) => count += 1,
                Err(refusal) => return (count, refusal),
            }
        }
    }

    #[test]
    fn what_was_asked_for_once_takes_a_quarter_and_the_rest_all() {
        let (budget, now) = (budget(150_600, 1), Instant::now());
        assert_eq!(taken(&budget, false, now), (25, Refusal::AskedOnce));
        assert_eq!(taken(&budget, true, now), (75, Refusal::Full));
        assert_eq!(taken(&budget, false, now), (0, Refusal::Full));
    }

    #[test]
    fn instances_share_the_budget() {
        assert_eq!(taken(&budget(150_600, 2), true, Instant::now()), (50, Refusal::Full));
    }

    #[test]
    fn what_has_expired_makes_room() {
        let (budget, now) = (budget(150_600, 1), Instant::now());
        assert_eq!(taken(&budget, true, now).0, 100);
        assert_eq!(taken(&budget, true, now + Duration::from_secs(59)).0, 0);
        assert_eq!(taken(&budget, true, now + Duration::from_secs(62)).0, 100);
    }

    #[test]
    fn an_entry_that_would_take_much_of_it_is_refused() {
        let budget = budget(160_000, 1);
        let spend = |length| budget.spend(length, MINUTE, true, Instant::now());
        assert_eq!(spend(8_000), Err(Refusal::TooLarge));
        assert_eq!(spend(7_000), Ok(()));
    }

    #[test]
    fn a_key_is_known_from_its_second_load_on() {
        let budget = budget(1_000, 1);
        let key = |parameters: &str| CacheKey {
            route: "r",
            scope: alpine_domain::ports::cache::Scope::Public,
            parameters: parameters.to_owned(),
        };
        assert_eq!(
            ["a", "b", "a", "b", "c"].map(|n| budget.was_loaded(&key(n))),
            [false, false, true, true, false]
        );
    }

    proptest! {
        /// Beside a sum over all that was taken.
        #[test]
        fn what_is_alive_never_exceeds_the_share(
            writes in proptest::collection::vec((0..3_000_usize, 0..100_u64, any::<bool>(), 0..20_u64), 0..200),
        ) {
            let budget = budget(40_000, 1);
            let mut alive: Vec<(u64, u64, bool)> = Vec::new();
            let mut second = 0;
            for (length, life, is_wanted, pause) in writes {
                second += pause;
                let now = budget.start + Duration::from_secs(second);
                let taken = budget.spend(length, Duration::from_secs(life), is_wanted, now);
                if taken.is_ok() {
                    alive.push((second + life, length as u64, is_wanted));
                }
                alive.retain(|(end, ..)| *end >= second);
                let sum = |only_once: bool| -> u64 {
                    let counted = alive.iter().filter(|(.., is_wanted)| !only_once || !is_wanted);
                    counted.map(|(_, length, _)| length * 5 / 4 + OVERHEAD).sum()
                };
                prop_assert!(sum(false) <= 40_000);
                prop_assert!(sum(true) <= 10_000);
                prop_assert!(taken.is_err() || sync::lock(&budget.state).now.all == sum(false));
            }
        }
    }
}
