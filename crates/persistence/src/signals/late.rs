//! Late outcomes beside the signals that have them. They are looked up by key for the few rows of an answer
//! that have expired, and never joined, so that lists are read as if there were none.

use std::collections::HashMap;

use alpine_domain::signal::Outcome;
use diesel::{ExpressionMethods as _, QueryDsl as _, RunQueryDsl as _};

use crate::{
    AnyConnection, Failure, rows::LateOutcomeRow, schema::late_outcomes, unreadable::UnreadableRows,
};

/// Keys for each look-up, well below the parameters that a statement may have.
const CHUNK: usize = 500;

/// The late outcome of the signal in this row; none, noted, if it cannot be read.
pub(super) fn find(
    conn: &mut AnyConnection,
    row: i64,
    unreadable: &UnreadableRows,
) -> Result<Option<Outcome>, Failure> {
    Ok(find_all(conn, &[row], unreadable)?.remove(&row))
}

/// The late outcomes of the signals in these rows, by row. One that cannot be read is left out and counted.
pub(super) fn find_all(
    conn: &mut AnyConnection,
    rows: &[i64],
    unreadable: &UnreadableRows,
) -> Result<HashMap<i64, Outcome>, Failure> {
    let mut found = HashMap::new();
    for chunk in rows.chunks(CHUNK) {
        let keys = late_outcomes::signal_id.eq_any(chunk.iter().copied());
        let late: Vec<LateOutcomeRow> = late_outcomes::table.filter(keys).load(conn)?;
        found.extend(late.into_iter().filter_map(|late| {
            let row = late.signal_id;
            Some((row, unreadable.leave_out("late_outcomes", row, late.outcome())?))
        }));
    }
    Ok(found)
}
