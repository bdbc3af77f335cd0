//! Names and owners of the files of a SQLite database.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// What SQLite puts beside a database, and reads again when it opens it.
pub(crate) const JOURNALS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// `alpine.db` becomes `alpine.dbSUFFIX`.
pub(crate) fn with_suffix(place: &Path, suffix: &str) -> PathBuf {
    let mut name = place.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Whose a file is to be.
pub(crate) struct Owner {
    whose: fs::Metadata,
    is_folder: bool,
}

/// The owner of a database's files: that of the database, or of its folder where there is none.
pub(crate) fn owner_of(place: &Path) -> io::Result<Owner> {
    match fs::metadata(place) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = place.parent().filter(|folder| *folder != Path::new(""));
            let whose = fs::metadata(folder.unwrap_or(Path::new(".")))?;
            Ok(Owner { whose, is_folder: true })
        }
        found => Ok(Owner { whose: found?, is_folder: false }),
    }
}

/// Gives a file to this owner, with the rights that the database's own file has. Where there is none, the file keeps the
/// rights that it was made with.
pub(crate) fn adopt(file: &Path, owner: &Owner) -> io::Result<()> {
    give(file, owner)?;
    if !owner.is_folder {
        // After the owner, whose change takes some rights away.
        fs::set_permissions(file, owner.whose.permissions())?;
    }
    Ok(())
}

/// Gives a file to this owner. Does nothing to a file that is his already.
#[cfg(unix)]
fn give(file: &Path, owner: &Owner) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, chown};
    let now = fs::metadata(file)?;
    let (user, group) = (owner.whose.uid(), owner.whose.gid());
    if (now.uid(), now.gid()) == (user, group) {
        return Ok(());
    }
    match chown(file, Some(user), Some(group)) {
        // Another group is no reason to refuse: its owner is the one who opens it.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && now.uid() == user => {
            Ok(())
        }
        result => result,
    }
}

#[cfg(not(unix))]
fn give(_file: &Path, _owner: &Owner) -> io::Result<()> {
    Ok(())
}
