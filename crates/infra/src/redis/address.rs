//! Where Redis is: one server, a master that Sentinels name, or the nodes of a Cluster.
//!
//! An address is read once, at start-up; whatever is wrong with it is found then. What it holds can
//! connect: no part of it is looked at again. Neither an error nor what is shown of an address
//! repeats a user, a password or a part that could be one.

mod members;
mod problem;
#[cfg(test)]
mod tests;

use std::{fmt, str::FromStr};

use alpine_domain::account::Secret;
use url::Url;

use self::problem::wrong;
pub(super) use self::{
    members::{ClusterAddress, SentinelAddress},
    problem::KEY,
};
use crate::SettingsError;

/// What `redis.url` says. Only its text has the password.
#[derive(Clone)]
pub struct RedisUrl {
    text: Secret,
    pub(super) address: RedisAddress,
}

impl RedisUrl {
    /// Reads an address, with user, password and database number in it as far as needed:
    ///
    /// * `redis://`, `rediss://` (TLS) or `unix://`: one server.
    /// * `redis+sentinel://[user[:password]@]host[:port],…/master[/db]`: the master that the Sentinels
    ///   at these hosts (port 26379) name. User and password are the servers'; the Sentinels' own, if
    ///   they ask for any, are the parameters `sentinel_username` and `sentinel_password`.
    /// * `redis+cluster://[user[:password]@]host[:port],…`: the cluster that these nodes belong to.
    ///
    /// `rediss+sentinel` and `rediss+cluster` use TLS with all of them.
    ///
    /// # Errors
    /// What is wrong with it and how it is written, without repeating any of it.
    pub fn parse(text: &str) -> Result<Self, SettingsError> {
        Ok(Self { text: Secret::new(text), address: RedisAddress::parse(text)? })
    }

    /// What an address lacks that leads beyond this machine: a password, TLS, both or nothing.
    pub fn lacks(&self) -> Vec<&'static str> {
        let text = self.text.reveal();
        let (scheme, rest) = text.split_once("://").unwrap_or_default();
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let (user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        if scheme.contains("unix") || hosts.split(',').all(is_this_machine) {
            return Vec::new();
        }
        let has_password = user.split_once(':').is_some_and(|(_, password)| !password.is_empty());
        let lacking = [("a password", has_password), ("TLS (rediss://)", self.has_tls())];
        lacking.into_iter().filter(|(_, is_there)| !is_there).map(|(what, _)| what).collect()
    }

    /// Whether connections are encrypted.
    pub(super) fn has_tls(&self) -> bool {
        self.text.reveal().starts_with("rediss")
    }

    /// The whole text, with the password.
    pub const fn secret(&self) -> &Secret {
        &self.text
    }
}

impl FromStr for RedisUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text).map_err(|error| format!("{}; {}", error.problem, error.remedy))
    }
}

/// Whether a host, with its port or without, is this machine.
fn is_this_machine(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(address) => address.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    matches!(name, "" | "localhost" | "::1") || name.starts_with("127.")
}

/// Without user, password and parameters, for logs.
impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.address, f)
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.address, f)
    }
}

/// What the client connects to.
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
