//! The newest signals that ended in one way.
//!
//! No index can hold how a signal ended beside when it was received: the two stand in two tables. So the numbers of
//! signals that ended so are read from an index, the largest first, and the signals by them. Numbers and instants
//! of receipt rise together, but for what is stored at the same moment ([`DISORDER`]).

use std::{cmp::Reverse, collections::HashMap};

use alpine_domain::signal::{SignalQuery, SignalStatus};
use diesel::{
    ExpressionMethods as _, NullableExpressionMethods as _, QueryDsl as _, RunQueryDsl as _,
};

use super::{
    fragments::Awaited,
    shapes::{Part, Row, any_plain, ended, named, partial, partial_of_named},
};
use crate::{
    AnyConnection, Failure,
    rows::{OutcomeRow, SignalRow},
    schema::{outcomes, signals},
};

/// By how many microseconds at most a signal can have been received later than one with a larger number. Both are
/// decided in one transaction, the instant first, and each statement of it ends within `database.statement_timeout`.
const DISORDER: i64 = 5 * 60 * 1_000_000;

/// Numbers that are read at first beyond the rows that are wanted, for signals that were received in disorder.
const SPARE: u32 = 64;
/// Numbers of one statement at most, and of one answer.
const PART: i64 = 4_096;
const MOST: usize = 8_192;

/// Signals of an instrument that are looked at one by one.
const FEW: u32 = 1_000;

/// The part of the list of signals that had ended like this.
pub(super) fn rows(
    conn: &mut AnyConnection,
    query: &SignalQuery,
    status: SignalStatus,
    part: Part,
) -> Result<Vec<Row>, Failure> {
    if part.after.is_none()
        && let Some(rows) = newest(conn, query, status, part)?
    {
        return Ok(rows);
    }
    let awaited = Awaited::on(conn);
    Ok(partial!(ended(query, status, awaited), part)
        .select((signals::all_columns, outcomes::all_columns.nullable()))
        .load(conn)?)
}

/// The same without a cursor; `None` when [`MOST`] were looked at for it.
fn newest(
    conn: &mut AnyConnection,
    query: &SignalQuery,
    status: SignalStatus,
    part: Part,
) -> Result<Option<Vec<Row>>, Failure> {
    let wanted = part.limit.saturating_add(part.offset);
    let Some(mut signals) = newest_signals(conn, query, status, wanted)? else { return Ok(None) };
    signals.drain(..signals.len().min(part.offset as usize));
    if signals.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let ids: Vec<i64> = signals.iter().map(|row| row.id).collect();
    let outcomes: Vec<OutcomeRow> =
        outcomes::table.filter(outcomes::signal_id.eq_any(ids)).load(conn)?;
    let mut outcomes: HashMap<i64, OutcomeRow> =
        outcomes.into_iter().map(|outcome| (outcome.signal_id, outcome)).collect();
    let joined = signals.into_iter().map(|row| {
        let outcome = outcomes.remove(&row.id);
        (row, outcome)
    });
    Ok(Some(joined.collect()))
}

/// The newest `wanted` signals.
fn newest_signals(
    conn: &mut AnyConnection,
    query: &SignalQuery,
    status: SignalStatus,
    wanted: u32,
) -> Result<Option<Vec<SignalRow>>, Failure> {
    if let Some(ids) = few_of_symbol(conn, query, status)? {
        return load(conn, ids, query, wanted).map(Some);
    }
    let (mut rows, mut looked_at, mut below) = (Vec::new(), 0, i64::MAX);
    let mut length = i64::from(wanted.saturating_add(SPARE));
    while looked_at < MOST {
        let ids = numbers(conn, query, status, below, length)?;
        looked_at += ids.len();
        let is_end = ids.len() < usize::try_from(length).unwrap_or(usize::MAX);
        let last = ids.last().copied().unwrap_or(0);
        rows.extend(load(conn, ids, query, wanted)?);
        rows.sort_unstable_by_key(|row: &SignalRow| Reverse((row.created_at, row.id)));
        rows.truncate(wanted as usize);
        if is_end {
            return Ok(Some(rows));
        }
        // What was not read has a smaller number, and was received at most so late.
        let unread = received(conn, last)?.saturating_add(DISORDER);
        let is_over = query.since.is_some_and(|since| unread < since.micros());
        let is_full =
            rows.len() == wanted as usize && rows.last().is_none_or(|row| row.created_at > unread);
        if is_over || is_full {
            return Ok(Some(rows));
        }
        (below, length) = (last, (length * 8).min(PART));
    }
    Ok(None)
}

/// The numbers of all signals of the instrument that had ended like this, if it has few signals: of one that is seldom
/// told of, few of those that ended in any common way are.
fn few_of_symbol(
    conn: &mut AnyConnection,
    query: &SignalQuery,
    status: SignalStatus,
) -> Result<Option<Vec<i64>>, Failure> {
    if query.symbol.is_none() {
        return Ok(None);
    }
    let all = Part { limit: FEW + 1, offset: 0, after: None };
    let awaited = Awaited::on(conn);
    let ids: Vec<i64> = partial!(any_plain(query, awaited), all).select(signals::id).load(conn)?;
    if ids.len() > FEW as usize {
        return Ok(None);
    }
    if ids.is_empty() {
        return Ok(Some(ids));
    }
    let ended = outcomes::table
        .filter(outcomes::signal_id.eq_any(ids))
        .filter(outcomes::status.eq(status.as_str()))
        .filter(outcomes::recorded_at.le(query.as_of.micros()))
        .select(outcomes::signal_id)
        .load(conn)?;
    Ok(Some(ended))
}

/// Numbers of signals that had ended like this, the largest first, from the end of an index.
fn numbers(
    conn: &mut AnyConnection,
    query: &SignalQuery,
    status: SignalStatus,
    below: i64,
    limit: i64,
) -> Result<Vec<i64>, Failure> {
    Ok(outcomes::table
        .filter(Awaited::on(conn))
        .filter(outcomes::status.eq(status.as_str()))
        .filter(outcomes::signal_id.lt(below))
        .filter(outcomes::recorded_at.le(query.as_of.micros()))
        .order(outcomes::signal_id.desc())
        .select(outcomes::signal_id)
        .limit(limit)
        .load(conn)?)
}

/// When this signal was received.
fn received(conn: &mut AnyConnection, id: i64) -> Result<i64, Failure> {
    Ok(signals::table.find(id).select(signals::created_at).first(conn)?)
}

/// The newest of the signals with these numbers that the query is about.
fn load(
    conn: &mut AnyConnection,
    ids: Vec<i64>,
    query: &SignalQuery,
    limit: u32,
) -> Result<Vec<SignalRow>, Failure> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let part = Part { limit, offset: 0, after: None };
    Ok(partial_of_named!(named(ids, query), part).load(conn)?)
}
