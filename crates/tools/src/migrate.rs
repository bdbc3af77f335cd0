//! `cargo xtask migrate`: the same migrations that the server applies by itself.

use std::path::PathBuf;

use alpine_persistence::DatabaseSettings;
use alpine_server::{
    cli,
    commands::migrate_database,
    config::{Sources, load},
};
use anyhow::Result;

/// Moves a database's schema forward or back.
///
/// The database is that of --database-url, or of the server's configuration.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: cli::Migrate,
    /// `sqlite:PATH` or `postgres://…`
    #[arg(long, global = true, value_name = "URL")]
    database_url: Option<String>,
    /// A file of settings, as the server takes it
    #[arg(long, global = true, env = "ALPINE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    let url = if let Some(url) = &arguments.database_url {
        url.clone()
    } else {
        let loaded = load(&Sources::of_process(arguments.config.clone()))?;
        loaded.config.database_url().reveal().to_owned()
    };
    print!("{}", migrate_database(&DatabaseSettings::new(url), arguments.action.clone())?);
    Ok(true)
}
