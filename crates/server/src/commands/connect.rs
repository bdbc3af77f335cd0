//! `alpine config check --connect`: what the settings name is tried. Nothing is changed there but for Redis, where the
//! probe's own keys stand for a minute.

use std::time::Duration;

use alpine_domain::ports::{database_id::DatabaseId, health::Probe as _};
use alpine_infra::{
    InfraMetrics,
    redis::{RedisHandle, RedisProbe},
};
use alpine_persistence::Migrator;
use anyhow::{Result, bail};
use prometheus::Registry;

use super::output::tell;
use crate::{
    application::{database_settings, explain},
    config::Config,
};

/// How long Redis may take to be in use.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn run(config: &Config) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut failed = Vec::new();
    for (name, found) in [
        ("database", database(config)),
        ("redis", runtime.block_on(redis(config))),
        ("mail", runtime.block_on(mail(config))),
    ] {
        match found {
            Ok(text) => tell(&format!("{name:<9} {text}\n"))?,
            Err(error) => {
                tell(&format!("{name:<9} {error:#}\n"))?;
                failed.push(name);
            }
        }
    }
    if !failed.is_empty() {
        bail!("cannot be used: {}", failed.join(", "));
    }
    Ok(())
}

fn database(config: &Config) -> Result<String> {
    let (settings, words) = (database_settings(config), config.database_in_words());
    if alpine_persistence::missing_file(&settings).map_err(explain)?.is_some() {
        return Ok(format!(
            "{words}: not there yet; `alpine serve` or `alpine migrate run` makes it"
        ));
    }
    let mut migrator = Migrator::connect(&settings).map_err(explain)?;
    migrator.check_not_newer().map_err(explain)?;
    if let Some(rights) = migrator.role_rights().map_err(explain)?
        && !rights.suffice()
    {
        bail!("{words}: {rights}");
    }
    let status = migrator.status().map_err(explain)?;
    let pending = status.iter().filter(|migration| !migration.is_applied).count();
    Ok(match pending {
        0 => format!("{words}: answers, and its schema is this release's"),
        pending => {
            format!("{words}: answers, and lacks {pending} migrations: `alpine migrate run`")
        }
    })
}

async fn redis(config: &Config) -> Result<String> {
    if config.redis.url.is_none() {
        return Ok("none: cache, limits and revoked sessions are kept in memory".to_owned());
    }
    let metrics = InfraMetrics::register(&Registry::new())?;
    let redis = RedisHandle::open(config.redis.clone(), metrics)?;
    if !config.is_development() {
        redis.expect_memory_limit(config.cache.redis_bytes);
    }
    redis.identify(b"only looked at", DatabaseId::new(0));
    let is_in_use = redis.wait_until_in_use(PATIENCE).await;
    let address = redis.settings().address();
    let report = RedisProbe::new(Some(redis)).probe().await;
    let detail = report.detail.map(|detail| detail.replace("; local fallbacks are used", ""));
    match (is_in_use, detail) {
        (true, None) => {
            Ok(format!("{address}: answers, and takes every command that Alpine needs"))
        }
        (true, Some(advice)) => Ok(format!("{address}: answers; {advice}")),
        (false, detail) => bail!("{address}: {}", detail.unwrap_or_else(|| "no answer".to_owned())),
    }
}

async fn mail(config: &Config) -> Result<String> {
    match &config.mail.smtp {
        None => Ok(format!("none: mail goes to files in {}", config.outbox().display())),
        Some(url) => {
            let mailer = alpine_infra::mail::SmtpMailer::new(url.reveal(), &config.mail)?;
            mailer.check().await.map_err(explain)?;
            Ok("the server answers, and takes the user and the password".to_owned())
        }
    }
}
