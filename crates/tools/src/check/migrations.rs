//! Migrations go up, down and up again on both back ends; both fit each other and the schema in Rust.

use alpine_testing::servers::Servers;
use anyhow::{Result, bail};

pub(super) fn check() -> Result<String> {
    let servers = Servers::start()?;
    let findings = alpine_persistence::migrations::drift::check(Some(&servers.postgres.url()))?;
    if !findings.is_empty() {
        bail!("{}", findings.join("\n"));
    }
    Ok("SQLite and PostgreSQL, up, down, up".into())
}
