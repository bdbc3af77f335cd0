//! How many results of one kind came in a row.

use serde::{Deserialize, Serialize};

/// Results in their order, of which some count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Streak {
    /// All results.
    pub results: i64,
    /// How many count in a row at the beginning.
    pub first: i64,
    /// How many at the end.
    pub last: i64,
    /// How many at most.
    pub longest: i64,
}

impl Streak {
    /// One result.
    pub fn single(counts: bool) -> Self {
        let length = i64::from(counts);
        Self { results: 1, first: length, last: length, longest: length }
    }

    /// Adds the results that come next.
    pub fn append(&mut self, next: &Self) {
        let across = self.last + next.first;
        let is_whole = |streak: &Self| streak.first == streak.results;
        *self = Self {
            results: self.results + next.results,
            first: if is_whole(self) { self.results + next.first } else { self.first },
            last: if is_whole(next) { self.last + next.results } else { next.last },
            longest: self.longest.max(next.longest).max(across),
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(results: &[bool]) -> Streak {
        let mut streak = Streak::default();
        for counts in results {
            streak.append(&Streak::single(*counts));
        }
        streak
    }

    proptest! {
        #[test]
        fn the_longest_run_is_found_wherever_it_is_cut(
            results in prop::collection::vec(any::<bool>(), 0..30),
            cut in 0_usize..30,
        ) {
            let cut = cut.min(results.len());
            let mut parts = of(&results[..cut]);
            parts.append(&of(&results[cut..]));
            let longest = results.split(|counts| !counts).map(<[bool]>::len).max().unwrap_or(0);
            prop_assert_eq!(usize::try_from(parts.longest).unwrap(), longest);
            prop_assert_eq!(parts, of(&results));
        }
    }
}
