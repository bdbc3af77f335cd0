//! The settings as typed values. What each one means stands in `config/default.toml`, once.
#![expect(missing_docs, reason = "each key is explained in config/default.toml, and only there")]

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

use actix_web::http::header::HeaderName;
use alpine_domain::{
    account::{AccountSettings, Secret},
    signal::{ExpirySettings, VisibilityPolicy},
};
use alpine_http::{CacheTtl, LimitSettings};
use alpine_infra::{
    blacklist::BlacklistSettings,
    cache::CacheSettings,
    events::FollowerSettings,
    secrets::{HashSettings, TokenSettings},
};
use alpine_persistence::DatabaseSettings;
use serde::{Deserialize, Deserializer};

use alpine_domain::settings as units;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    Development,
    Production,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub profile: Profile,
    pub instances: u32,
    pub allow_without_redis: bool,
    pub data_dir: PathBuf,
    pub http: Http,
    pub cors: Cors,
    pub shutdown: Shutdown,
    pub database: DatabaseSettings,
    pub redis: Redis,
    pub secrets: Secrets,
    pub tokens: TokenSettings,
    pub blacklist: BlacklistSettings,
    pub accounts: AccountSettings,
    pub passwords: HashSettings,
    pub producers: Producers,
    pub visibility: VisibilityPolicy,
    pub signals: ExpirySettings,
    pub plans: Plans,
    pub cache: CacheSettings,
    pub cache_ttl: CacheTtl,
    pub health: Health,
    pub events: FollowerSettings,
    pub rate_limits: LimitSettings,
    pub metrics: Metrics,
    pub logging: Logging,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    pub bind: SocketAddr,
    pub workers: usize,
    pub max_connections: usize,
    pub max_connections_per_address: usize,
    pub backlog: u32,
    #[serde(deserialize_with = "units::duration")]
    pub keep_alive: Duration,
    #[serde(deserialize_with = "units::duration")]
    pub request_head_timeout: Duration,
    #[serde(deserialize_with = "units::duration")]
    pub body_timeout: Duration,
    #[serde(deserialize_with = "units::duration")]
    pub send_window: Duration,
    #[serde(deserialize_with = "units::size")]
    pub send_floor: usize,
    #[serde(deserialize_with = "units::size")]
    pub body_limit: usize,
    #[serde(deserialize_with = "units::size")]
    pub batch_body_limit: usize,
    #[serde(deserialize_with = "units::size")]
    pub compress_from: usize,
    #[serde(deserialize_with = "units::duration")]
    pub hsts: Duration,
    pub trusted_proxies: Vec<String>,
    #[serde(deserialize_with = "units::optional_text")]
    pub frontend_url: Option<String>,
    #[serde(deserialize_with = "units::optional_text")]
    pub domain: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cors {
    pub origins: Vec<String>,
    #[serde(deserialize_with = "header_names")]
    pub request_headers: Vec<HeaderName>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shutdown {
    #[serde(deserialize_with = "units::duration")]
    pub drain: Duration,
    #[serde(deserialize_with = "units::duration")]
    pub grace: Duration,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redis {
    #[serde(deserialize_with = "optional_secret")]
    pub url: Option<Secret>,
    pub key_prefix: String,
    #[serde(deserialize_with = "units::duration")]
    pub deadline: Duration,
    #[serde(deserialize_with = "units::duration")]
    pub connect_timeout: Duration,
    #[serde(deserialize_with = "units::duration")]
    pub probe_interval: Duration,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secrets {
    #[serde(deserialize_with = "optional_secret")]
    pub jwt: Option<Secret>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Producers {
    #[serde(deserialize_with = "secret_table")]
    pub keys: BTreeMap<String, Secret>,
}

/// US cents a month.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plans {
    pub starter: u32,
    pub pro: u32,
    pub elite: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Health {
    #[serde(deserialize_with = "units::duration")]
    pub probe_timeout: Duration,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    pub enabled: bool,
    pub bind: MetricsBind,
}

/// Where the metrics are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum MetricsBind {
    /// Beside the API in development, on a loopback address of their own in production.
    ByProfile,
    /// Beside the API.
    Main,
    /// On an address of their own.
    Apart(SocketAddr),
}

impl TryFrom<String> for MetricsBind {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.trim() {
            "" => Ok(Self::ByProfile),
            "main" => Ok(Self::Main),
            address => address.parse().map(Self::Apart).map_err(
                |_| "must be empty, `main`, or an address and port, 127.0.0.1:9464 for example",
            ),
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logging {
    pub format: LogFormat,
    pub filter: String,
    pub buffer_lines: usize,
    pub repeats: u32,
    #[serde(deserialize_with = "units::duration")]
    pub summary_interval: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Auto,
    Compact,
    Json,
}

fn optional_secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    Ok(units::optional_text(deserializer)?.map(Secret::new))
}

fn header_names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<HeaderName>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    let parse = |name: String| {
        let problem = |_| serde::de::Error::custom(format!("`{name}` is no name of a header"));
        name.trim().parse().map_err(problem)
    };
    names.into_iter().map(parse).collect()
}

fn secret_table<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, Secret>, D::Error> {
    let table = BTreeMap::<String, String>::deserialize(deserializer)?;
    Ok(table.into_iter().map(|(name, key)| (name, Secret::new(key))).collect())
}
