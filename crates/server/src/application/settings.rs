//! The operator's settings in the words of each crate.

use std::num::NonZeroU32;

use alpine_domain::{
    account::{AccountSettings, Secret, Tier},
    plan::{Plan, UsdCents},
    signal::{ExpirySettings, View},
};
use alpine_http::{CacheSettings as HttpCache, CorsSettings, HttpSettings, LimitRow, Policy};
use alpine_infra::{
    SettingsError,
    blacklist::BlacklistSettings,
    cache::CacheSettings,
    events::FollowerSettings,
    rate_limit::{LocalLimits, SharedLimits},
    redis::RedisSettings,
    secrets::{HashSettings, TokenSettings},
};
use alpine_persistence::DatabaseSettings;

use ipnet::IpNet;

use crate::config::{Config, parse_network};

pub(crate) fn database(config: &Config) -> DatabaseSettings {
    let url = config.database_url().reveal().to_owned();
    DatabaseSettings { url, ..config.database.clone() }
}

/// `None` when no Redis is configured.
pub(super) fn redis(config: &Config) -> Result<Option<RedisSettings>, SettingsError> {
    let Some(url) = &config.redis.url else {
        return Ok(None);
    };
    let given = &config.redis;
    let mut settings = RedisSettings::new(url.reveal())?;
    settings.key_prefix.clone_from(&given.key_prefix);
    settings.deadline = given.deadline;
    settings.connect_timeout = given.connect_timeout;
    settings.probe_interval = given.probe_interval;
    Ok(Some(settings))
}

pub(super) fn cache(config: &Config) -> CacheSettings {
    CacheSettings {
        max_bytes: u64::try_from(config.cache.max_bytes).unwrap_or(u64::MAX),
        max_entries: config.cache.max_entries,
        max_body: config.cache.max_body,
        load_deadline: config.cache.load_deadline,
        ..CacheSettings::default()
    }
}

pub(super) fn blacklist(config: &Config) -> BlacklistSettings {
    BlacklistSettings { capacity: config.tokens.blacklist_capacity }
}

pub(super) fn limiter(config: &Config) -> SharedLimits {
    SharedLimits {
        local: LocalLimits { max_callers: config.rate_limits.capacity },
        instances: NonZeroU32::new(config.instances).unwrap_or(NonZeroU32::MIN),
    }
}

pub(super) fn passwords(config: &Config) -> HashSettings {
    let given = &config.passwords;
    let default = HashSettings::default();
    HashSettings {
        memory_kib: given.memory_kib,
        passes: given.iterations,
        lanes: given.parallelism,
        at_once: if given.concurrent == 0 { default.at_once } else { given.concurrent },
        waiting: given.queue,
    }
}

pub(super) fn tokens(config: &Config) -> TokenSettings {
    TokenSettings {
        issuer: config.tokens.issuer.clone(),
        audience: config.tokens.audience.clone(),
        remembered: config.tokens.verified_cache,
    }
}

pub(super) fn follower(config: &Config) -> FollowerSettings {
    let given = &config.events;
    FollowerSettings {
        poll_interval: given.poll_interval,
        fresh_for: given.max_staleness,
        catch_up_deadline: given.catch_up_deadline,
        // Well within the retention, which is an hour at least.
        longest_silence: given.retention / 6,
        ..FollowerSettings::default()
    }
}

pub(super) fn accounts(config: &Config) -> AccountSettings {
    AccountSettings {
        signup_tier: config.accounts.signup_tier,
        access_ttl: config.tokens.access_ttl,
        refresh_ttl: config.tokens.refresh_ttl,
        max_api_keys: config.accounts.max_api_keys,
        // A key of its own would be one more secret to lose, and all that it guards are hints.
        address_key: config.secrets.jwt.clone().unwrap_or_else(|| Secret::new("")),
    }
}

pub(super) fn expiry(config: &Config) -> ExpirySettings {
    ExpirySettings {
        default_horizon: config.signals.expires_after,
        horizons: config
            .signals
            .expires_after_by_strategy
            .iter()
            // Names were checked with the other rules of the configuration.
            .filter_map(|(name, horizon)| Some((name.parse().ok()?, *horizon)))
            .collect(),
    }
}

pub(super) fn http(config: &Config) -> HttpSettings {
    let given = &config.http;
    HttpSettings {
        cors: CorsSettings {
            origins: config.allowed_origins(),
            allow_loopback: config.is_development(),
            request_headers: config.cors.request_headers.clone(),
        },
        trusted_proxies: trusted_proxies(&given.trusted_proxies),
        hsts: (!given.hsts.is_zero()).then_some(given.hsts),
        body_limit: given.body_limit,
        batch_body_limit: given.batch_body_limit,
        body_timeout: given.body_timeout,
        compress_from: given.compress_from,
        serve_metrics: config.metrics.enabled && config.metrics_address().is_none(),
        limits: config.rate_limits.clone(),
        cache: HttpCache {
            signals: config.cache.signals_ttl,
            performance: config.cache.performance_ttl,
            profile: config.cache.profile_ttl,
            grace: config.cache.grace,
        },
        plans: plans(config),
        probe_timeout: config.health.probe_timeout,
        ..HttpSettings::default()
    }
}

fn trusted_proxies(given: &[String]) -> Vec<IpNet> {
    given.iter().filter_map(|text| parse_network(text)).collect()
}

/// What each tier costs and brings, in the words of the rules in force.
fn plans(config: &Config) -> Vec<Plan> {
    let (views, limits, prices) = (&config.visibility, &config.rate_limits, &config.plans);
    let plan = |tier: Tier, cents, view: &View| {
        let mut features = vec![
            view.below.map_or_else(
                || "every signal".to_owned(),
                |below| format!("signals below {below} percent confidence"),
            ),
            if view.delay.is_zero() {
                "as soon as they are published".to_owned()
            } else {
                format!("{} minutes after they are published", view.delay.as_secs().div_ceil(60))
            },
        ];
        let limit = limits.row(Policy::of_tier(tier).name()).filter(|_| limits.enabled);
        if let Some(LimitRow { per_minute: per_minute @ 1.., .. }) = limit {
            features.push(format!("{per_minute} requests a minute"));
        }
        if tier.brings_api_keys() {
            features.push("API keys".to_owned());
        }
        Plan { tier, price: UsdCents::new(cents), features }
    };
    vec![
        plan(Tier::Starter, prices.starter, &views.starter),
        plan(Tier::Pro, prices.pro, &views.pro),
        plan(Tier::Elite, prices.elite, &views.elite),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Sources, load};

    #[test]
    fn the_default_file_says_what_the_crates_default_to() {
        let config = load(&Sources::default()).unwrap().config;
        assert_eq!(cache(&config), CacheSettings::default());
        assert_eq!(limiter(&config), SharedLimits::default());
        assert_eq!(blacklist(&config), BlacklistSettings::default());
        assert_eq!(passwords(&config), HashSettings::default());
        assert_eq!(tokens(&config), TokenSettings::default());
    }
}
