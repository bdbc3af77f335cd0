//! The command line of `alpine`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Stores trading signals once, durably, and serves every subscriber what their tier may see.
///
/// Without a subcommand it serves, as `alpine serve` does.
#[derive(Debug, Parser)]
#[command(name = "alpine", version)]
pub struct Cli {
    /// A file of settings on top of the defaults; `alpine config show` lists them all
    #[arg(long, global = true, env = "ALPINE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// As `alpine serve` takes them.
    #[command(flatten)]
    pub serve: ServeArgs,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the API until SIGTERM or Ctrl-C; a second signal cuts requests off
    Serve(ServeArgs),
    /// Move the database's schema forward or back
    Migrate {
        /// Which way.
        #[command(subcommand)]
        action: Migrate,
    },
    /// Manage administrators
    Admin {
        /// What to do.
        #[command(subcommand)]
        action: Admin,
    },
    /// Manage producers of signals
    Producer {
        /// What to do.
        #[command(subcommand)]
        action: Producer,
    },
    /// End sessions
    Sessions {
        /// What to do.
        #[command(subcommand)]
        action: Sessions,
    },
    /// Look at the settings
    Config {
        /// What to do.
        #[command(subcommand)]
        action: ConfigAction,
    },
    /// Write a consistent copy of the embedded database while it serves
    ///
    /// For PostgreSQL use `pg_dump`.
    Backup {
        /// The copy; must not exist yet
        file: PathBuf,
    },
}

/// Of `serve`.
#[derive(Debug, Args, Clone, Copy, Default)]
pub struct ServeArgs {
    /// Let something move: a simulated producer, marked as simulated wherever it shows, and one account
    /// per tier. Development profile only
    #[arg(long)]
    pub demo: bool,
}

/// Of `migrate`.
#[derive(Debug, Subcommand, Clone)]
pub enum Migrate {
    /// Apply what is pending
    Run,
    /// List the migrations and which of them are applied
    Status,
    /// Revert the newest migration
    Revert {
        /// How many, newest first
        #[arg(long, default_value_t = 1)]
        count: usize,
    },
    /// Revert the newest migration and apply it again
    Redo,
    /// Give a PostgreSQL role what the service needs, and no more: run as the tables' owner, after each
    /// migration
    Grant {
        /// The role that serves
        role: String,
    },
}

/// Of `admin`.
#[derive(Debug, Subcommand)]
pub enum Admin {
    /// Make an administrator
    ///
    /// Without --password-stdin a password is made and printed, once. An account that exists is refused:
    /// anybody may have registered the address.
    Create {
        /// The address that signs in
        #[arg(long)]
        email: String,
        /// The name to greet by
        #[arg(long, default_value = "Administrator")]
        full_name: String,
        /// Make the account that exists an administrator's: it gets the new password, its sessions and API
        /// keys end. Its address must have been confirmed
        #[arg(long)]
        promote: bool,
        /// Promote although the address was never confirmed: you know who receives mail there
        #[arg(long, requires = "promote")]
        i_know_who_this_is: bool,
        /// Read the password from standard input, one line of 12 to 128 characters
        #[arg(long)]
        password_stdin: bool,
    },
}

/// Of `producer`.
#[derive(Debug, Subcommand)]
pub enum Producer {
    /// Make a producer and print its key, once
    Create {
        /// 1 to 64 lower-case letters, digits, '-' or '_'
        name: String,
        /// Everything it says is made up, and marked so wherever it shows
        #[arg(long)]
        simulated: bool,
    },
}

/// Of `sessions`.
#[derive(Debug, Subcommand, Clone, Copy)]
pub enum Sessions {
    /// Sign everybody out, as after a leak
    ///
    /// No access or refresh token that was issued before is accepted any more, on no instance after two
    /// seconds. Everybody may sign in again at once. API keys stay good.
    RevokeAll,
}

/// Of `config`.
#[derive(Debug, Subcommand, Clone, Copy)]
pub enum ConfigAction {
    /// Print every effective setting and where it came from; secrets are hidden
    Show,
    /// Tell everything that is wrong with the settings
    Check,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn demo_works_with_and_without_serve() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' ')).unwrap();
        assert!(parse("alpine --demo").serve.demo);
        let Some(Command::Serve(serve)) = parse("alpine serve --demo").command else {
            panic!("serve was not understood");
        };
        assert!(serve.demo);
        let cli = parse("alpine config check --config a.toml");
        assert_eq!(cli.config.unwrap().to_str(), Some("a.toml"));
    }
}
