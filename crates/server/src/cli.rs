//! The command line of `alpine`.

use std::{net::SocketAddr, path::PathBuf};

use alpine_domain::{
    account::{ChangeReason, Tier},
    settings::parse_listen_address,
};
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::config::{Sources, read_layers};

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
    /// Change what a user has
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
    /// Write a consistent copy of the embedded database while it serves
    ///
    /// For PostgreSQL use `pg_dump`.
    Backup {
        /// The copy; must not exist yet
        file: PathBuf,
    },
    /// Hash a file of `signals/export` again, without any server; ends with 1 if anything differs
    ///
    /// Every hash, and every profit and loss, is computed from the row that it stands in. `docs/record.md` says what that
    /// finds, and what it cannot.
    Verify {
        /// The file, in any of its forms: CSV, JSON or NDJSON
        file: PathBuf,
    },
    /// Ask a running instance whether it is ready; ends with 1 if it is not
    ///
    /// For images without curl. It asks at the address of `http.bind` on this machine.
    Healthcheck,
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

/// Of `serve`.
#[derive(Debug, Args, Clone, Default)]
pub struct ServeArgs {
    /// Where to listen, instead of `http.bind`: 127.0.0.1:8000, localhost:8000 or 8000
    #[arg(long, value_name = "ADDRESS", value_parser = parse_listen_address)]
    pub bind: Option<SocketAddr>,
    /// On which port to listen, at the address of `http.bind`
    #[arg(long, conflicts_with = "bind")]
    pub port: Option<u16>,
    /// The folder for the embedded database and what else is kept, instead of `data_dir`
    #[arg(long, value_name = "FOLDER")]
    pub data_dir: Option<PathBuf>,
    /// Let something move: a simulated producer, marked as simulated wherever it shows, and one account
    /// per tier. Development profile only
    #[arg(long)]
    pub demo: bool,
}

impl ServeArgs {
    /// Whether anything was said.
    pub fn is_given(&self) -> bool {
        self.demo || self.bind.is_some() || self.port.is_some() || self.data_dir.is_some()
    }

    /// These sources with what the command line says on top.
    pub fn over(&self, mut sources: Sources) -> Sources {
        let mut set = |key, value: String, option| {
            sources.arguments.push((key, toml::Value::String(value), option));
        };
        if let Some(bind) = self.bind {
            set("http.bind", bind.to_string(), "--bind");
        }
        if let Some(folder) = &self.data_dir {
            set("data_dir", folder.display().to_string(), "--data-dir");
        }
        if let Some(port) = self.port {
            let written = read_layers(&sources);
            let written = written.settings.get("http.bind").and_then(|it| it.value.as_str());
            let address = written.and_then(|text| parse_listen_address(text).ok());
            // What is no address is told of when settings are loaded.
            if let Some(mut address) = address {
                address.set_port(port);
                let value = toml::Value::String(address.to_string());
                sources.arguments.push(("http.bind", value, "--port"));
            }
        }
        sources
    }
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

/// Of `user`.
#[derive(Debug, Subcommand)]
pub enum User {
    /// Give an account another tier
    SetTier {
        /// The address that signs in
        email: String,
        /// free, starter, pro or elite
        tier: Tier,
        /// Why, for the audit log: up to 200 characters; name nobody in it
        #[arg(long)]
        reason: ChangeReason,
    },
    /// Disable an account: its sessions end, and nobody signs in
    Disable {
        /// The address that signs in
        email: String,
        /// Why, for the audit log: up to 200 characters; name nobody in it
        #[arg(long)]
        reason: ChangeReason,
    },
    /// Enable a disabled account
    Enable {
        /// The address that signs in
        email: String,
        /// Why, for the audit log: up to 200 characters; name nobody in it
        #[arg(long)]
        reason: ChangeReason,
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
    /// List the producers
    List,
    /// Give a producer another key and print it, once; the old one stays good for a while
    Rotate {
        /// Its name
        name: String,
        /// How many hours the old key stays good; 0 ends it at once
        #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u64).range(0..=720))]
        overlap_hours: u64,
    },
    /// Refuse a producer's keys, here at once and on every instance within two seconds
    Disable {
        /// Its name
        name: String,
    },
    /// Take a disabled producer's key again
    Enable {
        /// Its name
        name: String,
    },
}

/// Of `import`.
#[derive(Debug, Subcommand)]
pub enum Import {
    /// Take over accounts from a CSV file, with the hashes of their passwords: nobody has to set another one
    ///
    /// The first line names the columns: `email` and `hashed_password` (argon2id in PHC form), and if they are there
    /// `full_name`, `tier`, `is_active`, `is_verified`, `created_at` and `stripe_customer_id`. Nobody becomes an administrator. An
    /// address that has an account is left as it is, so the same file may come again. A line that is refused is named,
    /// and takes no other one with it; the command then ends with 1.
    Users {
        /// The file
        file: PathBuf,
        /// Only say what would be refused
        #[arg(long)]
        dry_run: bool,
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

/// Of `two-factor`.
#[derive(Debug, Subcommand)]
pub enum TwoFactor {
    /// Ask an account for no code any more: who lost the authenticator signs in with the password alone
    ///
    /// Make sure that it is the owner who asks. Sessions and API keys stay.
    Off {
        /// The address that signs in
        email: String,
    },
    /// Seal every secret with `secrets.second_factor` that an accepted key sealed
    ///
    /// Afterwards `secrets.accepted_second_factor` is not needed any more. May be run while instances serve.
    Reseal,
}

/// Of `rollups`.
#[derive(Debug, Subcommand, Clone, Copy)]
pub enum Rollups {
    /// Count accounts, signals, active users, what was paid and what became of signals, and replace the sums that are others
    ///
    /// Needed after an older release ran beside a newer one, and after accounts were changed in the database itself. While
    /// accounts and signals are counted, who signs up or publishes waits: some seconds for a million signals. The record is
    /// counted a day at a time, and on PostgreSQL nobody waits for that. What was answered is not counted anew. May be run
    /// while instances serve, and after `migrate run` before they are started.
    Rebuild,
    /// Only say which sums are others; ends with 1 if one is
    Verify,
}

/// Of `stripe`.
#[derive(Debug, Subcommand, Clone, Copy)]
pub enum Stripe {
    /// Have every account follow what Stripe says now, and tell of each that differed
    ///
    /// Instances do the same each half hour (`billing.sweep_interval`), so this is for who does not want to wait. May be run
    /// while they serve.
    Sync {
        /// Only tell; ends with 1 if an account differs
        #[arg(long)]
        dry_run: bool,
    },
}

/// Of `jobs`.
#[derive(Debug, Subcommand, Clone, Copy)]
pub enum Jobs {
    /// List the jobs that failed, the newest first
    List {
        /// Those that wait or are being done instead, the one that is due first first
        #[arg(long)]
        pending: bool,
        /// So many at most
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
        /// Without the first so many
        #[arg(long, default_value_t = 0)]
        offset: u32,
    },
    /// Try a job that failed again, as if it were new
    Retry {
        /// Its number
        id: i64,
    },
    /// Add a job that does nothing and wait until an instance has done it
    Check,
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
