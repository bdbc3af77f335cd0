//! A copy of the whole database, taken while it serves.

use std::{io::ErrorKind, path::Path};

use alpine_domain::{Error, Result};
use diesel::{RunQueryDsl as _, sql_types::Text};

use crate::{
    AnyConnection, DatabaseSettings,
    connection::{Target, create_private, open},
};

/// Writes a consistent copy of a SQLite database to `destination`, a file that must not exist yet.
/// Readers and writers go on meanwhile. Blocks its thread.
///
/// # Errors
/// [`Error::Invalid`] naming `database.url` on PostgreSQL, which brings its own tools, or naming
/// `destination`; [`Error::Internal`] with the database's words.
pub fn backup(settings: &DatabaseSettings, destination: &Path) -> Result<()> {
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
    if let AnyConnection::Sqlite(mut conn) = opened.conn {
        let copied = diesel::sql_query("VACUUM INTO ?").bind::<Text, _>(path).execute(&mut conn);
        if let Err(error) = copied {
            // Half a copy would be taken for a whole one.
            if let Err(error) = std::fs::remove_file(destination) {
                tracing::warn!(%error, "an incomplete copy stays behind");
            }
            return Err(Error::internal(error));
        }
    }
    Ok(())
}
