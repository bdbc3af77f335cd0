//! What the statistics are computed from.

use async_trait::async_trait;

use crate::{
    Result, Timestamp,
    signal::{PnlPercent, Released, Strategy, Symbol},
};

/// Which closed signals count.
#[derive(Debug, Clone, PartialEq)]
pub struct PerformanceFilter {
    /// Only what the reader may know of.
    pub released: Released,
    /// Only this instrument.
    pub symbol: Option<Symbol>,
    /// Only this strategy.
    pub strategy: Option<Strategy>,
    /// Only signals accepted at or after this instant.
    pub since: Option<Timestamp>,
}

impl PerformanceFilter {
    /// Every closed signal that is released.
    pub const fn all(released: Released) -> Self {
        Self { released, symbol: None, strategy: None, since: None }
    }
}

/// Exact sums over closed signals that have a profit or loss.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Aggregates {
    /// Closed trades counted.
    pub trades: u64,
    /// How many of them are wins, `pnl > 0`.
    pub wins: u64,
    /// How many of them come from simulated producers.
    pub simulated: u64,
    /// The sum of all wins, in [`PnlPercent`] steps.
    pub sum_of_wins: i128,
    /// The sum of all others, in steps; zero or below.
    pub sum_of_losses: i128,
    /// The largest profit or loss.
    pub largest: Option<PnlPercent>,
    /// The smallest.
    pub smallest: Option<PnlPercent>,
}

/// A signal's place in its store. It tells how many signals there are, so it is never shown: what others
/// know is the [`SignalId`](crate::signal::SignalId).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowNumber(pub i64);

/// One closed signal on the way of the equity curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClosedPoint {
    /// Breaks ties of `closed_at`.
    pub row: RowNumber,
    /// When the position ended.
    pub closed_at: Timestamp,
    /// Its profit or loss.
    pub pnl: PnlPercent,
}

/// What the record says about one instrument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SymbolCounts {
    /// The instrument.
    pub symbol: Symbol,
    /// Closed signals with a profit or loss.
    pub closed_signals: u64,
    /// How many of them a simulated producer made up.
    pub simulated_signals: u64,
}

/// Sums and points over closed signals.
#[async_trait]
pub trait StatisticsStore: Send + Sync {
    /// Sums over closed signals.
    async fn aggregates(&self, filter: &PerformanceFilter) -> Result<Aggregates>;

    /// At most `limit` closed signals in order of `(closed_at, row)`, after the given position.
    async fn closed_points(
        &self,
        filter: &PerformanceFilter,
        after: Option<(Timestamp, RowNumber)>,
        limit: u32,
    ) -> Result<Vec<ClosedPoint>>;

    /// Every instrument that has a closed signal, by name; at most `limit`.
    async fn symbols(&self, released: Released, limit: u32) -> Result<Vec<SymbolCounts>>;

    /// When the first outcome after `after` was recorded, of the signals with at least this confidence
    /// in percent; `None` if there is none.
    async fn next_outcome_after(
        &self,
        after: Timestamp,
        min_confidence: Option<f64>,
    ) -> Result<Option<Timestamp>>;
}
