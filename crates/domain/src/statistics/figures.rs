//! What the sums say: every figure of the record, as `docs/record.md` defines it.

use std::collections::BTreeMap;

use super::{Fall, LateOutcomes, Missed, Period, Segment, Weekday};
use crate::{
    Timestamp,
    analytics::Day,
    signal::{PnlPercent, quotient, steps_to_percent},
};

/// Figures of fewer closed trades are marked as a small sample.
pub const SMALL_SAMPLE: u64 = 20;
/// Ratios of risk are told from so many closed trades on.
pub const RATIOS_FROM: u64 = 30;
/// Days of a year by which daily ratios are scaled: signals come on every day of the week.
const DAYS_OF_YEAR: f64 = 365.0;

/// The deepest fall of the curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drawdown {
    /// How deep, in percent of one unit of capital, zero or below.
    pub depth_pct: f64,
    /// When the result was received that led to the height before; `None`: it fell from the beginning.
    pub from: Option<Timestamp>,
    /// When the one was received that led to the lowest point.
    pub to: Option<Timestamp>,
    /// Whether the curve has been as high again.
    pub is_recovered: bool,
}

/// The results of a calendar month.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MonthFigures {
    /// Its first day.
    pub month: Day,
    /// Closed trades.
    pub trades: u64,
    /// How many of them won.
    pub wins: u64,
    /// The sum of their results, in percent.
    pub sum_pct: f64,
}

/// The results of a weekday, over all weeks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WeekdayFigures {
    /// 0 is Monday, 6 is Sunday.
    pub weekday: usize,
    /// Closed trades.
    pub trades: u64,
    /// How many of them won.
    pub wins: u64,
    /// The sum of their results, in percent.
    pub sum_pct: f64,
}

/// What stands beside every figure, so that what was never closed is seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Coverage {
    /// Signals that were published; `None` where the number would tell of open signals that the reader may not
    /// see.
    pub published: Option<u64>,
    /// Signals that are open; `None` likewise.
    pub open: Option<u64>,
    /// How many of those are past their horizon; `None` likewise.
    pub overdue: Option<u64>,
    /// Signals that ended by their age without a result.
    pub expired: u64,
    /// Signals whose result came as history: the position had ended before the signal was received.
    pub backdated: u64,
    /// Signals with a result that counts.
    pub closed: u64,
    /// How many should have one: closed, overdue, expired and backdated ones.
    pub due: u64,
    /// Closed ones in percent of those that are due; `None` while none is due.
    pub coverage: Option<f64>,
}

/// Statistics over closed signals; percentages are percent of the entry.
#[derive(Debug, Clone, PartialEq)]
pub struct Statistics {
    /// What was published and what became of it.
    pub coverage: Coverage,
    /// Closed signals with a profit or loss.
    pub total_trades: u64,
    /// Those with a profit above zero.
    pub winning_trades: u64,
    /// All others.
    pub losing_trades: u64,
    /// Wins in percent of all; 0 while there are none.
    pub win_rate: f64,
    /// Wins in percent of all that is due; 0 while nothing is.
    pub win_rate_lower: f64,
    /// The mean of the wins; 0 while there are none.
    pub avg_win_pct: f64,
    /// The mean of the others, zero or below.
    pub avg_loss_pct: f64,
    /// The sum of the wins over the sum of the losses; `None` while nothing was lost.
    pub profit_factor: Option<f64>,
    /// The same when what is due and has no result lost what its stop or the assumption says.
    pub profit_factor_lower: Option<f64>,
    /// The mean win over the mean of the others; `None` while nothing was lost.
    pub payoff_ratio: Option<f64>,
    /// The best result, if it is a win, else 0.
    pub largest_win_pct: f64,
    /// The worst result, if it is none, else 0.
    pub largest_loss_pct: f64,
    /// The mean of all results: the expectancy.
    pub mean_return_pct: f64,
    /// The mean of what is due, with the losses that are assumed.
    pub expectancy_lower_pct: f64,
    /// The sum of all results: the end of the curve.
    pub cumulative_pct: f64,
    /// The same with the losses that are assumed.
    pub cumulative_lower_pct: f64,
    /// What a signal without a stop is assumed to have lost, in percent, above zero.
    pub assumed_loss_pct: f64,
    /// The deepest fall of the curve; `None` if it never fell.
    pub max_drawdown: Option<Drawdown>,
    /// The mean time from a signal to its exit; `None` without trades.
    pub average_holding_seconds: Option<f64>,
    /// The median of these times, to a thirty-second part.
    pub median_holding_seconds: Option<f64>,
    /// Wins in a row at most.
    pub longest_winning_streak: u64,
    /// Other results in a row at most.
    pub longest_losing_streak: u64,
    /// How many positions were open at once, on average from the first signal to the last exit.
    pub exposure: Option<f64>,
    /// The mean daily sum over its deviation, scaled to a year; from [`RATIOS_FROM`] trades on.
    pub sharpe_ratio: Option<f64>,
    /// The same over the deviation of the days that lost.
    pub sortino_ratio: Option<f64>,
    /// The month with the largest sum.
    pub best_month: Option<MonthFigures>,
    /// The one with the smallest.
    pub worst_month: Option<MonthFigures>,
    /// Every month with a result, in order.
    pub by_month: Vec<MonthFigures>,
    /// Every weekday with a result, Monday first.
    pub by_weekday: Vec<WeekdayFigures>,
    /// Whether there are fewer than [`SMALL_SAMPLE`] closed trades.
    pub is_small_sample: bool,
    /// How many of the trades a simulated producer made up.
    pub simulated_trades: u64,
    /// How many of the trades are late outcomes; `None` when these do not count.
    pub late_trades: Option<u64>,
    /// The days that were asked for.
    pub period: Period,
}

/// What the figures are made of.
pub(super) struct Basis<'a> {
    /// What happened, by the first day of the month.
    pub(super) months: &'a BTreeMap<Day, Segment>,
    /// Signals that are past their horizon.
    pub(super) overdue: Missed,
    /// Whether numbers of open signals would tell the reader of what is hidden.
    pub(super) hides_open: bool,
    pub(super) late: LateOutcomes,
    pub(super) period: Period,
    /// What a signal without a stop is assumed to have lost.
    pub(super) assumed_loss: PnlPercent,
}

fn whole(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

/// A sum of steps over a count, as percent.
fn mean(steps: i128, count: u64) -> f64 {
    quotient(steps, i128::from(count) * i128::from(PnlPercent::SCALE))
}

impl Basis<'_> {
    /// All months together.
    fn segment(&self) -> Segment {
        let mut all = Segment::default();
        for segment in self.months.values() {
            all.append(segment);
        }
        all
    }

    /// What is due and has no result that counts. A late outcome takes its expiry away where both lie in the
    /// same stretch for certain: over all time.
    fn missed(&self, all: &Segment) -> Missed {
        let expired = if self.period.from.is_none() && self.period.to.is_none() {
            all.expired.minus(all.recovered)
        } else {
            all.expired
        };
        let overdue = if self.hides_open { Missed::default() } else { self.overdue };
        expired.plus(all.backdated).plus(overdue)
    }

    fn coverage(&self, all: &Segment, missed: Missed) -> Coverage {
        let shown = |count: i64| (!self.hides_open).then_some(whole(count));
        let overdue = shown(self.overdue.count);
        let closed = whole(all.closed());
        let due = closed + whole(missed.count);
        let backdated = whole(all.backdated.count);
        Coverage {
            published: shown(all.published),
            // Over all time these are all; in a period what is open may have been published before.
            open: self.period.from.map_or_else(|| shown(all.published - all.ended), |_| None),
            overdue,
            expired: (due - closed).saturating_sub(backdated + overdue.unwrap_or(0)),
            backdated,
            closed,
            due,
            coverage: (due > 0).then(|| quotient(i128::from(closed) * 100, due.into())),
        }
    }

    /// Every figure.
    pub(super) fn statistics(&self) -> Statistics {
        let all = self.segment();
        let missed = self.missed(&all);
        let coverage = self.coverage(&all, missed);
        let (trades, wins) = (whole(all.closed()), whole(all.wins));
        let losing_trades = trades - wins;
        let assumed = missed.loss(self.assumed_loss);
        let (won, lost) = (all.sum_of_wins, all.sum_of_losses);
        let factor = |lost: i128| (lost < 0).then(|| quotient(won, -lost));
        let percent =
            |steps: Option<i64>| steps.map_or(0.0, |steps| steps_to_percent(steps.into()));
        let ratios = (trades >= RATIOS_FROM).then(|| ratios(&all));
        let by_month = by_month(self.months);
        Statistics {
            coverage,
            total_trades: trades,
            winning_trades: wins,
            losing_trades,
            win_rate: quotient(i128::from(wins) * 100, trades.into()),
            win_rate_lower: quotient(i128::from(wins) * 100, coverage.due.into()),
            avg_win_pct: mean(won, wins),
            avg_loss_pct: mean(lost, losing_trades),
            profit_factor: factor(lost),
            profit_factor_lower: factor(lost + assumed),
            payoff_ratio: (lost < 0 && wins > 0)
                .then(|| quotient(won * i128::from(losing_trades), -lost * i128::from(wins))),
            largest_win_pct: percent(all.largest.filter(|steps| *steps > 0)),
            largest_loss_pct: percent(all.smallest.filter(|steps| *steps <= 0)),
            mean_return_pct: mean(won + lost, trades),
            expectancy_lower_pct: mean(won + lost + assumed, coverage.due),
            cumulative_pct: steps_to_percent(won + lost),
            cumulative_lower_pct: steps_to_percent(won + lost + assumed),
            assumed_loss_pct: self.assumed_loss.as_double(),
            max_drawdown: drawdown(&all.path.fall),
            average_holding_seconds: (trades > 0)
                .then(|| quotient(all.holding.sum(), i128::from(trades) * 1_000_000)),
            median_holding_seconds: all.holding.median_seconds(),
            longest_winning_streak: whole(all.winning.longest),
            longest_losing_streak: whole(all.losing.longest),
            exposure: exposure(&all),
            sharpe_ratio: ratios.and_then(|(sharpe, _)| sharpe),
            sortino_ratio: ratios.and_then(|(_, sortino)| sortino),
            best_month: by_month
                .iter()
                .copied()
                .reduce(|best, month| if month.sum_pct > best.sum_pct { month } else { best }),
            worst_month: by_month
                .iter()
                .copied()
                .reduce(|worst, month| if month.sum_pct < worst.sum_pct { month } else { worst }),
            by_month,
            by_weekday: all.weekdays.iter().enumerate().filter_map(by_weekday).collect(),
            is_small_sample: trades < SMALL_SAMPLE,
            simulated_trades: whole(all.simulated),
            late_trades: (self.late == LateOutcomes::Include).then_some(whole(all.late)),
            period: self.period,
        }
    }
}

fn drawdown(fall: &Fall) -> Option<Drawdown> {
    let instant = |mark: super::Mark| Timestamp::from_micros(mark.received_at());
    (fall.depth > 0).then(|| Drawdown {
        depth_pct: -steps_to_percent(fall.depth),
        from: fall.from.map(instant),
        to: fall.to.map(instant),
        is_recovered: fall.is_recovered,
    })
}

fn exposure(all: &Segment) -> Option<f64> {
    let span = i128::from(all.closed_until?) - i128::from(all.signalled_from?);
    (span > 0).then(|| quotient(all.holding.sum(), span))
}

/// Sharpe's and Sortino's ratios of the daily sums from the first day with a result to the last: no interest, days
/// without a result count as zero, the deviation of a sample. `None` where nothing deviates.
fn ratios(all: &Segment) -> (Option<f64>, Option<f64>) {
    let days = i128::from(all.daily.days());
    let (sum, squares) = (all.path.sum, all.daily.squares());
    let mean = quotient(sum, days);
    let spread = days.saturating_mul(squares).saturating_sub(sum.saturating_mul(sum));
    let scaled =
        |variance: f64| (variance > 0.0).then(|| mean / variance.sqrt() * DAYS_OF_YEAR.sqrt());
    let sharpe = if days > 1 { scaled(quotient(spread, days * (days - 1))) } else { None };
    (sharpe, scaled(quotient(all.daily.downside(), days)))
}

fn by_month(months: &BTreeMap<Day, Segment>) -> Vec<MonthFigures> {
    let figures = |(month, segment): (&Day, &Segment)| {
        (segment.closed() > 0).then(|| MonthFigures {
            month: *month,
            trades: whole(segment.closed()),
            wins: whole(segment.wins),
            sum_pct: steps_to_percent(segment.path.sum),
        })
    };
    months.iter().filter_map(figures).collect()
}

/// `None` for a weekday without results.
fn by_weekday((weekday, figures): (usize, &Weekday)) -> Option<WeekdayFigures> {
    (figures.trades > 0).then(|| WeekdayFigures {
        weekday,
        trades: whole(figures.trades),
        wins: whole(figures.wins),
        sum_pct: steps_to_percent(figures.sum),
    })
}
