//! What the statistics are computed from: everything that happened, added up anew for each question.

use alpine_domain::{
    Result, Timestamp,
    analytics::Day,
    signal::{Outcome, Signal, stop_percent},
    statistics::{
        Entry, EntrySignal, Finest, Happening, Horizons, LateOutcomes, PerformanceFilter, Reading,
        Recount, RowNumber, Sealed, StatisticsStore, SumDifference, SumStore, SymbolReading,
    },
};
use async_trait::async_trait;

use crate::{Memory, tables::Tables};

fn facts(signal: &Signal) -> EntrySignal {
    let content = &signal.content;
    let stop = content.stop_price.as_ref();
    let at_stop = stop.and_then(|stop| stop_percent(content.action, &content.entry_price, stop));
    EntrySignal {
        row: RowNumber(signal.id.get()),
        symbol: content.symbol.clone(),
        strategy: content.strategy.clone(),
        producer: content.producer_name.clone(),
        origin: content.origin,
        confidence: content.confidence.percent(),
        signalled_at: content.signalled_at,
        created_at: content.created_at,
        at_stop,
    }
}

/// All that happened to a signal.
fn entries(signal: &Signal) -> impl Iterator<Item = Entry> {
    let facts = facts(signal);
    let published = (Happening::Published, signal.content.created_at);
    let ended = signal.outcome.as_ref().map(|outcome| (end(outcome), outcome.recorded_at));
    let late = signal.late_outcome.as_ref().and_then(|outcome| {
        Some((Happening::Late(outcome.pnl?, outcome.closed_at), outcome.recorded_at))
    });
    let all = [Some(published), ended, late].into_iter().flatten();
    all.map(move |(what, at)| Entry { signal: facts.clone(), what, at })
}

const fn end(outcome: &Outcome) -> Happening {
    match outcome.pnl {
        Some(pnl) => Happening::Closed(pnl, outcome.closed_at),
        None => Happening::Expired,
    }
}

fn all(tables: &Tables) -> Vec<Entry> {
    let mut all: Vec<Entry> = tables.signals.iter().flat_map(entries).collect();
    all.sort_by_key(Entry::place);
    all
}

#[async_trait]
impl StatisticsStore for Memory {
    async fn read(
        &self,
        filter: &PerformanceFilter,
        finest: Finest,
        horizons: &Horizons,
        now: Timestamp,
        overdue: u32,
    ) -> Result<Reading> {
        let tables = self.read();
        let is_overdue = |signal: &&Signal| {
            let horizon = horizons.of(signal.content.strategy.as_ref());
            signal.outcome.is_none() && signal.content.created_at < now.earlier(horizon)
        };
        let open = tables.signals.iter().filter(is_overdue).take(overdue as usize);
        let today = Day::of(now);
        let tail = all(&tables);
        let begin = filter.begin(&tail).unwrap_or(today);
        let level = finest.level(filter.period, begin, today);
        let overdue = open.map(facts).collect();
        Ok(Reading { level, sums: Vec::new(), tail, overdue })
    }

    async fn symbols(&self, _: &PerformanceFilter) -> Result<SymbolReading> {
        Ok(SymbolReading { sums: Vec::new(), tail: all(&self.read()) })
    }

    async fn next_after(
        &self,
        after: Timestamp,
        min_confidence: Option<f64>,
        late: LateOutcomes,
        with_published: bool,
    ) -> Result<Option<Timestamp>> {
        let tables = self.read();
        let counts = |entry: &Entry| {
            let is_asked = match entry.what {
                Happening::Published => with_published,
                Happening::Late(..) => late == LateOutcomes::Include,
                _ => true,
            };
            is_asked && min_confidence.is_none_or(|least| entry.signal.confidence >= least)
        };
        let asked = tables.signals.iter().flat_map(entries).filter(counts);
        Ok(asked.map(|entry| entry.at).filter(|at| *at > after).min())
    }
}

/// There are no sums: everything is added up when it is asked for.
#[async_trait]
impl SumStore for Memory {
    async fn seal(&self, until: Timestamp, _: u32) -> Result<Sealed> {
        Ok(Sealed { until, entries: 0, recounted_days: 0, is_done: true })
    }

    async fn recount(&self, _: Recount, _: bool) -> Result<Vec<SumDifference>> {
        Ok(Vec::new())
    }

    async fn next_day(&self, _: Option<Day>) -> Result<Option<(Day, Day)>> {
        Ok(None)
    }
}
