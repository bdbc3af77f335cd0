//! Which migrations a database has, and whose tables it holds.

use std::collections::HashSet;

use diesel::{
    QueryResult, QueryableByName, RunQueryDsl as _,
    backend::Backend,
    migration::{Migration, MigrationSource as _},
    pg::Pg,
    sql_types::Text,
    sqlite::Sqlite,
};
use diesel_migrations::EmbeddedMigrations;

use super::source::{Harness, POSTGRES, SQLITE};
use crate::{
    AnyConnection,
    schema::{MIGRATIONS_TABLE, TABLES},
};

/// One migration and whether the database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationStatus {
    /// Its name, `0001_accounts` for example; its number alone where this version does not know it.
    pub name: String,
    /// Whether it was applied.
    pub is_applied: bool,
    /// Whether this version has it.
    pub is_known: bool,
}

/// Whether the migration of this name changes tables: those of indexes have the numbers from 0101 on.
pub fn is_of_tables(name: &str) -> bool {
    name < "0100"
}

#[derive(QueryableByName)]
struct Word {
    #[diesel(sql_type = Text)]
    word: String,
}

/// Those that this version knows, oldest first, and then those that the database has besides.
pub(super) fn status(conn: &mut AnyConnection) -> Harness<Vec<MigrationStatus>> {
    let applied = applied(conn)?;
    let known = known(conn)?;
    let versions: HashSet<&str> = known.iter().map(|(version, _)| version.as_str()).collect();
    let mut besides: Vec<_> =
        applied.iter().filter(|version| !versions.contains(version.as_str())).cloned().collect();
    besides.sort_unstable();
    let besides = { besides.into_iter() }.map(|name| MigrationStatus {
        name,
        is_applied: true,
        is_known: false,
    });
    let status = known.iter().map(|(version, name)| MigrationStatus {
        name: name.clone(),
        is_applied: applied.contains(version),
        is_known: true,
    });
    Ok(status.chain(besides).collect())
}

/// The names of tables' migrations that this version needs and the database lacks.
pub(crate) fn lacking_tables(conn: &mut AnyConnection) -> QueryResult<Vec<String>> {
    let status = status(conn).map_err(diesel::result::Error::QueryBuilderError)?;
    let lacking = status.into_iter().filter(|it| !it.is_applied && is_of_tables(&it.name));
    Ok(lacking.map(|migration| migration.name).collect())
}

/// The versions that are applied; none before the first migration. Diesel's own look-up would make its
/// table, which a role that only serves may not.
fn applied(conn: &mut AnyConnection) -> QueryResult<HashSet<String>> {
    const TABLE: &str = MIGRATIONS_TABLE;
    if !tables(conn)?.iter().any(|name| name == TABLE) {
        return Ok(HashSet::new());
    }
    let versions = diesel::sql_query(format!("SELECT version AS word FROM {TABLE}"));
    Ok(versions.load::<Word>(conn)?.into_iter().map(|row| row.word).collect())
}

/// The tables that are there, whoever made them.
fn tables(conn: &mut AnyConnection) -> QueryResult<Vec<String>> {
    let query = match conn {
        AnyConnection::Postgres(_) => {
            "SELECT c.relname::text AS word FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p')"
        }
        AnyConnection::Sqlite(_) => "SELECT name AS word FROM sqlite_master WHERE type = 'table'",
    };
    let rows = diesel::sql_query(query).load::<Word>(conn)?;
    Ok(rows.into_iter().map(|row| row.word).collect())
}

/// What to say of tables of another program that have the names of Alpine's; `None` where there are none.
pub(super) fn others_tables(conn: &mut AnyConnection) -> QueryResult<Option<String>> {
    let there = tables(conn)?;
    let clashing: Vec<&str> = { TABLES.iter() }
        .map(|(name, _)| *name)
        .filter(|name| there.iter().any(|table| table == name))
        .collect();
    if clashing.is_empty() {
        return Ok(None);
    }
    if is_the_originals(conn, &there)? {
        return Ok(Some(
            "is the database of the Python original, which stays as it is: name an empty one (with SQLite a new \
             file), and take its accounts over with `alpine import users FILE`, a CSV file of its table `users`"
                .to_owned(),
        ));
    }
    let names = clashing.join(", ");
    Ok(Some(format!("holds tables of another program ({names}): name an empty database")))
}

/// It kept the hashes of passwords in a column of this name, which Alpine has not.
fn is_the_originals(conn: &mut AnyConnection, there: &[String]) -> QueryResult<bool> {
    if !there.iter().any(|table| table == "users") {
        return Ok(false);
    }
    let query = match conn {
        AnyConnection::Postgres(_) => {
            "SELECT attname::text AS word FROM pg_attribute WHERE attrelid = 'users'::regclass"
        }
        AnyConnection::Sqlite(_) => "SELECT name AS word FROM pragma_table_info('users')",
    };
    let columns = diesel::sql_query(query).load::<Word>(conn)?;
    Ok(columns.iter().any(|column| column.word == "hashed_password"))
}

/// The version and the name of each migration that this version has, oldest first.
fn known(conn: &AnyConnection) -> Harness<Vec<(String, String)>> {
    match conn {
        AnyConnection::Postgres(_) => known_of::<Pg>(&POSTGRES),
        AnyConnection::Sqlite(_) => known_of::<Sqlite>(&SQLITE),
    }
}

fn known_of<DB: Backend>(source: &EmbeddedMigrations) -> Harness<Vec<(String, String)>> {
    let migrations: Vec<Box<dyn Migration<DB>>> = source.migrations()?;
    let mut names: Vec<_> = { migrations.iter() }
        .map(|migration| {
            let name = migration.name();
            (name.version().to_string(), name.to_string())
        })
        .collect();
    names.sort();
    Ok(names)
}
