//! Rate-limit policies as headers tell them.

use std::time::Duration;

use actix_web::http::header::HeaderValue;
use alpine_domain::ports::rate_limit::{Decision, RatePolicy};

use crate::settings::LimitSettings;

/// What the limiter said of a request.
pub(crate) struct RateStatus {
    /// Which of the state's policy headers tells of it.
    pub(crate) header: Option<usize>,
    pub(crate) decision: Decision,
}

/// A policy as the headers tell it, written once.
pub(crate) struct PolicyHeader {
    pub(crate) policy: &'static str,
    /// `RateLimit-Policy`.
    pub(crate) value: HeaderValue,
    windows: Vec<WindowName>,
}

struct WindowName {
    length: Duration,
    name: String,
}

impl PolicyHeader {
    fn new(policy: &RatePolicy) -> Option<Self> {
        let windows: Vec<WindowName> = policy
            .windows
            .iter()
            .map(|window| WindowName {
                length: window.length,
                name: window_name(policy, window.length),
            })
            .collect();
        let items: Vec<String> = policy
            .windows
            .iter()
            .zip(&windows)
            .map(|(window, WindowName { length, name })| {
                format!("\"{name}\";q={};w={}", window.limit, length.as_secs().max(1))
            })
            .collect();
        let value = HeaderValue::try_from(items.join(", ")).ok()?;
        Some(Self { policy: policy.name, value, windows })
    }

    /// The headers of every policy.
    pub(crate) fn all(limits: &LimitSettings) -> Vec<Self> {
        limits.all().into_iter().filter_map(Self::new).collect()
    }

    /// The name of the window of this length.
    pub(crate) fn window_name(&self, length: Duration) -> &str {
        let window = self.windows.iter().find(|window| window.length == length);
        window.map_or(self.policy, |window| &window.name)
    }
}

/// Each window is a policy of its own to the draft, so each has a name of its own.
fn window_name(policy: &RatePolicy, length: Duration) -> String {
    if policy.windows.len() < 2 {
        return policy.name.to_owned();
    }
    match length.as_secs() {
        60 => format!("{}-minute", policy.name),
        3_600 => format!("{}-hour", policy.name),
        seconds => format!("{}-{seconds}s", policy.name),
    }
}
