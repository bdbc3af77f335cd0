//! A copy of the whole database, taken while it serves.

use std::path::Path;

use alpine_domain::{Error, Result};
use diesel::{RunQueryDsl as _, sql_types::Text};

use crate::{
    AnyConnection, DatabaseSettings,
    connection::{Target, establish},
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
    if destination.exists() {
        return Err(Error::invalid("destination", "exists already; name a new file"));
    }
    let path =
        destination.to_str().ok_or_else(|| Error::invalid("destination", "must be UTF-8"))?;
    let conn = establish(&target, settings.busy_timeout)
        .map_err(|error| Error::unavailable("the database", error))?;
    if let AnyConnection::Sqlite(mut conn) = conn {
        diesel::sql_query("VACUUM INTO ?")
            .bind::<Text, _>(path)
            .execute(&mut conn)
            .map_err(Error::internal)?;
    }
    Ok(())
}
