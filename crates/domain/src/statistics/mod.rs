//! What the signals prove: statistics, the equity curve, the instruments, and the sums that answer at once.

mod buckets;
mod compact;
mod daily;
mod entry;
mod exported;
mod figures;
mod filter;
mod fold;
mod holding;
mod path;
mod performance;
mod plan;
mod points;
mod segment;
mod series;
mod store;
mod stored;
mod streak;
mod upkeep;

pub use buckets::{Finest, Level, Period};
pub use compact::CompactSums;
pub use daily::Daily;
pub use entry::{Entry, EntrySignal, Happening, RowNumber};
pub use exported::{Assumptions, ExportedRecord};
pub use figures::{
    Coverage, Drawdown, MonthFigures, RATIOS_FROM, SMALL_SAMPLE, Statistics, WeekdayFigures,
};
pub use filter::PerformanceFilter;
pub use fold::Fold;
pub use holding::HoldingTimes;
pub use path::{Extreme, Fall, Mark, Path};
pub use performance::{
    DEFAULT_POINTS, EquityCurve, MAX_POINTS, MIN_POINTS, Performance, PerformanceRequest,
    RecordSettings, Span, SymbolCounts, Told,
};
pub use plan::Plan;
pub use points::EquityPoint;
pub use segment::{Missed, Segment, Trade, Weekday};
pub use series::{Choice, LateOutcomes, Series};
pub use store::{
    Horizons, Reading, Recount, Sealed, StatisticsStore, SumDifference, SumStore, SymbolReading,
};
pub use streak::Streak;
pub use upkeep::{SumUpkeep, UpkeepRun};
