//! Where Redis is and how long anybody waits for it.

use std::time::Duration;

use alpine_domain::settings::{defaults, duration, optional};
use serde::Deserialize;

use super::address::{KEY, RedisAddress, RedisUrl};
use crate::SettingsError;

/// The section `redis` of the configuration. `Debug` and errors hide the password.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisSettings {
    /// Where Redis is. `None`: there is none.
    #[serde(deserialize_with = "optional")]
    pub url: Option<RedisUrl>,
    /// Stands before every key and before a colon. Installations that share one server use different
    /// ones. It has no braces: they would decide where a cluster keeps all keys.
    pub key_prefix: String,
    /// How long a request may wait for one use of Redis, everything included.
    #[serde(deserialize_with = "duration")]
    pub deadline: Duration,
    /// How long establishing a connection may take, in the background.
    #[serde(deserialize_with = "duration")]
    pub connect_timeout: Duration,
    /// How often a background probe looks whether Redis is back. Three answers within the deadline in a
    /// row put it into use again.
    #[serde(deserialize_with = "duration")]
    pub probe_interval: Duration,
    /// How often a Redis in use has to take a write, and is asked for its memory usage.
    #[serde(deserialize_with = "duration")]
    pub check_interval: Duration,
}

/// How long the background probe waits for an answer.
pub(super) const PROBE_DEADLINE: Duration = Duration::from_secs(1);

impl RedisSettings {
    /// What stands in `config/default.toml`, for what is at `url`.
    ///
    /// # Errors
    /// As [`RedisUrl::parse`].
    pub fn new(url: &str) -> Result<Self, SettingsError> {
        Ok(Self { url: Some(RedisUrl::parse(url)?), ..defaults("redis") })
    }

    pub(super) fn url(&self) -> Result<&RedisUrl, SettingsError> {
        let unset = || SettingsError::new(KEY, "is not set", "say where Redis is");
        self.url.as_ref().ok_or_else(unset)
    }

    /// The address without user, password and parameters, for logs.
    pub fn address(&self) -> String {
        self.url.as_ref().map(ToString::to_string).unwrap_or_default()
    }

    /// Whether keys are spread over the slots of a cluster.
    pub(super) fn is_cluster(&self) -> bool {
        self.url.as_ref().is_some_and(|url| matches!(url.address, RedisAddress::Cluster(_)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_braces_in_the_prefix() {
        let mut settings = RedisSettings::new("redis://localhost/").unwrap();
        assert!(settings.check().is_ok());
        settings.key_prefix = "{alpine}".to_owned();
        assert_eq!(settings.check().unwrap_err().key, "redis.key_prefix");
    }
}
