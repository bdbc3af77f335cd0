//! Where Redis is: one server, a master that Sentinels name, or the nodes of a Cluster.
//!
//! An address is read once, at start-up; whatever is wrong with it is found then. What it holds can
//! connect: no part of it is looked at again. Neither an error nor what is shown of an address
//! repeats a user, a password or a part that could be one.

mod members;
mod problem;
#[cfg(test)]
mod tests;

use std::fmt;

use url::Url;

use self::problem::wrong;
pub(super) use self::{
    members::{ClusterAddress, SentinelAddress},
    problem::KEY,
};
use crate::SettingsError;

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
