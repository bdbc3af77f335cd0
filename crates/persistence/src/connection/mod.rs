//! Opening a connection: the URL's scheme decides, and every connection is set up the same way.

mod any;
mod url;

use std::{
    thread,
    time::{Duration, Instant},
};

use diesel::{
    Connection as _, ConnectionError, PgConnection, QueryableByName, RunQueryDsl as _,
    SqliteConnection, connection::SimpleConnection as _, sql_types::Text,
};

pub use any::AnyConnection;
pub(crate) use any::MultiBackend;
pub(crate) use url::{Target, redacted};

/// Opens one connection.
pub(crate) fn establish(
    target: &Target,
    busy_timeout: Duration,
) -> Result<AnyConnection, ConnectionError> {
    match target {
        Target::Postgres(url) => PgConnection::establish(url).map(AnyConnection::Postgres),
        Target::Sqlite(path) => {
            let path = path.to_str().ok_or_else(|| {
                ConnectionError::BadConnection("the SQLite file's name is not UTF-8".to_owned())
            })?;
            let mut conn = SqliteConnection::establish(path)?;
            set_up_sqlite(&mut conn, busy_timeout)
                .map_err(ConnectionError::CouldntSetupConfiguration)?;
            Ok(AnyConnection::Sqlite(conn))
        }
    }
}

/// `synchronous = FULL`: an acknowledged write survives the loss of power, not only of the process.
/// `recursive_triggers`: REPLACE fires the triggers that keep signals immutable.
fn set_up_sqlite(conn: &mut SqliteConnection, busy_timeout: Duration) -> diesel::QueryResult<()> {
    conn.batch_execute(&format!(
        "PRAGMA busy_timeout = {}; PRAGMA foreign_keys = ON; PRAGMA recursive_triggers = ON; \
         PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864;",
        busy_timeout.as_millis()
    ))?;
    // Changing the journal's mode does not wait for other openers by itself.
    let deadline = Instant::now() + busy_timeout;
    loop {
        match diesel::sql_query("PRAGMA journal_mode = WAL").get_result::<JournalMode>(conn) {
            Ok(mode) if mode.journal_mode == "wal" => return Ok(()),
            Ok(_) | Err(_) if Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(10));
            }
            Ok(mode) => {
                let text = format!("the journal stays in mode {}, not wal", mode.journal_mode);
                return Err(diesel::result::Error::QueryBuilderError(text.into()));
            }
            Err(error) => return Err(error),
        }
    }
}

#[derive(QueryableByName)]
struct JournalMode {
    #[diesel(sql_type = Text)]
    journal_mode: String,
}
