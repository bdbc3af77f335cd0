//! The sums of single days, squared: what Sharpe's and Sortino's ratios are made of.

use serde::{Deserialize, Serialize};

/// A day, by its number, and the sum of its results in steps of percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct DaySum(i64, i128);

impl DaySum {
    /// Its square; a sum that no market gives stops at the largest number.
    const fn square(self) -> i128 {
        self.1.saturating_mul(self.1)
    }

    const fn downside(self) -> i128 {
        if self.1 < 0 { self.square() } else { 0 }
    }
}

/// Results in their order, summed by day. The first and the last day may go on in what stands before and after.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Daily {
    first: Option<DaySum>,
    /// None if there is one day.
    last: Option<DaySum>,
    /// The squares of the days between.
    squares: i128,
    /// Of those of them that lost.
    downside: i128,
}

impl Daily {
    /// One result, on the day with this number.
    pub const fn single(day: i64, steps: i64) -> Self {
        Self { first: Some(DaySum(day, steps as i128)), last: None, squares: 0, downside: 0 }
    }

    /// Adds the results that come next: none is of an earlier day.
    pub fn append(&mut self, next: &Self) {
        let (Some(first), Some(head)) = (self.first, next.first) else {
            if self.first.is_none() {
                *self = next.clone();
            }
            return;
        };
        self.squares = self.squares.saturating_add(next.squares);
        self.downside = self.downside.saturating_add(next.downside);
        let tail = self.last.unwrap_or(first);
        if tail.0 == head.0 {
            let joined = DaySum(tail.0, tail.1 + head.1);
            match (self.last, next.last) {
                (None, last) => (self.first, self.last) = (Some(joined), last),
                (Some(_), None) => self.last = Some(joined),
                (Some(_), Some(last)) => {
                    self.enclose(joined);
                    self.last = Some(last);
                }
            }
            return;
        }
        if self.last.is_some() {
            self.enclose(tail);
        }
        if next.last.is_some() {
            self.enclose(head);
        }
        self.last = next.last.or(Some(head));
    }

    /// Adds a day that is neither the first nor the last.
    const fn enclose(&mut self, day: DaySum) {
        self.squares = self.squares.saturating_add(day.square());
        self.downside = self.downside.saturating_add(day.downside());
    }

    /// Days from the first with a result to the last, both included, those without one too.
    pub fn days(&self) -> i64 {
        self.first.map_or(0, |first| self.last.unwrap_or(first).0 - first.0 + 1)
    }

    /// The squares of all days' sums.
    pub fn squares(&self) -> i128 {
        self.ends().map(DaySum::square).fold(self.squares, i128::saturating_add)
    }

    /// The squares of the sums of the days that lost.
    pub fn downside(&self) -> i128 {
        self.ends().map(DaySum::downside).fold(self.downside, i128::saturating_add)
    }

    fn ends(&self) -> impl Iterator<Item = DaySum> {
        [self.first, self.last].into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn of(results: &[(i64, i64)]) -> Daily {
        let mut daily = Daily::default();
        for (day, steps) in results {
            daily.append(&Daily::single(*day, *steps));
        }
        daily
    }

    proptest! {
        #[test]
        fn squares_are_those_of_whole_days(
            mut results in prop::collection::vec((0_i64..6, -5_i64..=5), 0..25),
            cuts in (0_usize..25, 0_usize..25),
        ) {
            results.sort_by_key(|(day, _)| *day);
            let one = cuts.0.min(cuts.1).min(results.len());
            let two = cuts.0.max(cuts.1).min(results.len());
            let mut parts = of(&results[..one]);
            let mut rest = of(&results[one..two]);
            rest.append(&of(&results[two..]));
            parts.append(&rest);
            let mut sums: BTreeMap<i64, i128> = BTreeMap::new();
            for (day, steps) in &results {
                *sums.entry(*day).or_default() += i128::from(*steps);
            }
            let squares: i128 = sums.values().map(|sum| sum * sum).sum();
            let downside: i128 = sums.values().filter(|sum| **sum < 0).map(|sum| sum * sum).sum();
            prop_assert_eq!((parts.squares(), parts.downside()), (squares, downside));
            let span = results.first().zip(results.last()).map_or(0, |(a, b)| b.0 - a.0 + 1);
            prop_assert_eq!(parts.days(), span);
            prop_assert_eq!(parts, of(&results));
        }
    }
}
