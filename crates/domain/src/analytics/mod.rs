//! Figures for administrators, added up by day as their causes happen. Days are UTC, weeks are of ISO 8601.

mod day;
mod figures;
mod revenue;
mod rollup;
mod sums;
mod usage;

pub use day::Day;
pub use figures::{ACTIVE_DAYS, Analytics, Figures, RouteCache};
pub use revenue::{RATE_DAYS, Revenue};
pub use rollup::{Counted, Rollup, RollupDifference, RollupKey, RollupName, RollupStore};
pub use sums::Periods;
pub use usage::{Answer, RouteUsage, Usage, UsageFlush};
