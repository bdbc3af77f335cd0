//! Bringing a database to the schema that this version needs, and back.

pub mod drift;
mod fingerprint;
mod lock;
mod rights;
mod roles;
mod source;
mod state;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use alpine_domain::{Error, Result};
use diesel::{
    Connection as _, QueryableByName, RunQueryDsl as _,
    backend::Backend,
    connection::SimpleConnection as _,
    migration::{Migration, MigrationSource as _},
    sql_types::BigInt,
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness};

pub use fingerprint::SchemaFingerprint;
pub use rights::RoleRights;
use source::{Harness, POSTGRES, SQLITE};
pub(crate) use state::lacking_tables;
pub use state::{MigrationStatus, is_of_tables};

use crate::{
    AnyConnection, DatabaseSettings,
    connection::{Target, open, open_copy, shown_url},
};

/// What to do about a schema of a newer release.
const START_THE_NEWER: &str = "a newer release of Alpine made them: start that one, or go back to a copy from before with \
     `alpine restore FILE`";

/// Applies and reverts the embedded migrations, on a connection of its own. Blocks its thread: call
/// it before the runtime serves, or from its blocking pool.
pub struct Migrator {
    conn: AnyConnection,
    wait: Duration,
}

impl Migrator {
    /// Connects.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming `database.url`; [`Error::Unavailable`] when the database does not
    /// answer.
    pub fn connect(settings: &DatabaseSettings) -> Result<Self> {
        let target = Target::parse(settings)?;
        target.prepare()?;
        // Another instance may hold SQLite's write lock for as long as it migrates.
        let mut conn =
            open(&target, settings.migration_wait).map(|opened| opened.conn).map_err(|error| {
                let url = shown_url(&settings.url);
                Error::unavailable("the database", format!("cannot open {url}: {error}"))
            })?;
        if let AnyConnection::Postgres(conn) = &mut conn {
            // Building an index takes as long as it takes.
            conn.batch_execute("SET statement_timeout = 0")
                .map_err(|error| Error::unavailable("the database", error))?;
        }
        Ok(Self { conn, wait: settings.migration_wait })
    }

    /// Applies what is pending, in order; says what that was. Several instances may do this at once:
    /// one migrates, the others wait.
    ///
    /// # Errors
    /// [`Error::Internal`] with the database's words; [`Error::Unavailable`] when another instance
    /// migrates for longer than the bound; [`Error::Invalid`] naming `database.url` when another program's tables
    /// are there. On PostgreSQL the migrations before the failed one stay.
    pub fn run(&mut self) -> Result<Vec<String>> {
        // A role that only serves may look, and has nothing to apply.
        if self.status()?.iter().all(|migration| migration.is_applied) {
            return Ok(Vec::new());
        }
        self.locked(|conn| {
            // Only now: an instance that makes the first tables meanwhile is no other program.
            check_that_nobody_else_is_there(conn)?;
            match conn {
                AnyConnection::Postgres(conn) => {
                    lock::drop_invalid_indexes(conn)?;
                    apply_pending(conn, POSTGRES)
                }
                AnyConnection::Sqlite(conn) => apply_pending(conn, SQLITE),
            }
        })
    }

    /// Reverts the last `count` migrations, newest first; says which.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn revert(&mut self, count: usize) -> Result<Vec<String>> {
        self.locked(|conn| match conn {
            AnyConnection::Postgres(conn) => revert_last(conn, &POSTGRES, count),
            AnyConnection::Sqlite(conn) => revert_last(conn, &SQLITE, count),
        })
    }

    /// Reverts the last migration and applies it again; says which.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn redo(&mut self) -> Result<Vec<String>> {
        self.revert(1)?;
        self.run()
    }

    /// Every migration that this version knows, oldest first, and then those that the database has besides. Reads only.
    ///
    /// # Errors
    /// [`Error::Internal`] with the database's words.
    pub fn status(&mut self) -> Result<Vec<MigrationStatus>> {
        state::status(&mut self.conn).map_err(Error::internal)
    }

    /// Makes sure that no newer release has changed tables. Indexes that this version does not know harm nobody.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming `database.url`, with what to do.
    pub fn check_not_newer(&mut self) -> Result<()> {
        let newer: Vec<String> = { self.status()?.into_iter() }
            .filter(|migration| !migration.is_known && is_of_tables(&migration.name))
            .map(|migration| migration.name)
            .collect();
        if newer.is_empty() {
            return Ok(());
        }
        let names = newer.join(", ");
        let text =
            format!("has migrations that this version does not know ({names}): {START_THE_NEWER}");
        Err(Error::invalid("database.url", text))
    }

    /// What reverting the last `count` migrations would revert, newest first. Reads only.
    ///
    /// # Errors
    /// [`Error::Internal`] with the database's words.
    pub fn last(&mut self, count: usize) -> Result<Vec<String>> {
        let applied = self.status()?.into_iter().filter(|migration| migration.is_applied);
        let mut names: Vec<String> = applied.map(|migration| migration.name).collect();
        // Those that are not known come last, whatever their numbers.
        names.sort_unstable();
        Ok(names.into_iter().rev().take(count).collect())
    }

    /// Gives a role of PostgreSQL what the service needs, and takes everything else from it: it reads
    /// and writes rows, never deletes or changes what is immutable, and owns nothing. To be called by
    /// the tables' owner, after each migration.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming `database.url` on SQLite, which has no roles; [`Error::Internal`] with
    /// the database's words.
    pub fn grant(&mut self, role: &str) -> Result<()> {
        match &mut self.conn {
            AnyConnection::Postgres(conn) => roles::grant(conn, role).map_err(Error::internal),
            AnyConnection::Sqlite(_) => {
                Err(Error::invalid("database.url", "is SQLite, which has no roles"))
            }
        }
    }

    /// What the role of PostgreSQL that is connected may do; `None` on SQLite, which has no roles.
    ///
    /// # Errors
    /// [`Error::Internal`] with the database's words.
    pub fn role_rights(&mut self) -> Result<Option<RoleRights>> {
        match &mut self.conn {
            AnyConnection::Postgres(conn) => {
                RoleRights::of(conn).map(Some).map_err(Error::internal)
            }
            AnyConnection::Sqlite(_) => Ok(None),
        }
    }

    /// The schema as the database has it.
    ///
    /// # Errors
    /// [`Error::Internal`] with the database's words.
    pub fn schema_fingerprint(&mut self) -> Result<SchemaFingerprint> {
        SchemaFingerprint::of(&mut self.conn).map_err(Error::internal)
    }

    /// The rows of each table of the schema, counted; that reads all of them.
    ///
    /// # Errors
    /// [`Error::Internal`] with the database's words.
    pub fn count_rows(&mut self) -> Result<BTreeMap<String, i64>> {
        #[derive(QueryableByName)]
        struct Rows {
            #[diesel(sql_type = BigInt)]
            rows: i64,
        }
        let columns = self.schema_fingerprint()?.columns;
        let tables = columns.iter().filter_map(|line| Some(line.split_once('.')?.0.to_owned()));
        let count = |table: String| {
            let query = diesel::sql_query(format!("SELECT COUNT(*) AS rows FROM \"{table}\""));
            let found: Rows = query.get_result(&mut self.conn).map_err(Error::internal)?;
            Ok((table, found.rows))
        };
        tables.collect::<BTreeSet<_>>().into_iter().map(count).collect()
    }

    /// Works while no other instance migrates.
    fn locked(
        &mut self,
        work: impl FnOnce(&mut AnyConnection) -> Harness<Vec<String>>,
    ) -> Result<Vec<String>> {
        let result = match &mut self.conn {
            AnyConnection::Postgres(conn) => {
                lock::acquire(conn, self.wait)?;
                let result = work(&mut self.conn);
                if let AnyConnection::Postgres(conn) = &mut self.conn {
                    lock::release(conn);
                }
                result
            }
            // All of it in one transaction that writes from its start: SQLite's own lock serialises
            // processes, and the inner transactions become savepoints.
            AnyConnection::Sqlite(_) => self.in_transaction(work),
        };
        result.map_err(|error| match error.downcast::<Error>() {
            Ok(told) => *told,
            Err(error) => Error::internal(error),
        })
    }

    fn in_transaction(
        &mut self,
        work: impl FnOnce(&mut AnyConnection) -> Harness<Vec<String>>,
    ) -> Harness<Vec<String>> {
        self.conn.begin_write()?;
        let result = work(&mut self.conn);
        match result {
            Ok(names) => {
                self.conn.commit()?;
                Ok(names)
            }
            Err(error) => {
                self.conn.roll_back()?;
                Err(error)
            }
        }
    }

    /// A migrator that looks at a copy.
    pub(crate) fn of_copy(file: &std::path::Path) -> Result<Self> {
        let conn = AnyConnection::Sqlite(open_copy(file)?);
        Ok(Self { conn, wait: Duration::ZERO })
    }

    /// A migrator on a private SQLite database in memory.
    pub(crate) fn in_memory() -> Result<Self> {
        let conn = diesel::SqliteConnection::establish(":memory:").map_err(Error::internal)?;
        Ok(Self { conn: AnyConnection::Sqlite(conn), wait: Duration::ZERO })
    }
}

/// Where nothing of Alpine's has been applied, there must be no table that has the name of one of Alpine's.
fn check_that_nobody_else_is_there(conn: &mut AnyConnection) -> Harness<()> {
    if state::status(conn)?.iter().any(|migration| migration.is_applied) {
        return Ok(());
    }
    match state::others_tables(conn)? {
        None => Ok(()),
        Some(text) => Err(Error::invalid("database.url", text).into()),
    }
}

fn apply_pending<C, DB>(conn: &mut C, source: EmbeddedMigrations) -> Harness<Vec<String>>
where
    C: MigrationHarness<DB>,
    DB: Backend,
{
    let mut names = Vec::new();
    for migration in conn.pending_migrations(source)? {
        let name = migration.name().to_string();
        conn.run_migration(&*migration)
            .map_err(|error| format!("migration {name} failed: {error}"))?;
        names.push(name);
    }
    Ok(names)
}

fn revert_last<C, DB>(
    conn: &mut C,
    source: &EmbeddedMigrations,
    count: usize,
) -> Harness<Vec<String>>
where
    C: MigrationHarness<DB>,
    DB: Backend,
{
    let known: Vec<Box<dyn Migration<DB>>> = source.migrations()?;
    let applied = conn.applied_migrations()?;
    let mut names = Vec::new();
    for version in applied.into_iter().take(count) {
        let migration = known
            .iter()
            .find(|migration| migration.name().version() == version)
            .ok_or_else(|| format!("migration {version} was applied by another version of Alpine: revert it with that one"))?;
        let name = migration.name().to_string();
        conn.revert_migration(&**migration)
            .map_err(|error| format!("reverting migration {name} failed: {error}"))?;
        names.push(name);
    }
    Ok(names)
}
