//! The stretches of time for which sums are kept.

use crate::{Timestamp, analytics::Day, text_enum::text_enum};

text_enum!(
    /// How long the stretches are.
    Level, {
        /// A UTC day, by its number.
        Day = "day",
        /// A calendar month, by the number of its first day.
        Month = "month",
        /// All time, by the number 0.
        Total = "total",
    }
);

impl Level {
    /// The number of the stretch that a day is part of.
    pub fn bucket(self, day: Day) -> i64 {
        match self {
            Self::Day => day.number(),
            Self::Month => day.month_begin().number(),
            Self::Total => 0,
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
