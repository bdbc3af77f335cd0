//! What is asked: the requests that clients send all day, and those that would cost most if they read too much.

use crate::stage::By;

/// What is sent along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    None,
    /// A signal that was never sent before.
    Signal,
    /// The end of one that was sent.
    Outcome,
}

/// One request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask {
    /// The route's name in the table of routes.
    pub(super) route: &'static str,
    pub(super) by: By,
    /// The path below `/api/v1/`; `<signal>` stands for a number.
    pub(super) path: &'static str,
    pub(super) body: Body,
    /// Pages of PostgreSQL that a statement of it may touch.
    pub(super) buffers: u64,
}

const fn get(route: &'static str, by: By, path: &'static str, buffers: u64) -> Ask {
    Ask { route, by, path, body: Body::None, buffers }
}

const fn post(route: &'static str, path: &'static str, body: Body, buffers: u64) -> Ask {
    Ask { route, by: By::Producer, path, body, buffers }
}

use By::{Admin, Anybody, Free, Reader};

#[rustfmt::skip]
pub(super) const ASKS: &[Ask] = &[
    get("latest_signals", Anybody, "signals/latest", 100),
    get("latest_signals", Reader, "signals/latest?limit=100", 200),
    get("latest_signals", Reader, "signals/latest?symbol=PFE", 100),
    get("latest_signals", Free, "signals/latest?premium_only=true", 100),
    get("subscribed_signals", Reader, "signals/subscribed", 200),
    get("subscribed_signals", Reader, "signals/subscribed?action=SELL", 200),
    get("subscribed_signals", Reader, "signals/subscribed?action=SELL&symbol=KO", 200),
    get("subscribed_signals", Reader, "signals/subscribed?min_confidence=99", 200),
    get("subscribed_signals", Reader, "signals/subscribed?min_confidence=80", 200),
    get("live_signals", Reader, "signals/live", 200),
    get("signal_history", Reader, "signals/history", 300),
    get("signal_history", Free, "signals/history", 300),
    get("signal_history", Reader, "signals/history?status=open", 300),
    get("signal_history", Reader, "signals/history?status=target_hit", 1_500),
    get("signal_history", Reader, "signals/history?status=expired&days=365", 1_500),
    get("signal_history", Reader, "signals/history?status=expired", 1_500),
    get("signal_history", Reader, "signals/history?symbol=PFE&days=365", 300),
    get("signal_history", Reader, "signals/history?status=expired&symbol=AAPL&days=365", 4_000),
    get("find_signal", Reader, "signals/<signal>", 20),
    get("verify_signal", Reader, "signals/<signal>/verification", 20),
    get("performance_stats", Anybody, "performance/stats", 100),
    get("performance_stats", Reader, "performance/stats?days=30&symbol=AAPL", 100),
    // A row of sums for each day of two years, and each may lie on a page of its own.
    get("equity_curve", Anybody, "performance/equity-curve", 3_000),
    get("symbols", Anybody, "symbols", 400),
    get("symbols", Reader, "symbols?record=all", 400),
    get("me", Reader, "auth/me", 20),
    get("profile", Reader, "users/profile", 20),
    get("list_notifications", Reader, "notifications", 200),
    get("unread_notifications", Reader, "notifications/unread", 200),
    get("list_sessions", Reader, "users/sessions", 60),
    get("list_users", Admin, "admin/users", 60),
    get("analytics", Admin, "admin/analytics", 100),
    get("own_signals", By::Producer, "external-signals/signals", 300),
    post("submit_signal", "external-signals/sync/signal", Body::Signal, 300),
    post("report_outcome", "external-signals/sync/outcome", Body::Outcome, 300),
];
