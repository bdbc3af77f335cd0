//! Figures for administrators, added up by day as their causes happen. Days are UTC, weeks are of ISO 8601.

mod day;
mod figures;
mod rollup;
mod usage;

pub use day::Day;
pub use figures::{ACTIVE_DAYS, Analytics, Figures, Periods};
pub use rollup::{Counted, Rollup, RollupDifference, RollupKey, RollupName, RollupStore};
pub use usage::{Answer, Usage, UsageFlush};
