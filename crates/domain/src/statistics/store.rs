//! What the statistics are computed from.

use async_trait::async_trait;

use crate::{
    Result, Timestamp,
    signal::{PnlPercent, Record, Released, Strategy, Symbol},
    text_enum::text_enum,
};

text_enum!(
    /// Whether late outcomes count: results that producers reported after their signals had expired.
    LateOutcomes, {
        /// They do not: such a signal has expired, without profit or loss.
        Exclude = "exclude",
        /// They count like the results of other signals.
        Include = "include",
    }
);

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
    /// Whether late outcomes count.
    pub late: LateOutcomes,
    /// Which part of the record counts.
    pub record: Record,
}

impl PerformanceFilter {
    /// Every closed signal that is released, history and simulations included, without late outcomes.
    pub const fn all(released: Released) -> Self {
        Self {
            released,
            symbol: None,
            strategy: None,
            since: None,
            late: LateOutcomes::Exclude,
            record: Record::All,
        }
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
    /// How many of them are late outcomes.
    pub late: u64,
    /// The sum of all wins, in [`PnlPercent`] steps.
    pub sum_of_wins: i128,
    /// The sum of all others, in steps; zero or below.
    pub sum_of_losses: i128,
    /// The largest profit or loss.
    pub largest: Option<PnlPercent>,
    /// The smallest.
    pub smallest: Option<PnlPercent>,
}

impl Aggregates {
    /// The sums over the rows of both.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            trades: self.trades + other.trades,
            wins: self.wins + other.wins,
            simulated: self.simulated + other.simulated,
            late: self.late + other.late,
            sum_of_wins: self.sum_of_wins + other.sum_of_wins,
            sum_of_losses: self.sum_of_losses + other.sum_of_losses,
            largest: self.largest.max(other.largest),
            smallest: match (self.smallest, other.smallest) {
                (Some(one), Some(two)) => Some(one.min(two)),
                (one, two) => one.or(two),
            },
        }
    }
}

/// A signal's place in its store. It tells how many signals there are, so it is never shown: what others
/// know is the [`SignalId`](crate::signal::SignalId).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowNumber(pub i64);

/// One closed signal on the way of the equity curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClosedPoint {
    /// Breaks ties of `recorded_at`.
    pub row: RowNumber,
    /// When Alpine received the outcome.
    pub recorded_at: Timestamp,
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

    /// At most `limit` closed signals in order of `(recorded_at, row)`, after the given position.
    async fn closed_points(
        &self,
        filter: &PerformanceFilter,
        after: Option<(Timestamp, RowNumber)>,
        limit: u32,
    ) -> Result<Vec<ClosedPoint>>;

    /// Every instrument that has a closed signal with a profit or loss in this part of the record, by name; at
    /// most `limit`.
    async fn symbols(
        &self,
        released: Released,
        record: Record,
        limit: u32,
    ) -> Result<Vec<SymbolCounts>>;

    /// When the first outcome after `after` was recorded, of the signals with at least this confidence
    /// in percent; `None` if there is none. Late outcomes only where they count.
    async fn next_outcome_after(
        &self,
        after: Timestamp,
        min_confidence: Option<f64>,
        late: LateOutcomes,
    ) -> Result<Option<Timestamp>>;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The sums over some results, given in steps.
    fn over(results: &[i64]) -> Aggregates {
        let pnl = |steps: Option<&i64>| steps.copied().map(PnlPercent::from_steps);
        let (wins, others): (Vec<i64>, Vec<i64>) = results.iter().partition(|steps| **steps > 0);
        let sum = |some: &[i64]| some.iter().copied().map(i128::from).sum();
        Aggregates {
            trades: results.len() as u64,
            wins: wins.len() as u64,
            simulated: 0,
            late: 0,
            sum_of_wins: sum(&wins),
            sum_of_losses: sum(&others),
            largest: pnl(results.iter().max()),
            smallest: pnl(results.iter().min()),
        }
    }

    proptest! {
        /// In time or late, in whichever of two parts a result stands: together they say the same.
        #[test]
        fn parts_add_up_to_the_whole(
            one in prop::collection::vec(-PnlPercent::MAX_STEPS..=PnlPercent::MAX_STEPS, 0..9),
            two in prop::collection::vec(-PnlPercent::MAX_STEPS..=PnlPercent::MAX_STEPS, 0..9),
        ) {
            let whole: Vec<i64> = one.iter().chain(&two).copied().collect();
            prop_assert_eq!(over(&one).plus(over(&two)), over(&whole));
            let late = Aggregates { late: two.len() as u64, ..over(&two) };
            prop_assert_eq!(over(&one).plus(late).late, two.len() as u64);
        }
    }
}
