//! Where Redis is and how long anybody waits for it.

use std::{fmt, time::Duration};

use url::Url;

use crate::SettingsError;

/// Settings of the Redis connection. `Debug` and errors hide the password.
#[derive(Clone)]
pub struct RedisSettings {
    pub(super) url: Url,
    /// Stands before every key and before a colon; default `alpine`. Installations that share one
    /// server use different ones.
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

const URL_REMEDY: &str =
    "use redis://[user[:password]@]host[:port][/db], rediss:// for TLS, or unix:///path";

impl RedisSettings {
    /// Settings with the defaults for the server at `url`: `redis://`, `rediss://` (TLS) or
    /// `unix://`, with user, password and database number in it as far as needed.
    pub fn new(url: &str) -> Result<Self, SettingsError> {
        let parsed = Url::parse(url)
            .map_err(|e| SettingsError::new("redis.url", e.to_string(), URL_REMEDY))?;
        // Everything that can be wrong is found now, at start-up, without a connection.
        redis::Client::open(parsed.clone()).map_err(|e| {
            let problem = e.detail().unwrap_or("not a Redis address").to_owned();
            SettingsError::new("redis.url", problem, URL_REMEDY)
        })?;
        Ok(Self {
            url: parsed,
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
            SettingsError::new("redis.host", format!("{part} cannot be used"), URL_REMEDY)
        };
        let mut url = Url::parse(&format!("{scheme}://{host}:{port}/{database}"))
            .map_err(|e| SettingsError::new("redis.host", e.to_string(), URL_REMEDY))?;
        // `Url` escapes both, so a password may hold any character.
        url.set_username(username.unwrap_or_default()).map_err(|()| bad("the user name"))?;
        url.set_password(password.filter(|p| !p.is_empty())).map_err(|()| bad("the password"))?;
        Self::new(url.as_str())
    }

    /// The address without user and password, for logs.
    pub fn address(&self) -> String {
        let mut shown = self.url.clone();
        // Both fail only for addresses without a host (`unix:`), which carry neither.
        let _ = shown.set_username("");
        let _ = shown.set_password(None);
        shown.set_query(None);
        shown.into()
    }
}

impl fmt::Debug for RedisSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSettings")
            .field("url", &self.address())
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
        let client = redis::Client::open(settings.url.clone()).unwrap();
        let info = client.get_connection_info().redis_settings();
        assert_eq!(info.password(), Some("hunt@r:/?#w"));
        assert_eq!(info.username(), Some("alpine"));
        assert_eq!(info.db(), 3);
    }

    #[test]
    fn refuses_what_is_no_address() {
        for url in ["", "localhost", "http://localhost", "redis://localhost/x"] {
            let error = RedisSettings::new(url).unwrap_err();
            assert_eq!(error.key, "redis.url", "{url}");
        }
        assert!(RedisSettings::from_parts("localhost", 6379, None, Some(""), 0, false).is_ok());
    }
}
