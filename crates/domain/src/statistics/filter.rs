//! What counts in an answer.

use super::{Choice, Entry, LateOutcomes, Period, Series};
use crate::{
    analytics::Day,
    signal::{Record, Released},
};

/// What counts.
#[derive(Debug, Clone, PartialEq)]
pub struct PerformanceFilter {
    /// Only what the reader may know of.
    pub released: Released,
    /// Only these signals.
    pub choice: Choice,
    /// Only what Alpine came to know of on these days.
    pub period: Period,
    /// Whether late outcomes count.
    pub late: LateOutcomes,
    /// Which part of the record counts.
    pub record: Record,
}

impl PerformanceFilter {
    /// Everything that is released, history and simulations included, without late outcomes.
    pub const fn all(released: Released) -> Self {
        Self {
            released,
            choice: Choice { strategy: None, producer: None, symbol: None },
            period: Period { from: None, to: None },
            late: LateOutcomes::Exclude,
            record: Record::All,
        }
    }

    /// The series that answers.
    pub fn series(&self) -> Series {
        Series { record: self.record, late: self.late, choice: self.choice.clone() }
    }

    /// The first day on which one of these entries, in their order, adds something to the series, whoever may know of it.
    pub fn begin(&self, entries: &[Entry]) -> Option<Day> {
        let adds = |entry: &&Entry| {
            entry.signal.is_of(&self.choice) && entry.adds(self.record, self.late).is_some()
        };
        entries.iter().find(adds).map(|entry| Day::of(entry.at))
    }

    /// Whether this counts.
    pub fn counts(&self, entry: &Entry) -> bool {
        self.period.holds(entry.at)
            && entry.signal.is_of(&self.choice)
            && entry.is_released(&self.released)
    }
}
