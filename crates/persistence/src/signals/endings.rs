//! Which signals ended since an instant: so many recorded outcomes from the end of an index, then the signals that they
//! belong to, by key. Two statements that read a stated number of rows, whatever is stored.

use std::collections::HashMap;

use alpine_domain::{
    Timestamp,
    page::Cursor,
    signal::{Ended, EndedQuery, Signal, SignalQuery},
};
use diesel::{
    ExpressionMethods as _, NullableExpressionMethods as _, QueryDsl as _, RunQueryDsl as _,
};

use super::{fragments::RecordedBefore, late, shapes::with_conditions};
use crate::{
    AnyConnection, Failure,
    rows::{OutcomeRow, SignalRow},
    schema::{late_outcomes, outcomes, signals},
    signal_ids::SignalIds,
    unreadable::UnreadableRows,
};

/// Signals for each look-up, well below the parameters that a statement may have.
const CHUNK: usize = 500;

/// When outcomes were recorded, the last first: by row of the signal, with the instant.
macro_rules! recorded {
    ($results:ident, $name:literal, $ended:expr, $newest:expr, $after:expr, $conn:expr) => {{
        let mut rows = $results::table
            .filter($results::recorded_at.gt($ended.since.micros()))
            .filter($results::recorded_at.le($newest))
            .order(($results::recorded_at.desc(), $results::signal_id.desc()))
            .select(($results::signal_id, $results::recorded_at))
            .limit(i64::from($ended.limit))
            .into_boxed();
        if let Some((recorded_at, row)) = $after {
            rows = rows.filter(RecordedBefore { results: $name, recorded_at, row });
        }
        rows.load::<(i64, i64)>($conn)?
    }};
}

/// A part of what ended.
pub(super) fn ended(
    conn: &mut AnyConnection,
    ids: &SignalIds,
    (query, ended): (&SignalQuery, EndedQuery),
    unreadable: &UnreadableRows,
) -> Result<Ended, Failure> {
    let as_of = query.as_of.micros();
    let after =
        ended.after.map(|cursor| (cursor.created_at.micros(), ids.row(cursor.id).unwrap_or(0)));
    // SQLite begins to read at the first bound of a column that it finds.
    let newest = after.map_or(as_of, |(recorded_at, _)| recorded_at.min(as_of));
    let recorded: Vec<(i64, i64)> = if ended.late {
        recorded!(late_outcomes, "late_outcomes", ended, newest, after, conn)
    } else {
        recorded!(outcomes, "outcomes", ended, newest, after, conn)
    };
    let is_last = recorded.len() < ended.limit as usize;
    let mut found = HashMap::new();
    for chunk in recorded.chunks(CHUNK) {
        add(conn, ids, (query, &ended), chunk, &mut found, unreadable)?;
    }
    let signals = recorded.iter().filter_map(|(row, _)| found.remove(row)).collect();
    let next = match recorded.last() {
        Some((row, recorded_at)) if !is_last => {
            let created_at = Timestamp::from_micros(*recorded_at);
            Some(Cursor { created_at, id: ids.public(*row)? })
        }
        _ => None,
    };
    Ok(Ended { signals, next })
}

/// Adds the signals of these outcomes that were accepted, and for late ones had expired, no later than `since`.
fn add(
    conn: &mut AnyConnection,
    ids: &SignalIds,
    (query, ended): (&SignalQuery, &EndedQuery),
    recorded: &[(i64, i64)],
    found: &mut HashMap<i64, Signal>,
    unreadable: &UnreadableRows,
) -> Result<(), Failure> {
    let keys: Vec<i64> = recorded.iter().map(|(row, _)| *row).collect();
    let since = ended.since.micros();
    let mut rows = signals::table
        .left_join(outcomes::table)
        .into_boxed()
        .filter(signals::id.eq_any(keys.clone()))
        .filter(signals::created_at.le(since));
    if ended.late {
        rows = rows.filter(outcomes::recorded_at.nullable().le(since));
    }
    let rows: Vec<(SignalRow, Option<OutcomeRow>)> = with_conditions!(rows, query)
        .select((signals::all_columns, outcomes::all_columns.nullable()))
        .load(conn)?;
    ids.meet(conn, rows.iter().map(|(row, _)| row.producer_id))?;
    let mut late = late::find_all(conn, &keys, unreadable)?;
    for (row, outcome) in rows {
        let (row, signal) = (row.id, row.signal(ids, outcome));
        if let Some(mut signal) = unreadable.leave_out("signals", row, signal) {
            signal.late_outcome = late.remove(&row);
            found.insert(row, signal.as_of(query.as_of));
        }
    }
    Ok(())
}
