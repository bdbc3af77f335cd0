//! Whether the migrations, the tables that Diesel knows and the two back ends agree.

use std::{
    process,
    time::{SystemTime, UNIX_EPOCH},
};

use alpine_domain::{Error, Result};
use diesel::connection::SimpleConnection as _;

use super::{Migrator, SchemaFingerprint};
use crate::{
    DatabaseSettings,
    connection::{self, Target},
    schema::TABLES,
};

/// What disagrees, one sentence each; nothing when all is well. Takes every migration up, down and up
/// again on SQLite in memory, and, given a URL whose user may create databases, on a PostgreSQL
/// database of its own that is dropped afterwards.
///
/// # Errors
/// Whatever kept the comparison from being made.
pub fn check(postgres_url: Option<&str>) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    let sqlite = up_down_up("SQLite", &mut Migrator::in_memory()?, &mut findings)?;
    let expected = diesel_columns();
    compare("SQLite", &sqlite.columns, "the schema in Rust", &expected, &mut findings);
    if let Some(url) = postgres_url {
        let postgres =
            on_scratch_database(url, |migrator| up_down_up("PostgreSQL", migrator, &mut findings))?;
        compare("PostgreSQL", &postgres.columns, "SQLite", &sqlite.columns, &mut findings);
        compare("PostgreSQL", &postgres.columns, "the schema in Rust", &expected, &mut findings);
    }
    Ok(findings)
}

/// The columns as Diesel declares them, in the words of a fingerprint.
fn diesel_columns() -> Vec<String> {
    let mut tables = TABLES.to_vec();
    tables.sort_unstable_by_key(|(table, _)| *table);
    let lines = tables.iter().flat_map(|(table, columns)| {
        columns.iter().map(move |(column, kind)| format!("{table}.{column} {kind}"))
    });
    lines.collect()
}

fn up_down_up(
    what: &str,
    migrator: &mut Migrator,
    findings: &mut Vec<String>,
) -> Result<SchemaFingerprint> {
    let names = migrator.run()?;
    let first = migrator.schema_fingerprint()?;
    migrator.revert(names.len())?;
    let empty = migrator.schema_fingerprint()?;
    if !empty.is_empty() {
        findings.push(format!("{what}: reverting everything leaves this behind: {empty}"));
    }
    migrator.run()?;
    let second = migrator.schema_fingerprint()?;
    compare(what, &second.columns, "its first migration", &first.columns, findings);
    compare(what, &second.objects, "its first migration", &first.objects, findings);
    Ok(second)
}

/// Says which lines stand on one side only; their order matters too.
fn compare(
    left: &str,
    ours: &[String],
    right: &str,
    theirs: &[String],
    findings: &mut Vec<String>,
) {
    let before = findings.len();
    for line in ours.iter().filter(|line| !theirs.contains(line)) {
        findings.push(format!("{left} has what {right} has not: {line}"));
    }
    for line in theirs.iter().filter(|line| !ours.contains(line)) {
        findings.push(format!("{left} lacks what {right} has: {line}"));
    }
    if findings.len() == before && ours != theirs {
        findings.push(format!("{left} has the same as {right} in another order"));
    }
}

fn on_scratch_database<T>(url: &str, work: impl FnOnce(&mut Migrator) -> Result<T>) -> Result<T> {
    let settings = DatabaseSettings::new(url.to_owned());
    let mut admin = connection::open(&Target::parse(&settings)?, settings.busy_timeout)
        .map_err(|error| Error::unavailable("the database", error))?
        .conn;
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    let name = format!("alpine_drift_{}_{nanos}", process::id());
    admin.batch_execute(&format!("CREATE DATABASE {name}")).map_err(Error::internal)?;
    let result = Migrator::connect(&DatabaseSettings::new(with_database(url, &name)))
        .and_then(|mut migrator| work(&mut migrator));
    let dropped = admin.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)"));
    let value = result?;
    dropped.map_err(Error::internal)?;
    Ok(value)
}

/// The same server, another database.
fn with_database(url: &str, name: &str) -> String {
    let (base, query) = url.split_once('?').unwrap_or((url, ""));
    let authority = base.find("://").map_or(0, |at| at + 3);
    let end = base[authority..].find('/').map_or(base.len(), |at| authority + at);
    let mut other = format!("{}/{name}", &base[..end]);
    if !query.is_empty() {
        other.push('?');
        other.push_str(query);
    }
    other
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlite_migrations_go_up_down_and_up_and_fit_the_schema() {
        assert_eq!(check(None).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn differences_are_told() {
        let mut findings = Vec::new();
        let (a, b) = (["x".to_owned()], ["y".to_owned()]);
        compare("A", &a, "B", &b, &mut findings);
        assert_eq!(findings, ["A has what B has not: x", "A lacks what B has: y"]);
    }

    #[test]
    fn the_database_is_replaced_and_parameters_stay() {
        for (url, other) in [
            ("postgres://u@h:1/db?sslmode=require", "postgres://u@h:1/new?sslmode=require"),
            ("postgres://u@h:1", "postgres://u@h:1/new"),
        ] {
            assert_eq!(with_database(url, "new"), other);
        }
    }
}
