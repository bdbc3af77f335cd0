//! Everything that handlers share.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actix_web::http::header::HeaderValue;
use alpine_domain::{
    Clock, Result,
    ports::{cache::ResponseCache, health::Probe, rate_limit::RateLimiter, secrets::Randomness},
    use_cases::UseCases,
};
use async_trait::async_trait;
use prometheus::Registry;

use crate::{
    concurrency::{ConcurrencyLimit, Holder},
    health::Health,
    metrics::Metrics,
    policies::Limits,
    settings::HttpSettings,
};

/// Whether this instance knows what was revoked elsewhere, closely enough in time.
#[async_trait]
pub trait Freshness: Send + Sync {
    /// Whether the last proof of freshness is young enough. Asked on every request with a
    /// credential, so it must cost nothing.
    fn is_fresh(&self) -> bool;

    /// Waits, for a bounded time, until this instance is fresh again. Concurrent callers share one
    /// catch-up read.
    ///
    /// # Errors
    /// [`alpine_domain::Error::Unavailable`] when it cannot be told: never "let in".
    async fn catch_up(&self) -> Result<()>;
}

/// What the HTTP surface calls.
#[derive(Clone)]
pub struct Services {
    /// What can be asked and done.
    pub use_cases: Arc<UseCases>,
    /// Who may ask how often.
    pub limiter: Arc<dyn RateLimiter>,
    /// Bodies that were made before.
    pub cache: Arc<dyn ResponseCache>,
    /// Whether revocations elsewhere are known here.
    pub freshness: Arc<dyn Freshness>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// For request ids.
    pub randomness: Arc<dyn Randomness>,
    /// What `/health` looks at.
    pub probes: Vec<Arc<dyn Probe>>,
}

/// Everything that handlers share, across all workers.
pub struct AppState {
    /// What the handlers call.
    pub services: Arc<Services>,
    /// What the operator set.
    pub settings: HttpSettings,
    pub(crate) metrics: Metrics,
    pub(crate) registry: Registry,
    pub(crate) health: Health,
    pub(crate) limits: Limits,
    /// Exports under way.
    pub(crate) exports: ConcurrencyLimit<Holder>,
    pub(crate) hsts: Option<HeaderValue>,
    draining: AtomicBool,
}

impl AppState {
    /// Puts the parts together and registers the metrics.
    ///
    /// # Errors
    /// When a policy has no row, or `registry` has metrics of the same names already: build one state per registry.
    pub fn new(
        services: Services,
        settings: HttpSettings,
        registry: Registry,
    ) -> Result<Self, prometheus::Error> {
        Ok(Self {
            metrics: Metrics::register(&registry)?,
            health: Health::new(services.probes.clone(), settings.health.probe_timeout),
            limits: Limits::new(&settings.limits).map_err(prometheus::Error::Msg)?,
            exports: ConcurrencyLimit::new(settings.http.max_exports_per_account),
            hsts: hsts(settings.http.hsts),
            services: Arc::new(services),
            settings,
            registry,
            draining: AtomicBool::new(false),
        })
    }

    /// From now on readiness says no, so that load balancers send nothing new. Call it when shutdown
    /// begins, some time before the listener closes.
    pub fn start_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether shutdown has begun.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}

/// What tells browsers to insist on TLS for so long; nothing for no time.
fn hsts(max_age: Duration) -> Option<HeaderValue> {
    if max_age.is_zero() {
        return None;
    }
    HeaderValue::try_from(format!("max-age={}; includeSubDomains", max_age.as_secs())).ok()
}
