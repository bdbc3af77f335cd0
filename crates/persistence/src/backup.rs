//! A copy of the whole database, taken while it serves, and going back to one.

use std::{
    fs::{self, File},
    io::ErrorKind,
    path::{Path, PathBuf},
    time::Duration,
};

use alpine_domain::{Error, Result};
use diesel::{
    QueryableByName, RunQueryDsl as _,
    sql_types::{BigInt, Text},
};

use crate::{
    AnyConnection, DatabaseSettings, Migrator,
    connection::{Target, create_private, open, open_copy},
    serving::ServingLock,
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
    let path =
        destination.to_str().ok_or_else(|| Error::invalid("destination", "must be UTF-8"))?;
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
    let copied = diesel::sql_query("VACUUM INTO ?")
        .bind::<Text, _>(path)
        .execute(&mut conn)
        .map_err(Error::internal)
        .and_then(|_| sync(destination))
        .and_then(|()| read_back(destination));
    if copied.is_err()
        // Half a copy would be taken for a whole one.
        && let Err(error) = fs::remove_file(destination)
    {
        tracing::warn!(%error, "an incomplete copy stays behind");
    }
    copied
}

/// Puts a copy in the place of a SQLite database, which is kept beside it under the name that is returned. The copy is
/// read to its end first; nothing is changed when it is not whole. Blocks its thread.
///
/// # Errors
/// [`Error::Invalid`] naming `database.url` on PostgreSQL, or while a server uses the database; naming `file` when it
/// is no copy of an Alpine database, or one of a newer release.
pub fn restore(settings: &DatabaseSettings, file: &Path) -> Result<(Copied, Option<PathBuf>)> {
    let target = Target::parse(settings)?;
    let Target::Sqlite(place) = &target else {
        return Err(Error::invalid(
            "database.url",
            "is PostgreSQL, which has its own tools: go back to a copy with \
             pg_restore --clean --if-exists --dbname=\"$DATABASE_URL\" alpine.dump",
        ));
    };
    let copied = check(file)?;
    target.prepare_folder()?;
    let _nobody_serves = ServingLock::take(settings)?;
    let fresh = beside(place, "restoring");
    copy(file, &fresh)
        .map_err(|error| Error::invalid("database.url", format!("cannot be written: {error}")))?;
    let swapped = read_back(&fresh).and_then(|_| {
        put_aside(&target, place).and_then(|aside| {
            fs::rename(&fresh, place)
                .and_then(|()| sync_folder(place))
                .map_err(Error::internal)
                .map(|()| aside)
        })
    });
    if swapped.is_err() {
        // It may never have been made.
        let _ignored = fs::remove_file(&fresh);
    }
    Ok((copied, swapped?))
}

/// Makes sure that a file is a whole copy of an Alpine database that this version understands.
fn check(file: &Path) -> Result<Copied> {
    let refused = |text: String| Error::invalid("file", format!("{}: {text}", file.display()));
    let is_database = || -> std::io::Result<bool> {
        let mut magic = [0; 16];
        std::io::Read::read_exact(&mut File::open(file)?, &mut magic)?;
        Ok(magic == *b"SQLite format 3\0")
    };
    match is_database() {
        Ok(true) => {}
        Ok(false) => return Err(refused("is no copy that `alpine backup` made".to_owned())),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
            return Err(refused("is no copy that `alpine backup` made".to_owned()));
        }
        Err(error) => return Err(refused(error.to_string())),
    }
    let copied = read_back(file).map_err(|error| match error {
        Error::Internal(source) => refused(source.to_string()),
        other => other,
    })?;
    // What is told of a newer release names the setting, and it is the file that is meant.
    Migrator::of_copy(file)?.check_not_newer().map_err(|error| match error {
        Error::Invalid(errors) => {
            refused(errors.into_iter().map(|error| error.message).collect::<String>())
        }
        other => other,
    })?;
    Ok(copied)
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
fn read_back(file: &Path) -> Result<Copied> {
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

/// Keeps what is there under another name, all of it: what only the journal has is written into the file first.
fn put_aside(target: &Target, place: &Path) -> Result<Option<PathBuf>> {
    const PATIENCE: Duration = Duration::from_secs(5);
    if target.missing_file().is_some() {
        return Ok(None);
    }
    // One that is damaged is kept with its journal.
    if let Ok(mut opened) = open(target, PATIENCE)
        && let AnyConnection::Sqlite(conn) = &mut opened.conn
        && let Err(error) = diesel::sql_query("PRAGMA wal_checkpoint(TRUNCATE)").execute(conn)
    {
        tracing::debug!(%error, "the journal is kept beside the file");
    }
    let aside = (1..).map(|number| beside(place, &format!("before-restore-{number}")));
    let aside = { aside }
        .take(10_000)
        .find(|aside| !aside.exists())
        .ok_or_else(|| Error::invalid("database.url", "10,000 older ones are kept beside it"))?;
    // A second name, so that there is a database at every moment.
    fs::hard_link(place, &aside).map_err(Error::internal)?;
    for suffix in ["-wal", "-shm"] {
        match fs::rename(with_suffix(place, suffix), with_suffix(&aside, suffix)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(Error::internal(error));
            }
            _ => {}
        }
    }
    Ok(Some(aside))
}

/// `alpine.db` becomes `alpine.db.NAME`.
fn beside(place: &Path, name: &str) -> PathBuf {
    with_suffix(place, &format!(".{name}"))
}

fn with_suffix(place: &Path, suffix: &str) -> PathBuf {
    let mut name = place.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    match fs::remove_file(to) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    create_private(to)?;
    let mut written = fs::OpenOptions::new().write(true).open(to)?;
    std::io::copy(&mut File::open(from)?, &mut written)?;
    written.sync_all()
}

fn sync(file: &Path) -> Result<()> {
    let file = fs::OpenOptions::new().write(true).open(file).map_err(Error::internal)?;
    file.sync_all().map_err(Error::internal)
}

fn sync_folder(file: &Path) -> std::io::Result<()> {
    match file.parent() {
        Some(folder) if folder != Path::new("") => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}
