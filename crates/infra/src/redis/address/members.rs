//! Addresses that name several hosts, which the `url` crate does not read.

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, RedisConnectionInfo};
use url::{Url, form_urlencoded};

use super::problem::{KEY, wrong};
use crate::SettingsError;

const SENTINEL_PORT: u16 = 26_379;
const REDIS_PORT: u16 = 6_379;
/// Hosts in one address at most.
const MAX_HOSTS: usize = 64;

/// Sentinels, and the master that they watch.
#[derive(Clone)]
pub(in crate::redis) struct SentinelAddress {
    /// With the Sentinels' own user and password.
    pub(in crate::redis) sentinels: Vec<ConnectionInfo>,
    pub(in crate::redis) master: String,
    /// User, password and database of the master.
    pub(in crate::redis) redis: RedisConnectionInfo,
    pub(in crate::redis) tls: bool,
    pub(super) shown: String,
}

/// Some nodes of a cluster; the others are found through them.
#[derive(Clone)]
pub(in crate::redis) struct ClusterAddress {
    /// Each with the cluster's user and password.
    pub(in crate::redis) nodes: Vec<ConnectionInfo>,
    pub(super) shown: String,
}

/// An address cut into its parts.
struct Parts<'a> {
    /// User and password of the data's servers.
    redis: RedisConnectionInfo,
    hosts: Vec<ConnectionInfo>,
    /// The hosts as they are shown.
    shown: String,
    path: Vec<&'a str>,
    parameters: Vec<(String, String)>,
}

/// `redis+sentinel://[user[:password]@]host[:port],…/master[/db]`, and as parameters
/// `sentinel_username` and `sentinel_password` where the Sentinels ask for their own.
pub(super) fn sentinel(text: &str, tls: bool) -> Result<SentinelAddress, SettingsError> {
    let parts = cut(text, tls, SENTINEL_PORT)?;
    let (master, database) = match parts.path[..] {
        [] => return Err(wrong("the master's name is missing behind the Sentinels' hosts")),
        [master] => (master, "0"),
        [master, database] => (master, database),
        _ => return Err(wrong("there is more behind the hosts than a master and a database")),
    };
    // What Sentinel itself takes for a name.
    let is_name = master.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    if !is_name {
        return Err(wrong("a master's name has letters, digits, '.', '_' and '-' only"));
    }
    let database: u16 =
        database.parse().map_err(|_| wrong("the database is not a number from 0 to 65535"))?;
    let own = own_credentials(&parts.parameters)?;
    let sentinels =
        parts.hosts.into_iter().map(|host| host.set_redis_settings(own.clone())).collect();
    Ok(SentinelAddress {
        sentinels,
        master: master.to_owned(),
        redis: parts.redis.set_db(i64::from(database)),
        tls,
        shown: format!("{}+sentinel://{}/{master}/{database}", scheme(tls), parts.shown),
    })
}

/// `redis+cluster://[user[:password]@]host[:port],…`
pub(super) fn cluster(text: &str, tls: bool) -> Result<ClusterAddress, SettingsError> {
    let parts = cut(text, tls, REDIS_PORT)?;
    if !matches!(parts.path[..], [] | ["0"]) {
        return Err(SettingsError::new(
            KEY,
            "a cluster has no database but number 0",
            "leave the database out of redis.url and keep deployments apart by redis.key_prefix, or \
             use one server or Sentinel",
        ));
    }
    if !parts.parameters.is_empty() {
        return Err(wrong("a cluster's address takes no parameters"));
    }
    let nodes =
        parts.hosts.into_iter().map(|host| host.set_redis_settings(parts.redis.clone())).collect();
    Ok(ClusterAddress { nodes, shown: format!("{}+cluster://{}", scheme(tls), parts.shown) })
}

const fn scheme(tls: bool) -> &'static str {
    if tls { "rediss" } else { "redis" }
}

fn cut(text: &str, tls: bool, default_port: u16) -> Result<Parts<'_>, SettingsError> {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    if rest.contains('#') {
        return Err(wrong("nothing may stand behind a #"));
    }
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    let redis = credentials(user)?;
    let (mut found, mut shown) = (Vec::new(), Vec::new());
    for (index, host) in hosts.split(',').enumerate() {
        if index == MAX_HOSTS {
            return Err(wrong(format!("there are more than {MAX_HOSTS} hosts")));
        }
        // Not repeated in the error: it may be the end of a password.
        let host = member(host, tls, default_port)
            .ok_or_else(|| wrong(format!("host number {} is not host[:port]", index + 1)))?;
        shown.push(shown_host(host.addr()));
        found.push(host);
    }
    let path = path.strip_suffix('/').unwrap_or(path);
    Ok(Parts {
        redis,
        hosts: found,
        shown: shown.join(","),
        path: if path.is_empty() { Vec::new() } else { path.split('/').collect() },
        parameters: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
    })
}

/// `host:port`, with the brackets that an IPv6 address needs to be read again.
fn shown_host(address: &ConnectionAddr) -> String {
    match address {
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. }
            if host.contains(':') =>
        {
            format!("[{host}]:{port}")
        }
        other => other.to_string(),
    }
}

/// One `host[:port]`, without credentials.
fn member(text: &str, tls: bool, default_port: u16) -> Option<ConnectionInfo> {
    // Anything but a host and a port would be read as another part of an address.
    if text.is_empty() || text.contains(['@', '/', '\\', ' ']) {
        return None;
    }
    let url = Url::parse(&format!("{}://{text}", scheme(tls))).ok()?;
    let is_default = url.port().is_none();
    let info = url.into_connection_info().ok()?;
    let address = match info.addr().clone() {
        ConnectionAddr::Tcp(host, port) => {
            ConnectionAddr::Tcp(host, if is_default { default_port } else { port })
        }
        ConnectionAddr::TcpTls { host, port, insecure, tls_params } => ConnectionAddr::TcpTls {
            host,
            port: if is_default { default_port } else { port },
            insecure,
            tls_params,
        },
        _ => return None,
    };
    let (ConnectionAddr::Tcp(_, port) | ConnectionAddr::TcpTls { port, .. }) = &address else {
        return None;
    };
    (*port != 0).then(|| info.set_addr(address))
}

/// `user:password` or `:password`, escaped as in any address.
fn credentials(text: &str) -> Result<RedisConnectionInfo, SettingsError> {
    if text.is_empty() || text == ":" {
        return Ok(RedisConnectionInfo::default());
    }
    let info = Url::parse(&format!("redis://{text}@localhost"))
        .ok()
        .filter(|url| url.host_str() == Some("localhost"))
        .and_then(|url| url.into_connection_info().ok())
        .ok_or_else(|| wrong("user and password cannot be read"))?;
    let info = info.redis_settings().clone();
    if info.password().is_none() {
        return Err(wrong("there is a user without a password (a password alone is `:password@`)"));
    }
    Ok(info)
}

/// What the Sentinels ask for, if that is anything.
fn own_credentials(parameters: &[(String, String)]) -> Result<RedisConnectionInfo, SettingsError> {
    let (mut user, mut password) = (None, None);
    for (name, value) in parameters {
        let place = match name.as_str() {
            "sentinel_username" => &mut user,
            "sentinel_password" => &mut password,
            _ => {
                return Err(wrong(
                    "no parameters but sentinel_username and sentinel_password are known",
                ));
            }
        };
        if value.is_empty() || place.replace(value).is_some() {
            return Err(wrong("a parameter is empty or stands there twice"));
        }
    }
    let own = RedisConnectionInfo::default();
    match (user, password) {
        (None, None) => Ok(own),
        (None, Some(password)) => Ok(own.set_password(password)),
        (Some(user), Some(password)) => Ok(own.set_username(user).set_password(password)),
        (Some(_), None) => Err(wrong("sentinel_username wants a sentinel_password")),
    }
}
