//! The command line of `alpine`.

mod actions;
mod producing;
mod serving;
mod suggestions;

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use clap_complete::Shell;

pub use actions::{
    Admin, ConfigAction, Import, Jobs, Migrate, Producer, Rollups, Sessions, Stripe, TwoFactor,
    User,
};
pub use producing::{FeedArgs, SignArgs};
pub use serving::ServeArgs;
pub use suggestions::with_suggestions;

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
    /// Look at users, and change what they have
    User {
        /// What to do.
        #[command(subcommand)]
        action: User,
    },
    /// Manage producers of signals
    Producer {
        /// What to do.
        #[command(subcommand)]
        action: Producer,
    },
    /// Take over what another system kept
    Import {
        /// What.
        #[command(subcommand)]
        action: Import,
    },
    /// End sessions
    Sessions {
        /// What to do.
        #[command(subcommand)]
        action: Sessions,
    },
    /// Manage two-factor sign-in
    TwoFactor {
        /// What to do.
        #[command(subcommand)]
        action: TwoFactor,
    },
    /// Sums that `admin/analytics`, `admin/revenue` and the record tell of
    Rollups {
        /// What to do.
        #[command(subcommand)]
        action: Rollups,
    },
    /// Compare who pays with what Stripe says
    Stripe {
        /// What to do.
        #[command(subcommand)]
        action: Stripe,
    },
    /// Look at what has to be done, and at what could not be
    Jobs {
        /// What to do.
        #[command(subcommand)]
        action: Jobs,
    },
    /// Look at the settings
    Config {
        /// What to do.
        #[command(subcommand)]
        action: ConfigAction,
    },
    /// Write a consistent copy of the embedded database while it serves, and read it back
    ///
    /// For PostgreSQL use `pg_dump`.
    Backup {
        /// The copy; must not exist yet
        file: PathBuf,
    },
    /// Go back to a copy of the embedded database, while no server runs
    ///
    /// The copy is read to its end first. What is there is kept beside it under another name. For PostgreSQL use
    /// `pg_restore`.
    Restore {
        /// A copy that `alpine backup` wrote
        file: PathBuf,
    },
    /// Sign signals: print them with the hash that Alpine expects, without any server
    Sign(SignArgs),
    /// Send a file of signals or outcomes to a server, as a producer
    Feed(FeedArgs),
    /// Hash a file of `signals/export` again, without any server; ends with 1 if anything differs
    ///
    /// Every hash, and every profit and loss, is computed from the row that it stands in. `docs/record.md` says what that
    /// finds, and what it cannot.
    Verify {
        /// The file, in any of its forms: CSV, JSON or NDJSON
        file: PathBuf,
        /// An answer of `performance/stats`, every figure of which is computed from the file as well
        ///
        /// The file holds all that the answer counts: exported by the same reader at the same time, with days or since.
        #[arg(long, value_name = "ANSWER")]
        figures: Option<PathBuf>,
    },
    /// Ask a running instance whether it is ready; ends with 1 if it is not
    ///
    /// For images without curl. It asks at the address of `http.bind` on this machine.
    Healthcheck {
        /// On this port instead
        #[arg(long)]
        port: Option<u16>,
    },
    /// Print what completes this command line in a shell
    ///
    /// For bash: `alpine completions bash > /etc/bash_completion.d/alpine`
    Completions {
        /// For this one
        shell: Shell,
    },
    /// Write the manual, a page for each command
    Man {
        /// Into this folder, which is made
        folder: PathBuf,
    },
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
    fn where_to_listen_is_said_in_several_ways() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' '));
        for line in ["alpine --bind :8000", "alpine --bind localhost:8000", "alpine --bind 8000"] {
            let bind = parse(line).unwrap().serve.bind;
            assert_eq!(bind, Some("127.0.0.1:8000".parse().unwrap()), "{line}");
        }
        assert_eq!(parse("alpine --port 9").unwrap().serve.port, Some(9));
        let both = parse("alpine serve --port 9 --bind 8").unwrap_err().to_string();
        assert!(both.contains("cannot be used with"), "{both}");
        let unknown = parse("alpine --bind example.com:1").unwrap_err().to_string();
        assert!(unknown.contains("must be an IP address and a port"), "{unknown}");
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
