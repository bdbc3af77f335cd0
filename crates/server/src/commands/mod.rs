//! What each subcommand does. `main` only calls [`run`].

mod allocator;
mod healthcheck;
mod import_users;
mod manage;
mod manual;
mod output;
mod rollups;
mod serve;
mod stripe;
mod verify;

use anyhow::{Context as _, Result};

use crate::{
    application::{database_settings, explain},
    cli::{Cli, Command, ConfigAction, Import, Migrate, Stripe},
    config::{self, Config, Sources},
};
use output::{tell, warn};

/// Does what the command line says.
///
/// # Errors
/// Whatever kept it from being done, in words for the operator.
pub fn run(cli: Cli) -> Result<()> {
    let sources = Sources::of_process(cli.config);
    let command = match cli.command {
        Some(_) if cli.serve.is_given() => {
            anyhow::bail!("--demo, --bind, --port and --data-dir belong to `serve`")
        }
        Some(command) => command,
        None => Command::Serve(cli.serve),
    };
    match command {
        Command::Config { action } => look_at_settings(action, &sources),
        Command::Serve(arguments) => {
            allocator::give_back_what_is_free();
            serve::run(&arguments.over(sources), arguments.demo)
        }
        Command::Healthcheck => healthcheck::run(&config::load(&sources)?.config),
        Command::Completions { shell } => manual::completions(shell),
        Command::Man { folder } => manual::pages(&folder),
        Command::Verify { file } => verify::run(&file),
        Command::Migrate { action } => migrate(&usable(&sources)?, action),
        Command::Backup { file } => {
            alpine_persistence::backup(&database_settings(&usable(&sources)?), &file)
                .map_err(explain)?;
            keep_private(&file)?;
            tell(&format!("copied to {}\n", file.display()))
        }
        Command::Admin { action } => manage::admin(&usable(&sources)?, action),
        Command::User { action } => manage::user(&usable(&sources)?, action),
        Command::Producer { action } => manage::producer(&usable(&sources)?, action),
        Command::Import { action: Import::Users { file, dry_run } } => {
            import_users::run(&usable(&sources)?, &file, dry_run)
        }
        Command::Sessions { action } => manage::sessions(&usable(&sources)?, action),
        Command::TwoFactor { action } => manage::two_factor(&usable(&sources)?, action),
        Command::Rollups { action } => rollups::run(&usable(&sources)?, action),
        Command::Stripe { action: Stripe::Sync { dry_run } } => {
            stripe::sync(&usable(&sources)?, dry_run)
        }
        Command::Jobs { action } => manage::jobs(&usable(&sources)?, action),
    }
}

/// A copy holds what the database holds, password hashes included.
fn keep_private(file: &std::path::Path) -> Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let owner_only = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(file, owner_only)
            .with_context(|| format!("closing {} to others", file.display()))?;
    }
    Ok(())
}

/// The settings, with the secrets that the development profile keeps.
fn usable(sources: &Sources) -> Result<Config> {
    let mut loaded = config::load(sources)?;
    config::keep_generated_secrets(&mut loaded.config, &mut loaded.layers)?;
    Ok(loaded.config)
}

fn look_at_settings(action: ConfigAction, sources: &Sources) -> Result<()> {
    match action {
        ConfigAction::Show => {
            tell(&config::read_layers(sources).show())?;
            // What cannot be used is shown as well; the exit code tells.
            config::load(sources)?;
        }
        ConfigAction::Check => {
            let loaded = config::load(sources)?;
            warn(&loaded.layers);
            tell(&format!("the configuration is good ({:?} profile)\n", loaded.config.profile))?;
        }
    }
    Ok(())
}

fn migrate(config: &Config, action: Migrate) -> Result<()> {
    let text = migrate_database(&database_settings(config), action)?;
    tell(&text)
}

/// Moves a database's schema and says what was done; `cargo xtask migrate` calls it, too.
///
/// # Errors
/// When the database cannot be reached or a migration fails.
pub fn migrate_database(
    settings: &alpine_persistence::DatabaseSettings,
    action: Migrate,
) -> Result<String> {
    let mut migrator = alpine_persistence::Migrator::connect(settings).map_err(explain)?;
    let told = |verb: &str, names: Vec<String>| {
        if names.is_empty() {
            return format!("nothing to {verb}\n");
        }
        names.iter().fold(String::new(), |text, name| text + verb + " " + name + "\n")
    };
    Ok(match action {
        Migrate::Run => told("apply", migrator.run().map_err(explain)?),
        Migrate::Revert { count } => told("revert", migrator.revert(count).map_err(explain)?),
        Migrate::Redo => told("redo", migrator.redo().map_err(explain)?),
        Migrate::Grant { role } => {
            migrator.grant(&role).map_err(explain)?;
            format!("{role} may serve and owns nothing\n")
        }
        Migrate::Status => {
            migrator.status().map_err(explain).context("reading the schema's state")?.iter().fold(
                String::new(),
                |text, migration| {
                    let mark = if migration.is_applied { "applied " } else { "pending " };
                    text + mark + &migration.name + "\n"
                },
            )
        }
    })
}
