//! The figures of a file: computed again from the rows of an export, without asking anybody.

use std::collections::BTreeMap;

use super::{
    Entry, EntrySignal, Happening, Level, Missed, PerformanceFilter, Reading, RowNumber, Segment,
    Statistics, figures::Basis, performance::assumed_loss,
};
use crate::{
    Timestamp,
    analytics::Day,
    signal::{Action, ExportedRow, PnlPercent, Price, stop_percent},
};

/// What happened to the signals of a file.
#[derive(Debug, Default)]
pub struct ExportedRecord {
    entries: Vec<Entry>,
    rows: i64,
}

/// What figures say about how they were made, beside the filter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Assumptions {
    /// What a signal without a stop is assumed to have lost, in percent, above zero.
    pub loss_pct: f64,
    /// How many signals were overdue: the oldest of those that are open.
    pub overdue: u64,
    /// Whether open signals were told of.
    pub tells_open: bool,
}

fn instant(row: &ExportedRow, column: &'static str) -> Result<Timestamp, &'static str> {
    let text = row.get(column).ok_or(column)?;
    Timestamp::parse_rfc3339(text).map_err(|_| column)
}

/// Profit or loss from its digits.
fn percent(row: &ExportedRow, column: &'static str) -> Result<Option<PnlPercent>, &'static str> {
    let Some(text) = row.get(column) else { return Ok(None) };
    let exact = text.parse().map_err(|_| column)?;
    Ok(Some(PnlPercent::from_exact(&exact).ok_or(column)?))
}

fn signal(row: &ExportedRow, number: RowNumber) -> Result<EntrySignal, &'static str> {
    fn read<T: std::str::FromStr>(
        row: &ExportedRow,
        column: &'static str,
    ) -> Result<T, &'static str> {
        row.get(column).and_then(|text| text.parse().ok()).ok_or(column)
    }
    let (action, entry): (Action, Price) = (read(row, "action")?, read(row, "entry_price")?);
    let stop: Option<Price> = row.get("stop_loss").map(|_| read(row, "stop_loss")).transpose()?;
    Ok(EntrySignal {
        row: number,
        symbol: read(row, "symbol")?,
        strategy: row.get("strategy").map(|_| read(row, "strategy")).transpose()?,
        producer: read(row, "producer")?,
        origin: read(row, "origin")?,
        confidence: read(row, "confidence")?,
        signalled_at: instant(row, "timestamp")?,
        created_at: instant(row, "received_at")?,
        at_stop: stop.and_then(|stop| stop_percent(action, &entry, &stop)),
    })
}

impl ExportedRecord {
    /// Adds a row; the newest signals come first.
    ///
    /// # Errors
    /// The name of a column that is missing or cannot be read.
    pub fn add(&mut self, row: &ExportedRow) -> Result<(), &'static str> {
        self.rows -= 1;
        let signal = signal(row, RowNumber(self.rows))?;
        let mut note = |what, at| self.entries.push(Entry { signal: signal.clone(), what, at });
        note(Happening::Published, signal.created_at);
        if row.get("outcome_hash").is_some() {
            let what = match percent(row, "pnl_pct")? {
                Some(pnl) => Happening::Closed(pnl, instant(row, "closed_at")?),
                None => Happening::Expired,
            };
            note(what, instant(row, "outcome_received_at")?);
        }
        if let Some(pnl) = percent(row, "late_pnl_pct")? {
            let what = Happening::Late(pnl, instant(row, "late_closed_at")?);
            note(what, instant(row, "late_received_at")?);
        }
        Ok(())
    }

    /// The figures of what counts under the filter.
    pub fn statistics(&self, filter: &PerformanceFilter, told: Assumptions) -> Statistics {
        let mut tail = self.entries.clone();
        tail.sort_by_key(Entry::place);
        let overdue = self.overdue(filter, told.overdue);
        let level = Level::Month;
        let mut reading = Reading { level, sums: Vec::new(), tail, overdue: Vec::new() };
        let mut months: BTreeMap<Day, Segment> = BTreeMap::new();
        for (day, segment) in reading.take_stretches(filter) {
            months.entry(day).or_default().append(&segment);
        }
        Basis {
            months: &months,
            overdue,
            hides_open: !told.tells_open,
            late: filter.late,
            period: filter.period,
            assumed_loss: assumed_loss(told.loss_pct),
        }
        .statistics()
    }

    /// The oldest signals without an end, as many as are said to be overdue.
    fn overdue(&self, filter: &PerformanceFilter, count: u64) -> Missed {
        let ended = |entry: &&Entry| !matches!(entry.what, Happening::Published);
        let ended: std::collections::BTreeSet<RowNumber> =
            self.entries.iter().filter(ended).map(|entry| entry.signal.row).collect();
        let mut open: Vec<&Entry> = self
            .entries
            .iter()
            .filter(|entry| !ended.contains(&entry.signal.row))
            .filter(|entry| {
                entry.signal.is_of(&filter.choice) && filter.record.holds(entry.signal.origin)
            })
            .collect();
        open.sort_by_key(|entry| entry.place());
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let missed = open.into_iter().take(count).map(|entry| Missed::one(entry.signal.at_stop));
        missed.fold(Missed::default(), Missed::plus)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{signal::Released, statistics::LateOutcomes};

    fn row(columns: &[(&str, &str)]) -> ExportedRow {
        let all = [
            ("symbol", "AAPL"),
            ("action", "BUY"),
            ("entry_price", "100"),
            ("producer", "argo"),
            ("origin", "live"),
            ("confidence", "70.5"),
            ("timestamp", "2026-01-01T00:00:00Z"),
            ("received_at", "2026-01-01T00:00:01Z"),
        ];
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        all.iter()
            .filter(|(name, _)| !columns.iter().any(|(other, _)| name == other))
            .chain(columns)
            .map(pair)
            .collect()
    }

    #[test]
    fn a_file_gives_the_figures() {
        let expired = [
            ("outcome_hash", "x"),
            ("outcome_received_at", "2026-02-01T00:00:00Z"),
            ("stop_loss", "95"),
            ("late_pnl_pct", "-2.5"),
            ("late_closed_at", "2026-01-20T00:00:00Z"),
            ("late_received_at", "2026-02-02T00:00:00Z"),
        ];
        let closed = [
            ("outcome_hash", "x"),
            ("pnl_pct", "5"),
            ("closed_at", "2026-01-02T00:00:00Z"),
            ("outcome_received_at", "2026-01-02T00:00:01Z"),
        ];
        let mut record = ExportedRecord::default();
        for columns in [&expired[..], &closed[..], &[]] {
            record.add(&row(columns)).unwrap();
        }
        assert_eq!(record.add(&row(&[("symbol", "")])), Err("symbol"));
        let told = Assumptions { loss_pct: 10.0, overdue: 1, tells_open: true };
        let mut filter = PerformanceFilter::all(Released::all(Timestamp::MAX));
        let without = record.statistics(&filter, told);
        assert_eq!((without.total_trades, without.coverage.due), (1, 3));
        assert_eq!((without.coverage.expired, without.coverage.overdue), (1, Some(1)));
        assert_eq!((without.cumulative_pct, without.cumulative_lower_pct), (5.0, -10.0));
        filter.late = LateOutcomes::Include;
        let with = record.statistics(&filter, told);
        assert_eq!((with.total_trades, with.coverage.due), (2, 3));
        assert_eq!((with.cumulative_pct, with.cumulative_lower_pct), (2.5, -7.5));
    }
}
