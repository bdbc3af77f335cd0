//! The operator's settings in the words of each crate.

use std::num::NonZeroU32;

use alpine_domain::{
    account::{AccountSettings, ConfirmAddresses, Role, Secret, Tier},
    plan::{Plan, UsdCents},
    signal::View,
    use_cases,
};
use alpine_http::{CorsSettings, HttpSettings, LimitRow, Policy};
use alpine_infra::rate_limit::SharedLimits;
use alpine_persistence::DatabaseSettings;

use super::{channels, payments};
use crate::config::{Config, PaymentsBy};

pub(crate) fn database(config: &Config) -> DatabaseSettings {
    let url = config.database_url().reveal().to_owned();
    DatabaseSettings { url, ..config.database.clone() }
}

pub(super) fn limiter(config: &Config) -> SharedLimits {
    SharedLimits { max_callers: config.rate_limits.capacity, instances: instances(config) }
}

/// How many instances share the database.
pub(super) fn instances(config: &Config) -> NonZeroU32 {
    NonZeroU32::new(config.instances).unwrap_or(NonZeroU32::MIN)
}

/// Accounts, with what depends on whether there is a mail server decided.
fn accounts(config: &Config) -> AccountSettings {
    let confirm_addresses = match config.accounts.confirm_addresses {
        ConfirmAddresses::Auto if config.mail.smtp.is_some() => ConfirmAddresses::Always,
        ConfirmAddresses::Auto => ConfirmAddresses::Never,
        told => told,
    };
    AccountSettings { confirm_addresses, ..config.accounts.clone() }
}

/// What the use cases are told. The digests of addresses are made with the secret of the tokens: a key of
/// their own would be one more secret to lose, and all that it guards are hints.
pub(super) fn use_cases(config: &Config) -> use_cases::Settings {
    use_cases::Settings {
        accounts: accounts(config),
        address_key: config.secrets.jwt.clone().unwrap_or_else(|| Secret::new("")),
        visibility: config.visibility.clone(),
        expiry: config.signals.clone(),
        record: config.record,
        retention: config.retention.clone(),
        website: config.website(),
        billing: payments::settings(config),
        channels: channels::settings(config),
    }
}

pub(super) fn http(config: &Config) -> HttpSettings {
    HttpSettings {
        http: config.http.clone(),
        cors: CorsSettings {
            origins: config.allowed_origins(),
            allow_loopback: config.is_development(),
            ..config.cors.clone()
        },
        serve_metrics: config.metrics.enabled && config.metrics_address().is_none(),
        limits: config.rate_limits.clone(),
        cache: config.cache_ttl,
        plans: plans(config),
        development_payments: config.payments() == PaymentsBy::Development,
        health: config.health,
    }
}

/// What each tier costs and brings, in the words of the rules in force.
fn plans(config: &Config) -> Vec<Plan> {
    let (views, limits, prices) = (&config.visibility, &config.rate_limits, &config.plans);
    let plan = |tier: Tier, cents, yearly: Option<u32>, view: &View| {
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
        match config.accounts.max_api_keys.of(tier, Role::User) {
            0 => {}
            1 => features.push("an API key".to_owned()),
            most => features.push(format!("{most} API keys")),
        }
        let yearly = yearly.map(UsdCents::new);
        Plan { tier, price: UsdCents::new(cents), yearly, features }
    };
    vec![
        plan(Tier::Free, 0, None, &views.free),
        plan(Tier::Starter, prices.starter, prices.yearly.starter, &views.starter),
        plan(Tier::Pro, prices.pro, prices.yearly.pro, &views.pro),
        plan(Tier::Elite, prices.elite, prices.yearly.elite, &views.elite),
    ]
}
