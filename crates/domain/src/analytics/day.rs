//! Days, and where weeks and months begin.

use crate::Timestamp;

const MICROS: i64 = 86_400_000_000;

/// A day in UTC: its number, counted from 1970-01-01, a Thursday.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(i64);

impl Day {
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
        let instant = Timestamp::from_micros(self.0.saturating_mul(MICROS));
        self.earlier(i64::from(instant.day_of_month()) - 1)
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
    fn a_day_ends_at_midnight() {
        let noon = Timestamp::parse_rfc3339("1969-12-31T23:59:59.999999Z").unwrap();
        assert_eq!(Day::of(noon), Day::new(-1));
        assert_eq!(Day::of(Timestamp::from_seconds(0)), Day::new(0));
    }
}
