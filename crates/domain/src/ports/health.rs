//! How a part of the system is doing, for `/health`.

use async_trait::async_trait;

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// Working.
    Up,
    /// Away; what depends on it falls back or answers 503.
    Down,
    /// Working in a lesser way, a fallback for example.
    Degraded,
    /// Not configured, so nothing is missing.
    NotConfigured,
}

/// A probe's report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What was found.
    pub condition: Condition,
    /// One sentence that may be shown to anybody: no address, no credentials.
    pub detail: Option<String>,
}

/// Looks at one part. Bounded in time by the adapter.
#[async_trait]
pub trait Probe: Send + Sync {
    /// The part's name, a key of `checks`: `database`, `redis`.
    fn name(&self) -> &'static str;

    /// Whether the service cannot do its job without it. Readiness looks at these only.
    fn is_essential(&self) -> bool;

    /// Asks the part how it is doing.
    async fn probe(&self) -> Report;
}
