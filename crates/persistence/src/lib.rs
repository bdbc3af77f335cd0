//! What Alpine keeps: users, producers, signals, outcomes and the event log, behind the domain's
//! ports, on SQLite for one instance and on PostgreSQL for several.
//!
//! This crate is the only place with SQL. A query is written once, against [`AnyConnection`]; the few
//! statements that the back ends say differently stand together in `dialect.rs`. One unit of work,
//! [`Database::read`] or [`Database::write`], is one hop to the blocking pool: permit, checkout,
//! transaction, events, commit, release. Nothing else is awaited while a connection is held.
//!
//! ```
//! use std::time::Duration;
//!
//! use alpine_domain::Timestamp;
//! use alpine_persistence::{Database, DatabaseSettings, Migrator, stores};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let file = folder.path().join("alpine.db");
//! let settings = DatabaseSettings::new(format!("sqlite:{}", file.display()));
//! Migrator::connect(&settings)?.run()?;
//!
//! let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
//! runtime.block_on(async {
//!     let database = Database::open(settings, &prometheus::Registry::new())?;
//!     let producers = stores(&database).producers;
//!     let now = Timestamp::from_seconds(1_736_937_000);
//!     let argo = producers.create(&"argo".parse()?, "digest-of-its-key", false, now).await?;
//!     assert_eq!(producers.by_key_hash("digest-of-its-key").await?, Some(argo));
//!     Ok(())
//! })
//! # }
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | [`Database`] | the pool, transactions, retries, metrics; [`DatabaseSettings`] has every number |
//! | [`stores()`] | the ports' adapters ([`Accounts`], [`Signals`], …), one file for each capability |
//! | [`migrations`] | [`Migrator`], the schema's fingerprint, the drift check |
//! | [`backup()`], [`restore()`] | a consistent copy of a SQLite database, and going back to one |
//!
//! Invariants: signals and outcomes are immutable by trigger; every change that another instance must
//! know of is in the event log, in the same transaction; log rows become visible in ascending order; a
//! connection from before a loss is never handed out; every wait has a bound.

mod accounts;
mod address_changes;
mod administration;
mod api_keys;
mod audit;
mod backup;
mod billing;
mod cancel;
mod channels;
mod clock;
mod connection;
mod database;
mod dialect;
mod digests;
mod events;
mod failure;
mod files;
mod idempotency;
mod identity;
mod jobs;
mod metrics;
pub mod migrations;
mod notifications;
mod permits;
mod pool;
mod probe;
mod producers;
mod record;
mod restore;
mod retention;
mod rollups;
mod rows;
mod schema;
mod second_factors;
mod serving;
mod settings;
mod sign_ups;
mod signal_ids;
mod signals;
mod unreadable;

use std::sync::Arc;

use alpine_domain::use_cases::Stores;

pub use accounts::Accounts;
pub use address_changes::AddressChanges;
pub use administration::Administration;
pub use api_keys::ApiKeys;
pub use audit::AuditLog;
pub use backup::{Copied, backup};
pub use billing::Billing;
pub use channels::Channels;
pub use clock::ServerClock;
#[cfg(fuzzing)]
pub use connection::fuzzing;
pub use connection::{AnyConnection, is_exposed, shown_url};
pub use database::{Database, Unit};
pub use digests::UserDigests;
pub use events::Events;
pub use failure::Failure;
pub use idempotency::KeyedRequests;
pub use jobs::Jobs;
pub use migrations::Migrator;
pub use notifications::UserNotifications;
pub use probe::DatabaseProbe;
pub use producers::Producers;
pub use record::RecordSums;
pub use restore::restore;
pub use retention::OldRows;
pub use rollups::Rollups;
pub use second_factors::SecondFactors;
pub use serving::ServingLock;
pub use settings::DatabaseSettings;
pub use sign_ups::SignUps;

pub use signals::Signals;

/// The file of a SQLite database that is not there yet; `None` where one is, and on PostgreSQL.
///
/// # Errors
/// [`Error::Invalid`](alpine_domain::Error::Invalid) naming `database.url`, when it cannot be told too.
pub fn missing_file(
    settings: &DatabaseSettings,
) -> alpine_domain::Result<Option<std::path::PathBuf>> {
    let target = connection::Target::parse(settings)?;
    Ok(target.missing_file()?.map(std::path::Path::to_owned))
}

/// Every store over this database.
pub fn stores(database: &Database) -> Stores {
    let signals = Arc::new(Signals::new(database.clone()));
    Stores {
        accounts: Arc::new(Accounts::new(database.clone())),
        administration: Arc::new(Administration::new(database.clone())),
        sign_ups: Arc::new(SignUps::new(database.clone())),
        address_changes: Arc::new(AddressChanges::new(database.clone())),
        imports: Arc::new(Accounts::new(database.clone())),
        deletions: Arc::new(Accounts::new(database.clone())),
        billing: Arc::new(Billing::new(database.clone())),
        api_keys: Arc::new(ApiKeys::new(database.clone())),
        second_factors: Arc::new(SecondFactors::new(database.clone())),
        notifications: Arc::new(UserNotifications::new(database.clone())),
        digests: Arc::new(UserDigests::new(database.clone())),
        producers: Arc::new(Producers::new(database.clone())),
        signals: signals.clone(),
        signal_reader: signals.clone(),
        statistics: signals,
        sums: Arc::new(RecordSums::new(database.clone())),
        events: Arc::new(Events::new(database.clone())),
        retention: Arc::new(OldRows::new(database.clone())),
        jobs: Arc::new(Jobs::new(database.clone())),
        audit: Arc::new(AuditLog::new(database.clone())),
        channels: Arc::new(Channels::new(database.clone())),
        rollups: Arc::new(Rollups::new(database.clone())),
        idempotency: Arc::new(KeyedRequests::new(database.clone())),
    }
}
