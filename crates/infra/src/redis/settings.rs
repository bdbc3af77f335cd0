//! Where Redis is and how long anybody waits for it.

use std::{fmt, time::Duration};

use url::Url;

use super::address::{KEY, RedisAddress};
use crate::SettingsError;

/// Settings of the Redis connection. `Debug` and errors hide the password.
#[derive(Clone)]
pub struct RedisSettings {
    pub(super) address: RedisAddress,
    /// Stands before every key and before a colon; default `alpine`. Installations that share one
    /// server use different ones. It has no braces: they would decide where a cluster keeps all keys.
    pub key_prefix: String,
    /// How long a request may wait for one use of Redis, everything included; default 25 ms.
    pub deadline: Duration,
    /// How long establishing a connection may take, in the background; default 500 ms.
    pub connect_timeout: Duration,
    /// How often a background probe looks whether Redis is back; default 250 ms. Three answers
    /// within the deadline in a row put it into use again.
    pub probe_interval: Duration,
    /// How often a working Redis is asked for its memory usage; default 5 s.
    pub poll_interval: Duration,
    /// Connections for waiting commands at most; default 2.
    pub pool_size: u32,
}

/// How long the background probe waits for an answer.
pub(super) const PROBE_DEADLINE: Duration = Duration::from_secs(1);

const HOST_REMEDY: &str = "give the name or address of one server, and a port";

impl RedisSettings {
    /// Settings with the defaults for what is at `url`, with user, password and database number in it
    /// as far as needed:
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
    /// What is wrong with `url` and how it is written, without repeating any of it.
    pub fn new(url: &str) -> Result<Self, SettingsError> {
        Ok(Self {
            address: RedisAddress::parse(url)?,
            key_prefix: "alpine".to_owned(),
            deadline: Duration::from_millis(25),
            connect_timeout: Duration::from_millis(500),
            probe_interval: Duration::from_millis(250),
            poll_interval: Duration::from_secs(5),
            pool_size: 2,
        })
    }

    /// Settings from the parts that some environments give instead of one address. An empty user or
    /// password counts as none.
    pub fn from_parts(
        host: &str,
        port: u16,
        username: Option<&str>,
        password: Option<&str>,
        database: u16,
        tls: bool,
    ) -> Result<Self, SettingsError> {
        let scheme = if tls { "rediss" } else { "redis" };
        // An IPv6 address needs its brackets in an address.
        let host = if host.contains(':') && !host.starts_with('[') {
            format!("[{host}]")
        } else {
            host.to_owned()
        };
        let bad = |part: &str| {
            SettingsError::new("redis.host", format!("{part} cannot be used"), HOST_REMEDY)
        };
        let mut url = Url::parse(&format!("{scheme}://{host}:{port}/{database}"))
            .map_err(|e| SettingsError::new("redis.host", e.to_string(), HOST_REMEDY))?;
        // `Url` escapes both, so a password may hold any character.
        url.set_username(username.unwrap_or_default()).map_err(|()| bad("the user name"))?;
        url.set_password(password.filter(|p| !p.is_empty())).map_err(|()| bad("the password"))?;
        Self::new(url.as_str())
    }

    /// The address without user, password and parameters, for logs.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Everything that can be wrong although its type allows it.
    pub(super) fn check(&self) -> Result<(), SettingsError> {
        if self.key_prefix.contains(['{', '}']) {
            return Err(SettingsError::new(
                "redis.key_prefix",
                "braces would send all keys to one slot of a cluster",
                "use letters, digits, '-', '_', '.' and ':'",
            ));
        }
        Ok(())
    }

    pub(super) fn refused(error: &redis::RedisError) -> SettingsError {
        let problem = error.detail().unwrap_or("not usable").to_owned();
        SettingsError::new(KEY, problem, "check scheme, host and TLS")
    }
}

impl fmt::Debug for RedisSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSettings")
            .field("address", &self.address())
            .field("key_prefix", &self.key_prefix)
            .field("deadline", &self.deadline)
            .field("connect_timeout", &self.connect_timeout)
            .field("probe_interval", &self.probe_interval)
            .field("poll_interval", &self.poll_interval)
            .field("pool_size", &self.pool_size)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hides_the_password_and_keeps_its_odd_characters() {
        let settings =
            RedisSettings::from_parts("::1", 6380, Some("alpine"), Some("hunt@r:/?#w"), 3, true)
                .unwrap();
        let shown = format!("{settings:?}");
        assert!(!shown.contains("hunt"), "{shown}");
        assert!(!shown.contains("%40"), "{shown}");
        assert_eq!(settings.address(), "rediss://[::1]:6380/3");
        let RedisAddress::Server(url) = settings.address else { panic!("one server") };
        let client = redis::Client::open(url).unwrap();
        let info = client.get_connection_info().redis_settings();
        assert_eq!(info.password(), Some("hunt@r:/?#w"));
        assert_eq!(info.username(), Some("alpine"));
        assert_eq!(info.db(), 3);
    }

    #[test]
    fn refuses_braces_in_the_prefix() {
        let mut settings = RedisSettings::new("redis://localhost/").unwrap();
        assert!(settings.check().is_ok());
        settings.key_prefix = "{alpine}".to_owned();
        assert_eq!(settings.check().unwrap_err().key, "redis.key_prefix");
    }

    #[test]
    fn an_empty_password_is_none() {
        assert!(RedisSettings::from_parts("localhost", 6379, None, Some(""), 0, false).is_ok());
    }
}
