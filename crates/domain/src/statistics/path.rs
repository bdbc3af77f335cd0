//! The equity curve of consecutive results, folded: its end, its extremes, its deepest fall.

use serde::{Deserialize, Serialize};

/// Which result: its row, when Alpine received it and when the position ended, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark(pub i64, pub i64, pub i64);

impl Mark {
    /// When Alpine received the result, in microseconds.
    pub const fn received_at(self) -> i64 {
        self.1
    }

    /// When the position ended, in microseconds.
    pub const fn closed_at(self) -> i64 {
        self.2
    }
}

/// An extreme of a curve, in steps of percent, and the result that led there; none is the beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extreme {
    /// The sum of the results up to there.
    pub value: i128,
    /// Where it was reached first.
    pub at: Option<Mark>,
}

/// A fall of the curve from the highest point so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fall {
    /// How deep, in steps of percent; 0 if there is none.
    pub depth: i128,
    /// The height from which it fell.
    pub height: i128,
    /// The result that led to that height; none is the beginning.
    pub from: Option<Mark>,
    /// The result that led to the lowest point.
    pub to: Option<Mark>,
    /// Whether the curve has been as high again since.
    pub is_recovered: bool,
}

/// Results in their order, each added to those before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Path {
    /// The sum of all.
    pub sum: i128,
    /// The highest point, 0 at the beginning included.
    pub high: Extreme,
    /// The lowest one.
    pub low: Extreme,
    /// The deepest fall; of several equal ones the first.
    pub fall: Fall,
    /// The last result.
    pub last: Option<Mark>,
}

impl Path {
    /// One result.
    pub fn single(mark: Mark, steps: i64) -> Self {
        let value = i128::from(steps);
        let extreme = Extreme { value, at: Some(mark) };
        let none = Extreme::default();
        let fall = Fall { depth: -value, to: Some(mark), ..Fall::default() };
        Self {
            sum: value,
            high: if value > 0 { extreme } else { none },
            low: if value < 0 { extreme } else { none },
            fall: if value < 0 { fall } else { Fall::default() },
            last: Some(mark),
        }
    }

    /// Adds the results that come next.
    pub fn append(&mut self, next: &Self) {
        self.fall = self.deepest(next);
        let raised = |extreme: Extreme| Extreme { value: extreme.value + self.sum, ..extreme };
        let (high, low) = (raised(next.high), raised(next.low));
        if high.value > self.high.value {
            self.high = high;
        }
        if low.value < self.low.value {
            self.low = low;
        }
        self.sum += next.sum;
        self.last = next.last.or(self.last);
    }

    /// The deepest fall of both: this one's, the next one's, or one that begins here and ends there.
    fn deepest(&self, next: &Self) -> Fall {
        let reached = self.sum + next.high.value;
        let own = Fall {
            is_recovered: self.fall.is_recovered || reached >= self.fall.height,
            ..self.fall
        };
        let others = Fall { height: next.fall.height + self.sum, ..next.fall };
        // Where the next one's deepest fall ends at its lowest point, what came after is told there.
        let is_same_end = others.to == next.low.at && others.depth > 0;
        let depth = self.high.value - (self.sum + next.low.value);
        let across = Fall {
            depth,
            height: self.high.value,
            from: self.high.at,
            to: next.low.at,
            is_recovered: if is_same_end && depth == others.depth {
                others.is_recovered
            } else {
                reached >= self.high.value
            },
        };
        // A fall ends at a result; at the beginning of the next ones there is none.
        let across = if next.low.at.is_some() { across } else { Fall::default() };
        let mut deepest = if own.depth > 0 { own } else { Fall::default() };
        for fall in [across, others] {
            if fall.depth > deepest.depth {
                deepest = fall;
            }
        }
        deepest
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the definitions say, result by result.
    fn plainly(results: &[i64]) -> Path {
        let mut path = Path::default();
        let (mut sum, mut height) = (0_i128, Extreme::default());
        for (row, steps) in (0_i64..).zip(results) {
            let mark = Mark(row, row, row);
            sum += i128::from(*steps);
            path.last = Some(mark);
            let here = Extreme { value: sum, at: Some(mark) };
            if sum > height.value {
                height = here;
            }
            if sum > path.high.value {
                path.high = here;
            }
            if sum < path.low.value {
                path.low = here;
            }
            let depth = height.value - sum;
            if depth > path.fall.depth {
                let (height, from) = (height.value, height.at);
                path.fall = Fall { depth, height, from, to: Some(mark), is_recovered: false };
            }
            path.fall.is_recovered |= path.fall.depth > 0 && sum >= path.fall.height;
        }
        path.sum = sum;
        path
    }

    /// The same in two halves, each in two halves.
    fn folded(results: &[(i64, i64)], cuts: &[usize]) -> Path {
        match results {
            [] => Path::default(),
            [(row, steps)] => Path::single(Mark(*row, *row, *row), *steps),
            _ => {
                let cut = cuts.first().map_or(1, |cut| 1 + cut % (results.len() - 1));
                let rest = cuts.get(1..).unwrap_or_default();
                let mut path = folded(&results[..cut], rest);
                path.append(&folded(&results[cut..], rest));
                path
            }
        }
    }

    proptest! {
        #[test]
        fn parts_make_the_whole_wherever_it_is_cut(
            results in prop::collection::vec(-3_i64..=3, 0..40),
            cuts in prop::collection::vec(0_usize..40, 0..12),
        ) {
            let numbered: Vec<_> = (0_i64..).zip(results.iter().copied()).collect();
            prop_assert_eq!(folded(&numbered, &cuts), plainly(&results));
        }
    }
}
