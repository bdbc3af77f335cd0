//! Lists of signals as things were known at an instant.
//!
//! A signal was open at `as_of` if it is active now, or if its outcome was recorded later. These are
//! two queries, each on its own index: one query with OR could use neither.

use alpine_domain::{
    Result, Timestamp,
    page::Slice,
    signal::{Signal, SignalQuery, SignalState, SignalStatus},
};
use diesel::{
    ExpressionMethods as _, NullableExpressionMethods as _, OptionalExtension as _, QueryDsl as _,
    RunQueryDsl as _,
    dsl::{InnerJoin, IntoBoxed, LeftJoin, max},
};

use super::fragments::{Before, CountOf};
use crate::{
    AnyConnection, Failure,
    connection::MultiBackend,
    rows::{OutcomeRow, SignalRow},
    schema::{outcomes, signals},
};

type Plain<'a> = signals::BoxedQuery<'a, MultiBackend>;
type Closed<'a> = IntoBoxed<'a, InnerJoin<signals::table, outcomes::table>, MultiBackend>;
type Both<'a> = IntoBoxed<'a, LeftJoin<signals::table, outcomes::table>, MultiBackend>;

/// Adds what is asked of the signal itself to a query of any of the shapes above.
macro_rules! with_conditions {
    ($rows:expr, $query:expr) => {{
        let mut rows = $rows;
        let query: &SignalQuery = $query;
        if let Some(below) = query.below {
            rows = rows.filter(signals::confidence.lt(below));
        }
        if let Some(least) = query.min_confidence {
            rows = rows.filter(signals::confidence.ge(least));
        }
        if let Some(since) = query.since {
            rows = rows.filter(signals::created_at.ge(since.micros()));
        }
        if let Some(symbol) = &query.symbol {
            rows = rows.filter(signals::symbol.eq(symbol.as_str()));
        }
        if let Some(action) = query.action {
            rows = rows.filter(signals::action.eq(action.as_str()));
        }
        rows
    }};
}

/// Adds the order and the part that is wanted.
macro_rules! sliced {
    ($rows:expr, $slice:expr) => {{
        let slice: Slice = $slice;
        let mut rows =
            $rows.order((signals::created_at.desc(), signals::id.desc())).limit(slice.limit.into());
        if let Some(cursor) = slice.after {
            rows = rows.filter(Before::new(cursor));
        } else if slice.offset > 0 {
            rows = rows.offset(slice.offset.into());
        }
        rows
    }};
}

/// Signals that are open now.
pub(super) fn active(query: &SignalQuery) -> Plain<'_> {
    let rows = signals::table
        .filter(signals::is_active)
        .filter(signals::created_at.le(query.as_of.micros()))
        .into_boxed();
    with_conditions!(rows, query)
}

/// Signals that have closed since.
fn closed_since(query: &SignalQuery) -> Closed<'_> {
    let rows = signals::table
        .inner_join(outcomes::table)
        .into_boxed()
        .filter(outcomes::recorded_at.gt(query.as_of.micros()))
        .filter(signals::created_at.le(query.as_of.micros()));
    with_conditions!(rows, query)
}

/// Signals that had ended like this.
fn ended(query: &SignalQuery, status: SignalStatus) -> Closed<'_> {
    let rows = signals::table
        .inner_join(outcomes::table)
        .into_boxed()
        .filter(outcomes::status.eq(status.as_str()))
        .filter(outcomes::recorded_at.le(query.as_of.micros()))
        .filter(signals::created_at.le(query.as_of.micros()));
    with_conditions!(rows, query)
}

/// Signals of any state, with whatever outcome they have.
fn any(query: &SignalQuery) -> Both<'_> {
    let rows = signals::table
        .left_join(outcomes::table)
        .into_boxed()
        .filter(signals::created_at.le(query.as_of.micros()));
    with_conditions!(rows, query)
}

/// The same without outcomes, for counting.
fn any_plain(query: &SignalQuery) -> Plain<'_> {
    let rows = signals::table.filter(signals::created_at.le(query.as_of.micros())).into_boxed();
    with_conditions!(rows, query)
}

/// Whether anything closed after `as_of`. Asked first, because usually nothing did, and asked of the
/// end of an index, which no planner can get wrong.
fn has_closed_since(conn: &mut AnyConnection, as_of: Timestamp) -> Result<bool, Failure> {
    let newest: Option<i64> = outcomes::table.select(max(outcomes::recorded_at)).first(conn)?;
    Ok(newest.is_some_and(|newest| newest > as_of.micros()))
}

pub(super) fn list(
    conn: &mut AnyConnection,
    query: &SignalQuery,
    slice: Slice,
) -> Result<Vec<Signal>, Failure> {
    let signals: Result<Vec<Signal>> = match query.state {
        SignalState::Open | SignalState::Status(SignalStatus::Open) => {
            return list_open(conn, query, slice);
        }
        SignalState::Status(status) => {
            let rows: Vec<(SignalRow, OutcomeRow)> = sliced!(ended(query, status), slice)
                .select((signals::all_columns, outcomes::all_columns))
                .load(conn)?;
            rows.into_iter().map(|(signal, outcome)| signal.signal(Some(outcome))).collect()
        }
        SignalState::Any => {
            let rows: Vec<(SignalRow, Option<OutcomeRow>)> = sliced!(any(query), slice)
                .select((signals::all_columns, outcomes::all_columns.nullable()))
                .load(conn)?;
            rows.into_iter()
                .map(|(signal, outcome)| Ok(signal.signal(outcome)?.as_of(query.as_of)))
                .collect()
        }
    };
    Ok(signals?)
}

fn list_open(
    conn: &mut AnyConnection,
    query: &SignalQuery,
    slice: Slice,
) -> Result<Vec<Signal>, Failure> {
    // The active ones first: what closes between the queries is found by the second, or by both.
    let mut rows: Vec<SignalRow> = sliced!(active(query), slice).load(conn)?;
    if has_closed_since(conn, query.as_of)? {
        // The two have to be merged from their beginning; offsets are bounded.
        let whole = Slice {
            limit: slice.limit.saturating_add(slice.offset),
            offset: 0,
            after: slice.after,
        };
        if slice.offset > 0 {
            rows = sliced!(active(query), whole).load(conn)?;
        }
        let closed: Vec<SignalRow> =
            sliced!(closed_since(query), whole).select(signals::all_columns).load(conn)?;
        rows.extend(closed);
        rows.sort_unstable_by_key(|row| std::cmp::Reverse((row.created_at, row.id)));
        rows.dedup_by_key(|row| row.id);
        let skipped = if slice.after.is_some() { 0 } else { slice.offset };
        rows = rows.into_iter().skip(skipped as usize).take(slice.limit as usize).collect();
    }
    let signals: Result<Vec<Signal>> = rows.into_iter().map(|row| row.signal(None)).collect();
    Ok(signals?)
}

pub(super) fn count(
    conn: &mut AnyConnection,
    query: &SignalQuery,
    cap: u32,
) -> Result<u32, Failure> {
    let limit = i64::from(cap);
    let count: i64 = match query.state {
        SignalState::Open | SignalState::Status(SignalStatus::Open) => {
            let rows = active(query).select(signals::id).limit(limit);
            let mut count: i64 = CountOf(rows).get_result(conn)?;
            if count < limit && has_closed_since(conn, query.as_of)? {
                let rows = closed_since(query).select(signals::id).limit(limit);
                count += CountOf(rows).get_result::<i64>(conn)?;
            }
            count.min(limit)
        }
        SignalState::Status(status) => {
            let rows = ended(query, status).select(signals::id).limit(limit);
            CountOf(rows).get_result(conn)?
        }
        SignalState::Any => {
            let rows = any_plain(query).select(signals::id).limit(limit);
            CountOf(rows).get_result(conn)?
        }
    };
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}

pub(super) fn next_change_after(
    conn: &mut AnyConnection,
    query: &SignalQuery,
) -> Result<Option<Timestamp>, Failure> {
    let as_of = query.as_of.micros();
    let later = signals::table.filter(signals::created_at.gt(as_of)).into_boxed();
    let accepted: Option<i64> = with_conditions!(later, query)
        .order((signals::created_at.asc(), signals::id.asc()))
        .select(signals::created_at)
        .first(conn)
        .optional()?;
    let mut closed: Option<i64> = None;
    if has_closed_since(conn, query.as_of)? {
        closed = closed_since(query)
            .order(outcomes::recorded_at.asc())
            .select(outcomes::recorded_at)
            .first(conn)
            .optional()?;
    }
    let next = [accepted, closed].into_iter().flatten().min();
    Ok(next.map(Timestamp::from_micros))
}
