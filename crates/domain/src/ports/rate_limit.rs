//! A limiter of requests: several windows at once, all or nothing.

use std::time::Duration;

use async_trait::async_trait;

/// At most `limit` admissions in any interval of `length`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The window's length; at least one second outside tests.
    pub length: Duration,
    /// Admissions at most; at least 1.
    pub limit: u32,
}

/// A named set of windows. The name labels metrics and headers, so it comes from a short fixed list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RatePolicy {
    /// The policy's name, `anonymous` for example.
    pub name: &'static str,
    /// Its windows, shortest first; never empty.
    pub windows: Vec<Window>,
    /// Whether nearly every caller stays far below the limits. Then an instance may admit its part of
    /// a twentieth of them without asking the shared store, which counts against the rest. No more
    /// than the limits is ever admitted; a caller who meets one instance only finds up to a twentieth
    /// less.
    pub is_coarse: bool,
}

/// What the limiter says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether the request is admitted; a refusal debits no window.
    pub allowed: bool,
    /// The limit of the window that is closest to its end.
    pub limit: u32,
    /// The length of that window.
    pub window: Duration,
    /// Admissions left in it.
    pub remaining: u32,
    /// When the window will have room for its whole limit again.
    pub reset_after: Duration,
    /// When one more request will be admitted; present on refusals only, at least one second.
    pub retry_after: Option<Duration>,
}

/// Counts admissions. It always decides: an adapter whose store is away decides locally.
#[async_trait]
pub trait RateLimiter: Send + Sync {
    /// Decides as [`admit`](Self::admit) does if that needs no waiting; else nothing has happened yet.
    fn admit_now(&self, policy: &RatePolicy, caller: &str) -> Option<Decision> {
        let _ = (policy, caller);
        None
    }

    /// The refusal that [`admit`](Self::admit) would give now, if this process knows it without asking
    /// anybody. Counts nothing.
    fn known_refusal(&self, policy: &RatePolicy, caller: &str) -> Option<Decision> {
        let _ = (policy, caller);
        None
    }

    /// Admits or refuses one request of `caller` under `policy`. `caller` is opaque and is never
    /// logged nor used as a label.
    async fn admit(&self, policy: &RatePolicy, caller: &str) -> Decision;
}
