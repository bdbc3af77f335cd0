//! What follows from several settings together.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use alpine_domain::account::Secret;
use alpine_persistence::shown_url;
use url::Url;

use super::{BillingProvider, Config, LogFormat, MetricsBind, Profile};

/// Who takes payments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentsBy {
    /// Stripe.
    Stripe,
    /// A provider that takes no money.
    Development,
    /// Nobody: tiers are given by operators.
    Nobody,
}

impl Config {
    /// Whether this is the development profile.
    pub fn is_development(&self) -> bool {
        self.profile == Profile::Development
    }

    /// The database's URL; the embedded one in the data directory when none is given.
    pub fn database_url(&self) -> Secret {
        let given = self.database.url.trim();
        if given.is_empty() {
            let embedded = self.data_dir.join("alpine.db");
            return Secret::new(format!("sqlite:{}", embedded.display()));
        }
        Secret::new(given)
    }

    /// The database in words, without secrets.
    pub fn database_in_words(&self) -> String {
        let url = self.database_url();
        if self.uses_postgres() {
            return format!("PostgreSQL, {}", shown_url(url.reveal()));
        }
        let path = url.reveal().trim_start_matches("sqlite:");
        format!("SQLite, {}", path.strip_prefix("//").unwrap_or(path))
    }

    /// Whether the database is PostgreSQL.
    pub fn uses_postgres(&self) -> bool {
        is_postgres(self.database_url().reveal())
    }

    /// The origins that may call from a browser, exactly: the website, the domain (in
    /// production), and those that are configured.
    pub fn allowed_origins(&self) -> Vec<String> {
        let mut origins = Vec::new();
        let website = self.http.frontend_url.as_deref();
        origins.extend(
            website.and_then(|url| Some(Url::parse(url).ok()?.origin().ascii_serialization())),
        );
        if !self.is_development()
            && let Some(domain) = &self.http.domain
        {
            origins.push(format!("https://{domain}"));
        }
        origins.extend(self.cors.origins.iter().cloned());
        let mut seen = std::collections::HashSet::new();
        origins.retain(|origin| seen.insert(origin.clone()));
        origins
    }

    /// Where links in mails lead to, without a slash at its end.
    pub fn website(&self) -> Option<String> {
        let domain = || self.http.domain.as_ref().map(|domain| format!("https://{domain}"));
        let website = self.http.frontend_url.clone().or_else(domain)?;
        Some(website.trim_end_matches('/').to_owned())
    }

    /// The page to which Discord leads members back.
    pub fn discord_redirect(&self) -> Option<String> {
        let own = || Some(format!("{}/channels/discord", self.website()?));
        self.discord.redirect_url.clone().or_else(own)
    }

    /// Who takes payments.
    pub fn payments(&self) -> PaymentsBy {
        match self.billing.provider {
            BillingProvider::Stripe => PaymentsBy::Stripe,
            BillingProvider::Development => PaymentsBy::Development,
            BillingProvider::Auto if self.billing.stripe_key.is_some() => PaymentsBy::Stripe,
            BillingProvider::Auto if self.is_development() => PaymentsBy::Development,
            BillingProvider::Auto | BillingProvider::Off => PaymentsBy::Nobody,
        }
    }

    /// Where mail goes while no server takes it.
    pub fn outbox(&self) -> PathBuf {
        self.data_dir.join("outbox")
    }

    /// Where the metrics are served, if not beside the API.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        /// From the API's port to that of the metrics.
        const APART: u16 = 1_464;
        if !self.metrics.enabled {
            return None;
        }
        match self.metrics.bind {
            MetricsBind::Apart(address) => Some(address),
            MetricsBind::Main => None,
            MetricsBind::ByProfile if self.is_development() => None,
            MetricsBind::ByProfile => {
                let port = match self.http.bind.port() {
                    // Any free port, as for the API.
                    0 => 0,
                    port => port.checked_add(APART).unwrap_or(port - APART),
                };
                Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
            }
        }
    }

    /// Whether log lines are JSON.
    pub fn logs_json(&self) -> bool {
        match self.logging.format {
            LogFormat::Json => true,
            LogFormat::Compact => false,
            LogFormat::Auto => !self.is_development(),
        }
    }
}

/// Python's URLs name the driver as well: `postgresql+asyncpg://`.
pub(super) fn is_postgres(url: &str) -> bool {
    let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
    matches!(scheme.split('+').next(), Some("postgres" | "postgresql"))
}
