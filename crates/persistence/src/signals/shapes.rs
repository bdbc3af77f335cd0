//! The shapes of statements that ask for signals, and what is added to each of them.

use alpine_domain::{
    page::Slice,
    signal::{SignalQuery, SignalStatus},
};
use diesel::{
    ExpressionMethods as _, QueryDsl as _, TextExpressionMethods as _,
    dsl::{InnerJoin, IntoBoxed, LeftJoin},
};

use super::fragments::Awaited;
use crate::{
    connection::MultiBackend,
    rows::{OutcomeRow, SignalRow},
    schema::{outcomes, signals},
    signal_ids::SignalIds,
};

pub(super) type Plain<'a> = signals::BoxedQuery<'a, MultiBackend>;
pub(super) type Closed<'a> =
    IntoBoxed<'a, InnerJoin<signals::table, outcomes::table>, MultiBackend>;
pub(super) type Both<'a> = IntoBoxed<'a, LeftJoin<signals::table, outcomes::table>, MultiBackend>;

/// Adds what is asked of the signal itself to a query of any of the shapes above. Every field is named,
/// so that a condition without its statement does not compile; `as_of` and `state` choose the shape.
macro_rules! with_conditions {
    ($rows:expr, $query:expr) => {
        $crate::signals::shapes::with_conditions!($rows, $query, signals::symbol)
    };
    ($rows:expr, $query:expr, $symbol:expr) => {{
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
            rows = rows.filter($symbol.eq(symbol.as_str()));
        }
        if let Some(action) = action {
            rows = rows.filter(signals::action.eq(action.as_str()));
        }
        if *without_history {
            rows = rows.filter($crate::signals::fragments::Condition::NO_HISTORY);
        }
        if let Some(in_record) = $crate::signals::fragments::Condition::signal_in(*record) {
            rows = rows.filter(in_record);
        }
        rows
    }};
}

/// Adds the order and the part that is wanted.
macro_rules! partial {
    ($rows:expr, $part:expr) => {
        $crate::signals::shapes::partial!($rows, $part, signals::created_at)
    };
    ($rows:expr, $part:expr, $instant:expr) => {{
        let part: Part = $part;
        let mut rows = $rows.order(($instant.desc(), signals::id.desc())).limit(part.limit.into());
        if let Some((created_at, id)) = part.after {
            rows = rows.filter($crate::signals::fragments::Before { created_at, id });
        } else if part.offset > 0 {
            rows = rows.offset(part.offset.into());
        }
        rows
    }};
}

/// The same of signals that are named one by one. No index has the sum, so that none is walked in its order: a planner
/// may believe that it meets some of the named ones soon.
macro_rules! partial_of_named {
    ($rows:expr, $part:expr) => {
        $crate::signals::shapes::partial!($rows, $part, (signals::created_at + 0_i64))
    };
}

pub(super) use {partial, partial_of_named, with_conditions};

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
pub(super) fn ended(query: &SignalQuery, status: SignalStatus, awaited: Awaited) -> Closed<'_> {
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
pub(super) fn any(query: &SignalQuery, newest: i64, awaited: Awaited) -> Both<'_> {
    let rows = signals::table
        .left_join(outcomes::table)
        .into_boxed()
        .filter(awaited)
        .filter(signals::created_at.le(newest));
    with_conditions!(rows, query)
}

/// The same without outcomes, for counting.
pub(super) fn any_plain(query: &SignalQuery, awaited: Awaited) -> Plain<'_> {
    let rows = signals::table
        .filter(awaited)
        .filter(signals::created_at.le(query.as_of.micros()))
        .into_boxed();
    with_conditions!(rows, query)
}

/// Those of the signals with these numbers that the query is about.
pub(super) fn named(ids: Vec<i64>, query: &SignalQuery) -> Plain<'_> {
    let rows = signals::table
        .filter(signals::id.eq_any(ids))
        .filter(signals::created_at.le(query.as_of.micros()))
        .into_boxed();
    // No index has this text: SQLite would read all signals of the instrument, and look for the numbers among them.
    with_conditions!(rows, query, signals::symbol.concat(""))
}

/// All signals that closed after the query's `as_of`.
pub(super) fn joined(query: &SignalQuery, awaited: Awaited) -> Closed<'_> {
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
pub(super) struct Part {
    pub(super) limit: u32,
    pub(super) offset: u32,
    pub(super) after: Option<(i64, i64)>,
}

impl Part {
    /// The numbers of the signals of this part, of all that a list has with their instants.
    pub(super) fn choose(self, mut places: Vec<(i64, i64)>) -> Vec<i64> {
        places.retain(|place| self.after.is_none_or(|after| *place < after));
        places.sort_unstable_by_key(|place| std::cmp::Reverse(*place));
        let part = places.into_iter().skip(self.offset as usize).take(self.limit as usize);
        part.map(|(_, id)| id).collect()
    }

    /// When the newest signal of the part may have been accepted. SQLite begins to read at the first bound of a column
    /// that it finds in a statement, and passes over all rows up to a closer one that follows.
    pub(super) fn newest(&self, query: &SignalQuery) -> i64 {
        let as_of = query.as_of.micros();
        self.after.map_or(as_of, |(created_at, _)| created_at.min(as_of))
    }

    /// A cursor whose signal has no row leads to the rows before its instant.
    pub(super) fn of(slice: Slice, ids: &SignalIds) -> Self {
        let row = |id| ids.row(id).unwrap_or(0);
        let after = slice.after.map(|cursor| (cursor.created_at.micros(), row(cursor.id)));
        // A cursor wins over the offset.
        let offset = if after.is_some() { 0 } else { slice.offset };
        Self { limit: slice.limit, offset, after }
    }
}

/// A signal with the outcome that it has.
pub(super) type Row = (SignalRow, Option<OutcomeRow>);
