//! What an operator may set about the HTTP surface. Every default stands in `config/default.toml`.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use actix_web::http::header::HeaderName;
use alpine_domain::{
    plan::Plan,
    settings::{
        at_least_one, defaults, duration, duration_or_zero, listen_address, optional, size, within,
    },
};
use ipnet::IpNet;
use serde::{Deserialize, Deserializer, de::Error as _};

use crate::limit_settings::LimitSettings;

/// Everything that an operator may set about the HTTP surface.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// Connections, bodies and headers.
    pub http: HttpSection,
    /// Which pages of other origins may call.
    pub cors: CorsSettings,
    /// Whether `/metrics` is served here, beside the API; otherwise only by
    /// [`metrics_table`](crate::routes::metrics_table).
    pub serve_metrics: bool,
    /// Who may ask how often.
    pub limits: LimitSettings,
    /// How long bodies are kept.
    pub cache: CacheTtl,
    /// Every tier, what it brings and costs, lowest first.
    pub plans: Vec<Plan>,
    /// Whether pages are served on which payers are played.
    pub development_payments: bool,
    /// How the parts behind the surface are looked at.
    pub health: HealthSettings,
}

impl Default for HttpSettings {
    /// What stands in `config/default.toml`, with metrics beside the API and no plans.
    fn default() -> Self {
        Self {
            http: defaults("http"),
            cors: CorsSettings::default(),
            serve_metrics: true,
            limits: LimitSettings::default(),
            cache: CacheTtl::default(),
            plans: Vec::new(),
            development_payments: false,
            health: defaults("health"),
        }
    }
}

/// The section `http` of the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpSection {
    /// Where to listen; port 0 takes a free one.
    #[serde(deserialize_with = "listen_address")]
    pub bind: SocketAddr,
    /// Worker threads; 0 means one for each processor.
    #[serde(deserialize_with = "within::<_, _, 0, 512>")]
    pub workers: usize,
    /// Open connections at most, over all workers.
    #[serde(deserialize_with = "at_least_one")]
    pub max_connections: usize,
    /// Open connections of one address at most, proxies excepted.
    #[serde(deserialize_with = "at_least_one")]
    pub max_connections_per_address: usize,
    /// Connections that the operating system keeps waiting.
    #[serde(deserialize_with = "within::<_, _, 1, 2147483647>")]
    pub backlog: u32,
    /// How long an idle connection is kept.
    #[serde(deserialize_with = "duration")]
    pub keep_alive: Duration,
    /// How long a client may take to send the head of a request.
    #[serde(deserialize_with = "duration")]
    pub request_head_timeout: Duration,
    /// How long a client may take to send its body.
    #[serde(deserialize_with = "duration")]
    pub body_timeout: Duration,
    /// The time over which the pace of a client that reads its answer is measured.
    #[serde(deserialize_with = "duration")]
    pub send_window: Duration,
    /// Bytes a second that a client has to read over that time.
    #[serde(deserialize_with = "size")]
    pub send_floor: usize,
    /// Exports that one account may have under way at once on this instance, at least 1.
    #[serde(deserialize_with = "at_least_one")]
    pub max_exports_per_account: usize,
    /// The largest request body, in bytes, where a route says nothing else.
    #[serde(deserialize_with = "size")]
    pub body_limit: usize,
    /// The largest batch of signals, in bytes.
    #[serde(deserialize_with = "size")]
    pub batch_body_limit: usize,
    /// Bodies of at least this many bytes are compressed for clients that accept gzip.
    #[serde(deserialize_with = "size")]
    pub compress_from: usize,
    /// `Strict-Transport-Security: max-age`; zero sends none. Only for servers behind TLS.
    #[serde(deserialize_with = "duration_or_zero")]
    pub hsts: Duration,
    /// Proxies whose `X-Forwarded-For` is believed. Empty: the peer's address is the client's.
    #[serde(deserialize_with = "networks")]
    pub trusted_proxies: Vec<IpNet>,
    /// The website, whose pages may call.
    #[serde(deserialize_with = "optional")]
    pub frontend_url: Option<String>,
    /// The public host name, whose pages may call in production.
    #[serde(deserialize_with = "optional")]
    pub domain: Option<String>,
}

/// The section `cors` of the configuration: which pages of other origins may call.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorsSettings {
    /// Exact origins, `https://app.example.com` for example, each a valid URI without a path. A `*` among them admits every origin, and
    /// then never with credentials. `null` is refused always.
    pub origins: Vec<String>,
    /// Whether pages from the browser's own machine are admitted too, whatever their port. It follows
    /// from the profile and is no key of the section.
    #[serde(skip)]
    pub allow_loopback: bool,
    /// Headers that pages may send, besides those that every page may.
    #[serde(deserialize_with = "header_names")]
    pub request_headers: Vec<HeaderName>,
}

impl Default for CorsSettings {
    /// What stands in `config/default.toml`.
    fn default() -> Self {
        defaults("cors")
    }
}

impl CorsSettings {
    /// Whether every origin is admitted.
    pub fn is_open(&self) -> bool {
        self.origins.iter().any(|origin| origin == "*")
    }
}

/// The section `cache_ttl` of the configuration: how long bodies are kept. Every write invalidates what
/// it changes at once; these times bound what no write tells of.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheTtl {
    /// `signals/latest`, `subscribed`, `live` and `history`.
    #[serde(deserialize_with = "duration")]
    pub signals: Duration,
    /// `performance/…` and `symbols`.
    #[serde(deserialize_with = "duration")]
    pub performance: Duration,
    /// `auth/me` and `users/profile`.
    #[serde(deserialize_with = "duration")]
    pub profile: Duration,
    /// How long past its time a body may still be served while a new one is loaded, or when loading
    /// fails.
    #[serde(deserialize_with = "duration_or_zero")]
    pub grace: Duration,
}

impl Default for CacheTtl {
    /// What stands in `config/default.toml`.
    fn default() -> Self {
        defaults("cache_ttl")
    }
}

/// The section `health` of the configuration.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HealthSettings {
    /// How long a probe of `/health` may take before it counts as down.
    #[serde(deserialize_with = "duration")]
    pub probe_timeout: Duration,
}

fn header_names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<HeaderName>, D::Error> {
    let parse = |name: &String| name.trim().parse().ok();
    list(deserializer, parse, "is no name of a header")
}

/// CIDR blocks, and single addresses as blocks of one.
fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let single = |text: &str| text.parse::<IpAddr>().ok().map(IpNet::from);
    let parse = |text: &String| text.parse().ok().or_else(|| single(text));
    list(deserializer, parse, "must be an address or a CIDR block, 10.0.0.0/8 for example")
}

/// A list of texts, of which each is read; the first that cannot be is named.
fn list<'de, T, D: Deserializer<'de>>(
    deserializer: D,
    parse: impl Fn(&String) -> Option<T>,
    wrong: &str,
) -> Result<Vec<T>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    let problem = |text: &String| D::Error::custom(format!("`{text}` {wrong}"));
    texts.iter().map(|text| parse(text).ok_or_else(|| problem(text))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_blocks_or_addresses() {
        let read = |text: &str| networks(serde_json::json!([text]));
        for good in ["10.0.0.0/8", "127.0.0.1", "::1", "fd00::/8"] {
            assert_eq!(read(good).unwrap().len(), 1, "{good}");
        }
        for bad in ["", "10.0.0.0/33", "proxy", "fd00::/129", "10.0.0.0/"] {
            let error = read(bad).unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{bad}` must be")), "{error}");
        }
    }
}
