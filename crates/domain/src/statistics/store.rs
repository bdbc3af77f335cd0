//! What the statistics are computed from.

use std::{
    collections::{BTreeMap, btree_map},
    time::Duration,
};

use async_trait::async_trait;

use super::{Entry, EntrySignal, Finest, LateOutcomes, Level, PerformanceFilter, Segment, Series};
use crate::{
    Result, Timestamp,
    analytics::Day,
    signal::{Strategy, Symbol},
};

/// How long a signal may stay open before a result of it is due.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Horizons {
    /// Of strategies that are not named.
    pub default: Duration,
    /// Of single strategies.
    pub by_strategy: BTreeMap<Strategy, Duration>,
}

impl Horizons {
    /// That of a signal.
    pub fn of(&self, strategy: Option<&Strategy>) -> Duration {
        strategy.and_then(|name| self.by_strategy.get(name)).copied().unwrap_or(self.default)
    }
}

/// What answers a question about one series.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// How long the stretches are in which it is told.
    pub level: Level,
    /// The sums of sealed stretches, no longer than that, by the day on which each begins, in order of time; all of one
    /// series.
    pub sums: Vec<(Day, Segment)>,
    /// What happened since, in its order: to other signals as well, and what is not released yet.
    pub tail: Vec<Entry>,
    /// Signals that are open for longer than they may, whoever may know of them; as many as were asked for.
    pub overdue: Vec<EntrySignal>,
}

impl Reading {
    /// What counts, by the first day of the stretch in which it happened; the sums are taken. Whether something is in a
    /// sum yet makes no difference.
    pub fn take_stretches(&mut self, filter: &PerformanceFilter) -> BTreeMap<Day, Segment> {
        let level = self.level;
        let stretch = |day| Day::new(level.bucket(day));
        let mut stretches: BTreeMap<Day, Segment> = BTreeMap::new();
        for (day, segment) in self.sums.drain(..) {
            match stretches.entry(stretch(day)) {
                btree_map::Entry::Vacant(place) => drop(place.insert(segment)),
                btree_map::Entry::Occupied(mut known) => known.get_mut().append(&segment),
            }
        }
        for entry in self.tail.iter().filter(|entry| filter.counts(entry)) {
            if let Some(segment) = entry.adds(filter.record, filter.late) {
                stretches.entry(stretch(Day::of(entry.at))).or_default().append(&segment);
            }
        }
        stretches
    }
}

/// What answers a question about all instruments.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SymbolReading {
    /// The sums of each instrument, those of earlier stretches first.
    pub sums: Vec<(Symbol, Segment)>,
    /// What happened since, as in [`Reading`].
    pub tail: Vec<Entry>,
}

/// Sums of what happened, and what happened since they were made. However much is stored, an answer reads a
/// row for each month or day and what happened since the last seal.
#[async_trait]
pub trait StatisticsStore: Send + Sync {
    /// What answers the question, as finely as `finest` says, with at most `overdue` of the signals
    /// that were accepted longer than their horizon before `now`. Fails with
    /// [`Error::Unavailable`](crate::Error::Unavailable) while far too much happened since the last seal.
    async fn read(
        &self,
        filter: &PerformanceFilter,
        finest: Finest,
        horizons: &Horizons,
        now: Timestamp,
        overdue: u32,
    ) -> Result<Reading>;

    /// The same for each instrument, of whichever choice.
    async fn symbols(&self, filter: &PerformanceFilter) -> Result<SymbolReading>;

    /// When the first thing after `after` happened to the signals with at least this confidence in percent;
    /// `None` if nothing did. Late outcomes only where they count, publications only if asked for.
    async fn next_after(
        &self,
        after: Timestamp,
        min_confidence: Option<f64>,
        late: LateOutcomes,
        with_published: bool,
    ) -> Result<Option<Timestamp>>;
}

/// How far a step of sealing came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealed {
    /// All that happened before this instant is in the sums.
    pub until: Timestamp,
    /// What was added, in entries.
    pub entries: u64,
    /// Days that were counted anew, because something was committed after they had been sealed.
    pub recounted_days: u64,
    /// Whether the wanted instant was reached.
    pub is_done: bool,
}

/// Which sums are compared with a count of what they stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recount {
    /// Those of a day, with what happened on it.
    Day(Day),
    /// Those of the stretch of this level that this day is part of, with those of its days.
    Stretch(Level, Day),
    /// Those of all time, with those of the months.
    Total,
}

/// A sum that is not what a count gives.
#[derive(Debug, Clone, PartialEq)]
pub struct SumDifference {
    /// Which level.
    pub level: Level,
    /// The number of its stretch.
    pub bucket: i64,
    /// What is counted together.
    pub series: Series,
    /// What is stored; empty if nothing is.
    pub stored: Segment,
    /// What is right.
    pub counted: Segment,
}

/// Makes the sums, and checks them.
#[async_trait]
pub trait SumStore: Send + Sync {
    /// Adds what happened before `until` and is in no sum yet, `limit` entries of a kind or a few more; and counts
    /// days anew into which something was committed late. One transaction: it is all there or nothing is.
    async fn seal(&self, until: Timestamp, limit: u32) -> Result<Sealed>;

    /// Compares, and with `repair` corrects, in one transaction.
    async fn recount(&self, what: Recount, repair: bool) -> Result<Vec<SumDifference>>;

    /// The next day after `after`, or the first one, on which something happened or that has sums, and the last
    /// day that is sealed, as far as it is; `None` if there is no next one up to that day.
    async fn next_day(&self, after: Option<Day>) -> Result<Option<(Day, Day)>>;
}
