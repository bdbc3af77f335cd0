//! What commands do with the database: they name the one that they work on, and make none in silence.

use std::path::Path;

use alpine_persistence::Migrator;
use anyhow::{Context as _, Result, bail, ensure};

use super::output::tell;
use crate::{
    application::{database_settings, explain},
    cli::Migrate,
    config::{self, Config, Sources},
};

/// The settings of a command that works on a database that is there, which is named on standard error. Nothing is made,
/// and no secret is needed that only signs.
pub(super) fn existing(sources: &Sources) -> Result<Config> {
    let config = named(sources)?;
    if let Some(file) =
        alpine_persistence::missing_file(&database_settings(&config)).map_err(explain)?
    {
        bail!(
            "there is no database at {}: `alpine serve` or `alpine migrate run` makes one; if there is one elsewhere, \
             run this in its folder, or name it with DATABASE_URL or ALPINE__DATA_DIR",
            file.display()
        );
    }
    Ok(config)
}

/// The same, whether it is there or not.
pub(super) fn named(sources: &Sources) -> Result<Config> {
    let mut config = config::load_for_commands(sources)?.config;
    config::find_generated_secrets(&mut config)?;
    // What a command changes is in the log, and instances read that within a second.
    config.redis.url = None;
    eprintln!("database: {}", config.database_in_words());
    Ok(config)
}

pub(super) fn migrate(sources: &Sources, action: Migrate) -> Result<()> {
    let config = match &action {
        Migrate::Run => {
            let config = named(sources)?;
            if config.database.url.trim().is_empty() {
                config::make_private_folder(&config.data_dir)?;
            }
            config
        }
        _ => existing(sources)?,
    };
    tell(&migrate_database(&database_settings(&config), action)?)
}

/// Moves a database's schema and says what was done; `cargo xtask migrate` calls it, too.
///
/// # Errors
/// When the database cannot be reached or a migration fails; when something would be lost that was not named.
pub fn migrate_database(
    settings: &alpine_persistence::DatabaseSettings,
    action: Migrate,
) -> Result<String> {
    let mut migrator = Migrator::connect(settings).map_err(explain)?;
    let told = |verb: &str, names: Vec<String>| {
        if names.is_empty() {
            return format!("nothing to {verb}\n");
        }
        names.iter().fold(String::new(), |text, name| text + verb + " " + name + "\n")
    };
    Ok(match action {
        Migrate::Run => {
            migrator.check_not_newer().map_err(explain)?;
            told("apply", migrator.run().map_err(explain)?)
        }
        Migrate::Revert { count, data_loss } => {
            check_loss(&mut migrator, count, &data_loss)?;
            let _nobody_serves = unused(settings, &data_loss)?;
            told("revert", migrator.revert(count).map_err(explain)?)
        }
        Migrate::Redo { data_loss } => {
            check_loss(&mut migrator, 1, &data_loss)?;
            let _nobody_serves = unused(settings, &data_loss)?;
            told("redo", migrator.redo().map_err(explain)?)
        }
        Migrate::Grant { role } => {
            migrator.grant(&role).map_err(explain)?;
            format!("{role} may serve and owns nothing\n")
        }
        Migrate::Status => status(&mut migrator)?,
    })
}

fn status(migrator: &mut Migrator) -> Result<String> {
    let status = migrator.status().map_err(explain).context("reading the schema's state")?;
    Ok(status.iter().fold(String::new(), |text, migration| {
        let mark = match (migration.is_known, migration.is_applied) {
            (false, _) => "newer   ",
            (true, true) => "applied ",
            (true, false) => "pending ",
        };
        text + mark + &migration.name + "\n"
    }))
}

/// What is reverted besides indexes takes rows with it: each of these migrations must have been named.
fn check_loss(migrator: &mut Migrator, count: usize, named: &[String]) -> Result<()> {
    let mut lost = migrator.last(count).map_err(explain)?;
    lost.retain(|name| alpine_persistence::migrations::is_of_tables(name));
    let unnamed = lost.iter().any(|name| !named.contains(name));
    ensure!(
        !unnamed,
        "nothing was reverted: what these migrations made would be lost, with every row in it: {}. Take a copy \
         first (`alpine backup FILE`), then name them: --data-loss {}",
        lost.join(", "),
        lost.join(",")
    );
    let others: Vec<&str> =
        named.iter().filter(|name| !lost.contains(name)).map(String::as_str).collect();
    ensure!(
        others.is_empty(),
        "nothing was reverted: --data-loss names what would stay: {}",
        others.join(", ")
    );
    Ok(())
}

/// Nobody serves from a file while tables go.
fn unused(
    settings: &alpine_persistence::DatabaseSettings,
    data_loss: &[String],
) -> Result<Option<alpine_persistence::ServingLock>> {
    if data_loss.is_empty() {
        return Ok(None);
    }
    let lock = alpine_persistence::ServingLock::take(settings).map_err(explain);
    lock.context("nothing was reverted: stop the server first")
}

pub(super) fn backup(sources: &Sources, file: &Path) -> Result<()> {
    let config = existing(sources)?;
    let copied = alpine_persistence::backup(&database_settings(&config), file).map_err(explain)?;
    tell(&format!(
        "copied to {}: {} bytes with {} signals, read back to their end\n",
        file.display(),
        copied.size,
        copied.signals
    ))
}

pub(super) fn restore(sources: &Sources, file: &Path) -> Result<()> {
    let config = named(sources)?;
    let settings = database_settings(&config);
    let (copied, aside) = alpine_persistence::restore(&settings, file).map_err(explain)?;
    let before = aside.map_or_else(String::new, |aside| {
        format!(
            "\nwhat was there before is kept in {}; delete it once it is not needed",
            aside.display()
        )
    });
    tell(&format!("restored {} signals from {}{before}\n", copied.signals, file.display()))?;
    let mut migrator = Migrator::connect(&settings).map_err(explain)?;
    let status = migrator.status().map_err(explain)?;
    let pending = status.iter().filter(|migration| !migration.is_applied).count();
    if pending > 0 {
        tell(&format!(
            "it lacks {pending} migrations of this release: `alpine migrate run`, or `alpine serve`, applies them\n"
        ))?;
    }
    Ok(())
}
