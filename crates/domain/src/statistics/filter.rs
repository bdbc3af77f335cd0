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

    /// The first day on which one of these entries, in their order, adds something that the reader may know of.
    pub fn begin(&self, entries: &[Entry]) -> Option<Day> {
        let adds = |entry: &&Entry| {
            entry.signal.is_of(&self.choice)
                && entry.is_released(&self.released)
                && entry.adds(self.record, self.late).is_some()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Timestamp,
        signal::Origin,
        statistics::{EntrySignal, Happening, RowNumber},
    };

    #[test]
    fn a_series_begins_with_what_its_reader_may_know_of() {
        let at = |day: i64| Day::new(day).begin();
        let published = |day: i64, confidence: f64, symbol: &str| {
            let (signalled_at, created_at) = (at(day), at(day));
            let signal = EntrySignal {
                row: RowNumber(day),
                symbol: symbol.parse().unwrap(),
                strategy: None,
                producer: "argo".parse().unwrap(),
                origin: Origin::Live,
                confidence,
                signalled_at,
                created_at,
                at_stop: None,
            };
            Entry { signal, what: Happening::Published, at: created_at }
        };
        let entries =
            [published(1, 97.0, "AAPL"), published(2, 60.0, "MSFT"), published(3, 60.0, "AAPL")];
        let all = PerformanceFilter::all(Released::all(Timestamp::MAX));
        assert_eq!(all.begin(&entries), Some(Day::new(1)));
        let late = Released { below: Some(85.0), as_of: at(9), others_as_of: at(0) };
        let hidden = PerformanceFilter::all(late);
        assert_eq!(hidden.begin(&entries), Some(Day::new(2)));
        let choice = Choice { symbol: Some("AAPL".parse().unwrap()), ..Choice::default() };
        let narrow = PerformanceFilter { choice, ..hidden.clone() };
        assert_eq!(narrow.begin(&entries), Some(Day::new(3)));
        let simulated = PerformanceFilter { record: Record::Simulated, ..hidden };
        assert_eq!(simulated.begin(&entries), None);
    }
}
