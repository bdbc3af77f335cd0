//! What is stored, so that two moments can be compared.

use std::collections::BTreeMap;

use alpine_persistence::AnyConnection;
use diesel::{
    RunQueryDsl as _,
    sql_types::{BigInt, Text},
};

use crate::support::TestApp;

/// How many rows each table has, and the number of the newest event: whatever changes a row that others depend on
/// adds an event.
#[derive(Debug, PartialEq, Eq)]
pub struct Stored {
    rows: BTreeMap<String, i64>,
    newest_event: i64,
}

#[derive(diesel::QueryableByName)]
struct Table {
    #[diesel(sql_type = Text)]
    name: String,
}

#[derive(diesel::QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// What writes here is no change: who was refused is written down, and how much was asked is counted.
const OF_REQUESTS: [&str; 3] = ["audit", "rollups", "user_activity"];

impl Stored {
    pub async fn in_(app: &TestApp) -> Self {
        let count = |conn: &mut AnyConnection| {
            let tables = match conn {
                AnyConnection::Sqlite(_) => "SELECT name FROM sqlite_master WHERE type = 'table'",
                AnyConnection::Postgres(_) => {
                    "SELECT table_name::text AS name FROM information_schema.tables
                     WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'"
                }
            };
            let tables: Vec<Table> = diesel::sql_query(tables).load(conn)?;
            let mut rows = BTreeMap::new();
            for Table { name } in tables {
                if !OF_REQUESTS.iter().any(|prefix| name.starts_with(prefix)) {
                    let statement = format!("SELECT count(*) AS count FROM {name}");
                    let counted: Count = diesel::sql_query(statement).get_result(conn)?;
                    rows.insert(name, counted.count);
                }
            }
            Ok(rows)
        };
        let rows = app.core.database.read("count", count).await.unwrap();
        assert!(rows.len() > 8 && rows["users"] == 3, "{rows:?}");
        Self { rows, newest_event: app.core.stores.events.head().await.unwrap() }
    }
}
