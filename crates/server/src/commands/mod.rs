//! What each subcommand does. `main` only calls [`run`].

mod allocator;
mod connect;
mod database;
mod feed;
mod figures;
mod healthcheck;
mod import_users;
mod manage;
mod manual;
mod output;
mod rollups;
mod serve;
mod sign;
mod stripe;
mod users;
mod verify;

use anyhow::Result;

pub use database::migrate_database;

use crate::{
    cli::{Cli, Command, ConfigAction, FeedArgs, Import, Stripe},
    config::{self, Sources},
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
        Command::Healthcheck { port } => {
            healthcheck::run(&config::load_for_commands(&sources)?.config, port)
        }
        Command::Completions { shell } => manual::completions(shell),
        Command::Man { folder } => manual::pages(&folder),
        Command::Verify { file, figures } => verify::run(&file, figures.as_deref()),
        Command::Sign(arguments) => sign::run(&arguments),
        Command::Feed(arguments) => feed::run(&arguments),
        Command::Migrate { action } => database::migrate(&sources, action),
        Command::Backup { file } => database::backup(&sources, &file),
        Command::Restore { file } => database::restore(&sources, &file),
        Command::Admin { action } => manage::admin(&database::existing(&sources)?, action),
        Command::User { action } => users::run(&database::existing(&sources)?, action),
        Command::Producer { action } => manage::producer(&database::existing(&sources)?, action),
        Command::Import { action: Import::Users { file, dry_run } } => {
            import_users::run(&database::existing(&sources)?, &file, dry_run)
        }
        Command::Sessions { action } => manage::sessions(&database::existing(&sources)?, action),
        Command::TwoFactor { action } => manage::two_factor(&database::existing(&sources)?, action),
        Command::Rollups { action } => rollups::run(&database::existing(&sources)?, action),
        Command::Stripe { action: Stripe::Sync { dry_run } } => {
            stripe::sync(&database::existing(&sources)?, dry_run)
        }
        Command::Jobs { action } => manage::jobs(&database::existing(&sources)?, action),
    }
}

/// Sends a file to a server, as a producer; `cargo xtask feed` calls it, too.
///
/// # Errors
/// When the server cannot be reached, or something is refused that should not be.
pub fn feed(arguments: &FeedArgs) -> Result<()> {
    feed::run(arguments)
}

fn look_at_settings(action: ConfigAction, sources: &Sources) -> Result<()> {
    match action {
        ConfigAction::Show => {
            tell(&config::read_layers(sources).show())?;
            // What cannot be used is shown as well; the exit code tells.
            config::load(sources)?;
        }
        ConfigAction::Check { connect } => {
            let loaded = config::load(sources)?;
            warn(&loaded.layers.warnings);
            warn(&config::exposed(&loaded.config));
            tell(&format!("the configuration is good ({:?} profile)\n", loaded.config.profile))?;
            if connect {
                connect::run(&loaded.config)?;
            }
        }
    }
    Ok(())
}
