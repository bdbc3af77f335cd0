//! Days, and where weeks and months begin.

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};

use crate::Timestamp;

const MICROS: i64 = 86_400_000_000;

/// A day in UTC: its number, counted from 1970-01-01, a Thursday.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(i64);

impl Day {
    /// Characters of its text.
    pub const CHARS: usize = 10;
    /// An ECMA-262 pattern of the texts of days that every month has; those of longer months are days as well.
    pub const PATTERN: &'static str = "^[0-9]{3}[2-9]-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])$";

    /// The day with this number.
    pub const fn new(number: i64) -> Self {
        Self(number)
    }

    /// The day of an instant.
    pub const fn of(instant: Timestamp) -> Self {
        Self(instant.micros().div_euclid(MICROS))
    }

    /// Its number.
    pub const fn number(self) -> i64 {
        self.0
    }

    /// When it begins.
    pub const fn begin(self) -> Timestamp {
        Timestamp::from_micros(self.0.saturating_mul(MICROS))
    }

    /// Which day of its week it is: 0 is Monday, 6 is Sunday.
    pub fn weekday(self) -> usize {
        usize::try_from(self.0.saturating_add(3).rem_euclid(7)).unwrap_or(0)
    }

    /// The day so many days before.
    #[must_use]
    pub const fn earlier(self, days: i64) -> Self {
        Self(self.0.saturating_sub(days))
    }

    /// The Monday of its week.
    #[must_use]
    pub const fn week_begin(self) -> Self {
        self.earlier((self.0.saturating_add(3)).rem_euclid(7))
    }

    /// The first day of its month.
    #[must_use]
    pub fn month_begin(self) -> Self {
        self.earlier(i64::from(self.begin().day_of_month()) - 1)
    }
}

/// `2026-01-15`.
impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.begin().to_string();
        f.write_str(text.get(..Self::CHARS).unwrap_or(&text))
    }
}

impl FromStr for Day {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let begin = Timestamp::parse_rfc3339(&format!("{text}T00:00:00Z"));
        let day = begin.ok().filter(|_| text.len() == Self::CHARS).map(Self::of);
        day.ok_or("must be a date of the years 2 to 9999, 2026-01-15 for example")
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(date: &str) -> Day {
        Day::of(Timestamp::parse_rfc3339(&format!("{date}T12:00:00Z")).unwrap())
    }

    #[test]
    fn weeks_begin_on_mondays_and_months_on_their_first() {
        for (date, week, month) in [
            ("2025-01-01", "2024-12-30", "2025-01-01"),
            ("2024-12-29", "2024-12-23", "2024-12-01"),
            ("2024-12-30", "2024-12-30", "2024-12-01"),
            ("2024-02-29", "2024-02-26", "2024-02-01"),
            ("2024-03-03", "2024-02-26", "2024-03-01"),
            ("1970-01-01", "1969-12-29", "1970-01-01"),
            ("1969-12-28", "1969-12-22", "1969-12-01"),
        ] {
            let it = day(date);
            assert_eq!((it.week_begin(), it.month_begin()), (day(week), day(month)), "{date}");
        }
    }

    #[test]
    fn a_day_has_a_name_and_a_beginning() {
        for (date, weekday) in [("1970-01-01", 3), ("2024-12-30", 0), ("2025-01-05", 6)] {
            assert_eq!(day(date).weekday(), weekday, "{date}");
            assert_eq!(day(date).begin().to_string(), format!("{date}T00:00:00Z"));
        }
    }

    #[test]
    fn a_day_is_written_as_a_date_and_nothing_else() {
        for date in ["2025-01-01", "2024-02-29", "0002-01-01", "9999-12-31"] {
            assert_eq!(date.parse::<Day>().unwrap().to_string(), date);
        }
        for text in
            ["", "2025-1-1", "2025-02-29", "0001-01-01", "2025-01-01T", "20250101", "+2025-01-1"]
        {
            assert!(text.parse::<Day>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_day_ends_at_midnight() {
        let noon = Timestamp::parse_rfc3339("1969-12-31T23:59:59.999999Z").unwrap();
        assert_eq!(Day::of(noon), Day::new(-1));
        assert_eq!(Day::of(Timestamp::from_seconds(0)), Day::new(0));
    }
}
