//! Every number of the database side.

use std::{fmt, time::Duration};

use crate::connection::shown_url;

/// Where the data is kept and how patient everything around it is.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseSettings {
    /// `sqlite:PATH`, `sqlite://PATH`, `postgres://…` or `postgresql://…`. Parameters of a PostgreSQL
    /// URL win over what stands here; an own `options=` replaces all server settings made here.
    pub url: String,
    /// Connections that are kept open once they were needed; at most [`max`](Self::max).
    pub keep: u32,
    /// Connections at most; 1 or more. Those above [`keep`](Self::keep) are closed after a calm.
    pub max: u32,
    /// Connections that costly reads may use at a time; fewer than [`max`](Self::max), so that cheap
    /// requests always have some.
    pub max_costly: u32,
    /// How long a costly read waits for its turn before it is refused as unavailable.
    pub costly_timeout: Duration,
    /// How old a connection may get before it is replaced.
    pub max_lifetime: Duration,
    /// How long opening a connection may take; whole seconds, one at least.
    pub connect_timeout: Duration,
    /// How long a unit of work waits for a connection before it is refused as unavailable.
    pub checkout_timeout: Duration,
    /// A connection that was idle for longer is tried before it is handed out.
    pub ping_after_idle: Duration,
    /// How long one statement may run, or an open transaction lie idle, on PostgreSQL.
    pub statement_timeout: Duration,
    /// How long sent data may stay unacknowledged before PostgreSQL counts as lost.
    pub network_timeout: Duration,
    /// How long a write waits for another writer on SQLite.
    pub busy_timeout: Duration,
    /// How often a write is tried again after a deadlock or a serialization failure.
    pub write_retries: u32,
    /// How long the health probe may take.
    pub probe_timeout: Duration,
    /// How long a starting instance waits for another one that migrates.
    pub migration_wait: Duration,
}

impl DatabaseSettings {
    /// The defaults, for the database at `url`.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            keep: 20,
            max: 30,
            max_costly: 4,
            costly_timeout: Duration::from_secs(2),
            max_lifetime: Duration::from_hours(1),
            connect_timeout: Duration::from_secs(10),
            checkout_timeout: Duration::from_secs(1),
            ping_after_idle: Duration::from_secs(30),
            statement_timeout: Duration::from_secs(30),
            network_timeout: Duration::from_secs(5),
            busy_timeout: Duration::from_secs(5),
            write_retries: 3,
            probe_timeout: Duration::from_secs(1),
            migration_wait: Duration::from_mins(5),
        }
    }
}

impl fmt::Debug for DatabaseSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseSettings")
            .field("url", &shown_url(&self.url))
            .field("keep", &self.keep)
            .field("max", &self.max)
            .field("max_costly", &self.max_costly)
            .field("costly_timeout", &self.costly_timeout)
            .field("max_lifetime", &self.max_lifetime)
            .field("connect_timeout", &self.connect_timeout)
            .field("checkout_timeout", &self.checkout_timeout)
            .field("ping_after_idle", &self.ping_after_idle)
            .field("statement_timeout", &self.statement_timeout)
            .field("network_timeout", &self.network_timeout)
            .field("busy_timeout", &self.busy_timeout)
            .field("write_retries", &self.write_retries)
            .field("probe_timeout", &self.probe_timeout)
            .field("migration_wait", &self.migration_wait)
            .finish()
    }
}
