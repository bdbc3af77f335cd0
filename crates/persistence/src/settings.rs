//! The section `database` of the configuration.

use std::{fmt, time::Duration};

use alpine_domain::settings::{at_least_one, defaults, duration, duration_or_zero, within};
use serde::Deserialize;

use crate::connection::shown_url;

/// Where the data is kept and how patient everything around it is.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseSettings {
    /// `sqlite:PATH`, `sqlite://PATH`, `postgres://…` or `postgresql://…`. Parameters of a PostgreSQL
    /// URL win over what stands here; an own `options=` replaces all server settings made here. Empty: not given.
    pub url: String,
    /// Connections that are kept open once they were needed; at most [`pool_max`](Self::pool_max).
    pub pool_kept: u32,
    /// Connections at most; 1 or more, and no more than 8 count on SQLite. Those above
    /// [`pool_kept`](Self::pool_kept) are closed after a calm.
    #[serde(deserialize_with = "within::<_, _, 1, 1000>")]
    pub pool_max: u32,
    /// Connections that costly reads may use at a time; fewer than [`pool_max`](Self::pool_max), so that cheap
    /// requests always have some.
    #[serde(deserialize_with = "at_least_one")]
    pub pool_costly: u32,
    /// How long a costly read waits for its turn before it is refused as unavailable.
    #[serde(deserialize_with = "duration")]
    pub costly_timeout: Duration,
    /// How old a connection may get before it is replaced.
    #[serde(deserialize_with = "duration")]
    pub max_lifetime: Duration,
    /// How long opening a connection may take; whole seconds, one at least.
    #[serde(deserialize_with = "duration")]
    pub connect_timeout: Duration,
    /// How long a unit of work waits for a connection before it is refused as unavailable.
    #[serde(deserialize_with = "duration")]
    pub checkout_timeout: Duration,
    /// A connection that was idle for longer is tried before it is handed out.
    #[serde(deserialize_with = "duration_or_zero")]
    pub check_after_idle: Duration,
    /// How long one statement may run, or an open transaction lie idle, on PostgreSQL.
    #[serde(deserialize_with = "duration")]
    pub statement_timeout: Duration,
    /// How long sent data may stay unacknowledged before PostgreSQL counts as lost.
    #[serde(deserialize_with = "duration")]
    pub network_timeout: Duration,
    /// How long a write waits for another writer on SQLite.
    #[serde(deserialize_with = "duration")]
    pub busy_timeout: Duration,
    /// How often a write is tried again after a deadlock or a serialization failure.
    pub write_retries: u32,
    /// How long a starting instance waits for another one that migrates.
    #[serde(deserialize_with = "duration")]
    pub migration_wait: Duration,
    /// Whether a starting instance brings the schema up to date.
    pub migrate_on_start: bool,
}

impl DatabaseSettings {
    /// What stands in `config/default.toml`, for the database at `url`.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), ..defaults("database") }
    }
}

impl fmt::Debug for DatabaseSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseSettings")
            .field("url", &shown_url(&self.url))
            .finish_non_exhaustive()
    }
}
