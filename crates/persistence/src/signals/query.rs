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
        let SignalQuery { as_of: _, below, min_confidence, since, symbol, action, state: _ } =
            query;
        if let Some(below) = *below {
            rows = rows.filter(signals::confidence.lt(below));
        }
        if let Some(least) = *min_confidence {
            rows = rows.filter(signals::confidence.ge(least));
        }
        if let Some(since) = since {
            rows = rows.filter(signals::created_at.ge(since.micros()));
        }
        if let Some(symbol) = symbol {
            rows = rows.filter(signals::symbol.eq(symbol.as_str()));
        }
        if let Some(action) = action {
            rows = rows.filter(signals::action.eq(action.as_str()));
        }
        rows
    }};
}

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
        let is_last = rows.len() < limit;
        part = Part {
            limit: slice.limit,
            offset: 0,
            after: rows.last().map(|(row, _)| (row.created_at, row.id)),
        };
        signals.extend(rows.into_iter().filter_map(|(row, outcome)| {
            let (id, signal) = (row.id, row.signal(ids, outcome));
            Some(unreadable.leave_out("signals", id, signal)?.as_of(query.as_of))
        }));
        if is_last || signals.len() >= limit {
            signals.truncate(limit);
            return Ok(signals);
        }
    }
}

type Row = (SignalRow, Option<OutcomeRow>);

fn rows(conn: &mut AnyConnection, query: &SignalQuery, part: Part) -> Result<Vec<Row>, Failure> {
    Ok(match query.state {
        SignalState::Open | SignalState::Status(SignalStatus::Open) => {
            open_rows(conn, query, part)?.into_iter().map(|signal| (signal, None)).collect()
        }
        SignalState::Status(status) => partial!(ended(query, status), part)
            .select((signals::all_columns, outcomes::all_columns.nullable()))
            .load(conn)?,
        SignalState::Any => partial!(any(query), part)
            .select((signals::all_columns, outcomes::all_columns.nullable()))
            .load(conn)?,
    })
}

fn open_rows(
    conn: &mut AnyConnection,
    query: &SignalQuery,
    part: Part,
) -> Result<Vec<SignalRow>, Failure> {
    // The active ones first: what closes between the queries is found by the second, or by both.
    let mut rows: Vec<SignalRow> = partial!(active(query), part).load(conn)?;
    if has_closed_since(conn, query.as_of)? {
        // The two have to be merged from their beginning; offsets are bounded.
        let whole = Part { limit: part.limit.saturating_add(part.offset), offset: 0, ..part };
        if part.offset > 0 {
            rows = partial!(active(query), whole).load(conn)?;
        }
        let closed: Vec<SignalRow> =
            partial!(closed_since(query), whole).select(signals::all_columns).load(conn)?;
        rows.extend(closed);
        rows.sort_unstable_by_key(|row| std::cmp::Reverse((row.created_at, row.id)));
        rows.dedup_by_key(|row| row.id);
        rows = rows.into_iter().skip(part.offset as usize).take(part.limit as usize).collect();
    }
    Ok(rows)
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
