//! What happened to signals, read in the order in which Alpine came to know of it.

use alpine_domain::{
    Result, Timestamp,
    signal::{Action, PnlPercent, stop_percent},
    statistics::{Entry, EntrySignal, Happening, Horizons, RowNumber},
};
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, NullableExpressionMethods as _,
    QueryDsl as _, Queryable, RunQueryDsl as _,
};

use crate::{
    AnyConnection, Failure,
    rows::{instant, signal_origin, stored, stored_option},
    schema::{late_outcomes, outcomes, signals},
    signal_ids::SignalIds,
    signals::fragments::Awaited,
    signals::overdue,
    unreadable::UnreadableRows,
};

/// What the sums need to know of a signal.
#[derive(Queryable)]
struct FactsRow {
    id: i64,
    producer_id: i64,
    symbol: String,
    action: String,
    entry_price: String,
    stop_price: Option<String>,
    confidence: f64,
    strategy: Option<String>,
    signalled_at: i64,
    is_simulated: bool,
    created_at: i64,
    origin: Option<String>,
}

/// Its columns, in order.
macro_rules! facts {
    () => {
        (
            signals::id,
            signals::producer_id,
            signals::symbol,
            signals::action,
            signals::entry_price,
            signals::stop_price,
            signals::confidence,
            signals::strategy,
            signals::signalled_at,
            signals::is_simulated,
            signals::created_at,
            signals::origin,
        )
    };
}

impl FactsRow {
    fn at_stop(&self) -> Result<Option<PnlPercent>> {
        let Some(stop) = &self.stop_price else { return Ok(None) };
        let action: Action = stored("signals.action", &self.action)?;
        let entry = stored("signals.entry_price", &self.entry_price)?;
        Ok(stop_percent(action, &entry, &stored("signals.stop_price", stop)?))
    }

    fn signal(self, ids: &SignalIds, at_stop: Option<PnlPercent>) -> Result<EntrySignal> {
        let signalled_at = instant("signals.signalled_at", self.signalled_at)?;
        let created_at = instant("signals.created_at", self.created_at)?;
        let origin = self.origin.as_deref();
        Ok(EntrySignal {
            row: RowNumber(self.id),
            symbol: stored("signals.symbol", &self.symbol)?,
            strategy: stored_option("signals.strategy", self.strategy.as_deref())?,
            producer: ids.producer(self.producer_id)?,
            origin: signal_origin(origin, self.is_simulated, signalled_at, created_at)?,
            confidence: self.confidence,
            signalled_at,
            created_at,
            at_stop,
        })
    }
}

/// A result: its profit or loss, when the position ended, when that was recorded.
type ResultRow = (Option<i64>, i64, i64);

/// The stretch of time that is read: from an instant on, and before another one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stretch {
    pub(super) from: Timestamp,
    pub(super) until: Option<Timestamp>,
}

impl Stretch {
    fn bounds(self) -> (i64, i64) {
        (self.from.micros(), self.until.map_or(i64::MAX, Timestamp::micros))
    }
}

/// The database, and what reading from it needs.
pub(super) struct Source<'a> {
    pub(super) ids: &'a SignalIds,
    pub(super) unreadable: &'a UnreadableRows,
}

impl Source<'_> {
    fn published(&self, row: FactsRow) -> Option<Entry> {
        let id = row.id;
        let signal = self.unreadable.leave_out("signals", id, row.signal(self.ids, None))?;
        let at = signal.created_at;
        Some(Entry { signal, what: Happening::Published, at })
    }

    fn ended(&self, row: FactsRow, result: ResultRow, is_late: bool) -> Option<Entry> {
        let id = row.id;
        self.unreadable.leave_out("signals", id, self.read_end(row, result, is_late))
    }

    fn read_end(&self, row: FactsRow, result: ResultRow, is_late: bool) -> Result<Entry> {
        let (steps, closed_at, recorded_at) = result;
        let at = instant("outcomes.recorded_at", recorded_at)?;
        let pnl = steps.map(PnlPercent::from_steps);
        // An end that no calendar of ours can tell is in no figure.
        let what = match (pnl, Timestamp::try_from_micros(closed_at)) {
            (Some(pnl), Ok(closed_at)) if is_late => Happening::Late(pnl, closed_at),
            (Some(pnl), Ok(closed_at)) => Happening::Closed(pnl, closed_at),
            (None, _) => Happening::Expired,
            (Some(_), Err(_)) => Happening::Unreadable,
        };
        // Of whatever ended: who may not know of the end yet counts the signal as overdue, at its stop.
        let at_stop = row.at_stop()?;
        Ok(Entry { signal: row.signal(self.ids, at_stop)?, what, at })
    }

    fn meet(&self, conn: &mut AnyConnection, rows: &[FactsRow]) -> Result<(), Failure> {
        self.ids.meet(conn, rows.iter().map(|row| row.producer_id))
    }

    /// At most `limit` publications of the stretch, in order.
    fn publications(
        &self,
        conn: &mut AnyConnection,
        stretch: Stretch,
        limit: i64,
    ) -> Result<Part, Failure> {
        let (from, until) = stretch.bounds();
        let rows: Vec<FactsRow> = signals::table
            .filter(Awaited::on(conn))
            .filter(signals::created_at.ge(from).and(signals::created_at.lt(until)))
            .order((signals::created_at.asc(), signals::id.asc()))
            .limit(limit)
            .select(facts!())
            .load(conn)?;
        self.meet(conn, &rows)?;
        let mut part = Part::of(rows.iter().map(|row| row.created_at), limit);
        part.entries = rows.into_iter().filter_map(|row| self.published(row)).collect();
        Ok(part)
    }
}

/// At most `$limit` results of the stretch, outcomes or late ones, in order.
macro_rules! results {
    ($self:ident, $table:ident, $stretch:ident, $limit:ident, $conn:ident, $is_late:literal) => {{
        let (from, until) = $stretch.bounds();
        let rows: Vec<(FactsRow, ResultRow)> = $table::table
            .inner_join(signals::table)
            .filter(Awaited::on($conn))
            .filter($table::recorded_at.ge(from).and($table::recorded_at.lt(until)))
            .order(($table::recorded_at.asc(), $table::signal_id.asc()))
            .limit($limit)
            .select((
                facts!(),
                ($table::pnl_steps.nullable(), $table::closed_at, $table::recorded_at),
            ))
            .load($conn)?;
        $self.ids.meet($conn, rows.iter().map(|(row, _)| row.producer_id))?;
        let mut part = Part::of(rows.iter().map(|(_, result)| result.2), $limit);
        let entries =
            rows.into_iter().filter_map(|(row, result)| $self.ended(row, result, $is_late));
        part.entries = entries.collect();
        Ok(part)
    }};
}

impl Source<'_> {
    fn outcomes(
        &self,
        conn: &mut AnyConnection,
        stretch: Stretch,
        limit: i64,
    ) -> Result<Part, Failure> {
        results!(self, outcomes, stretch, limit, conn, false)
    }

    fn late_outcomes(
        &self,
        conn: &mut AnyConnection,
        stretch: Stretch,
        limit: i64,
    ) -> Result<Part, Failure> {
        results!(self, late_outcomes, stretch, limit, conn, true)
    }

    /// What happened in the stretch, in order, `limit` of a kind and a few more; and up to which instant that is
    /// everything.
    pub(super) fn entries(
        &self,
        conn: &mut AnyConnection,
        stretch: Stretch,
        limit: u32,
    ) -> Result<(Vec<Entry>, Option<Timestamp>), Failure> {
        let mut limit = i64::from(limit) + 1;
        loop {
            let parts = [
                self.publications(conn, stretch, limit)?,
                self.outcomes(conn, stretch, limit)?,
                self.late_outcomes(conn, stretch, limit)?,
            ];
            let cut = parts.iter().filter_map(|part| part.last_if_full).min();
            // All of one instant has to be read at once: ten thousand signals of a batch are of one.
            if cut == Some(stretch.from.micros()) {
                limit = limit.saturating_mul(4);
                continue;
            }
            let cut = cut.map(Timestamp::from_micros);
            let is_before = |entry: &Entry| cut.is_none_or(|cut| entry.at < cut);
            let mut entries: Vec<Entry> =
                parts.into_iter().flat_map(|part| part.entries).filter(is_before).collect();
            entries.sort_unstable_by_key(Entry::place);
            return Ok((entries, cut.or(stretch.until)));
        }
    }

    /// Signals that are open for longer than they may, the oldest first.
    pub(super) fn overdue(
        &self,
        conn: &mut AnyConnection,
        horizons: &Horizons,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<EntrySignal>, Failure> {
        let awaited = Awaited::on(conn);
        let rows: Vec<FactsRow> =
            overdue(horizons, now, awaited).limit(limit.into()).select(facts!()).load(conn)?;
        self.meet(conn, &rows)?;
        let signal = |row: FactsRow| {
            let (id, at_stop) = (row.id, row.at_stop());
            let signal = at_stop.and_then(|at_stop| row.signal(self.ids, at_stop));
            self.unreadable.leave_out("signals", id, signal)
        };
        Ok(rows.into_iter().filter_map(signal).collect())
    }
}

/// What one kind contributes.
struct Part {
    entries: Vec<Entry>,
    /// The last instant, when there may be more than was read.
    last_if_full: Option<i64>,
}

impl Part {
    fn of(instants: impl ExactSizeIterator<Item = i64>, limit: i64) -> Self {
        let is_full = i64::try_from(instants.len()).is_ok_and(|count| count >= limit);
        Self { entries: Vec::new(), last_if_full: instants.last().filter(|_| is_full) }
    }
}
