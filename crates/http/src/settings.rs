//! What an operator may set about the HTTP surface. Every default is the documented one.

use std::time::Duration;

use actix_web::http::header::HeaderName;
use alpine_domain::{
    plan::Plan,
    settings::{defaults, duration},
};
use ipnet::IpNet;
use serde::Deserialize;

use crate::limit_settings::LimitSettings;

/// Everything that an operator may set about the HTTP surface.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// The name under which `/health` reports.
    pub service: &'static str,
    /// The version under which `/health` and the API's description report.
    pub version: &'static str,
    /// Which pages of other origins may call.
    pub cors: CorsSettings,
    /// Proxies whose `X-Forwarded-For` is believed. Empty: the peer's address is the client's.
    pub trusted_proxies: Vec<IpNet>,
    /// `Strict-Transport-Security: max-age`; `None` sends none. Only for servers behind TLS.
    pub hsts: Option<Duration>,
    /// The largest request body, in bytes, where a route says nothing else.
    pub body_limit: usize,
    /// The largest batch of signals, in bytes.
    pub batch_body_limit: usize,
    /// How long a client may take to send its body.
    pub body_timeout: Duration,
    /// Bodies of at least this many bytes are compressed for clients that accept gzip.
    pub compress_from: usize,
    /// Whether `/metrics` is served here, beside the API; otherwise only by
    /// [`metrics_app`](crate::metrics_app).
    pub serve_metrics: bool,
    /// Who may ask how often.
    pub limits: LimitSettings,
    /// How long bodies are kept.
    pub cache: CacheTtl,
    /// What can be subscribed to, lowest first.
    pub plans: Vec<Plan>,
    /// How long a probe of `/health` may take before it counts as down.
    pub probe_timeout: Duration,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            service: "alpine",
            version: env!("CARGO_PKG_VERSION"),
            cors: CorsSettings::default(),
            trusted_proxies: Vec::new(),
            hsts: None,
            body_limit: 64 * 1024,
            batch_body_limit: 16 * 1024 * 1024,
            body_timeout: Duration::from_secs(30),
            compress_from: 1024,
            serve_metrics: true,
            limits: LimitSettings::default(),
            cache: CacheTtl::default(),
            plans: Vec::new(),
            probe_timeout: Duration::from_secs(2),
        }
    }
}

/// Which pages of other origins may call.
#[derive(Debug, Clone)]
pub struct CorsSettings {
    /// Exact origins, `https://app.example.com` for example, each a valid URI without a path. A `*` among them admits every origin, and
    /// then never with credentials. `null` is refused always.
    pub origins: Vec<String>,
    /// Whether pages from the browser's own machine are admitted too, whatever their port.
    pub allow_loopback: bool,
    /// Headers that pages may send, besides those that every page may.
    pub request_headers: Vec<HeaderName>,
}

impl Default for CorsSettings {
    fn default() -> Self {
        let names = [
            "accept",
            "authorization",
            "baggage",
            "content-type",
            "idempotency-key",
            "if-none-match",
            "sentry-trace",
            "traceparent",
            "tracestate",
            "x-api-key",
            "x-request-id",
            "x-requested-with",
        ];
        Self {
            origins: Vec::new(),
            allow_loopback: false,
            request_headers: names.map(HeaderName::from_static).to_vec(),
        }
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
    #[serde(deserialize_with = "duration")]
    pub grace: Duration,
}

impl Default for CacheTtl {
    /// What stands in `config/default.toml`.
    fn default() -> Self {
        defaults("cache_ttl")
    }
}
