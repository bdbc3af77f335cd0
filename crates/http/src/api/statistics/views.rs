//! The public record.

use alpine_domain::{
    Timestamp,
    statistics::{EquityCurve, Statistics, SymbolCounts},
};
use serde::Serialize;
use utoipa::ToSchema;

/// Statistics over closed signals; percentages are percent of the entry.
#[derive(Serialize, ToSchema)]
#[schema(as = PerformanceStats)]
pub(crate) struct StatisticsView {
    pub total_trades: u64,
    pub winning_trades: u64,
    pub losing_trades: u64,
    /// Wins in percent of all.
    pub win_rate: f64,
    pub avg_win_pct: f64,
    pub avg_loss_pct: f64,
    /// The sum of the wins over the sum of the losses; null while nothing was lost.
    #[schema(required = true)]
    pub profit_factor: Option<f64>,
    pub largest_win_pct: f64,
    pub largest_loss_pct: f64,
    pub mean_return_pct: f64,
    /// How many of the trades a simulation made up.
    pub simulated_trades: u64,
    /// How many of the trades are late outcomes; only with `late=include`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u64, required = false)]
    pub late_trades: Option<u64>,
}

impl From<Statistics> for StatisticsView {
    fn from(statistics: Statistics) -> Self {
        Self {
            total_trades: statistics.total_trades,
            winning_trades: statistics.winning_trades,
            losing_trades: statistics.losing_trades,
            win_rate: statistics.win_rate,
            avg_win_pct: statistics.avg_win_pct,
            avg_loss_pct: statistics.avg_loss_pct,
            profit_factor: statistics.profit_factor,
            largest_win_pct: statistics.largest_win_pct,
            largest_loss_pct: statistics.largest_loss_pct,
            mean_return_pct: statistics.mean_return_pct,
            simulated_trades: statistics.simulated_trades,
            late_trades: statistics.late_trades,
        }
    }
}

/// Every closed signal's percent added on one unit of capital, in the order in which the outcomes were received.
#[derive(Serialize, ToSchema)]
#[schema(as = EquityCurve)]
pub(crate) struct EquityCurveView {
    /// At most 2,000; longer curves are thinned evenly.
    pub points: Vec<EquityPointView>,
    /// How many closed signals stand behind them.
    pub total_points: u64,
    /// How many of those a simulated producer made up; only where there are any.
    #[serde(skip_serializing_if = "is_zero")]
    pub simulated_points: u64,
    /// How many of them are late outcomes; only with `late=include`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u64, required = false)]
    pub late_points: Option<u64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// A point of an equity curve.
#[derive(Serialize, ToSchema)]
#[schema(as = EquityPoint)]
pub(crate) struct EquityPointView {
    /// When the position ended, as its producer says.
    #[schema(value_type = String, format = DateTime)]
    pub closed_at: Timestamp,
    /// When Alpine received the outcome: the order of the points.
    #[schema(value_type = String, format = DateTime)]
    pub received_at: Timestamp,
    pub cumulative_pct: f64,
}

impl From<EquityCurve> for EquityCurveView {
    fn from(curve: EquityCurve) -> Self {
        let point = |point: &alpine_domain::statistics::EquityPoint| EquityPointView {
            closed_at: point.closed_at,
            received_at: point.received_at,
            cumulative_pct: point.cumulative_pct,
        };
        Self {
            points: curve.points.iter().map(point).collect(),
            total_points: curve.total_points,
            simulated_points: curve.simulated_points,
            late_points: curve.late_points,
        }
    }
}

/// Instruments with closed signals.
#[derive(Serialize, ToSchema)]
#[schema(as = Symbols)]
pub(crate) struct SymbolsView<'a> {
    pub items: Vec<SymbolView<'a>>,
    pub total: usize,
}

/// An instrument with closed signals.
#[derive(Serialize, ToSchema)]
#[schema(as = Symbol)]
pub(crate) struct SymbolView<'a> {
    pub symbol: &'a str,
    pub closed_signals: u64,
    /// How many of them a simulated producer made up; only where there are any.
    #[serde(skip_serializing_if = "is_zero")]
    pub simulated_signals: u64,
}

impl<'a> SymbolsView<'a> {
    pub(crate) fn new(symbols: &'a [SymbolCounts]) -> Self {
        let view = |record: &'a SymbolCounts| SymbolView {
            symbol: record.symbol.as_str(),
            closed_signals: record.closed_signals,
            simulated_signals: record.simulated_signals,
        };
        Self { items: symbols.iter().map(view).collect(), total: symbols.len() }
    }
}
