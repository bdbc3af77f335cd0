//! The clock of the database's server.

use std::sync::Arc;

use alpine_domain::{
    Clock, Result,
    ports::database_clock::{DatabaseClock, DatabaseTime},
};
use async_trait::async_trait;

use crate::{Database, dialect};

/// The clock of a database that has one of its own.
pub struct ServerClock(Database);

impl ServerClock {
    /// The clock of PostgreSQL; `None` for SQLite, whose time is the machine's.
    pub fn of(database: &Database) -> Option<Self> {
        database.has_clock().then(|| Self(database.clone()))
    }
}

#[async_trait]
impl DatabaseClock for ServerClock {
    async fn read(&self, ours: &Arc<dyn Clock>) -> Result<DatabaseTime> {
        let ours = Arc::clone(ours);
        // Compared on the thread that asks, so that waiting for a connection is not part of it.
        self.0
            .read("clock", move |conn| {
                let before = ours.now();
                let shown = dialect::server_time(conn)?;
                Ok(DatabaseTime { shown, before, after: ours.now() })
            })
            .await
    }
}
