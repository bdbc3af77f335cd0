//! What happened to signals in one stretch of time, folded so that stretches can be put together.

use serde::{Deserialize, Serialize};

use super::{Daily, HoldingTimes, Mark, Path, Streak};
use crate::{analytics::Day, signal::PnlPercent, time::Timestamp};

/// Signals that are due and have no result that counts: they expired, or their result came as history.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missed {
    /// How many.
    pub count: i64,
    /// What they would have lost at their stops, in steps of percent; zero or below.
    pub at_stop: i128,
    /// How many of them had no stop that limits a loss.
    pub without_stop: i64,
}

impl Missed {
    /// One signal; `at_stop` is what its stop gives. A stop on the winning side limits no loss.
    pub fn one(at_stop: Option<PnlPercent>) -> Self {
        let loss = at_stop.filter(|pnl| pnl.steps() < 0);
        Self {
            count: 1,
            at_stop: loss.map_or(0, |pnl| i128::from(pnl.steps())),
            without_stop: i64::from(loss.is_none()),
        }
    }

    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            count: self.count + other.count,
            at_stop: self.at_stop + other.at_stop,
            without_stop: self.without_stop + other.without_stop,
        }
    }

    /// These without others of them.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self {
            count: self.count - other.count,
            at_stop: self.at_stop - other.at_stop,
            without_stop: self.without_stop - other.without_stop,
        }
    }

    /// What all of them are taken to have lost, in steps of percent, when each one without a stop lost `assumed`.
    pub fn loss(self, assumed: PnlPercent) -> i128 {
        self.at_stop - i128::from(self.without_stop) * i128::from(assumed.steps())
    }
}

/// Results of one weekday.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weekday {
    /// How many.
    pub trades: i64,
    /// How many won.
    pub wins: i64,
    /// Their sum, in steps of percent.
    pub sum: i128,
}

/// A result that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trade {
    /// Which result it is.
    pub mark: Mark,
    /// Its profit or loss.
    pub pnl: PnlPercent,
    /// When its producer made the signal.
    pub signalled_at: Timestamp,
    /// Whether a simulation made it up.
    pub is_simulated: bool,
    /// Whether it was reported after the signal had expired.
    pub is_late: bool,
}

/// What happened to the signals of one series in one stretch of time. Exact integers: whatever the stretches
/// are, put together in their order they are the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// Signals that were published.
    pub published: i64,
    /// Signals that ended, however.
    pub ended: i64,
    /// Signals that expired.
    pub expired: Missed,
    /// Signals that had expired and got a late outcome.
    pub recovered: Missed,
    /// Signals whose result came as history: the position had ended before the signal was received.
    pub backdated: Missed,
    /// Results that are wins.
    pub wins: i64,
    /// Results of simulations.
    pub simulated: i64,
    /// Late outcomes.
    pub late: i64,
    /// The sum of all wins, in steps of percent.
    pub sum_of_wins: i128,
    /// The sum of all others; zero or below.
    pub sum_of_losses: i128,
    /// The largest result.
    pub largest: Option<i64>,
    /// The smallest.
    pub smallest: Option<i64>,
    /// The first time of a signal with a result, in microseconds.
    pub signalled_from: Option<i64>,
    /// The last time of an exit, in microseconds.
    pub closed_until: Option<i64>,
    /// The curve.
    pub path: Path,
    /// Wins in a row.
    pub winning: Streak,
    /// Others in a row.
    pub losing: Streak,
    /// Sums of days.
    pub daily: Daily,
    /// By weekday, Monday first.
    pub weekdays: [Weekday; 7],
    /// How long positions were held.
    pub holding: HoldingTimes,
    /// Each result, as long as there are [`MAX_TRADES`](Self::MAX_TRADES) at most; `None` when there are more.
    #[serde(skip)]
    pub trades: Option<Vec<Trade>>,
}

impl Default for Segment {
    fn default() -> Self {
        Self {
            published: 0,
            ended: 0,
            expired: Missed::default(),
            recovered: Missed::default(),
            backdated: Missed::default(),
            wins: 0,
            simulated: 0,
            late: 0,
            sum_of_wins: 0,
            sum_of_losses: 0,
            largest: None,
            smallest: None,
            signalled_from: None,
            closed_until: None,
            path: Path::default(),
            winning: Streak::default(),
            losing: Streak::default(),
            daily: Daily::default(),
            weekdays: Default::default(),
            holding: HoldingTimes::default(),
            trades: Some(Vec::new()),
        }
    }
}

impl Segment {
    /// Results that are kept one by one at most.
    pub const MAX_TRADES: usize = 16;

    /// One result, in the order of receipt.
    pub fn of(trade: &Trade) -> Self {
        let steps = trade.pnl.steps();
        let day = Day::of(Timestamp::from_micros(trade.mark.received_at()));
        let is_win = trade.pnl.is_win();
        let closed_at = trade.mark.closed_at();
        let weekday = Weekday { trades: 1, wins: i64::from(is_win), sum: i128::from(steps) };
        let none = Weekday::default();
        Self {
            wins: i64::from(is_win),
            simulated: i64::from(trade.is_simulated),
            late: i64::from(trade.is_late),
            sum_of_wins: i128::from(steps.max(0)),
            sum_of_losses: i128::from(steps.min(0)),
            largest: Some(steps),
            smallest: Some(steps),
            signalled_from: Some(trade.signalled_at.micros()),
            closed_until: Some(closed_at),
            path: Path::single(trade.mark, steps),
            winning: Streak::single(is_win),
            losing: Streak::single(!is_win),
            daily: Daily::single(day.number(), steps),
            weekdays: std::array::from_fn(
                |place| if place == day.weekday() { weekday } else { none },
            ),
            holding: HoldingTimes::single(closed_at.saturating_sub(trade.signalled_at.micros())),
            trades: Some(vec![*trade]),
            ..Self::default()
        }
    }

    /// Results.
    pub const fn closed(&self) -> i64 {
        self.winning.results
    }

    /// Adds what came next.
    pub fn append(&mut self, next: &Self) {
        self.published += next.published;
        self.ended += next.ended;
        self.expired = self.expired.plus(next.expired);
        self.recovered = self.recovered.plus(next.recovered);
        self.backdated = self.backdated.plus(next.backdated);
        if next.closed() == 0 {
            return;
        }
        self.wins += next.wins;
        self.simulated += next.simulated;
        self.late += next.late;
        self.sum_of_wins += next.sum_of_wins;
        self.sum_of_losses += next.sum_of_losses;
        self.largest = self.largest.max(next.largest);
        self.smallest = least(self.smallest, next.smallest);
        self.signalled_from = least(self.signalled_from, next.signalled_from);
        self.closed_until = self.closed_until.max(next.closed_until);
        self.path.append(&next.path);
        self.winning.append(&next.winning);
        self.losing.append(&next.losing);
        self.daily.append(&next.daily);
        for (own, other) in self.weekdays.iter_mut().zip(&next.weekdays) {
            own.trades += other.trades;
            own.wins += other.wins;
            own.sum += other.sum;
        }
        self.holding.append(&next.holding);
        self.trades = match (self.trades.take(), &next.trades) {
            (Some(mut own), Some(others)) if own.len() + others.len() <= Self::MAX_TRADES => {
                own.extend(others);
                Some(own)
            }
            _ => None,
        };
    }

    /// Whether nothing happened.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn least(one: Option<i64>, two: Option<i64>) -> Option<i64> {
    match (one, two) {
        (Some(one), Some(two)) => Some(one.min(two)),
        (one, two) => one.or(two),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn trade(row: i64, steps: i64) -> Trade {
        let received_at = row * 10_000_000_000;
        Trade {
            mark: Mark(row, received_at, received_at - 7),
            pnl: PnlPercent::from_steps(steps),
            signalled_at: Timestamp::from_micros(received_at - 1_000_007 * (row % 5 + 1)),
            is_simulated: row % 3 == 0,
            is_late: row % 4 == 0,
        }
    }

    fn of(trades: &[(i64, i64)]) -> Segment {
        let mut segment = Segment::default();
        for (row, steps) in trades {
            segment.append(&Segment {
                published: 1,
                ended: 1,
                ..Segment::of(&trade(*row, *steps))
            });
        }
        segment
    }

    const MAX: i64 = PnlPercent::MAX_STEPS;

    proptest! {
        #[test]
        fn parts_make_the_whole_and_survive_storage(
            steps in prop::collection::vec(prop_oneof![-5_i64..=5, -MAX..=MAX], 0..60),
            cut in 0_usize..60,
        ) {
            let trades: Vec<_> = (1_i64..).zip(steps).collect();
            let cut = cut.min(trades.len());
            let stored = |part: &[(i64, i64)]| {
                Segment::from_bytes(&of(part).to_bytes().unwrap()).unwrap()
            };
            let mut parts = stored(&trades[..cut]);
            parts.append(&stored(&trades[cut..]));
            prop_assert_eq!(parts, of(&trades));
        }
    }

    #[test]
    fn a_stop_on_the_winning_side_limits_no_loss() {
        let at = |steps: i64| Missed::one(Some(PnlPercent::from_steps(steps)));
        assert_eq!(at(-5), Missed { count: 1, at_stop: -5, without_stop: 0 });
        for none in [Missed::one(None), at(5), at(0)] {
            assert_eq!(none, Missed { count: 1, at_stop: 0, without_stop: 1 });
        }
        assert_eq!(at(-5).plus(at(-5)).minus(at(-5)), at(-5));
        let both = at(-5).plus(Missed::one(None));
        assert_eq!(both.loss(PnlPercent::from_steps(7)), -12);
    }
}
