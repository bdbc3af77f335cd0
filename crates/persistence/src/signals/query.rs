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
};

use super::{
    ended,
    fragments::{Awaited, Condition, CountOf},
    late,
    shapes::{
        Part, Row, active, any, any_plain, ended as all_ended, joined, named, partial,
        partial_of_named, with_conditions,
    },
};
use crate::{
    AnyConnection, Failure,
    rows::{OutcomeRow, SignalRow},
    schema::{late_outcomes, outcomes, signals},
    signal_ids::SignalIds,
    unreadable::UnreadableRows,
};

/// Closed signals that are named one by one; more are found by a join.
const MOST_NAMED: u16 = 500;

/// Open signals of high confidence that are named one by one.
const FEW: u16 = 1_000;

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

/// The numbers of the named signals. No row has the number 0; with it the statement is the same when nothing closed.
fn numbers(rows: &[(i64, i64)]) -> Vec<i64> {
    std::iter::once(0).chain(rows.iter().map(|(id, _)| *id)).collect()
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

fn rows(conn: &mut AnyConnection, query: &SignalQuery, part: Part) -> Result<Vec<Row>, Failure> {
    Ok(match query.state {
        SignalState::Open | SignalState::Status(SignalStatus::Open) => {
            open_rows(conn, query, part)?.into_iter().map(|signal| (signal, None)).collect()
        }
        SignalState::Status(status) => ended::rows(conn, query, status, part)?,
        SignalState::Any => partial!(any(query, part.newest(query), Awaited::on(conn)), part)
            .select((signals::all_columns, outcomes::all_columns.nullable()))
            .load(conn)?,
    })
}

/// Whether open signals are asked for that an index has in order of confidence.
const fn has_strongest(query: &SignalQuery) -> bool {
    let is_indexed = query.without_history && query.symbol.is_none() && query.action.is_none();
    query.min_confidence.is_some() && is_indexed
}

/// When the open signals of at least the confidence that is asked for were received, and their numbers, if there are few:
/// they are read from the end of an index. In the order of the list many would be looked at for them.
fn strongest(
    conn: &mut AnyConnection,
    query: &SignalQuery,
) -> Result<Option<Vec<(i64, i64)>>, Failure> {
    if !has_strongest(query) {
        return Ok(None);
    }
    let places: Vec<(i64, i64)> = active(query, query.as_of.micros(), Awaited::on(conn))
        .order(signals::confidence.desc())
        .select((signals::created_at, signals::id))
        .limit(i64::from(FEW) + 1)
        .load(conn)?;
    Ok((places.len() <= usize::from(FEW)).then_some(places))
}

fn open_rows(
    conn: &mut AnyConnection,
    query: &SignalQuery,
    part: Part,
) -> Result<Vec<SignalRow>, Failure> {
    let awaited = Awaited::on(conn);
    let strongest = strongest(conn, query)?;
    let active_rows = |conn: &mut AnyConnection, part: Part| match &strongest {
        Some(places) => {
            // The same statement when there are none, see `numbers`.
            let ids = std::iter::once(0).chain(part.choose(places.clone())).collect();
            partial_of_named!(named(ids, query), Part { offset: 0, ..part }).load(conn)
        }
        None => partial!(active(query, part.newest(query), awaited), part).load(conn),
    };
    // The active ones first: what closes between the queries is found by the second, or by both.
    let mut rows: Vec<SignalRow> = active_rows(conn, part)?;
    let closed = ClosedSince::find(conn, query)?;
    if let ClosedSince::Nothing = closed {
        return Ok(rows);
    }
    // The two have to be merged from their beginning; offsets are bounded.
    let whole = Part { limit: part.limit.saturating_add(part.offset), offset: 0, ..part };
    if part.offset > 0 {
        rows = active_rows(conn, whole)?;
    }
    let closed: Vec<SignalRow> = if let ClosedSince::Named(closed) = &closed {
        partial_of_named!(named(numbers(closed), query), whole).load(conn)?
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
            let mut rows =
                active(query, query.as_of.micros(), awaited).select(signals::id).limit(limit);
            if has_strongest(query) {
                // Counting stops at the limit, and nothing is passed over before.
                rows = rows.order(signals::confidence.desc());
            }
            let open: i64 = CountOf(rows).get_result(conn)?;
            let closed = if open < limit { count_closed_since(conn, query, limit)? } else { 0 };
            (open + closed).min(limit)
        }
        SignalState::Status(status) => {
            let rows = all_ended(query, status, awaited).select(signals::id).limit(limit);
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
            CountOf(named(numbers(&closed), query).select(signals::id).limit(limit))
                .get_result(conn)?
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
        ClosedSince::Named(rows) => first_named(conn, query, &rows)?,
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

/// When the first late outcome after `query.as_of` was recorded: two statements, whether there is any or not, of which
/// the first starts reading the index there.
fn next_late_after(conn: &mut AnyConnection, query: &SignalQuery) -> Result<Option<i64>, Failure> {
    let rows: Vec<(i64, i64)> = late_outcomes::table
        .filter(late_outcomes::recorded_at.gt(query.as_of.micros()))
        .order(late_outcomes::recorded_at.asc())
        .select((late_outcomes::signal_id, late_outcomes::recorded_at))
        .limit(i64::from(MOST_NAMED) + 1)
        .load(conn)?;
    if rows.len() <= usize::from(MOST_NAMED) {
        return first_named(conn, query, &rows);
    }
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

/// The instant of the first of these rows whose signal the query is about.
fn first_named(
    conn: &mut AnyConnection,
    query: &SignalQuery,
    rows: &[(i64, i64)],
) -> Result<Option<i64>, Failure> {
    let found: HashSet<i64> =
        HashSet::from_iter(named(numbers(rows), query).select(signals::id).load::<i64>(conn)?);
    Ok(rows.iter().find(|(id, _)| found.contains(id)).map(|(_, recorded_at)| *recorded_at))
}

/// Whether the cost grows with what is stored: no index leads to these conditions, so that all may be
/// looked at for few that fit. All others read by an index, and no more than they answer or are
/// bounded to. What a tier may not see is no such condition: most is below its line. No route asks for these.
pub(super) const fn is_costly(query: &SignalQuery) -> bool {
    let is_open =
        matches!(query.state, SignalState::Open | SignalState::Status(SignalStatus::Open));
    let by_action = query.action.is_some() && !(is_open && query.without_history);
    // One index leads to a part of the record, another one to an instrument.
    let by_record = !matches!(query.record, Record::All) && query.symbol.is_some();
    by_action || by_record || (query.min_confidence.is_some() && !is_open)
}

/// Whether signals that ended in one way are asked for: the newest are found by an index, those behind a cursor are
/// not, nor is their number.
pub(super) const fn is_by_ending(query: &SignalQuery) -> bool {
    match query.state {
        SignalState::Status(status) => !matches!(status, SignalStatus::Open),
        SignalState::Open | SignalState::Any => false,
    }
}
