//! Sums over closed signals.

use std::collections::BTreeMap;

use alpine_domain::{
    Result, Timestamp,
    signal::{Origin, Outcome, PnlPercent, Record, Released, Signal},
    statistics::{
        Aggregates, ClosedPoint, LateOutcomes, PerformanceFilter, RowNumber, StatisticsStore,
        SymbolCounts,
    },
};
use async_trait::async_trait;

use crate::{Memory, tables::Tables};

/// A signal with one of its results.
struct Counted<'a> {
    signal: &'a Signal,
    outcome: &'a Outcome,
    is_late: bool,
}

/// The outcome of each signal, and its late outcome where those count.
fn results(tables: &Tables, late: LateOutcomes) -> impl Iterator<Item = Counted<'_>> {
    tables.signals.iter().flat_map(move |signal| {
        let late = signal.late_outcome.as_ref().filter(|_| late == LateOutcomes::Include);
        let all = [(signal.outcome.as_ref(), false), (late, true)];
        all.into_iter().filter_map(move |(outcome, is_late)| {
            Some(Counted { signal, outcome: outcome?, is_late })
        })
    })
}

impl Counted<'_> {
    fn is_released(&self, released: &Released) -> bool {
        let newest = self.outcome.recorded_at.max(self.signal.content.created_at);
        let confidence = self.signal.content.confidence.percent();
        let in_range = released.below.is_none_or(|below| confidence < below);
        newest <= released.as_of && (in_range || newest <= released.others_as_of)
    }

    fn origin(&self) -> Origin {
        self.signal.origin_of(self.outcome)
    }

    fn counts(&self, filter: &PerformanceFilter) -> bool {
        let content = &self.signal.content;
        let PerformanceFilter { released, symbol, strategy, since, late: _, record } = filter;
        self.is_released(released)
            && record.holds(self.origin())
            && symbol.as_ref().is_none_or(|symbol| content.symbol == *symbol)
            && strategy.as_ref().is_none_or(|name| content.strategy.as_ref() == Some(name))
            && since.is_none_or(|since| content.created_at >= since)
    }

    fn sums(&self, pnl: PnlPercent) -> Aggregates {
        let steps = i128::from(pnl.steps());
        Aggregates {
            trades: 1,
            wins: u64::from(steps > 0),
            simulated: u64::from(self.signal.content.is_simulated),
            late: u64::from(self.is_late),
            sum_of_wins: steps.max(0),
            sum_of_losses: steps.min(0),
            largest: Some(pnl),
            smallest: Some(pnl),
        }
    }
}

#[async_trait]
impl StatisticsStore for Memory {
    async fn aggregates(&self, filter: &PerformanceFilter) -> Result<Aggregates> {
        let tables = self.read();
        let counted = results(&tables, filter.late).filter(|result| result.counts(filter));
        let sums = counted.filter_map(|result| Some(result.sums(result.outcome.pnl?)));
        Ok(sums.fold(Aggregates::default(), Aggregates::plus))
    }

    async fn closed_points(
        &self,
        filter: &PerformanceFilter,
        after: Option<(Timestamp, RowNumber)>,
        limit: u32,
    ) -> Result<Vec<ClosedPoint>> {
        let place = |point: &ClosedPoint| (point.recorded_at, point.row.0);
        let tables = self.read();
        let mut points: Vec<ClosedPoint> = results(&tables, filter.late)
            .filter(|result| result.counts(filter))
            .filter_map(|result| {
                let row = RowNumber(result.signal.id.get());
                Some(ClosedPoint {
                    row,
                    closed_at: result.outcome.closed_at,
                    recorded_at: result.outcome.recorded_at,
                    pnl: result.outcome.pnl?,
                })
            })
            .filter(|point| after.is_none_or(|(at, row)| place(point) > (at, row.0)))
            .collect();
        points.sort_by_key(place);
        points.truncate(limit as usize);
        Ok(points)
    }

    async fn symbols(
        &self,
        released: Released,
        record: Record,
        limit: u32,
    ) -> Result<Vec<SymbolCounts>> {
        let tables = self.read();
        let mut counts = BTreeMap::new();
        let known = results(&tables, LateOutcomes::Exclude);
        let is_counted = |result: &Counted<'_>| {
            result.outcome.pnl.is_some()
                && result.is_released(&released)
                && record.holds(result.origin())
        };
        for Counted { signal, .. } in known.filter(is_counted) {
            let (closed, simulated) = counts.entry(&signal.content.symbol).or_insert((0, 0));
            *closed += 1;
            *simulated += u64::from(signal.content.is_simulated);
        }
        let counts = counts.into_iter().map(|(symbol, (closed_signals, simulated_signals))| {
            SymbolCounts { symbol: symbol.clone(), closed_signals, simulated_signals }
        });
        Ok(counts.take(limit as usize).collect())
    }

    async fn next_outcome_after(
        &self,
        after: Timestamp,
        min_confidence: Option<f64>,
        late: LateOutcomes,
    ) -> Result<Option<Timestamp>> {
        let tables = self.read();
        let asked = results(&tables, late).filter(|result| {
            let confidence = result.signal.content.confidence.percent();
            min_confidence.is_none_or(|least| confidence >= least)
        });
        Ok(asked.map(|result| result.outcome.recorded_at).filter(|at| *at > after).min())
    }
}
