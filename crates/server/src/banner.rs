//! What a newcomer wants to know when the server is up.

use std::{fmt::Write as _, net::SocketAddr, time::Duration};

use alpine_domain::ports::health::Probe as _;
use alpine_infra::redis::RedisProbe;

use crate::{
    application::Core,
    config::{Config, Profile, Sources},
};

/// Address, documentation, where the data is, what cache and limits really use, and one command to copy.
pub(crate) fn text(
    config: &Config,
    sources: &Sources,
    (address, metrics): (SocketAddr, Option<SocketAddr>),
    fast: String,
) -> String {
    let base = format!("http://{}", reachable(address));
    let mail = match &config.mail.smtp {
        Some(_) => "SMTP".to_owned(),
        None => format!("files in {}", config.outbox().display()),
    };
    let profile = match config.profile {
        Profile::Development => "development",
        Profile::Production => "production",
    };
    let mut lines = vec![
        ("serving", format!("{base}/api/v1")),
        ("docs", format!("{base}/docs")),
        ("database", config.database_in_words()),
        ("cache, limits", fast),
        ("mail", mail),
        ("settings", format!("{profile} profile; {} config show", invocation(sources))),
    ];
    if let Some(metrics) = metrics {
        lines.push(("metrics", format!("http://{}/metrics", reachable(metrics))));
    }
    lines.push(("try", format!("curl -s {base}/api/v1/signals/latest")));
    let mut text = format!("\nAlpine {}\n", env!("CARGO_PKG_VERSION"));
    for (label, value) in lines {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {label:<14} {value}");
    }
    text + "\n"
}

/// How long a Redis that is there takes to be in use.
const REDIS_PATIENCE: Duration = Duration::from_millis(1_500);

/// What cache and limits really use.
pub(crate) async fn fast(core: &Core) -> String {
    let Some(redis) = core.redis.clone() else { return "in memory".to_owned() };
    if redis.wait_until_in_use(REDIS_PATIENCE).await {
        return format!("Redis, {}", redis.settings().address());
    }
    let address = redis.settings().address();
    let detail = RedisProbe::new(Some(redis)).probe().await.detail;
    let why = detail.as_deref().map(|detail| detail.split(';').next().unwrap_or(detail));
    format!(
        "in memory for now, until {address} can be used: {}",
        why.unwrap_or("it does not answer")
    )
}

/// As long as there is no administrator: the command that makes the first one. Asks the database, so
/// it comes after the banner. Where lines of the log are read by programs, it is one of them.
pub(crate) async fn invite_first_admin(core: &Core, config: &Config, sources: &Sources) {
    match core.stores.accounts.count_admins().await {
        Ok(0) => {
            let command = format!(
                "{} admin create --email you@example.com --full-name \"Your Name\"",
                invocation(sources)
            );
            if config.logs_json() {
                tracing::info!(command, "there is no administrator yet");
            } else {
                println!("  first admin    {command}\n");
            }
        }
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "cannot tell whether there is an administrator"),
    }
}

/// How this binary was called, so that a printed command works as it stands.
pub(crate) fn invocation(sources: &Sources) -> String {
    // Cargo says so to what it runs.
    let mut command = match (std::env::var_os("CARGO").is_some(), cfg!(debug_assertions)) {
        (true, false) => "cargo run --release --".to_owned(),
        (true, true) => "cargo run --".to_owned(),
        (false, _) => std::env::args().next().unwrap_or_else(|| "alpine".to_owned()),
    };
    let from_environment = sources.environment.contains_key("ALPINE_CONFIG");
    if let Some(file) = sources.file.as_ref().filter(|_| !from_environment) {
        let _ = write!(command, " --config {}", file.display());
    }
    command
}

/// An address that listens everywhere is reached through loopback from here.
fn reachable(address: SocketAddr) -> SocketAddr {
    if !address.ip().is_unspecified() {
        return address;
    }
    let loopback = if address.is_ipv4() {
        std::net::Ipv4Addr::LOCALHOST.into()
    } else {
        std::net::Ipv6Addr::LOCALHOST.into()
    };
    SocketAddr::new(loopback, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load;

    #[test]
    fn the_banner_names_what_a_newcomer_needs() {
        let sources = Sources::default();
        let config = load(&sources).unwrap().config;
        let address = "0.0.0.0:8123".parse().unwrap();
        let text = text(&config, &sources, (address, None), "in memory".to_owned());
        for part in [
            "http://127.0.0.1:8123/docs",
            "curl -s http://127.0.0.1:8123/api/v1/signals/latest",
            "SQLite, ./data/alpine.db",
            "files in ./data/outbox",
        ] {
            assert!(text.contains(part), "{part} is missing in:\n{text}");
        }
    }
}
