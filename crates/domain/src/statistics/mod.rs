//! What the closed signals prove: statistics, the equity curve, the instruments.

mod performance;
mod store;

pub use performance::{
    EquityCurve, EquityPoint, MAX_POINTS, Performance, PerformanceRequest, Statistics, Told,
};
pub use store::{
    Aggregates, ClosedPoint, LateOutcomes, PerformanceFilter, RowNumber, StatisticsStore,
    SymbolCounts,
};
