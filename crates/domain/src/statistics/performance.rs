//! What the closed signals prove, beside those that never closed. Public, as late as the reader's lists, and tells of
//! open signals in sum only.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde::Deserialize;

use super::{
    Choice, Entry, EntrySignal, EquityPoint, Finest, Happening, Horizons, LateOutcomes, Level,
    Missed, Path, PerformanceFilter, Period, Reading, RowNumber, Segment, Statistics,
    StatisticsStore, SymbolReading, figures::Basis, points::Curve,
};
use crate::{
    Clock, Result, Timestamp,
    account::Viewer,
    analytics::Day,
    settings::{defaults, duration},
    signal::{PnlPercent, Record, Released, Symbol, VisibilityPolicy, quotient, steps_to_percent},
};

/// Points of an equity curve without being asked.
pub const DEFAULT_POINTS: u32 = 500;
/// Points of an equity curve at most.
pub const MAX_POINTS: u32 = 2_000;
/// Points of an equity curve at least.
pub const MIN_POINTS: u32 = 2;
/// Instruments listed at most.
const MAX_SYMBOLS: usize = 10_000;
/// Signals past their horizon that are counted at most: expiry ends as many each minute.
const MAX_OVERDUE: u32 = 10_000;

/// The section `record` of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordSettings {
    /// What a signal without a stop is taken to have lost when it is due and has no result, in percent of the entry,
    /// 0 to 1,000.
    #[serde(deserialize_with = "percent")]
    pub assumed_loss_percent: f64,
    /// How often what is old enough is added to the sums.
    #[serde(deserialize_with = "duration")]
    pub seal_interval: Duration,
}

fn percent<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let percent = f64::deserialize(deserializer)?;
    let is_valid = (0.0..=1_000.0).contains(&percent);
    is_valid
        .then_some(percent)
        .ok_or_else(|| serde::de::Error::custom("must be a percentage, 0 to 1000"))
}

impl Default for RecordSettings {
    /// What stands in `config/default.toml`.
    fn default() -> Self {
        defaults("record")
    }
}

/// An assumed loss of so many percent, above zero.
#[expect(clippy::cast_possible_truncation, reason = "at most 10^11 steps")]
pub(super) fn assumed_loss(percent: f64) -> PnlPercent {
    let scale = f64::from(u32::try_from(PnlPercent::SCALE).unwrap_or(u32::MAX));
    PnlPercent::from_steps((percent * scale).round() as i64)
}

/// Which signals are asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct PerformanceRequest {
    /// Only these signals.
    pub choice: Choice,
    /// Only what was received in these days.
    pub span: Span,
    /// Whether late outcomes count.
    pub late: LateOutcomes,
    /// Which part of the record counts.
    pub record: Record,
}

/// Which days are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// Today and so many days before.
    Last(u32),
    /// These.
    Between(Period),
}

impl Span {
    fn period(self, now: Timestamp) -> Period {
        match self {
            Self::Last(days) => Period { from: Some(Day::of(now).earlier(days.into())), to: None },
            Self::Between(period) => period,
        }
    }
}

/// Every closed signal's percent added on one unit of capital, in the order in which the outcomes were received.
#[derive(Debug, Clone, PartialEq)]
pub struct EquityCurve {
    /// As many points as were asked for at most.
    pub points: Vec<EquityPoint>,
    /// The figures of the same signals.
    pub statistics: Statistics,
}

/// What the record says about one instrument. Nothing of open signals.
#[derive(Debug, Clone, PartialEq)]
pub struct SymbolCounts {
    /// The instrument.
    pub symbol: Symbol,
    /// Closed signals with a profit or loss.
    pub closed_signals: u64,
    /// How many of them a simulated producer made up.
    pub simulated_signals: u64,
    /// Signals that expired, or whose result came as history.
    pub missed_signals: u64,
    /// Closed ones in percent of both.
    pub coverage: f64,
    /// Wins in percent of closed ones; 0 while there are none.
    pub win_rate: f64,
    /// Wins in percent of both.
    pub win_rate_lower: f64,
    /// The sum of all results, in percent.
    pub cumulative_pct: f64,
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
    horizons: Horizons,
    assumed_loss: PnlPercent,
}

impl Performance {
    /// The performance of what `store` holds, told under `policy`; a result is due after `horizons`.
    pub fn new(
        store: Arc<dyn StatisticsStore>,
        clock: Arc<dyn Clock>,
        policy: VisibilityPolicy,
        horizons: Horizons,
        settings: RecordSettings,
    ) -> Self {
        Self {
            store,
            clock,
            policy,
            horizons,
            assumed_loss: assumed_loss(settings.assumed_loss_percent),
        }
    }

    /// The statistics.
    ///
    /// # Errors
    /// What the store says.
    pub async fn statistics(
        &self,
        viewer: Viewer,
        request: &PerformanceRequest,
    ) -> Result<Told<Statistics>> {
        let now = self.clock.now();
        let filter = self.filter(viewer, request, now);
        let mut reading = self.read(&filter, Finest::Level(Level::Month), now).await?;
        let days = reading.take_stretches(&filter);
        let statistics = self.figures(viewer, &filter, (&reading, &days), now);
        self.told(statistics, viewer, now, (request.late, true)).await
    }

    /// The equity curve, of at most `points` points, [`MIN_POINTS`] to [`MAX_POINTS`].
    ///
    /// # Errors
    /// What the store says.
    pub async fn equity_curve(
        &self,
        viewer: Viewer,
        request: &PerformanceRequest,
        points: u32,
    ) -> Result<Told<EquityCurve>> {
        let now = self.clock.now();
        let filter = self.filter(viewer, request, now);
        let points = points.clamp(MIN_POINTS, MAX_POINTS);
        // Two points of each stretch are enough: its smallest and its largest.
        let mut reading = self.read(&filter, Finest::Stretches(points / 2), now).await?;
        let days = reading.take_stretches(&filter);
        let statistics = self.figures(viewer, &filter, (&reading, &days), now);
        let mut curve = Curve::default();
        let mut path = Path::default();
        for segment in days.values() {
            curve.add(segment);
            path.append(&segment.path);
        }
        let curve = EquityCurve { points: curve.thinned(points as usize, &path.fall), statistics };
        self.told(curve, viewer, now, (request.late, true)).await
    }

    /// Every instrument with a signal that was due, by name.
    ///
    /// # Errors
    /// What the store says.
    pub async fn symbols(&self, viewer: Viewer, record: Record) -> Result<Told<Vec<SymbolCounts>>> {
        let now = self.clock.now();
        let released = self.policy.released(viewer, now);
        let filter = PerformanceFilter { record, ..PerformanceFilter::all(released) };
        let SymbolReading { sums, tail } = self.store.symbols(&filter).await?;
        let mut symbols: BTreeMap<Symbol, Segment> = BTreeMap::new();
        for (symbol, segment) in &sums {
            symbols.entry(symbol.clone()).or_default().append(segment);
        }
        for entry in tail.iter().filter(|entry| filter.counts(entry)) {
            if let Some(segment) = entry.adds(record, filter.late) {
                symbols.entry(entry.signal.symbol.clone()).or_default().append(&segment);
            }
        }
        let counts = symbols.into_iter().filter_map(symbol_counts).take(MAX_SYMBOLS).collect();
        self.told(counts, viewer, now, (LateOutcomes::Exclude, false)).await
    }

    async fn read(
        &self,
        filter: &PerformanceFilter,
        finest: Finest,
        now: Timestamp,
    ) -> Result<Reading> {
        self.store.read(filter, finest, &self.horizons, now, MAX_OVERDUE).await
    }

    fn figures(
        &self,
        viewer: Viewer,
        filter: &PerformanceFilter,
        (reading, days): (&Reading, &BTreeMap<Day, Segment>),
        now: Timestamp,
    ) -> Statistics {
        let mut months: BTreeMap<Day, Segment> = BTreeMap::new();
        for (day, segment) in days {
            months.entry(day.month_begin()).or_default().append(segment);
        }
        let overdue = if filter.period.to.is_none() {
            self.overdue(filter, reading, now)
        } else {
            Missed::default()
        };
        let is_part = filter.choice.is_narrowed();
        Basis {
            months: &months,
            overdue,
            hides_open: is_part && self.policy.view(viewer).below.is_some(),
            late: filter.late,
            period: filter.period,
            assumed_loss: self.assumed_loss,
        }
        .statistics()
    }

    /// Signals that are past their horizon and open, as far as the reader knows: those that are, and those that
    /// ended since.
    fn overdue(&self, filter: &PerformanceFilter, reading: &Reading, now: Timestamp) -> Missed {
        let ended: BTreeMap<RowNumber, &Entry> = reading
            .tail
            .iter()
            .filter(|entry| is_end(&entry.what))
            .map(|entry| (entry.signal.row, entry))
            .collect();
        let still_open = reading.overdue.iter().filter(|signal| !ended.contains_key(&signal.row));
        let unknown = ended.values().filter(|end| !end.is_released(&filter.released));
        let open = still_open.chain(unknown.map(|end| &end.signal));
        open.filter(|signal| self.is_overdue(filter, signal, now))
            .map(|signal| Missed::one(signal.at_stop))
            .fold(Missed::default(), Missed::plus)
    }

    fn is_overdue(&self, filter: &PerformanceFilter, signal: &EntrySignal, now: Timestamp) -> bool {
        let Released { as_of, below, others_as_of } = filter.released;
        let is_in_range = below.is_none_or(|below| signal.confidence < below);
        let known = now.min(if is_in_range { as_of } else { others_as_of });
        let due_at = signal.created_at.later(self.horizons.of(signal.strategy.as_ref()));
        due_at < known && signal.is_of(&filter.choice) && filter.record.holds(signal.origin)
    }

    fn filter(
        &self,
        viewer: Viewer,
        request: &PerformanceRequest,
        now: Timestamp,
    ) -> PerformanceFilter {
        let PerformanceRequest { choice, span, late, record } = request;
        PerformanceFilter {
            released: self.policy.released(viewer, now),
            choice: choice.clone(),
            period: span.period(now),
            late: *late,
            record: *record,
        }
    }

    async fn told<T>(
        &self,
        answer: T,
        viewer: Viewer,
        now: Timestamp,
        counts: (LateOutcomes, bool),
    ) -> Result<Told<T>> {
        Ok(Told { answer, expires_at: self.next_release(viewer, now, counts).await? })
    }

    /// When the next thing that counts is released to `viewer` by the mere passing of time.
    async fn next_release(
        &self,
        viewer: Viewer,
        now: Timestamp,
        (late, with_published): (LateOutcomes, bool),
    ) -> Result<Option<Timestamp>> {
        let view = self.policy.view(viewer);
        let others_delay = self.policy.others_delay(viewer);
        let Released { as_of, below, others_as_of } = self.policy.released(viewer, now);
        let mut next = None;
        if !view.delay.is_zero() {
            let first = self.store.next_after(as_of, None, late, with_published).await?;
            next = Some(first.unwrap_or(now).later(view.delay));
        }
        // Never for who sees all confidences: nobody's signals are others' to them.
        if others_delay > view.delay {
            let first = self.store.next_after(others_as_of, below, late, with_published).await?;
            let others = first.unwrap_or(now).later(others_delay);
            next = Some(next.map_or(others, |next| next.min(others)));
        }
        Ok(next)
    }
}

const fn is_end(what: &Happening) -> bool {
    matches!(what, Happening::Closed(..) | Happening::Expired | Happening::Unreadable)
}

/// `None` for an instrument of which no signal was due.
fn symbol_counts((symbol, all): (Symbol, Segment)) -> Option<SymbolCounts> {
    let count = |count: i64| u64::try_from(count).unwrap_or(0);
    let (closed, missed) = (count(all.closed()), count(all.expired.plus(all.backdated).count));
    let percent = |part: i64, of: u64| quotient(i128::from(part) * 100, of.into());
    (closed + missed > 0).then(|| SymbolCounts {
        symbol,
        closed_signals: closed,
        simulated_signals: count(all.simulated),
        missed_signals: missed,
        coverage: percent(all.closed(), closed + missed),
        win_rate: percent(all.wins, closed),
        win_rate_lower: percent(all.wins, closed + missed),
        cumulative_pct: steps_to_percent(all.path.sum),
    })
}
