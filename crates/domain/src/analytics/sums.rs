//! Some days of sums, and what figures are made of them.

use super::{Day, Rollup, RollupName};
use crate::account::Tier;

/// One figure for each period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Periods {
    /// Today.
    pub today: u64,
    /// This week.
    pub this_week: u64,
    /// This month.
    pub this_month: u64,
}

/// With two decimals.
#[expect(clippy::cast_precision_loss, reason = "counts of requests are far below 2^53")]
pub(super) fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { (part as f64 * 10_000.0 / whole as f64).round() / 100.0 }
}

/// Some days of sums.
pub(super) struct Sums {
    pub(super) rows: Vec<Rollup>,
    pub(super) today: Day,
}

impl Sums {
    /// What there is now of a tier.
    pub(super) fn state(&self, name: RollupName, tier: Tier) -> u64 {
        self.now(name, tier.as_str())
    }

    /// What there is now of a part.
    pub(super) fn now(&self, name: RollupName, key: &str) -> u64 {
        let is_it = |row: &&Rollup| row.name == name && row.key == key && row.day == Day::new(0);
        self.rows.iter().find(is_it).map_or(0, |row| u64::try_from(row.value).unwrap_or(0))
    }

    /// What was counted from a day on.
    pub(super) fn from(&self, name: RollupName, key: &str, first: Day) -> u64 {
        let days = first..=self.today;
        let rows = self.rows.iter();
        let meant =
            rows.filter(|row| row.name == name && row.key == key && days.contains(&row.day));
        u64::try_from(meant.map(|row| row.value).sum::<i64>()).unwrap_or(0)
    }

    /// What was counted today of all parts.
    pub(super) fn parts(&self, name: RollupName) -> impl Iterator<Item = (&str, u64)> {
        let meant = self.rows.iter().filter(move |row| row.name == name && row.day == self.today);
        meant.map(|row| (row.key.as_str(), u64::try_from(row.value).unwrap_or(0)))
    }

    /// The same for each period.
    pub(super) fn periods(&self, name: RollupName, key: &str) -> Periods {
        let of = |first| self.from(name, key, first);
        Periods {
            today: of(self.today),
            this_week: of(self.today.week_begin()),
            this_month: of(self.today.month_begin()),
        }
    }
}
