//! Going back to a copy of a SQLite database.

use std::{
    fs::{self, File},
    io::ErrorKind,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use alpine_domain::{Error, Result};
use diesel::{
    RunQueryDsl as _, SqliteConnection, connection::SimpleConnection as _, sql_types::Text,
};

use crate::{
    Copied, DatabaseSettings, Migrator,
    backup::{read_back, write_copy},
    connection::{Target, create_private, open_copy},
    files::{JOURNALS, adopt, owner_of, with_suffix},
    serving::ServingLock,
};

/// How long other programs may take to close the database.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(100);

/// Puts a copy in the place of a SQLite database, which is kept beside it under the name that is returned: a journal
/// alone where there was no database. The copy is read to its end first, and what was written from it once more; when it
/// is not whole, or anything else fails, what was there stays. Blocks its thread.
///
/// # Errors
/// [`Error::Invalid`] naming `database.url` on PostgreSQL, or while another program has the database open; naming `file`
/// when it is no copy of an Alpine database, or one of a newer release; [`Error::Internal`] when what was written is not
/// what was read.
pub fn restore(settings: &DatabaseSettings, file: &Path) -> Result<(Copied, Option<PathBuf>)> {
    let target = Target::parse(settings)?;
    let Target::Sqlite(place) = &target else {
        return Err(Error::invalid(
            "database.url",
            "is PostgreSQL, which has its own tools: go back to a copy with \
             pg_restore --clean --if-exists --dbname=\"$DATABASE_URL\" alpine.dump",
        ));
    };
    let read = check(file)?;
    target.prepare_folder()?;
    let _nobody_serves = ServingLock::take(settings)?;
    let place = followed(place)?;
    let fresh = with_suffix(&place, ".restoring");
    if let (Ok(file), Ok(fresh)) = (fs::canonicalize(file), fs::canonicalize(&fresh))
        && file == fresh
    {
        // What an earlier attempt left behind. It would be deleted.
        return Err(Error::invalid(
            "file",
            "has the name of what is written first; give it another",
        ));
    }
    let swapped = write_fresh(file, &fresh, &place, &read).and_then(|written| {
        let _nobody_else = alone(&place)?;
        swap(&place, &fresh, &written).map(|aside| (written, aside))
    });
    if swapped.is_err() {
        // It may never have been made.
        let _ignored = fs::remove_file(&fresh);
    }
    swapped
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
    let read = read_back(file).map_err(|error| match error {
        Error::Internal(source) => refused(source.to_string()),
        other => other,
    })?;
    let mut migrator = Migrator::of_copy(file)?;
    // Another program may have tables of the same names.
    if !migrator.status()?.first().is_some_and(|first| first.is_known && first.is_applied) {
        return Err(refused(
            "holds no database of Alpine: it lacks the first migration".to_owned(),
        ));
    }
    // What is told of a newer release names the setting, and it is the file that is meant.
    migrator.check_not_newer().map_err(|error| match error {
        Error::Invalid(errors) => {
            refused(errors.into_iter().map(|error| error.message).collect::<String>())
        }
        other => other,
    })?;
    Ok(read)
}

fn unusable(text: impl std::fmt::Display) -> Error {
    Error::invalid("database.url", text.to_string())
}

/// Where a link leads: files stand, and are replaced, beside that.
fn followed(place: &Path) -> Result<PathBuf> {
    if fs::symlink_metadata(place).is_ok_and(|found| found.is_symlink()) {
        return fs::canonicalize(place)
            .map_err(|error| unusable(format!("{}: {error}", place.display())));
    }
    Ok(place.to_owned())
}

/// Writes what SQLite reads in a file, with what its journal alone has, and makes sure that it is the same.
fn write_fresh(file: &Path, fresh: &Path, place: &Path, read: &Copied) -> Result<Copied> {
    let cannot = |error| unusable(format!("cannot be written: {error}"));
    for suffix in [""].iter().chain(&JOURNALS) {
        match fs::remove_file(with_suffix(fresh, suffix)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(cannot(error)),
            _ => {}
        }
    }
    create_private(fresh).map_err(cannot)?;
    let written = write_copy(&mut open_copy(file)?, fresh)?;
    same(&written, read)?;
    let owner = owner_of(place).map_err(cannot)?;
    adopt(fresh, &owner).map_err(|error| {
        unusable(format!(
            "cannot be given to its owner: {error}; run this as that user, or as root"
        ))
    })?;
    Ok(written)
}

fn same(found: &Copied, expected: &Copied) -> Result<()> {
    if found.signals == expected.signals {
        return Ok(());
    }
    Err(Error::internal(format!(
        "{} signals were read and {} written: is the file being written to?",
        expected.signals, found.signals
    )))
}

#[derive(diesel::QueryableByName)]
struct JournalMode {
    #[diesel(sql_type = Text)]
    journal_mode: String,
}

/// Makes sure that no other program has the database open, and that none opens it as long as what is returned is kept.
/// What only the journal had is in the file then. `None` where there is no database, or none that SQLite can read: that
/// is kept with its journal.
fn alone(place: &Path) -> Result<Option<SqliteConnection>> {
    // SQLite deletes the journal of an empty file.
    if fs::metadata(place).map_or(0, |found| found.len()) == 0 {
        return Ok(None);
    }
    let deadline = Instant::now() + PATIENCE;
    loop {
        // A journal of this mode is for one program: SQLite takes up no other mode while there are several.
        let locked = open_copy(place).and_then(|mut conn| {
            let mode: JournalMode = diesel::sql_query("PRAGMA journal_mode = DELETE")
                .get_result(&mut conn)
                .map_err(Error::internal)?;
            if mode.journal_mode != "delete" {
                return Err(Error::internal("database is locked"));
            }
            conn.batch_execute("BEGIN EXCLUSIVE").map_err(Error::internal)?;
            Ok(conn)
        });
        match locked {
            Ok(conn) => return Ok(Some(conn)),
            Err(Error::Internal(error)) if error.to_string().contains("locked") => {
                if Instant::now() >= deadline {
                    return Err(unusable(format!(
                        "{}: another program has it open; stop that first",
                        place.display()
                    )));
                }
                thread::sleep(PAUSE);
            }
            Err(error) => {
                tracing::warn!(?error, "what is there cannot be read; it is kept with its journal");
                return Ok(None);
            }
        }
    }
}

/// Puts the fresh file in its place; what was there is there again when that fails.
fn swap(place: &Path, fresh: &Path, written: &Copied) -> Result<Option<PathBuf>> {
    let mut kept = Kept::default();
    let swapped = kept
        .put_aside(place)
        .and_then(|()| kept.replace(fresh, place))
        .and_then(|()| sync_folder(place))
        .map_err(|error| unusable(format!("cannot be replaced: {error}")))
        .and_then(|()| read_back(place))
        .and_then(|found| same(&found, written));
    if let Err(error) = swapped {
        kept.put_back(place).map_err(|second| {
            Error::internal(format!("{error}; and what was there is under other names: {second}"))
        })?;
        return Err(error);
    }
    Ok(kept.first())
}

/// What was there before, and under which names it is kept.
#[derive(Debug, Default)]
struct Kept {
    database: Option<PathBuf>,
    /// Where each stood, and where it is.
    journals: Vec<(PathBuf, PathBuf)>,
    is_replaced: bool,
}

impl Kept {
    /// Keeps all of what is there under other names. A journal that stayed would be written into what is restored.
    fn put_aside(&mut self, place: &Path) -> std::io::Result<()> {
        let is_free = |aside: &PathBuf| {
            let mut names = [""].iter().chain(&JOURNALS).map(|suffix| with_suffix(aside, suffix));
            names.all(|name| fs::symlink_metadata(name).is_err())
        };
        let aside = (1..=10_000)
            .map(|number| with_suffix(place, &format!(".before-restore-{number}")))
            .find(is_free)
            .ok_or_else(|| std::io::Error::other("10,000 older ones are kept beside it"))?;
        // A second name, so that there is a database at every moment.
        match fs::hard_link(place, &aside) {
            Ok(()) => self.database = Some(aside.clone()),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        for suffix in JOURNALS {
            let (from, to) = (with_suffix(place, suffix), with_suffix(&aside, suffix));
            match fs::rename(&from, &to) {
                Ok(()) => self.journals.push((from, to)),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn replace(&mut self, fresh: &Path, place: &Path) -> std::io::Result<()> {
        fs::rename(fresh, place)?;
        self.is_replaced = true;
        Ok(())
    }

    /// Undoes all of it.
    fn put_back(&self, place: &Path) -> std::io::Result<()> {
        match &self.database {
            // Renamed onto another name of the same file, nothing would happen.
            Some(aside) if self.is_replaced => fs::rename(aside, place)?,
            Some(aside) => fs::remove_file(aside)?,
            None if self.is_replaced => fs::remove_file(place)?,
            None => {}
        }
        self.journals.iter().try_for_each(|(from, to)| fs::rename(to, from))
    }

    fn first(self) -> Option<PathBuf> {
        self.database.or_else(|| self.journals.into_iter().next().map(|(_, to)| to))
    }
}

fn sync_folder(file: &Path) -> std::io::Result<()> {
    match file.parent() {
        Some(folder) if folder != Path::new("") => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(folder: &Path) -> Vec<(PathBuf, String)> {
        let mut found: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.clone(), fs::read_to_string(path).unwrap()))
            .collect();
        found.sort();
        found
    }

    /// What was written cannot be read back: everything is as it was.
    #[test]
    fn what_was_there_is_put_back_when_a_later_step_fails() {
        for there in [&["", "-wal", "-shm", "-journal"][..], &["-wal"], &[]] {
            for is_written in [true, false] {
                let folder = tempfile::tempdir().unwrap();
                let place = folder.path().join("alpine.db");
                let fresh = with_suffix(&place, ".restoring");
                for suffix in there {
                    fs::write(with_suffix(&place, suffix), format!("before{suffix}")).unwrap();
                }
                let before = contents(folder.path());
                if is_written {
                    fs::write(&fresh, "no database").unwrap();
                }
                swap(&place, &fresh, &Copied { size: 11, signals: 0 }).unwrap_err();
                assert_eq!(contents(folder.path()), before, "{there:?} {is_written}");
            }
        }
    }
}
