//! One migrator at a time on PostgreSQL, and what a killed one left behind.

use std::{
    thread,
    time::{Duration, Instant},
};

use alpine_domain::{Error, Result};
use diesel::{
    PgConnection, QueryResult, QueryableByName, RunQueryDsl as _,
    connection::SimpleConnection as _,
    sql_types::{BigInt, Bool, Text},
};

/// Any number will do that nothing else in the database uses.
const LOCK: i64 = 0x616c_7069_6e65_0002;
const PAUSE: Duration = Duration::from_millis(100);

#[derive(QueryableByName)]
struct Acquired {
    #[diesel(sql_type = Bool)]
    acquired: bool,
}

/// Asks again and again. Waiting inside `pg_advisory_lock` would be a transaction that is open for
/// as long, and `CREATE INDEX CONCURRENTLY` by the holder waits for every one of those.
pub(super) fn acquire(conn: &mut PgConnection, wait: Duration) -> Result<()> {
    let deadline = Instant::now() + wait;
    loop {
        let row: Acquired = diesel::sql_query("SELECT pg_try_advisory_lock($1) AS acquired")
            .bind::<BigInt, _>(LOCK)
            .get_result(conn)
            .map_err(|error| Error::unavailable("the database", error))?;
        if row.acquired {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let text = format!(
                "another instance has been migrating for more than {} s; see who holds it: \
                 SELECT pid FROM pg_locks WHERE locktype = 'advisory'",
                wait.as_secs()
            );
            return Err(Error::unavailable("the database", text));
        }
        thread::sleep(PAUSE);
    }
}

/// A lock that cannot be given back ends with the connection.
pub(super) fn release(conn: &mut PgConnection) {
    let released =
        diesel::sql_query("SELECT pg_advisory_unlock($1)").bind::<BigInt, _>(LOCK).execute(conn);
    if let Err(error) = released {
        tracing::debug!(%error, "the migration lock ends with its connection");
    }
}

#[derive(QueryableByName)]
struct Index {
    #[diesel(sql_type = Text)]
    name: String,
}

/// An index whose concurrent build was interrupted is of no use and in the way of the next attempt.
pub(super) fn drop_invalid_indexes(conn: &mut PgConnection) -> QueryResult<()> {
    let invalid: Vec<Index> = diesel::sql_query(
        "SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_index i \
         JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE NOT i.indisvalid AND n.nspname = current_schema() AND c.relname LIKE 'idx\\_%'",
    )
    .load(conn)?;
    for index in invalid {
        tracing::warn!(index = %index.name, "dropping an index whose build was interrupted");
        conn.batch_execute(&format!("DROP INDEX CONCURRENTLY IF EXISTS {}", index.name))?;
    }
    Ok(())
}
