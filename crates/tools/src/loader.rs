//! The few words that the two back ends say differently, and a connection that loads much.

use alpine_domain::signal::VerificationHash;
use anyhow::{Context as _, Result};
use diesel::{
    Connection as _, PgConnection, QueryableByName, RunQueryDsl as _, SqliteConnection,
    connection::SimpleConnection as _,
    define_sql_function, sql_query,
    sql_types::{BigInt, Text},
};

define_sql_function! {
    /// SHA-256 in hexadecimal digits, which SQLite lacks.
    fn sha256_hex(text: Text) -> Text;
}

/// A connection to a database that is being filled. Constraints and triggers are in force.
pub(crate) enum Loader {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// An index that no constraint needs.
#[derive(Debug, QueryableByName)]
pub(crate) struct Index {
    /// Its name.
    #[diesel(sql_type = Text)]
    pub(crate) name: String,
    /// The statement that makes it.
    #[diesel(sql_type = Text)]
    pub(crate) made_by: String,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

impl Loader {
    /// Connects to `sqlite:PATH` or a URL of PostgreSQL.
    pub(crate) fn connect(url: &str) -> Result<Self> {
        let Some(path) = url.strip_prefix("sqlite:") else {
            return Ok(Self::Postgres(PgConnection::establish(url)?));
        };
        let mut conn = SqliteConnection::establish(path)?;
        let sha256 = |text: String| VerificationHash::of(&text).as_str().to_owned();
        sha256_hex_utils::register_impl(&mut conn, sha256)?;
        // What a crash loses here is made anew.
        conn.batch_execute(
            "PRAGMA busy_timeout = 60000; PRAGMA foreign_keys = ON; PRAGMA recursive_triggers = ON; PRAGMA journal_mode = WAL;
             PRAGMA synchronous = OFF; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -1048576;",
        )?;
        Ok(Self::Sqlite(conn))
    }

    /// Runs statements in one transaction.
    pub(crate) fn run(&mut self, statements: &str) -> Result<()> {
        match self {
            Self::Sqlite(conn) => conn.transaction(|conn| conn.batch_execute(statements)),
            Self::Postgres(conn) => conn.transaction(|conn| conn.batch_execute(statements)),
        }
        .with_context(|| format!("in: {statements}"))
    }

    /// Begins a transaction of several calls of [`Self::go_on`]. One that is not committed leaves nothing.
    pub(crate) fn begin(&mut self) -> Result<()> {
        self.go_on("BEGIN")
    }

    /// Makes what was done since [`Self::begin`] last.
    pub(crate) fn commit(&mut self) -> Result<()> {
        self.go_on("COMMIT")
    }

    /// Runs statements in the transaction that was begun.
    pub(crate) fn go_on(&mut self, statements: &str) -> Result<()> {
        match self {
            Self::Sqlite(conn) => conn.batch_execute(statements),
            Self::Postgres(conn) => conn.batch_execute(statements),
        }
        .with_context(|| format!("in: {statements}"))
    }

    /// The number that a statement calls `count`.
    pub(crate) fn count(&mut self, statement: &str) -> Result<i64> {
        let count: Count = match self {
            Self::Sqlite(conn) => sql_query(statement).get_result(conn),
            Self::Postgres(conn) => sql_query(statement).get_result(conn),
        }
        .with_context(|| format!("in: {statement}"))?;
        Ok(count.count)
    }

    /// The indexes of these tables, but for those of constraints.
    pub(crate) fn indexes(&mut self, tables: &[&str]) -> Result<Vec<Index>> {
        let tables = tables.iter().map(|table| format!("'{table}'")).collect::<Vec<_>>().join(", ");
        Ok(match self {
            Self::Sqlite(conn) => sql_query(format!(
                "SELECT name, sql AS made_by FROM sqlite_master \
                 WHERE type = 'index' AND sql IS NOT NULL AND tbl_name IN ({tables}) ORDER BY name"
            ))
            .load(conn)?,
            Self::Postgres(conn) => sql_query(format!(
                "SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS made_by FROM pg_index \
                 WHERE indrelid::regclass::text IN ({tables}) \
                 AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = indexrelid) ORDER BY 1"
            ))
            .load(conn)?,
        })
    }

    /// What each back end does by itself with a table that grew over months.
    pub(crate) fn settle(&mut self) -> Result<()> {
        match self {
            Self::Sqlite(conn) => conn.batch_execute("PRAGMA wal_checkpoint(TRUNCATE)"),
            Self::Postgres(conn) => conn
                .batch_execute("VACUUM (ANALYZE)")
                .and_then(|()| conn.batch_execute("CHECKPOINT")),
        }
        .context("settling the database")
    }

    /// A common table `g(n)` with the numbers after `from` up to `to`.
    pub(crate) fn numbers(&self, from: i64, to: i64) -> String {
        match self {
            Self::Sqlite(_) => format!(
                "WITH RECURSIVE g(n) AS \
                 (SELECT {from} + 1 UNION ALL SELECT n + 1 FROM g WHERE n < {to})"
            ),
            Self::Postgres(_) => {
                format!("WITH g(n) AS (SELECT generate_series({from}::bigint + 1, {to}::bigint))")
            }
        }
    }

    /// A number in lower-case hexadecimal digits, with zeros in front.
    pub(crate) fn hex(&self, width: u8, number: &str) -> String {
        match self {
            Self::Sqlite(_) => format!("printf('%0{width}x', {number})"),
            Self::Postgres(_) => format!("lpad(to_hex(({number})::bigint), {width}, '0')"),
        }
    }

    /// SHA-256 of a text, in hexadecimal digits.
    pub(crate) fn sha256(&self, text: &str) -> String {
        match self {
            Self::Sqlite(_) => format!("sha256_hex({text})"),
            Self::Postgres(_) => format!("encode(sha256(convert_to({text}, 'UTF8')), 'hex')"),
        }
    }

    /// Microseconds since 1970 as RFC 3339, to the second.
    pub(crate) fn rfc3339(&self, micros: &str) -> String {
        match self {
            Self::Sqlite(_) => {
                format!("strftime('%Y-%m-%dT%H:%M:%SZ', ({micros}) / 1000000, 'unixepoch')")
            }
            Self::Postgres(_) => format!(
                "to_char(to_timestamp(({micros}) / 1000000) AT TIME ZONE 'UTC', \
                 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
            ),
        }
    }
}
