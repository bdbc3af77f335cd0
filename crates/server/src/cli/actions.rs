//! What the subcommands take.

use std::path::PathBuf;

use alpine_domain::account::{ChangeReason, EmailPrefix, Tier};
use clap::Subcommand;

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
        /// What is lost, by the names of the tables' migrations: nothing but indexes is reverted without
        #[arg(long, value_delimiter = ',', value_name = "NAMES")]
        data_loss: Vec<String>,
    },
    /// Revert the newest migration and apply it again
    Redo {
        /// What is lost, by the name of the tables' migration: nothing but an index is reverted without
        #[arg(long, value_delimiter = ',', value_name = "NAMES")]
        data_loss: Vec<String>,
    },
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
    /// List accounts, the newest first
    List {
        /// Those that pay for this tier
        #[arg(long)]
        tier: Option<Tier>,
        /// Those whose address begins like this; such a list is in the order of addresses
        #[arg(long, value_name = "BEGINNING")]
        search: Option<EmailPrefix>,
        /// So many at most
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
        /// Without the first so many
        #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=10_000))]
        offset: u32,
    },
    /// Show an account and what belongs to it
    Show {
        /// The address that signs in
        email: String,
    },
    /// Give an account another password and print it, once: its sessions end, its API keys stay good
    ///
    /// Make sure that it is the owner who asks. Who has a mail server lets users do this themselves
    /// (`auth/forgot-password`).
    ResetPassword {
        /// The address that signs in
        email: String,
        /// Read the password from standard input, one line of 12 to 128 characters
        #[arg(long)]
        password_stdin: bool,
    },
    /// Enable or disable an account, as `enable` and `disable` do
    SetActive {
        /// The address that signs in
        email: String,
        /// true or false
        #[arg(action = clap::ArgAction::Set)]
        active: bool,
        /// Why, for the audit log: up to 200 characters; name nobody in it
        #[arg(long)]
        reason: ChangeReason,
    },
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
    Check {
        /// Try what they name, too: the database, Redis, the mail server; changes nothing there
        #[arg(long)]
        connect: bool,
    },
}
