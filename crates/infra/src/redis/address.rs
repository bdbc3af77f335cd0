//! Where Redis is: one server, a master that Sentinels name, or the nodes of a Cluster.
//!
//! An address is read once, at start-up; whatever is wrong with it is found then. What it holds can
//! connect: no part of it is looked at again. Neither an error nor what is shown of an address
//! repeats a user, a password or a part that could be one.

mod members;
#[cfg(test)]
mod tests;

use std::fmt;

use redis::{ConnectionInfo, RedisConnectionInfo};
use url::Url;

use crate::SettingsError;

pub(super) const KEY: &str = "redis.url";

const REMEDY: &str = "use redis://[user[:password]@]host[:port][/db], rediss:// for TLS, unix:///path, \
                      redis+sentinel://[user:password@]host[:port],…/master[/db], or \
                      redis+cluster://[user:password@]host[:port],… (rediss+… for TLS), and write @ : / \
                      ? # % in a user or password as %40 %3A %2F %3F %23 %25";

/// What [`RedisSettings`](super::RedisSettings) connects to.
#[derive(Clone)]
pub(super) enum RedisAddress {
    /// One server.
    Server(Url),
    /// Whichever server the Sentinels say is the master.
    Sentinel(SentinelAddress),
    /// All the masters of a cluster.
    Cluster(ClusterAddress),
}

/// Sentinels, and the master that they watch.
#[derive(Clone)]
pub(super) struct SentinelAddress {
    /// With the Sentinels' own user and password.
    pub(super) sentinels: Vec<ConnectionInfo>,
    pub(super) master: String,
    /// User, password and database of the master.
    pub(super) redis: RedisConnectionInfo,
    pub(super) tls: bool,
    shown: String,
}

/// Some nodes of a cluster; the others are found through them.
#[derive(Clone)]
pub(super) struct ClusterAddress {
    /// Each with the cluster's user and password.
    pub(super) nodes: Vec<ConnectionInfo>,
    shown: String,
}

impl RedisAddress {
    /// Reads an address; the scheme says of which kind.
    pub(super) fn parse(text: &str) -> Result<Self, SettingsError> {
        let scheme = text.split_once("://").map_or("", |(scheme, _)| scheme).to_ascii_lowercase();
        match scheme.as_str() {
            "redis+sentinel" => members::sentinel(text, false).map(Self::Sentinel),
            "rediss+sentinel" => members::sentinel(text, true).map(Self::Sentinel),
            "redis+cluster" => members::cluster(text, false).map(Self::Cluster),
            "rediss+cluster" => members::cluster(text, true).map(Self::Cluster),
            _ => server(text).map(Self::Server),
        }
    }
}

fn wrong(problem: impl Into<String>) -> SettingsError {
    SettingsError::new(KEY, problem, REMEDY)
}

fn server(text: &str) -> Result<Url, SettingsError> {
    let url = Url::parse(text).map_err(|e| wrong(e.to_string()))?;
    if url.host_str().is_some_and(|host| host.contains(',')) {
        return Err(wrong("several hosts belong to Sentinel or to a cluster"));
    }
    // Part of a password that was not escaped: read as a port, a database or a parameter.
    let behind_host = url.path().contains('@') || url.query().is_some_and(|q| q.contains('@'));
    if url.fragment().is_some() || (url.has_host() && behind_host) {
        return Err(wrong("there is an @ or a # behind the host"));
    }
    // The client's own words would repeat the part that it does not know.
    redis::Client::open(url.clone())
        .map_err(|_| wrong("Redis knows no such scheme, database or parameter"))?;
    Ok(url)
}

/// Without user, password and parameters, for logs.
impl fmt::Display for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(url) => {
                let mut shown = url.clone();
                // Both fail only for addresses without a host (`unix:`), which carry neither.
                let _ = shown.set_username("");
                let _ = shown.set_password(None);
                shown.set_query(None);
                f.write_str(shown.as_str())
            }
            Self::Sentinel(SentinelAddress { shown, .. })
            | Self::Cluster(ClusterAddress { shown, .. }) => f.write_str(shown),
        }
    }
}
