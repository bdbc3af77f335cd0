//! A copy of the whole database, taken while it serves.

use std::{fs, io::ErrorKind, path::Path};

use alpine_domain::{Error, Result};
use diesel::{
    QueryableByName, RunQueryDsl as _, SqliteConnection,
    sql_types::{BigInt, Text},
};

use crate::{
    AnyConnection, DatabaseSettings,
    connection::{Target, create_private, open, open_copy},
};

/// What a copy holds, as it was read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// Bytes.
    pub size: u64,
    /// Signals in it.
    pub signals: i64,
}

/// Writes a consistent copy of a SQLite database to `destination`, a file that must not exist yet, and reads all of it
/// back. Readers and writers go on meanwhile. Blocks its thread.
///
/// # Errors
/// [`Error::Invalid`] naming `database.url` on PostgreSQL, which brings its own tools, or naming
/// `destination`; [`Error::Internal`] with the database's words, or when the copy is not whole.
pub fn backup(settings: &DatabaseSettings, destination: &Path) -> Result<Copied> {
    let target = Target::parse(settings)?;
    let Target::Sqlite(source) = &target else {
        return Err(Error::invalid(
            "database.url",
            "is PostgreSQL, which has its own tools: take a copy with \
             pg_dump --format=custom --file=alpine.dump \"$DATABASE_URL\"",
        ));
    };
    if !source.exists() {
        let source = source.display();
        return Err(Error::invalid("database.url", format!("{source} does not exist")));
    }
    if destination.to_str().is_none() {
        return Err(Error::invalid("destination", "must be UTF-8"));
    }
    let opened = open(&target, settings.busy_timeout)
        .map_err(|error| Error::unavailable("the database", error))?;
    // SQLite takes an empty file. Making it here refuses whatever has the name already, a link that
    // leads nowhere too, and keeps the copy from other users of the machine.
    create_private(destination).map_err(|error| {
        let text = match error.kind() {
            ErrorKind::AlreadyExists => "exists already; name a new file".to_owned(),
            _ => format!("cannot be made: {error}"),
        };
        Error::invalid("destination", text)
    })?;
    let AnyConnection::Sqlite(mut conn) = opened.conn else {
        return Err(Error::internal("a SQLite file was opened as something else"));
    };
    let copied = write_copy(&mut conn, destination);
    if copied.is_err()
        // Half a copy would be taken for a whole one.
        && let Err(error) = fs::remove_file(destination)
    {
        tracing::warn!(%error, "an incomplete copy stays behind");
    }
    copied
}

/// Writes what a database holds, its journal included, to an empty file, and reads that back.
pub(crate) fn write_copy(conn: &mut SqliteConnection, destination: &Path) -> Result<Copied> {
    let path =
        destination.to_str().ok_or_else(|| Error::invalid("destination", "must be UTF-8"))?;
    diesel::sql_query("VACUUM INTO ?")
        .bind::<Text, _>(path)
        .execute(conn)
        .map_err(Error::internal)?;
    sync(destination)?;
    read_back(destination)
}

#[derive(QueryableByName)]
struct Answer {
    #[diesel(sql_type = Text)]
    integrity_check: String,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// Reads a copy to its end: every page, every row, and what every index says of them.
pub(crate) fn read_back(file: &Path) -> Result<Copied> {
    let size = fs::metadata(file).map_err(Error::internal)?.len();
    let mut conn = open_copy(file)?;
    let answers: Vec<Answer> =
        diesel::sql_query("PRAGMA integrity_check(5)").load(&mut conn).map_err(Error::internal)?;
    if let Some(fault) = answers.iter().find(|row| row.integrity_check != "ok") {
        return Err(Error::internal(format!("the copy is damaged: {}", fault.integrity_check)));
    }
    let count: Count = diesel::sql_query("SELECT COUNT(*) AS count FROM signals")
        .get_result(&mut conn)
        .map_err(|error| Error::internal(format!("holds no database of Alpine: {error}")))?;
    Ok(Copied { size, signals: count.count })
}

fn sync(file: &Path) -> Result<()> {
    let file = fs::OpenOptions::new().write(true).open(file).map_err(Error::internal)?;
    file.sync_all().map_err(Error::internal)
}
