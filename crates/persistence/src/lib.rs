//! wip
#![allow(missing_docs)]
mod accounts;
mod api_keys;
mod connection;
mod database;
mod dialect;
mod events;
mod failure;
mod metrics;
mod pool;
mod probe;
mod producers;
mod rows;
mod schema;
mod settings;
mod signals;

pub use accounts::Accounts;
pub use api_keys::ApiKeys;
pub use connection::AnyConnection;
pub use database::{Database, Unit};
pub use events::Events;
pub use failure::Failure;
pub use probe::DatabaseProbe;
pub use producers::Producers;
pub use settings::DatabaseSettings;
pub use signals::Signals;
