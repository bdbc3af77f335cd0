//! Lists of signals as things were known at an instant.
//!
//! A signal was open at `as_of` if it is active now, or if its outcome was recorded later. These are
//! two queries, each on its own index: one query with OR could use neither.

use std::collections::HashSet;

use alpine_domain::{
    Result, Timestamp,
    page::Slice,
    signal::{Record, Signal, SignalQuery, SignalState, SignalStatus},
};
use diesel::{
    ExpressionMethods as _, NullableExpressionMethods as _, OptionalExtension as _, QueryDsl as _,
    RunQueryDsl as _,
    dsl::{InnerJoin, IntoBoxed, LeftJoin},
};

use super::{
    fragments::{Awaited, Before, Condition, CountOf},
    late,
};
use crate::{
    AnyConnection, Failure,
    connection::MultiBackend,
    rows::{OutcomeRow, SignalRow},
    schema::{late_outcomes, outcomes, signals},
    signal_ids::SignalIds,
    unreadable::UnreadableRows,
};

type Plain<'a> = signals::BoxedQuery<'a, MultiBackend>;
type Closed<'a> = IntoBoxed<'a, InnerJoin<signals::table, outcomes::table>, MultiBackend>;
type Both<'a> = IntoBoxed<'a, LeftJoin<signals::table, outcomes::table>, MultiBackend>;

/// Adds what is asked of the signal itself to a query of any of the shapes above. Every field is named,
/// so that a condition without its statement does not compile; `as_of` and `state` choose the shape.
macro_rules! with_conditions {
    ($rows:expr, $query:expr) => {{
        let mut rows = $rows;
        let query: &SignalQuery = $query;
        let SignalQuery {
            as_of: _,
            below,
            min_confidence,
            since,
            until,
            symbol,
            action,
            state: _,
            without_history,
            record,
            is_late: _,
        } = query;
        if let Some(below) = *below {
            rows = rows.filter(signals::confidence.lt(below));
        }
        if let Some(least) = *min_confidence {
            rows = rows.filter(signals::confidence.ge(least));
        }
        if let Some(since) = since {
            rows = rows.filter(signals::created_at.ge(since.micros()));
        }
        if let Some(until) = until {
            rows = rows.filter(signals::created_at.lt(until.micros()));
        }
        if let Some(symbol) = symbol {
            rows = rows.filter(signals::symbol.eq(symbol.as_str()));
        }
        if let Some(action) = action {
            rows = rows.filter(signals::action.eq(action.as_str()));
        }
        if *without_history {
            rows = rows.filter(Condition::NO_HISTORY);
        }
        if let Some(in_record) = Condition::signal_in(*record) {
            rows = rows.filter(in_record);
        }
        rows
    }};
}
pub(super) use with_conditions;

/// Adds the order and the part that is wanted.
macro_rules! partial {
    ($rows:expr, $part:expr) => {{
        let part: Part = $part;
        let mut rows =
            $rows.order((signals::created_at.desc(), signals::id.desc())).limit(part.limit.into());
        if let Some((created_at, id)) = part.after {
            rows = rows.filter(Before { created_at, id });
        } else if part.offset > 0 {
            rows = rows.offset(part.offset.into());
        }
        rows
    }};
}

/// Signals that are open now and were accepted no later than `newest`, microseconds.
pub(super) fn active(query: &SignalQuery, newest: i64, awaited: Awaited) -> Plain<'_> {
    let rows = signals::table
        .filter(awaited)
        .filter(signals::is_active)
        .filter(signals::created_at.le(newest))
        .into_boxed();
    with_conditions!(rows, query)
}

/// Signals that had ended like this.
fn ended(query: &SignalQuery, status: SignalStatus, awaited: Awaited) -> Closed<'_> {
    let rows = signals::table
        .inner_join(outcomes::table)
        .into_boxed()
        .filter(awaited)
        .filter(outcomes::status.eq(status.as_str()))
        .filter(outcomes::recorded_at.le(query.as_of.micros()))
        .filter(signals::created_at.le(query.as_of.micros()));
    with_conditions!(rows, query)
}

/// Signals of any state that were accepted no later than `newest`, with whatever outcome they have.
fn any(query: &SignalQuery, newest: i64, awaited: Awaited) -> Both<'_> {
    let rows = signals::table
        .left_join(outcomes::table)
        .into_boxed()
        .filter(awaited)
        .filter(signals::created_at.le(newest));
    with_conditions!(rows, query)
}

/// The same without outcomes, for counting.
fn any_plain(query: &SignalQuery, awaited: Awaited) -> Plain<'_> {
    let rows = signals::table
        .filter(awaited)
        .filter(signals::created_at.le(query.as_of.micros()))
        .into_boxed();
    with_conditions!(rows, query)
}

/// Closed signals that are named one by one; more are found by a join.
const MOST_NAMED: u16 = 500;

/// What closed after the query's `as_of`.
enum ClosedSince {
    /// Nothing did, and the reader may know that.
    Nothing,
    /// The rows of these signals, with when that was recorded, oldest first. There may be none: who is
    /// late is not told so by a statement that is missing.
    Named(Vec<(i64, i64)>),
    /// More than [`MOST_NAMED`].
    Many,
}

impl ClosedSince {
    /// Asked of the end of an index, which no planner can get wrong. Usually nothing closed.
    fn find(conn: &mut AnyConnection, query: &SignalQuery) -> Result<Self, Failure> {
        let rows: Vec<(i64, i64)> = outcomes::table
            .filter(outcomes::recorded_at.gt(query.as_of.micros()))
            .order(outcomes::recorded_at.asc())
            .select((outcomes::signal_id, outcomes::recorded_at))
            .limit(i64::from(MOST_NAMED) + 1)
            .load(conn)?;
        Ok(if rows.is_empty() && !query.is_late {
            Self::Nothing
        } else if rows.len() > usize::from(MOST_NAMED) {
            Self::Many
        } else {
            Self::Named(rows)
        })
    }
}

/// Those of the named signals that the query is about.
fn named<'a>(rows: &[(i64, i64)], query: &'a SignalQuery) -> Plain<'a> {
    // No row has the number 0; with it the statement is the same when nothing closed.
    let ids: Vec<i64> = std::iter::once(0).chain(rows.iter().map(|(id, _)| *id)).collect();
    let rows = signals::table
        .filter(signals::id.eq_any(ids))
        .filter(signals::created_at.le(query.as_of.micros()))
        .into_boxed();
    with_conditions!(rows, query)
}

/// All signals that closed after the query's `as_of`.
fn joined(query: &SignalQuery, awaited: Awaited) -> Closed<'_> {
    let rows = signals::table
        .inner_join(outcomes::table)
        .into_boxed()
        .filter(awaited)
        .filter(outcomes::recorded_at.gt(query.as_of.micros()))
        .filter(signals::created_at.le(query.as_of.micros()));
    with_conditions!(rows, query)
}

/// The part of a list that is read at once, by raw positions `(created_at, id)`.
#[derive(Debug, Clone, Copy)]
struct Part {
    limit: u32,
    offset: u32,
    after: Option<(i64, i64)>,
}

impl Part {
    /// A cursor whose signal has no row leads to the rows before its instant.
    fn of(slice: Slice, ids: &SignalIds) -> Self {
        let row = |id| ids.row(id).unwrap_or(0);
        let after = slice.after.map(|cursor| (cursor.created_at.micros(), row(cursor.id)));
        // A cursor wins over the offset.
        let offset = if after.is_some() { 0 } else { slice.offset };
        Self { limit: slice.limit, offset, after }
    }

    /// When the newest signal of the part may have been accepted. SQLite begins to read at the first bound of a column
    /// that it finds in a statement, and passes over all rows up to a closer one that follows.
    fn newest(&self, query: &SignalQuery) -> i64 {
        let as_of = query.as_of.micros();
        self.after.map_or(as_of, |(created_at, _)| created_at.min(as_of))
    }
}

/// Adds their late outcomes to the signals that have expired as far as the reader knows, each given with its
/// row: an expiry that is not told yet asks for nothing.
fn add_late_outcomes(
    conn: &mut AnyConnection,
    signals: &mut [(i64, Signal)],
    unreadable: &UnreadableRows,
) -> Result<(), Failure> {
    let expired: Vec<i64> =
        signals.iter().filter(|(_, signal)| signal.has_expired()).map(|(row, _)| *row).collect();
    let mut late = late::find_all(conn, &expired, unreadable)?;
    for (row, signal) in signals {
        signal.late_outcome = late.remove(row);
    }
    Ok(())
}

/// As many signals of the slice as there are: in the place of a row that cannot be read stands the next one.
pub(super) fn list(
    conn: &mut AnyConnection,
    ids: &SignalIds,
    query: &SignalQuery,
    slice: Slice,
    unreadable: &UnreadableRows,
) -> Result<Vec<Signal>, Failure> {
    let (limit, mut part) = (slice.limit as usize, Part::of(slice, ids));
    let mut signals = Vec::new();
    loop {
        let rows = rows(conn, query, part)?;
        ids.meet(conn, rows.iter().map(|(row, _)| row.producer_id))?;
        let is_last = rows.len() < limit;
        part = Part {
            limit: slice.limit,
            offset: 0,
            after: rows.last().map(|(row, _)| (row.created_at, row.id)),
        };
        let mut read: Vec<(i64, Signal)> = rows
            .into_iter()
            .filter_map(|(row, outcome)| {
                let (id, signal) = (row.id, row.signal(ids, outcome));
                let signal = unreadable.leave_out("signals", id, signal)?;
                Some((id, signal.as_of(query.as_of)))
            })
            .collect();
        add_late_outcomes(conn, &mut read, unreadable)?;
        signals.extend(read.into_iter().map(|(_, signal)| signal.as_of(query.as_of)));
        if is_last || signals.len() >= limit {
            signals.truncate(limit);
            return Ok(signals);
        }
    }
}

/// What closed in a span, the last first, read from the end of an index.
pub(super) fn closings(
    conn: &mut AnyConnection,
    ids: &SignalIds,
    (below, record, (since, until), limit): (Option<f64>, Record, (Timestamp, Timestamp), u32),
    unreadable: &UnreadableRows,
) -> Result<Vec<Signal>, Failure> {
    let mut rows = outcomes::table
        .inner_join(signals::table)
        .filter(Awaited::on(conn))
        .filter(outcomes::recorded_at.ge(since.micros()))
        .filter(outcomes::recorded_at.le(until.micros()))
        .order((outcomes::recorded_at.desc(), outcomes::signal_id.desc()))
        .limit(limit.into())
        .select((signals::all_columns, outcomes::all_columns))
        .into_boxed();
    if let Some(below) = below {
        let in_range = signals::confidence.lt(below);
        rows = rows.filter(in_range);
    }
    if let Some(in_record) = Condition::outcome_in(record) {
        rows = rows.filter(in_record);
    }
    let rows: Vec<(SignalRow, OutcomeRow)> = rows.load(conn)?;
    ids.meet(conn, rows.iter().map(|(row, _)| row.producer_id))?;
    let readable = rows.into_iter().filter_map(|(row, outcome)| {
        let (id, signal) = (row.id, row.signal(ids, Some(outcome)));
        unreadable.leave_out("signals", id, signal)
    });
    Ok(readable.map(|signal| signal.as_of(until)).collect())
}

type Row = (SignalRow, Option<OutcomeRow>);

fn rows(conn: &mut AnyConnection, query: &SignalQuery, part: Part) -> Result<Vec<Row>, Failure> {
    let awaited = Awaited::on(conn);
    Ok(match query.state {
        SignalState::Open | SignalState::Status(SignalStatus::Open) => {
            open_rows(conn, query, part)?.into_iter().map(|signal| (signal, None)).collect()
        }
        SignalState::Status(status) => partial!(ended(query, status, awaited), part)
            .select((signals::all_columns, outcomes::all_columns.nullable()))
            .load(conn)?,
        SignalState::Any => partial!(any(query, part.newest(query), awaited), part)
            .select((signals::all_columns, outcomes::all_columns.nullable()))
            .load(conn)?,
    })
}

fn open_rows(
    conn: &mut AnyConnection,
    query: &SignalQuery,
    part: Part,
) -> Result<Vec<SignalRow>, Failure> {
    let awaited = Awaited::on(conn);
    // The active ones first: what closes between the queries is found by the second, or by both.
    let mut rows: Vec<SignalRow> =
        partial!(active(query, part.newest(query), awaited), part).load(conn)?;
    let closed = ClosedSince::find(conn, query)?;
    if let ClosedSince::Nothing = closed {
        return Ok(rows);
    }
    // The two have to be merged from their beginning; offsets are bounded.
    let whole = Part { limit: part.limit.saturating_add(part.offset), offset: 0, ..part };
    if part.offset > 0 {
        rows = partial!(active(query, whole.newest(query), awaited), whole).load(conn)?;
    }
    let closed: Vec<SignalRow> = if let ClosedSince::Named(closed) = &closed {
        partial!(named(closed, query), whole).load(conn)?
    } else {
        partial!(joined(query, awaited), whole).select(signals::all_columns).load(conn)?
    };
    rows.extend(closed);
    rows.sort_unstable_by_key(|row| std::cmp::Reverse((row.created_at, row.id)));
    rows.dedup_by_key(|row| row.id);
    Ok(rows.into_iter().skip(part.offset as usize).take(part.limit as usize).collect())
}

pub(super) fn count(
    conn: &mut AnyConnection,
    query: &SignalQuery,
    cap: u32,
) -> Result<u32, Failure> {
    let limit = i64::from(cap);
    let awaited = Awaited::on(conn);
    let count: i64 = match query.state {
        SignalState::Open | SignalState::Status(SignalStatus::Open) => {
            let rows =
                active(query, query.as_of.micros(), awaited).select(signals::id).limit(limit);
            let open: i64 = CountOf(rows).get_result(conn)?;
            let closed = if open < limit { count_closed_since(conn, query, limit)? } else { 0 };
            (open + closed).min(limit)
        }
        SignalState::Status(status) => {
            let rows = ended(query, status, awaited).select(signals::id).limit(limit);
            CountOf(rows).get_result(conn)?
        }
        SignalState::Any => {
            let rows = any_plain(query, awaited).select(signals::id).limit(limit);
            CountOf(rows).get_result(conn)?
        }
    };
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}

fn count_closed_since(
    conn: &mut AnyConnection,
    query: &SignalQuery,
    limit: i64,
) -> Result<i64, Failure> {
    let awaited = Awaited::on(conn);
    Ok(match ClosedSince::find(conn, query)? {
        ClosedSince::Nothing => 0,
        ClosedSince::Named(closed) => {
            CountOf(named(&closed, query).select(signals::id).limit(limit)).get_result(conn)?
        }
        ClosedSince::Many => {
            CountOf(joined(query, awaited).select(signals::id).limit(limit)).get_result(conn)?
        }
    })
}

pub(super) fn next_change_after(
    conn: &mut AnyConnection,
    query: &SignalQuery,
) -> Result<Option<Timestamp>, Failure> {
    let as_of = query.as_of.micros();
    let awaited = Awaited::on(conn);
    // What arrives as history may end an answer that it does not change: no index leads past a burst of it.
    let whatever = SignalQuery { without_history: false, record: Record::All, ..query.clone() };
    let later = signals::table.filter(awaited).filter(signals::created_at.gt(as_of)).into_boxed();
    let accepted: Option<i64> = with_conditions!(later, &whatever)
        .order((signals::created_at.asc(), signals::id.asc()))
        .select(signals::created_at)
        .first(conn)
        .optional()?;
    let closed: Option<i64> = match ClosedSince::find(conn, query)? {
        ClosedSince::Nothing => None,
        ClosedSince::Named(rows) => {
            let found: HashSet<i64> =
                HashSet::from_iter(named(&rows, query).select(signals::id).load::<i64>(conn)?);
            rows.iter().find(|(id, _)| found.contains(id)).map(|(_, recorded_at)| *recorded_at)
        }
        ClosedSince::Many => joined(query, awaited)
            .order(outcomes::recorded_at.asc())
            .select(outcomes::recorded_at)
            .first(conn)
            .optional()?,
    };
    let late = if shows_late_outcomes(query.state) { next_late_after(conn, query)? } else { None };
    let next = [accepted, closed, late].into_iter().flatten().min();
    Ok(next.map(Timestamp::from_micros))
}

/// Whether signals that have expired are among the result.
const fn shows_late_outcomes(state: SignalState) -> bool {
    matches!(state, SignalState::Any | SignalState::Status(SignalStatus::Expired))
}

/// When the first late outcome after `query.as_of` was recorded: one statement, whether there is any or
/// not, that starts reading the index there.
fn next_late_after(conn: &mut AnyConnection, query: &SignalQuery) -> Result<Option<i64>, Failure> {
    let rows = signals::table
        .inner_join(late_outcomes::table)
        .into_boxed()
        .filter(Awaited::on(conn))
        .filter(late_outcomes::recorded_at.gt(query.as_of.micros()))
        .filter(signals::created_at.le(query.as_of.micros()));
    Ok(with_conditions!(rows, query)
        .order(late_outcomes::recorded_at.asc())
        .select(late_outcomes::recorded_at)
        .first(conn)
        .optional()?)
}

/// Whether the cost grows with what is stored: no index leads to these conditions, so that all may be
/// looked at for few that fit. All others read by an index, and no more than they answer or are
/// bounded to. What a tier may not see is no such condition: most is below its line.
pub(super) const fn is_costly(query: &SignalQuery) -> bool {
    let is_open =
        matches!(query.state, SignalState::Open | SignalState::Status(SignalStatus::Open));
    let by_status = matches!(query.state, SignalState::Status(_)) && !is_open;
    // One index leads to a part of the record, another one to an instrument.
    let by_record = !matches!(query.record, Record::All) && query.symbol.is_some();
    query.action.is_some() || by_status || by_record || (query.min_confidence.is_some() && !is_open)
}
