//! Opening a connection: the URL's scheme decides, and every connection is set up the same way.

mod any;
#[cfg(fuzzing)]
pub mod fuzzing;
mod postgres_url;
mod url;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use alpine_domain::Error;
use diesel::{
    Connection as _, ConnectionError, PgConnection, QueryableByName, RunQueryDsl as _,
    SqliteConnection,
    connection::SimpleConnection as _,
    define_sql_function,
    serialize::{self, Output, ToSql},
    sql_types::{Bool, Integer, Text},
    sqlite::Sqlite,
};

pub use any::AnyConnection;
pub(crate) use any::MultiBackend;
pub use postgres_url::{is_exposed, shown_url};
use url::PostgresTarget;
pub(crate) use url::{Target, create_private};

/// A connection, and what was learned when it was opened.
pub(crate) struct Opened {
    pub(crate) conn: AnyConnection,
    /// No host takes writes: this one is a standby, or set to read-only.
    pub(crate) is_read_only: bool,
    pub(crate) interrupt: Interrupt,
}

/// By what a running statement can be ended from another thread.
#[derive(Debug, Clone)]
pub(crate) enum Interrupt {
    /// The server's process.
    Postgres(i32),
    /// What SQLite asks for each row of statements that may read much, see [`ASK_AWAITED`].
    Sqlite(Arc<AtomicBool>),
}

/// The condition that is true while a statement on SQLite is waited for, and then ends it.
pub(crate) const ASK_AWAITED: &str = "alpine_awaited()";

define_sql_function! {
    /// What [`ASK_AWAITED`] calls.
    fn alpine_awaited() -> Bool;
}

/// The answer to [`ASK_AWAITED`].
#[derive(Debug)]
struct Answer(bool);

impl ToSql<Bool, Sqlite> for Answer {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        if !self.0 {
            return Err("nobody waits for this statement".into());
        }
        <bool as ToSql<Bool, Sqlite>>::to_sql(&true, out)
    }
}

/// Opens one connection: to a host that takes writes if there is one, else to any.
pub(crate) fn open(target: &Target, busy_timeout: Duration) -> Result<Opened, ConnectionError> {
    match target {
        Target::Postgres(target) => {
            let (mut conn, is_read_only) = establish_postgres(target)?;
            let backend: Backend = diesel::sql_query("SELECT pg_backend_pid() AS pid")
                .get_result(&mut conn)
                .map_err(ConnectionError::CouldntSetupConfiguration)?;
            let interrupt = Interrupt::Postgres(backend.pid);
            Ok(Opened { conn: AnyConnection::Postgres(conn), is_read_only, interrupt })
        }
        Target::Sqlite(path) => {
            let path = path.to_str().ok_or_else(|| {
                ConnectionError::BadConnection("the SQLite file's name is not UTF-8".to_owned())
            })?;
            let mut conn = SqliteConnection::establish(path)?;
            set_up_sqlite(&mut conn, busy_timeout)
                .map_err(ConnectionError::CouldntSetupConfiguration)?;
            let is_abandoned = Arc::new(AtomicBool::new(false));
            let asked = Arc::clone(&is_abandoned);
            let answer = move || Answer(!asked.load(Ordering::Relaxed));
            alpine_awaited_utils::register_nondeterministic_impl(&conn, answer)
                .map_err(ConnectionError::CouldntSetupConfiguration)?;
            let (conn, interrupt) = (AnyConnection::Sqlite(conn), Interrupt::Sqlite(is_abandoned));
            Ok(Opened { conn, is_read_only: false, interrupt })
        }
    }
}

/// Opens a copy of a SQLite database to look at it. It is not set up as a database is: how Alpine keeps its journal would
/// be noted in the file itself.
pub(crate) fn open_copy(file: &Path) -> alpine_domain::Result<SqliteConnection> {
    let path = file.to_str().ok_or_else(|| Error::invalid("file", "must be UTF-8"))?;
    SqliteConnection::establish(path).map_err(Error::internal)
}

/// What libpq says of hosts that are there and take no writes. Its own texts are not translated: the
/// library is built without that.
const TAKES_NO_WRITES: [&str; 2] = ["session is read-only", "server is in hot standby mode"];

fn establish_postgres(target: &PostgresTarget) -> Result<(PgConnection, bool), ConnectionError> {
    // Before libpq does it: this way OpenSSL registers nothing to run at exit, where it would free
    // what threads that are opening connections still use (OPENSSL_INIT_NO_ATEXIT in the manual page
    // of OPENSSL_init_crypto).
    openssl_sys::init();
    let Some(writable) = &target.writable else {
        return Ok((PgConnection::establish(&target.any)?, false));
    };
    match PgConnection::establish(writable) {
        Ok(conn) => Ok((conn, false)),
        Err(ConnectionError::BadConnection(text))
            if TAKES_NO_WRITES.iter().any(|words| text.contains(words)) =>
        {
            Ok((PgConnection::establish(&target.any)?, true))
        }
        Err(error) => Err(error),
    }
}

#[derive(QueryableByName)]
struct Backend {
    #[diesel(sql_type = Integer)]
    pid: i32,
}

/// `synchronous = FULL`: an acknowledged write survives the loss of power, not only of the process.
/// `recursive_triggers`: REPLACE fires the triggers that keep signals immutable.
/// `cache_size`: 4 MiB of pages for each connection, of which there are eight at most. With SQLite's own
/// 2 MB, lists of a file of two years took up to 2.4 times as long as of a new one.
fn set_up_sqlite(conn: &mut SqliteConnection, busy_timeout: Duration) -> diesel::QueryResult<()> {
    conn.batch_execute(&format!(
        "PRAGMA busy_timeout = {}; PRAGMA foreign_keys = ON; PRAGMA recursive_triggers = ON; \
         PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864; \
         PRAGMA cache_size = -4096;",
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
