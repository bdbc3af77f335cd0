//! What one producer published, read by the index that has each producer's signals in the order of lists.

use alpine_domain::{
    page::Slice,
    producer::ProducerId,
    signal::{OwnFilter, Signal, SignalStatus},
};
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, NullableExpressionMethods as _,
    QueryDsl as _, RunQueryDsl as _, dsl::exists,
};

use super::{
    fragments::{Awaited, CountOf},
    late,
    shapes::{Both, Part, partial},
};
use crate::{
    AnyConnection, Failure,
    rows::{OutcomeRow, SignalRow},
    schema::{late_outcomes, outcomes, signals},
    signal_ids::SignalIds,
    unreadable::UnreadableRows,
};

/// Those that are meant.
fn meant(producer: ProducerId, filter: &OwnFilter, awaited: Awaited) -> Both<'_> {
    let OwnFilter { status, symbol, updated_after } = filter;
    let mut rows = signals::table
        .left_join(outcomes::table)
        .into_boxed()
        .filter(awaited)
        .filter(signals::producer_id.eq(producer.get()));
    if let Some(symbol) = symbol {
        rows = rows.filter(signals::symbol.eq(symbol.as_str()));
    }
    rows = match status {
        None => rows,
        Some(SignalStatus::Open) => rows.filter(outcomes::signal_id.nullable().is_null()),
        Some(status) => rows.filter(outcomes::status.nullable().eq(status.as_str())),
    };
    if let Some(since) = updated_after {
        let since = since.micros();
        let late = late_outcomes::table
            .filter(late_outcomes::signal_id.eq(signals::id))
            .filter(late_outcomes::recorded_at.gt(since));
        rows = rows.filter(
            signals::created_at
                .gt(since)
                .or(outcomes::recorded_at.nullable().gt(since).assume_not_null())
                .or(exists(late)),
        );
    }
    rows
}

/// As many signals of the slice as there are: in the place of a row that cannot be read stands the next one.
pub(super) fn list(
    conn: &mut AnyConnection,
    ids: &SignalIds,
    (producer, filter): (ProducerId, &OwnFilter),
    slice: Slice,
    unreadable: &UnreadableRows,
) -> Result<Vec<Signal>, Failure> {
    let (limit, mut part) = (slice.limit as usize, Part::of(slice, ids));
    let mut signals = Vec::new();
    loop {
        let rows: Vec<(SignalRow, Option<OutcomeRow>)> =
            partial!(meant(producer, filter, Awaited::on(conn)), part)
                .select((signals::all_columns, outcomes::all_columns.nullable()))
                .load(conn)?;
        ids.meet(conn, rows.iter().map(|(row, _)| row.producer_id))?;
        let is_last = rows.len() < limit;
        let after = rows.last().map(|(row, _)| (row.created_at, row.id));
        part = Part { limit: slice.limit, offset: 0, after };
        let keys: Vec<i64> = rows.iter().map(|(row, _)| row.id).collect();
        let mut late = late::find_all(conn, &keys, unreadable)?;
        signals.extend(rows.into_iter().filter_map(|(row, outcome)| {
            let (id, signal) = (row.id, row.signal(ids, outcome));
            let mut signal = unreadable.leave_out("signals", id, signal)?;
            signal.late_outcome = late.remove(&id);
            Some(signal)
        }));
        if is_last || signals.len() >= limit {
            signals.truncate(limit);
            return Ok(signals);
        }
    }
}

pub(super) fn count(
    conn: &mut AnyConnection,
    producer: ProducerId,
    filter: &OwnFilter,
    cap: u32,
) -> Result<u32, Failure> {
    let rows = meant(producer, filter, Awaited::on(conn)).select(signals::id).limit(cap.into());
    let count: i64 = CountOf(rows).get_result(conn)?;
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}
