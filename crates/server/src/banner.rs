//! What a newcomer wants to know when the server is up.

use std::{fmt::Write as _, net::SocketAddr};

use crate::{
    application::Core,
    config::{Config, Profile, Sources},
};

/// Address, documentation, where the data is, and one command to copy.
pub(crate) fn text(
    config: &Config,
    sources: &Sources,
    address: SocketAddr,
    metrics: Option<SocketAddr>,
) -> String {
    let base = format!("http://{}", reachable(address));
    let database = if config.uses_postgres() {
        "PostgreSQL".to_owned()
    } else {
        let url = config.database_url();
        format!("SQLite, {}", url.reveal().trim_start_matches("sqlite:"))
    };
    let fast = if config.redis.url.is_some() { "Redis" } else { "in memory" };
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
        ("database", database),
        ("cache, limits", fast.to_owned()),
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

/// As long as there is no administrator: the command that makes the first one. Asks the database, so
/// it comes after the banner.
pub(crate) async fn invite_first_admin(core: &Core, sources: &Sources) {
    match core.stores.accounts.count_admins().await {
        Ok(0) => println!(
            "  first admin    {} admin create --email you@example.com --full-name \"Your Name\"\n",
            invocation(sources)
        ),
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "cannot tell whether there is an administrator"),
    }
}

/// How this binary was called, so that a printed command works as it stands.
fn invocation(sources: &Sources) -> String {
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
        let text = text(&config, &sources, "0.0.0.0:8123".parse().unwrap(), None);
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
