//! A database of its own for each test.

use std::path::PathBuf;

use url::Url;

use super::{postgres_url, random_word};
use crate::servers::install;

/// An empty database on the shared server, dropped with the value, whoever is still connected.
pub struct TestDatabase {
    psql: PathBuf,
    server: String,
    name: String,
    url: String,
}

impl TestDatabase {
    /// Makes one; `None`: skip the test.
    ///
    /// # Panics
    /// When the server is not there, or does not do what it is asked.
    pub fn create() -> Option<Self> {
        let server = postgres_url()?;
        let psql = install::psql_program().expect("a server has a client");
        let name = format!("alpine_test_{}", random_word());
        let mut url = Url::parse(&server).expect("the server's URL is one");
        url.set_path(&name);
        // From template0, to which nobody can be connected: tests do this side by side.
        let sql = format!("CREATE DATABASE {name} TEMPLATE template0");
        install::psql(&psql, &server, &sql).expect("a superuser may make a database");
        Some(Self { psql, server, name, url: url.into() })
    }

    /// The database's URL, with the server's user and parameters.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its name on the server.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs SQL in it and returns the rows as text, one a line, `|` between the columns.
    ///
    /// # Panics
    /// When the server refuses the SQL.
    pub fn execute(&self, sql: &str) -> String {
        install::psql(&self.psql, &self.url, sql).expect("the test's own SQL is right")
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        if let Err(error) = install::psql(&self.psql, &self.server, &sql) {
            eprintln!("the database {} stays behind: {error:#}", self.name);
        }
    }
}
