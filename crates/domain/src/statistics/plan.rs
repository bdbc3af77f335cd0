//! Which sums answer a question.

use super::{Level, PerformanceFilter, Period};
use crate::{Timestamp, analytics::Day};

/// What is read for an answer: sums of sealed stretches, and what happened since one by one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Levels with the first and the last number of their stretches, in order of time.
    pub sums: Vec<(Level, i64, i64)>,
    /// From then on everything is read one by one.
    pub tail_from: Timestamp,
}

/// Days before or after all that can be held, far from the ends of 64 bits.
const EVER: i64 = 10_000_000;

impl Plan {
    /// From when on what happened is read one by one.
    pub fn tail_from(filter: &PerformanceFilter, sealed_until: Timestamp) -> Timestamp {
        let known = Self::known(filter);
        if known < sealed_until { Day::of(known).begin() } else { sealed_until }
    }

    /// Up to when the reader may know of everything.
    fn known(filter: &PerformanceFilter) -> Timestamp {
        filter.released.as_of.min(filter.released.others_as_of)
    }

    /// The plan for a question, when all that happened before `sealed_until` is in the sums. What the reader may
    /// not know of yet is in no sum that is read: who is later than the seal gets whole days before that time.
    pub fn new(filter: &PerformanceFilter, level: Level, sealed_until: Timestamp) -> Self {
        let Period { from, to } = filter.period;
        let known = Self::known(filter);
        let is_late = known < sealed_until;
        let tail_from = Self::tail_from(filter, sealed_until);
        if sealed_until == Timestamp::MIN {
            return Self { sums: Vec::new(), tail_from };
        }
        let end = if is_late { Day::of(known).earlier(1) } else { Day::of(sealed_until) };
        let last = to.map_or(end, |to| to.min(end)).number();
        let first = from.map_or(-EVER, Day::number);
        // The stretch of the seal ends there; any other one at its own end.
        let is_open = !is_late && last == end.number();
        let sums = match level {
            _ if first > last => Vec::new(),
            Level::Day => vec![(Level::Day, first, last)],
            Level::Total if from.is_none() && is_open => vec![(Level::Total, 0, 0)],
            Level::FiveDays => stretches_and_days(Level::FiveDays, first, last, is_open),
            Level::Month | Level::Total => stretches_and_days(Level::Month, first, last, is_open),
        };
        Self { sums, tail_from }
    }
}

/// Whole stretches of a level, and the days before and after them.
fn stretches_and_days(
    level: Level,
    first: i64,
    last: i64,
    is_open: bool,
) -> Vec<(Level, i64, i64)> {
    let bucket_of = |day: i64| level.bucket(Day::new(day));
    let first_whole = match first {
        day if day <= -EVER => day,
        day if bucket_of(day) == day => day,
        day => level.next(bucket_of(day)),
    };
    let own = bucket_of(last);
    let is_whole = is_open || level.next(own) == last + 1;
    let last_whole = if is_whole { own } else { bucket_of(own - 1) };
    if first_whole > last_whole {
        return vec![(Level::Day, first, last)];
    }
    let before = (Level::Day, first, first_whole - 1);
    let after = (Level::Day, level.next(last_whole), last);
    let all = [before, (level, first_whole, last_whole), after];
    all.into_iter().filter(|(_, from, to)| from <= to).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::signal::Released;

    fn day(date: &str) -> i64 {
        Day::of(Timestamp::parse_rfc3339(&format!("{date}T00:00:00Z")).unwrap()).number()
    }

    fn days_of(plan: &Plan, sealed: i64) -> Vec<i64> {
        let mut days = Vec::new();
        for (level, from, to) in &plan.sums {
            match level {
                Level::Day => days.extend(*from..=*to),
                Level::FiveDays | Level::Month => {
                    let is_asked =
                        |day: &i64| (*from..=*to).contains(&level.bucket(Day::new(*day)));
                    days.extend((day("2024-01-01")..=sealed).filter(is_asked));
                }
                Level::Total => days.extend(day("2024-01-01")..=sealed),
            }
        }
        days
    }

    proptest! {
        /// Each day once and in order, none outside of the period, none that the reader may not know of yet.
        #[test]
        fn a_plan_covers_its_period_and_nothing_else(
            from in prop::option::of(0_i64..400),
            to in prop::option::of(0_i64..500),
            sealed in 0_i64..400,
            late in prop::option::of(0_i64..400),
            finest in prop::sample::select(Level::ALL.to_vec()),
        ) {
            let begin = day("2024-01-01");
            let instant = |number: i64| Day::new(begin + number).begin();
            let noon = std::time::Duration::from_hours(12);
            let sealed_until = instant(sealed).later(noon);
            let as_of = late.map_or(Timestamp::MAX, |day| instant(day).later(noon / 2));
            let of_day = |day: i64| Day::new(begin + day);
            let period = Period { from: from.map(of_day).or(Some(of_day(0))), to: to.map(of_day) };
            let filter = PerformanceFilter {
                period,
                ..PerformanceFilter::all(Released { below: Some(85.0), others_as_of: as_of, as_of: Timestamp::MAX })
            };
            let plan = Plan::new(&filter, finest, sealed_until);
            let tail = if as_of < sealed_until { Day::of(as_of).begin() } else { sealed_until };
            prop_assert_eq!(plan.tail_from, tail);
            let last = if as_of < sealed_until { Day::of(as_of).earlier(1) } else { Day::of(sealed_until) };
            let expected: Vec<i64> = (begin + from.unwrap_or(0)..=last.number())
                .filter(|number| to.is_none_or(|to| *number <= begin + to))
                .collect();
            prop_assert_eq!(days_of(&plan, begin + sealed), expected);
        }
    }

    #[test]
    fn all_time_is_one_row_or_one_for_each_month() {
        let filter = PerformanceFilter::all(Released::all(Timestamp::MAX));
        let noon = Timestamp::parse_rfc3339("2026-03-17T12:00:00Z").unwrap();
        let of = |level| Plan::new(&filter, level, noon).sums;
        assert_eq!(of(Level::Total), [(Level::Total, 0, 0)]);
        assert_eq!(of(Level::Month), [(Level::Month, -EVER, day("2026-03-01"))]);
        assert_eq!(of(Level::Day), [(Level::Day, -EVER, day("2026-03-17"))]);
        let nothing = Plan::new(&filter, Level::Month, Timestamp::MIN);
        assert_eq!(nothing, Plan { sums: Vec::new(), tail_from: Timestamp::MIN });
    }
}
