//! Names of the files of a SQLite database.

use std::path::{Path, PathBuf};

/// What SQLite puts beside a database, and reads again when it opens it.
pub(crate) const JOURNALS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// `alpine.db` becomes `alpine.dbSUFFIX`.
pub(crate) fn with_suffix(place: &Path, suffix: &str) -> PathBuf {
    let mut name = place.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
