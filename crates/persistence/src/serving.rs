//! That one process serves from a SQLite file at a time.

use std::fs::{File, TryLockError};

use alpine_domain::{Error, Result};

use crate::{
    DatabaseSettings,
    connection::Target,
    files::{adopt, owner_of, with_suffix},
};

/// Held by the process that serves from a SQLite file; it ends with the process, however that ends. What an instance
/// keeps in memory is told to no other one that serves from the same file, so there must be none.
#[derive(Debug)]
pub struct ServingLock(#[expect(dead_code, reason = "it is held as long as it is open")] File);

impl ServingLock {
    /// Takes it, in a file beside the database; `None` on PostgreSQL, which many serve from. The database's folder must
    /// be there.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming `database.url` while another process has it.
    pub fn take(settings: &DatabaseSettings) -> Result<Option<Self>> {
        let target = Target::parse(settings)?;
        let Target::Sqlite(path) = &target else { return Ok(None) };
        target.prepare_folder()?;
        let name = with_suffix(path, "-serving");
        let refused = |text: String| Error::invalid("database.url", text);
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&name)
            .map_err(|error| refused(format!("{} cannot be made: {error}", name.display())))?;
        // Made by root, it would be in the way of the user who serves.
        if let Err(error) = owner_of(path).and_then(|owner| adopt(&name, &owner)) {
            tracing::debug!(%error, "the lock file keeps its owner and its rights");
        }
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Err(refused(format!(
                "another process serves from {}: one at a time may; several instances need PostgreSQL",
                path.display()
            ))),
            Err(TryLockError::Error(error)) => {
                Err(refused(format!("{} cannot be locked: {error}", name.display())))
            }
        }
    }
}
