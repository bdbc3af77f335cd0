//! The settings as typed values. What each one means stands in `config/default.toml`, once.
#![expect(missing_docs, reason = "each key is explained in config/default.toml, and only there")]

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

use alpine_domain::{
    account::{AccountSettings, Secret, Tier},
    retention::RetentionSettings,
    signal::{ExpirySettings, VisibilityPolicy},
    statistics::RecordSettings,
};
use alpine_http::{CacheTtl, CorsSettings, HealthSettings, HttpSection, LimitSettings};
use alpine_infra::{
    blacklist::BlacklistSettings,
    cache::CacheSettings,
    clock::ClockSettings,
    events::FollowerSettings,
    mail::MailSettings,
    redis::RedisSettings,
    secrets::{HashSettings, TokenSettings},
};
use alpine_persistence::DatabaseSettings;
use serde::{Deserialize, Deserializer, de::Error as _};

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
    #[serde(deserialize_with = "units::at_least_one")]
    pub instances: u32,
    pub allow_without_redis: bool,
    pub data_dir: PathBuf,
    pub http: HttpSection,
    pub cors: CorsSettings,
    pub shutdown: Shutdown,
    pub database: DatabaseSettings,
    pub redis: RedisSettings,
    pub secrets: Secrets,
    pub tokens: TokenSettings,
    pub blacklist: BlacklistSettings,
    pub accounts: AccountSettings,
    pub passwords: HashSettings,
    pub producers: Producers,
    pub visibility: VisibilityPolicy,
    pub signals: ExpirySettings,
    pub record: RecordSettings,
    pub retention: RetentionSettings,
    pub jobs: Jobs,
    pub mail: MailSettings,
    pub clock: ClockSettings,
    pub plans: Plans,
    pub billing: Billing,
    pub channels: Channels,
    pub telegram: Telegram,
    pub discord: Discord,
    pub cache: CacheSettings,
    pub cache_ttl: CacheTtl,
    pub health: HealthSettings,
    pub events: FollowerSettings,
    pub rate_limits: LimitSettings,
    pub metrics: Metrics,
    pub logging: Logging,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shutdown {
    #[serde(deserialize_with = "units::duration_or_zero")]
    pub drain: Duration,
    #[serde(deserialize_with = "units::duration_or_zero")]
    pub grace: Duration,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secrets {
    #[serde(deserialize_with = "units::optional")]
    pub jwt: Option<Secret>,
    /// At most [`Secrets::MOST_ACCEPTED`].
    pub accepted_jwt: Vec<Secret>,
    #[serde(deserialize_with = "units::optional")]
    pub second_factor: Option<Secret>,
    /// At most [`Secrets::MOST_ACCEPTED`].
    pub accepted_second_factor: Vec<Secret>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Producers {
    pub keys: BTreeMap<String, Secret>,
}

impl Secrets {
    /// Of each kind. A token without a key's name is tried with each.
    pub const MOST_ACCEPTED: usize = 4;
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jobs {
    #[serde(deserialize_with = "units::duration")]
    pub interval: Duration,
    #[serde(deserialize_with = "units::within::<_, _, 1, 64>")]
    pub concurrent: usize,
    #[serde(deserialize_with = "units::duration")]
    pub deadline: Duration,
}

/// US cents a month.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plans {
    #[serde(deserialize_with = "cents")]
    pub starter: u32,
    #[serde(deserialize_with = "cents")]
    pub pro: u32,
    #[serde(deserialize_with = "cents")]
    pub elite: u32,
    pub yearly: YearlyPlans,
}

/// US cents a year.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct YearlyPlans {
    #[serde(deserialize_with = "cents_or_none")]
    pub starter: Option<u32>,
    #[serde(deserialize_with = "cents_or_none")]
    pub pro: Option<u32>,
    #[serde(deserialize_with = "cents_or_none")]
    pub elite: Option<u32>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Billing {
    pub provider: BillingProvider,
    #[serde(deserialize_with = "units::optional")]
    pub stripe_key: Option<Secret>,
    /// At most [`Billing::MOST_WEBHOOK_SECRETS`].
    pub webhook_secrets: Vec<Secret>,
    pub stripe_url: String,
    #[serde(deserialize_with = "units::duration")]
    pub timeout: Duration,
    #[serde(deserialize_with = "units::duration_or_zero")]
    pub grace: Duration,
    #[serde(deserialize_with = "units::duration")]
    pub recheck_interval: Duration,
    #[serde(deserialize_with = "units::duration")]
    pub sweep_interval: Duration,
    pub monthly_prices: ByTier,
    pub yearly_prices: ByTier,
    pub older_prices: BTreeMap<String, Tier>,
}

impl Billing {
    /// Each is tried with every event.
    pub const MOST_WEBHOOK_SECRETS: usize = 4;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BillingProvider {
    Auto,
    Stripe,
    Development,
    Off,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Channels {
    #[serde(deserialize_with = "units::duration")]
    pub invite_ttl: Duration,
    #[serde(deserialize_with = "units::duration")]
    pub recheck_interval: Duration,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telegram {
    #[serde(deserialize_with = "units::optional")]
    pub bot_token: Option<Secret>,
    #[serde(deserialize_with = "units::optional")]
    pub webhook_secret: Option<Secret>,
    pub api_url: String,
    #[serde(deserialize_with = "units::duration")]
    pub timeout: Duration,
    pub channels: ByTier,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Discord {
    #[serde(deserialize_with = "units::optional")]
    pub bot_token: Option<Secret>,
    pub client_id: String,
    #[serde(deserialize_with = "units::optional")]
    pub client_secret: Option<Secret>,
    pub guild: String,
    #[serde(deserialize_with = "units::optional")]
    pub redirect_url: Option<String>,
    pub api_url: String,
    #[serde(deserialize_with = "units::duration")]
    pub timeout: Duration,
    pub roles: ByTier,
}

/// A text for each tier that can be bought, or none.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ByTier {
    #[serde(deserialize_with = "units::optional")]
    pub starter: Option<String>,
    #[serde(deserialize_with = "units::optional")]
    pub pro: Option<String>,
    #[serde(deserialize_with = "units::optional")]
    pub elite: Option<String>,
}

impl ByTier {
    pub fn of(&self, tier: Tier) -> Option<&String> {
        match tier {
            Tier::Free => None,
            Tier::Starter => self.starter.as_ref(),
            Tier::Pro => self.pro.as_ref(),
            Tier::Elite => self.elite.as_ref(),
        }
    }

    pub fn given(&self) -> impl Iterator<Item = (Tier, &String)> {
        Tier::ALL.iter().filter_map(|tier| Some((*tier, self.of(*tier)?)))
    }
}

/// An amount that can be charged: docs.stripe.com/currencies, minimum and maximum charge amounts.
fn cents<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    units::within::<u32, D, 50, 99_999_999>(deserializer)
        .map_err(|reason| D::Error::custom(format!("is in US cents, and {reason}")))
}

/// The same, or 0 for none.
fn cents_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    match units::within::<u32, D, 0, 99_999_999>(deserializer)? {
        0 => Ok(None),
        1..50 => Err(D::Error::custom("is in US cents, and must be 0, or 50 to 99999999")),
        cents => Ok(Some(cents)),
    }
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
            address => units::parse_listen_address(address).map(Self::Apart).map_err(
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
    #[serde(deserialize_with = "units::at_least_one")]
    pub buffer_lines: usize,
    #[serde(deserialize_with = "units::at_least_one")]
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
