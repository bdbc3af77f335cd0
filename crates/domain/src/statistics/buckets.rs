//! The stretches of time for which sums are kept.

use crate::{Timestamp, analytics::Day, text_enum::text_enum};

text_enum!(
    /// How long the stretches are.
    Level, {
        /// A UTC day, by its number.
        Day = "day",
        /// Five days of a calendar month, its last ones to its end, by the number of the first.
        FiveDays = "five_days",
        /// A calendar month, by the number of its first day.
        Month = "month",
        /// All time, by the number 0.
        Total = "total",
    }
);

/// Where the last stretch of five days of a month begins.
const LAST_OF_FIVE: u8 = 26;

impl Level {
    /// The number of the stretch that a day is part of.
    pub fn bucket(self, day: Day) -> i64 {
        match self {
            Self::Day => day.number(),
            Self::FiveDays => {
                let of_month = day.begin().day_of_month();
                let begin = (of_month - 1) / 5 * 5 + 1;
                day.earlier(i64::from(of_month - begin.min(LAST_OF_FIVE))).number()
            }
            Self::Month => day.month_begin().number(),
            Self::Total => 0,
        }
    }

    /// The number of the stretch behind the one that begins with this number.
    pub fn next(self, begin: i64) -> i64 {
        let day = Day::new(begin);
        match self {
            Self::Day => begin + 1,
            Self::FiveDays if day.begin().day_of_month() < LAST_OF_FIVE => begin + 5,
            Self::FiveDays | Self::Month => {
                Day::new(day.month_begin().number() + 31).month_begin().number()
            }
            Self::Total => i64::MAX,
        }
    }
}

/// How finely an answer tells what happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finest {
    /// In stretches of this length, and of days where a stretch is not asked for as a whole.
    Level(Level),
    /// In the shortest stretches of which so many are enough.
    Stretches(u32),
}

impl Finest {
    /// The level for a period, when the first signal came on `begin` and it is `today`.
    pub fn level(self, period: Period, begin: Day, today: Day) -> Level {
        let first = period.from.map_or(begin, |from| from.max(begin));
        let last = period.to.map_or(today, |to| to.min(today));
        let most = match self {
            Self::Level(level) => return level,
            Self::Stretches(most) => i64::from(most),
        };
        let days = last.number() - first.number() + 1;
        match days {
            _ if days <= most => Level::Day,
            _ if days <= most * 5 => Level::FiveDays,
            _ => Level::Month,
        }
    }
}

/// Consecutive days, from the first to the last, both included; `None` is without an end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Period {
    /// The first day.
    pub from: Option<Day>,
    /// The last one.
    pub to: Option<Day>,
}

impl Period {
    /// Whether an instant lies within.
    pub fn holds(&self, instant: Timestamp) -> bool {
        let day = Day::of(instant);
        self.from.is_none_or(|from| day >= from) && self.to.is_none_or(|to| day <= to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(date: &str) -> Day {
        date.parse().unwrap()
    }

    #[test]
    fn five_days_lie_within_a_month() {
        for (date, begin, next) in [
            ("2024-02-01", "2024-02-01", "2024-02-06"),
            ("2024-02-05", "2024-02-01", "2024-02-06"),
            ("2024-02-06", "2024-02-06", "2024-02-11"),
            ("2024-02-25", "2024-02-21", "2024-02-26"),
            ("2024-02-26", "2024-02-26", "2024-03-01"),
            ("2024-02-29", "2024-02-26", "2024-03-01"),
            ("2024-12-31", "2024-12-26", "2025-01-01"),
        ] {
            let bucket = Level::FiveDays.bucket(day(date));
            assert_eq!(Day::new(bucket), day(begin), "{date}");
            assert_eq!(Day::new(Level::FiveDays.next(bucket)), day(next), "{date}");
        }
        assert_eq!(Level::Day.next(7), 8);
        assert_eq!(Level::Month.next(day("2024-12-01").number()), day("2025-01-01").number());
    }

    #[test]
    fn stretches_are_as_short_as_their_number_allows() {
        let first = day("2024-01-01");
        for (days, level) in [
            (1, Level::Day),
            (10, Level::Day),
            (11, Level::FiveDays),
            (50, Level::FiveDays),
            (51, Level::Month),
        ] {
            let last = Day::new(first.number() + days - 1);
            let finest = Finest::Stretches(10);
            assert_eq!(finest.level(Period::default(), first, last), level, "{days}");
            // What lies before the first signal or in the future takes no room.
            let wide = Period { from: Some(day("1990-01-01")), to: Some(day("2090-01-01")) };
            assert_eq!(finest.level(wide, first, last), level, "{days}");
            let narrow = Period { from: Some(last), to: None };
            assert_eq!(finest.level(narrow, first, last), Level::Day, "{days}");
        }
        let total = Finest::Level(Level::Total);
        assert_eq!(total.level(Period::default(), first, first), Level::Total);
    }
}
