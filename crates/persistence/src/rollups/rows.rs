//! Rows of sums.

use std::collections::BTreeMap;

use alpine_domain::analytics::{Day, Rollup, RollupKey};

use crate::{AnyConnection, Failure, dialect};

/// A stored sum; `None` if a newer release counts what this one does not know.
pub(super) fn read((day, name, key, value): (i64, String, String, i64)) -> Option<Rollup> {
    name.parse().ok().map(|name| Rollup { day: Day::new(day), name, key, value })
}

/// Adds to sums, in one order. Whoever adds to the same ones waits for the commit: that is why this is done last.
pub(crate) fn add(
    conn: &mut AnyConnection,
    counted: &BTreeMap<RollupKey, i64>,
) -> Result<(), Failure> {
    for (RollupKey { day, name, key }, value) in counted {
        if *value != 0 {
            dialect::add_rollup(conn, (day.number(), name.as_str(), key), *value)?;
        }
    }
    Ok(())
}
