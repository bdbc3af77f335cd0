//! The plans that SQLite would follow.

use alpine_persistence::{AnyConnection, Database, DatabaseSettings};
use anyhow::{Context as _, Result};
use diesel::{QueryableByName, RunQueryDsl as _, sql_query, sql_types::Text};
use prometheus::Registry;

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    detail: String,
}

/// The lines of the plan of each statement. SQLite chooses it without looking at values.
pub(super) async fn plans(
    url: &str,
    statements: Vec<String>,
) -> Result<Vec<(String, Vec<String>)>> {
    let settings = DatabaseSettings { pool_max: 1, pool_kept: 1, ..DatabaseSettings::new(url) };
    // A connection as the service's, with its functions.
    let database = Database::open(settings, &Registry::new())?;
    let plans = database.read("explain", move |conn| {
        let AnyConnection::Sqlite(conn) = conn else { return Ok(Vec::new()) };
        statements
            .iter()
            .map(|statement| {
                let lines: Vec<Line> =
                    sql_query(format!("EXPLAIN QUERY PLAN {statement}")).load(conn)?;
                Ok((statement.clone(), lines.into_iter().map(|line| line.detail).collect()))
            })
            .collect()
    });
    plans.await.context("EXPLAIN QUERY PLAN")
}
