//! How long positions were held.

use serde::{Deserialize, Serialize};

/// Parts into which each doubling of the time is divided.
const PARTS: u64 = 16;

/// Times from signals to exits. The sum is exact; the median is known to a thirty-second part of it, because
/// times are counted in classes, sixteen for each doubling.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldingTimes {
    /// In microseconds.
    sum: i128,
    /// How many positions there are of each class that has any, in order.
    classes: Vec<(u16, i64)>,
}

/// The class of a time in seconds: whole seconds below sixteen.
fn class(seconds: u64) -> u16 {
    if seconds < PARTS {
        return u16::try_from(seconds).unwrap_or(0);
    }
    let doubling = u64::from(seconds.ilog2() - PARTS.ilog2());
    let part = (seconds >> doubling) % PARTS;
    u16::try_from((doubling + 1) * PARTS + part).unwrap_or(u16::MAX)
}

/// The middle of a class, in seconds.
#[expect(clippy::cast_precision_loss, reason = "no class begins beyond 2^53 seconds")]
fn middle(class: u16) -> f64 {
    let class = u64::from(class);
    if class < PARTS {
        return class as f64;
    }
    let doubling = class / PARTS - 1;
    let first = (PARTS + class % PARTS) << doubling;
    let width = 1_u64 << doubling;
    first as f64 + (width - 1) as f64 / 2.0
}

impl HoldingTimes {
    /// One position, held for so many microseconds.
    pub fn single(micros: i64) -> Self {
        let micros = micros.max(0);
        let seconds = micros.unsigned_abs() / 1_000_000;
        Self { sum: i128::from(micros), classes: vec![(class(seconds), 1)] }
    }

    /// Adds others.
    pub fn append(&mut self, next: &Self) {
        self.sum += next.sum;
        for (class, count) in &next.classes {
            match self.classes.binary_search_by_key(class, |(class, _)| *class) {
                Ok(place) => self.classes[place].1 += count,
                Err(place) => self.classes.insert(place, (*class, *count)),
            }
        }
    }

    /// The sum, in microseconds.
    pub const fn sum(&self) -> i128 {
        self.sum
    }

    /// The time that half of the positions were held for at most, in seconds; `None` without positions.
    pub fn median_seconds(&self) -> Option<f64> {
        let all: i64 = self.classes.iter().map(|(_, count)| count).sum();
        let mut passed = 0;
        self.classes.iter().find_map(|(class, count)| {
            passed += count;
            (passed * 2 >= all).then(|| middle(*class))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_tells_the_time_to_a_thirty_second_part() {
        let mut last = 0;
        for seconds in (0..100_000).chain([1 << 30, 250_000_000_000, 1 << 40]) {
            let class = class(seconds);
            assert!(class >= last, "{seconds}");
            last = class;
            #[expect(clippy::cast_precision_loss, reason = "small")]
            let seconds = seconds as f64;
            assert!((middle(class) - seconds).abs() <= seconds / 32.0, "{seconds}");
        }
    }

    #[test]
    fn half_of_the_positions_were_held_no_longer() {
        assert_eq!(HoldingTimes::default().median_seconds(), None);
        let mut times = HoldingTimes::default();
        for seconds in [9, 1, 5, 100_000, 3] {
            times.append(&HoldingTimes::single(seconds * 1_000_000));
        }
        assert_eq!((times.median_seconds(), times.sum()), (Some(5.0), 100_018_000_000));
    }
}
