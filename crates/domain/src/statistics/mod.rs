//! What the signals prove: statistics, the equity curve, the instruments, and the sums that answer at once.

mod buckets;
mod daily;
mod entry;
mod figures;
mod fold;
mod holding;
mod path;
mod performance;
mod points;
mod segment;
mod series;
mod store;
mod streak;
mod upkeep;

pub use buckets::{Level, Period, Plan};
pub use daily::Daily;
pub use entry::{Entry, EntrySignal, Happening};
pub use figures::{
    Coverage, Drawdown, MonthFigures, RATIOS_FROM, SMALL_SAMPLE, Statistics, WeekdayFigures,
};
pub use fold::Fold;
pub use holding::HoldingTimes;
pub use path::{Extreme, Fall, Mark, Path};
pub use performance::{
    DEFAULT_POINTS, EquityCurve, MAX_POINTS, MIN_POINTS, Performance, PerformanceRequest,
    RecordSettings, Span, SymbolCounts, Told,
};
use points::Curve;
pub use points::EquityPoint;
pub use segment::{Missed, Segment, Trade, Weekday};
pub use series::{Choice, Series};
pub use store::{
    Horizons, LateOutcomes, PerformanceFilter, Reading, Recount, RowNumber, Sealed,
    StatisticsStore, SumDifference, SumStore, SymbolReading,
};
pub use streak::Streak;
pub use upkeep::{SumUpkeep, UpkeepRun};
