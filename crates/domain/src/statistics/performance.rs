//! What the closed signals prove. Public, as late as the reader's lists, and shows nothing of an open one.

use std::sync::Arc;

use super::{Aggregates, LateOutcomes, PerformanceFilter, StatisticsStore, SymbolCounts};
use crate::{
    Clock, Result, Timestamp,
    account::Viewer,
    signal::{
        PnlPercent, Record, Released, Strategy, Symbol, VisibilityPolicy, quotient,
        steps_to_percent,
    },
    time::days,
};

/// Points of an equity curve at most; longer ones are thinned evenly and keep their last point.
pub const MAX_POINTS: u64 = 2_000;
/// Closed signals read from the store at once.
const CHUNK: u32 = 5_000;
/// Instruments listed at most.
const MAX_SYMBOLS: u32 = 10_000;

/// Which closed signals are asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct PerformanceRequest {
    /// Only this instrument.
    pub symbol: Option<Symbol>,
    /// Only this strategy.
    pub strategy: Option<Strategy>,
    /// Only signals accepted within so many days.
    pub days: Option<u32>,
    /// Whether late outcomes count.
    pub late: LateOutcomes,
    /// Which part of the record counts.
    pub record: Record,
}

/// Statistics over closed signals; percentages are percent of the entry.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Statistics {
    /// Closed signals with a profit or loss.
    pub total_trades: u64,
    /// Those with a profit above zero.
    pub winning_trades: u64,
    /// All others.
    pub losing_trades: u64,
    /// Wins in percent of all; 0 while there are none.
    pub win_rate: f64,
    /// The mean of the wins; 0 while there are none.
    pub avg_win_pct: f64,
    /// The mean of the others, zero or below.
    pub avg_loss_pct: f64,
    /// The sum of the wins over the sum of the losses; `None` while nothing was lost.
    pub profit_factor: Option<f64>,
    /// The best result, if it is a win, else 0.
    pub largest_win_pct: f64,
    /// The worst result, if it is none, else 0.
    pub largest_loss_pct: f64,
    /// The mean of all results.
    pub mean_return_pct: f64,
    /// How many of the trades a simulated producer made up.
    pub simulated_trades: u64,
    /// How many of the trades are late outcomes; `None` when these do not count.
    pub late_trades: Option<u64>,
}

/// One point of an equity curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EquityPoint {
    /// When the position ended, as its producer says.
    pub closed_at: Timestamp,
    /// When Alpine received the outcome: the order of the points.
    pub received_at: Timestamp,
    /// The sum of all results up to and including this one, in percent of one unit of capital.
    pub cumulative_pct: f64,
}

/// Every closed signal's percent added on one unit of capital, in the order in which the outcomes were received.
#[derive(Debug, Clone, PartialEq)]
pub struct EquityCurve {
    /// At most [`MAX_POINTS`] points.
    pub points: Vec<EquityPoint>,
    /// How many closed signals stand behind them.
    pub total_points: u64,
    /// How many of those a simulated producer made up.
    pub simulated_points: u64,
    /// How many of those are late outcomes; `None` when these do not count.
    pub late_points: Option<u64>,
}

/// An answer of the record, and for how long it is the right one.
#[derive(Debug, Clone, PartialEq)]
pub struct Told<T> {
    /// The answer.
    pub answer: T,
    /// From then on it is another one, by the mere passing of time; `None` if only an event can change
    /// it.
    pub expires_at: Option<Timestamp>,
}

/// Answers how the closed signals did. Every answer counts only what is [`Released`] to the reader.
pub struct Performance {
    store: Arc<dyn StatisticsStore>,
    clock: Arc<dyn Clock>,
    policy: VisibilityPolicy,
}

impl Performance {
    /// The performance of what `store` holds, told under `policy`.
    pub fn new(
        store: Arc<dyn StatisticsStore>,
        clock: Arc<dyn Clock>,
        policy: VisibilityPolicy,
    ) -> Self {
        Self { store, clock, policy }
    }

    /// The statistics.
    pub async fn statistics(
        &self,
        viewer: Viewer,
        request: &PerformanceRequest,
    ) -> Result<Told<Statistics>> {
        let now = self.clock.now();
        let sums = self.store.aggregates(&self.filter(viewer, request, now)).await?;
        let statistics =
            Statistics { late_trades: late_count(request.late, &sums), ..Statistics::from(sums) };
        self.told(statistics, viewer, now, request.late).await
    }

    /// The equity curve.
    pub async fn equity_curve(
        &self,
        viewer: Viewer,
        request: &PerformanceRequest,
    ) -> Result<Told<EquityCurve>> {
        let now = self.clock.now();
        let filter = self.filter(viewer, request, now);
        self.told(self.curve(&filter).await?, viewer, now, request.late).await
    }

    /// Every instrument with a closed signal, by name.
    pub async fn symbols(&self, viewer: Viewer, record: Record) -> Result<Told<Vec<SymbolCounts>>> {
        let now = self.clock.now();
        let released = self.policy.released(viewer, now);
        let symbols = self.store.symbols(released, record, MAX_SYMBOLS).await?;
        self.told(symbols, viewer, now, LateOutcomes::Exclude).await
    }

    async fn curve(&self, filter: &PerformanceFilter) -> Result<EquityCurve> {
        let sums = self.store.aggregates(filter).await?;
        let stride = sums.trades.div_ceil(MAX_POINTS).max(1);
        let (mut points, mut sum, mut seen) = (Vec::new(), 0_i128, 0_u64);
        let (mut after, mut last) = (None, None);
        loop {
            let chunk = self.store.closed_points(filter, after, CHUNK).await?;
            for closed in &chunk {
                sum += i128::from(closed.pnl.steps());
                seen += 1;
                let point = EquityPoint {
                    closed_at: closed.closed_at,
                    received_at: closed.recorded_at,
                    cumulative_pct: steps_to_percent(sum),
                };
                last = Some(point);
                if seen % stride == 0 {
                    points.push(point);
                    last = None;
                }
            }
            after = chunk.last().map(|closed| (closed.recorded_at, closed.row));
            if chunk.len() < CHUNK as usize {
                break;
            }
        }
        points.extend(last);
        let late_points = late_count(filter.late, &sums);
        let simulated_points = sums.simulated;
        Ok(EquityCurve { points, total_points: seen, simulated_points, late_points })
    }

    fn filter(
        &self,
        viewer: Viewer,
        request: &PerformanceRequest,
        now: Timestamp,
    ) -> PerformanceFilter {
        let PerformanceRequest { symbol, strategy, days: last_days, late, record } = request;
        PerformanceFilter {
            released: self.policy.released(viewer, now),
            symbol: symbol.clone(),
            strategy: strategy.clone(),
            since: last_days.map(|count| now.earlier(days(count))),
            late: *late,
            record: *record,
        }
    }

    async fn told<T>(
        &self,
        answer: T,
        viewer: Viewer,
        now: Timestamp,
        late: LateOutcomes,
    ) -> Result<Told<T>> {
        Ok(Told { answer, expires_at: self.next_release(viewer, now, late).await? })
    }

    /// When the next outcome that counts is released to `viewer` by the mere passing of time.
    async fn next_release(
        &self,
        viewer: Viewer,
        now: Timestamp,
        late: LateOutcomes,
    ) -> Result<Option<Timestamp>> {
        let view = self.policy.view(viewer);
        let others_delay = self.policy.others_delay(viewer);
        let Released { as_of, below, others_as_of } = self.policy.released(viewer, now);
        let mut next = None;
        if !view.delay.is_zero() {
            let outcome = self.store.next_outcome_after(as_of, None, late).await?;
            next = Some(outcome.unwrap_or(now).later(view.delay));
        }
        // Never for who sees all confidences: nobody's signals are others' to them.
        if others_delay > view.delay {
            let outcome = self.store.next_outcome_after(others_as_of, below, late).await?;
            let others = outcome.unwrap_or(now).later(others_delay);
            next = Some(next.map_or(others, |next| next.min(others)));
        }
        Ok(next)
    }
}

/// How many late outcomes there are among the results, where they count.
fn late_count(late: LateOutcomes, sums: &Aggregates) -> Option<u64> {
    (late == LateOutcomes::Include).then_some(sums.late)
}

impl From<Aggregates> for Statistics {
    fn from(sums: Aggregates) -> Self {
        let losing_trades = sums.trades - sums.wins;
        let percent = |pnl: Option<PnlPercent>| pnl.map_or(0.0, PnlPercent::as_double);
        let mean = |steps: i128, count: u64| {
            quotient(steps, i128::from(count) * i128::from(PnlPercent::SCALE))
        };
        let sum_of_losses = sums.sum_of_losses;
        Self {
            total_trades: sums.trades,
            winning_trades: sums.wins,
            losing_trades,
            win_rate: quotient(i128::from(sums.wins) * 100, sums.trades.into()),
            avg_win_pct: mean(sums.sum_of_wins, sums.wins),
            avg_loss_pct: mean(sum_of_losses, losing_trades),
            profit_factor: (sum_of_losses < 0).then(|| quotient(sums.sum_of_wins, -sum_of_losses)),
            largest_win_pct: percent(sums.largest.filter(|pnl| pnl.is_win())),
            largest_loss_pct: percent(sums.smallest.filter(|pnl| !pnl.is_win())),
            mean_return_pct: mean(sums.sum_of_wins + sum_of_losses, sums.trades),
            simulated_trades: sums.simulated,
            late_trades: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use async_trait::async_trait;

    use super::*;
    use crate::statistics::{ClosedPoint, RowNumber};

    #[test]
    fn no_trades_give_zeros_and_no_factor() {
        let statistics = Statistics::from(Aggregates::default());
        assert_eq!((statistics.win_rate, statistics.profit_factor), (0.0, None));
    }

    #[test]
    fn a_flat_trade_is_no_win() {
        let one = PnlPercent::SCALE;
        let statistics = Statistics::from(Aggregates {
            trades: 3,
            wins: 1,
            simulated: 0,
            late: 0,
            sum_of_wins: i128::from(3 * one),
            sum_of_losses: i128::from(-2 * one),
            largest: Some(PnlPercent::from_steps(3 * one)),
            smallest: Some(PnlPercent::from_steps(-2 * one)),
        });
        assert_eq!(statistics.losing_trades, 2);
        assert_eq!(statistics.profit_factor, Some(1.5));
        assert_eq!((statistics.avg_loss_pct, statistics.largest_loss_pct), (-1.0, -2.0));
    }

    #[test]
    fn one_trade_is_told_alike_by_every_figure() {
        let pnl = PnlPercent::from_steps(256_410_256);
        let statistics = Statistics::from(Aggregates {
            trades: 3,
            wins: 3,
            simulated: 0,
            late: 0,
            sum_of_wins: 3 * i128::from(pnl.steps()),
            sum_of_losses: 0,
            largest: Some(pnl),
            smallest: Some(pnl),
        });
        for figure in
            [statistics.avg_win_pct, statistics.largest_win_pct, statistics.mean_return_pct]
        {
            assert_eq!(figure.to_string(), pnl.to_string());
        }
    }

    /// So many trades, a second and a percent each: more than anybody wants to close one by one.
    struct Trades(u32);

    #[async_trait]
    impl StatisticsStore for Trades {
        async fn aggregates(&self, _: &PerformanceFilter) -> Result<Aggregates> {
            Ok(Aggregates { trades: self.0.into(), ..Aggregates::default() })
        }

        async fn closed_points(
            &self,
            _: &PerformanceFilter,
            after: Option<(Timestamp, RowNumber)>,
            limit: u32,
        ) -> Result<Vec<ClosedPoint>> {
            let rows = after.map_or(0, |(_, row)| row.0)..i64::from(self.0);
            let point = |row| ClosedPoint {
                row: RowNumber(row + 1),
                closed_at: Timestamp::from_seconds(row + 1),
                recorded_at: Timestamp::from_seconds(row + 1),
                pnl: PnlPercent::from_steps(PnlPercent::SCALE),
            };
            Ok(rows.take(limit as usize).map(point).collect())
        }

        async fn symbols(&self, _: Released, _: Record, _: u32) -> Result<Vec<SymbolCounts>> {
            Ok(Vec::new())
        }

        async fn next_outcome_after(
            &self,
            _: Timestamp,
            _: Option<f64>,
            _: LateOutcomes,
        ) -> Result<Option<Timestamp>> {
            Ok(None)
        }
    }

    /// No trade is lost or counted twice where one reading of the store ends, and the last one is always told.
    #[test]
    fn a_long_curve_is_thinned_and_whole() {
        for (trades, points) in [
            (1_999, 1_999),
            (2_000, 2_000),
            (2_001, 1_001),
            (5_000, 1_667),
            (5_001, 1_667),
            (10_001, 1_667),
        ] {
            let clock = Arc::new(crate::time::ManualClock::starting_at(Timestamp::MIN));
            let policy = VisibilityPolicy::default();
            let performance = Performance::new(Arc::new(Trades(trades)), clock, policy);
            let request = PerformanceRequest {
                symbol: None,
                strategy: None,
                days: None,
                late: LateOutcomes::Exclude,
                record: Record::Live,
            };
            let mut answer = pin!(performance.equity_curve(Viewer::Admin, &request));
            let Poll::Ready(told) = answer.as_mut().poll(&mut Context::from_waker(Waker::noop()))
            else {
                panic!("the store never waits");
            };
            let curve = told.unwrap().answer;
            let last = EquityPoint {
                closed_at: Timestamp::from_seconds(trades.into()),
                received_at: Timestamp::from_seconds(trades.into()),
                cumulative_pct: trades.into(),
            };
            let found = (curve.total_points, curve.points.len(), curve.points.last());
            assert_eq!(found, (trades.into(), points, Some(&last)));
        }
    }
}
