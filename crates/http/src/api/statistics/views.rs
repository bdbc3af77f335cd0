//! The public record.

use alpine_domain::{
    Timestamp,
    analytics::Day,
    statistics::{
        Coverage, Drawdown, EquityCurve, EquityPoint, MonthFigures, Period, Statistics,
        SymbolCounts, WeekdayFigures,
    },
};
use serde::Serialize;
use utoipa::ToSchema;

/// Where every figure is defined.
const DEFINITIONS: &str = "/api/v1/performance/definitions";

/// What was published, and what became of it.
#[derive(Serialize, ToSchema)]
#[schema(as = RecordCoverage)]
pub(crate) struct CoverageView {
    /// Signals that were published; null where the number would tell of open signals that the caller may not see.
    #[schema(required = true)]
    pub published: Option<u64>,
    /// Signals that are open; null likewise, and where only some days are asked for.
    #[schema(required = true)]
    pub open: Option<u64>,
    /// Open signals that are past their horizon; null likewise.
    #[schema(required = true)]
    pub overdue: Option<u64>,
    /// Signals that ended by their age, without a result.
    pub expired: u64,
    /// Signals whose result came as history: the position had ended before the signal was received.
    pub backdated: u64,
    /// Signals with a result that counts.
    pub closed: u64,
    /// Closed, overdue, expired and backdated ones.
    pub due: u64,
    /// Closed ones in percent of those that are due; null while none is.
    #[schema(required = true)]
    pub coverage: Option<f64>,
}

impl From<Coverage> for CoverageView {
    fn from(coverage: Coverage) -> Self {
        let Coverage { published, open, overdue, expired, backdated, closed, due, coverage } =
            coverage;
        Self { published, open, overdue, expired, backdated, closed, due, coverage }
    }
}

/// The UTC days that are counted, both included; null is without an end.
#[derive(Serialize, ToSchema)]
#[schema(as = RecordPeriod)]
pub(crate) struct PeriodView {
    #[schema(required = true, value_type = Option<String>, format = Date)]
    pub from: Option<Day>,
    #[schema(required = true, value_type = Option<String>, format = Date)]
    pub to: Option<Day>,
}

impl From<Period> for PeriodView {
    fn from(Period { from, to }: Period) -> Self {
        Self { from, to }
    }
}

/// The deepest fall of the curve.
#[derive(Serialize, ToSchema)]
#[schema(as = Drawdown)]
pub(crate) struct DrawdownView {
    /// In percent of one unit of capital; below zero.
    pub depth_pct: f64,
    /// When the result was received that led to the height before; null: it fell from the beginning.
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    pub from: Option<Timestamp>,
    /// When the one was received that led to the lowest point.
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    pub to: Option<Timestamp>,
    /// Whether the curve has been as high again.
    pub recovered: bool,
}

impl From<Drawdown> for DrawdownView {
    fn from(Drawdown { depth_pct, from, to, is_recovered }: Drawdown) -> Self {
        Self { depth_pct, from, to, recovered: is_recovered }
    }
}

/// The results that were received in a calendar month.
#[derive(Serialize, ToSchema)]
#[schema(as = MonthFigures)]
pub(crate) struct MonthView {
    /// Its first day.
    #[schema(value_type = String, format = Date)]
    pub month: Day,
    pub total_trades: u64,
    pub winning_trades: u64,
    pub sum_pct: f64,
}

impl From<MonthFigures> for MonthView {
    fn from(MonthFigures { month, trades, wins, sum_pct }: MonthFigures) -> Self {
        Self { month, total_trades: trades, winning_trades: wins, sum_pct }
    }
}

/// The results that were received on a weekday, over all weeks.
#[derive(Serialize, ToSchema)]
#[schema(as = WeekdayFigures)]
pub(crate) struct WeekdayView {
    /// `monday` to `sunday`.
    pub weekday: &'static str,
    pub total_trades: u64,
    pub winning_trades: u64,
    pub sum_pct: f64,
}

impl From<WeekdayFigures> for WeekdayView {
    fn from(WeekdayFigures { weekday, trades, wins, sum_pct }: WeekdayFigures) -> Self {
        const NAMES: [&str; 7] =
            ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
        let weekday = NAMES.get(weekday).copied().unwrap_or_default();
        Self { weekday, total_trades: trades, winning_trades: wins, sum_pct }
    }
}

/// Statistics over closed signals, beside those that never closed; percentages are percent of the entry.
#[derive(Serialize, ToSchema)]
#[schema(as = PerformanceStats)]
pub(crate) struct StatisticsView {
    #[serde(flatten)]
    pub coverage: CoverageView,
    pub total_trades: u64,
    pub winning_trades: u64,
    pub losing_trades: u64,
    /// Wins in percent of all that are closed.
    pub win_rate: f64,
    /// Wins in percent of all that are due.
    pub win_rate_lower: f64,
    pub avg_win_pct: f64,
    pub avg_loss_pct: f64,
    /// The sum of the wins over the sum of the losses; null while nothing was lost.
    #[schema(required = true)]
    pub profit_factor: Option<f64>,
    /// The same when what is due and has no result lost what its stop or `assumed_loss_pct` says.
    #[schema(required = true)]
    pub profit_factor_lower: Option<f64>,
    /// The mean win over the mean loss; null while nothing was won or lost.
    #[schema(required = true)]
    pub payoff_ratio: Option<f64>,
    pub largest_win_pct: f64,
    pub largest_loss_pct: f64,
    /// The mean of all results, also `expectancy_pct`.
    pub mean_return_pct: f64,
    pub expectancy_pct: f64,
    /// The mean of all that are due, with the losses that are assumed.
    pub expectancy_lower_pct: f64,
    /// The sum of all results: the end of the curve.
    pub cumulative_pct: f64,
    /// The same with the losses that are assumed.
    pub cumulative_lower_pct: f64,
    /// What a signal without a result and without a stop is assumed to have lost.
    pub assumed_loss_pct: f64,
    /// Null if the curve never fell.
    #[schema(required = true)]
    pub max_drawdown: Option<DrawdownView>,
    /// From the signal's time to the exit, on average; null without trades.
    #[schema(required = true)]
    pub average_holding_seconds: Option<f64>,
    /// The median, to a thirty-second part.
    #[schema(required = true)]
    pub median_holding_seconds: Option<f64>,
    pub longest_winning_streak: u64,
    pub longest_losing_streak: u64,
    /// How many positions were open at once, on average from the first signal to the last exit.
    #[schema(required = true)]
    pub exposure: Option<f64>,
    /// Of daily sums, 365 days a year, no interest; null below 30 trades.
    #[schema(required = true)]
    pub sharpe_ratio: Option<f64>,
    #[schema(required = true)]
    pub sortino_ratio: Option<f64>,
    #[schema(required = true)]
    pub best_month: Option<MonthView>,
    #[schema(required = true)]
    pub worst_month: Option<MonthView>,
    /// Months with a result, in order.
    pub by_month: Vec<MonthView>,
    /// Weekdays with a result, Monday first.
    pub by_weekday: Vec<WeekdayView>,
    /// Whether there are fewer than 20 trades.
    pub small_sample: bool,
    /// How many of the trades a simulation made up.
    pub simulated_trades: u64,
    /// How many of the trades are late outcomes; only with `late=include`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u64, required = false)]
    pub late_trades: Option<u64>,
    pub period: PeriodView,
    /// Where every figure is defined.
    pub definitions: &'static str,
}

impl From<Statistics> for StatisticsView {
    fn from(statistics: Statistics) -> Self {
        Self {
            coverage: statistics.coverage.into(),
            total_trades: statistics.total_trades,
            winning_trades: statistics.winning_trades,
            losing_trades: statistics.losing_trades,
            win_rate: statistics.win_rate,
            win_rate_lower: statistics.win_rate_lower,
            avg_win_pct: statistics.avg_win_pct,
            avg_loss_pct: statistics.avg_loss_pct,
            profit_factor: statistics.profit_factor,
            profit_factor_lower: statistics.profit_factor_lower,
            payoff_ratio: statistics.payoff_ratio,
            largest_win_pct: statistics.largest_win_pct,
            largest_loss_pct: statistics.largest_loss_pct,
            mean_return_pct: statistics.mean_return_pct,
            expectancy_pct: statistics.mean_return_pct,
            expectancy_lower_pct: statistics.expectancy_lower_pct,
            cumulative_pct: statistics.cumulative_pct,
            cumulative_lower_pct: statistics.cumulative_lower_pct,
            assumed_loss_pct: statistics.assumed_loss_pct,
            max_drawdown: statistics.max_drawdown.map(Into::into),
            average_holding_seconds: statistics.average_holding_seconds,
            median_holding_seconds: statistics.median_holding_seconds,
            longest_winning_streak: statistics.longest_winning_streak,
            longest_losing_streak: statistics.longest_losing_streak,
            exposure: statistics.exposure,
            sharpe_ratio: statistics.sharpe_ratio,
            sortino_ratio: statistics.sortino_ratio,
            best_month: statistics.best_month.map(Into::into),
            worst_month: statistics.worst_month.map(Into::into),
            by_month: statistics.by_month.into_iter().map(Into::into).collect(),
            by_weekday: statistics.by_weekday.into_iter().map(Into::into).collect(),
            small_sample: statistics.is_small_sample,
            simulated_trades: statistics.simulated_trades,
            late_trades: statistics.late_trades,
            period: statistics.period.into(),
            definitions: DEFINITIONS,
        }
    }
}

/// Every closed signal's percent added on one unit of capital, in the order in which the outcomes were received.
#[derive(Serialize, ToSchema)]
#[schema(as = EquityCurve)]
pub(crate) struct EquityCurveView {
    /// As many as `points` at most. Days with more than 16 results have their extremes and their end; a longer curve
    /// keeps its extremes and its deepest fall.
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
    #[serde(flatten)]
    pub coverage: CoverageView,
    /// The end of the curve.
    pub cumulative_pct: f64,
    /// The same with the losses that are assumed of what is due and has no result.
    pub cumulative_lower_pct: f64,
    /// Whether there are fewer than 20 trades.
    pub small_sample: bool,
    pub period: PeriodView,
    /// Where every figure is defined.
    pub definitions: &'static str,
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

impl From<EquityPoint> for EquityPointView {
    fn from(EquityPoint { closed_at, received_at, cumulative_pct }: EquityPoint) -> Self {
        Self { closed_at, received_at, cumulative_pct }
    }
}

impl From<EquityCurve> for EquityCurveView {
    fn from(EquityCurve { points, statistics }: EquityCurve) -> Self {
        Self {
            points: points.into_iter().map(Into::into).collect(),
            total_points: statistics.total_trades,
            simulated_points: statistics.simulated_trades,
            late_points: statistics.late_trades,
            coverage: statistics.coverage.into(),
            cumulative_pct: statistics.cumulative_pct,
            cumulative_lower_pct: statistics.cumulative_lower_pct,
            small_sample: statistics.is_small_sample,
            period: statistics.period.into(),
            definitions: DEFINITIONS,
        }
    }
}

/// Instruments with signals that were due.
#[derive(Serialize, ToSchema)]
#[schema(as = Symbols)]
pub(crate) struct SymbolsView<'a> {
    pub items: Vec<SymbolView<'a>>,
    pub total: usize,
}

/// An instrument with signals that were due. Nothing is told of open ones.
#[derive(Serialize, ToSchema)]
#[schema(as = Symbol)]
pub(crate) struct SymbolView<'a> {
    pub symbol: &'a str,
    pub closed_signals: u64,
    /// How many of them a simulated producer made up; only where there are any.
    #[serde(skip_serializing_if = "is_zero")]
    pub simulated_signals: u64,
    /// Signals that expired, or whose result came as history.
    pub missed_signals: u64,
    /// Closed ones in percent of both.
    pub coverage: f64,
    /// Wins in percent of closed ones.
    pub win_rate: f64,
    /// Wins in percent of both.
    pub win_rate_lower: f64,
    /// The sum of all results.
    pub cumulative_pct: f64,
}

impl<'a> SymbolsView<'a> {
    pub(crate) fn new(symbols: &'a [SymbolCounts]) -> Self {
        let view = |record: &'a SymbolCounts| SymbolView {
            symbol: record.symbol.as_str(),
            closed_signals: record.closed_signals,
            simulated_signals: record.simulated_signals,
            missed_signals: record.missed_signals,
            coverage: record.coverage,
            win_rate: record.win_rate,
            win_rate_lower: record.win_rate_lower,
            cumulative_pct: record.cumulative_pct,
        };
        Self { items: symbols.iter().map(view).collect(), total: symbols.len() }
    }
}
