//! The policies that requests are counted under, and how headers tell of them.

use std::time::Duration;

use actix_web::http::header::HeaderValue;
use alpine_domain::ports::rate_limit::{Decision, RatePolicy, Window};

use crate::limit_settings::{LimitSettings, Policy};

/// What the limiter said of a request.
pub(crate) struct RateStatus {
    pub(crate) counter: Counter,
    pub(crate) decision: Decision,
}

/// Under what a request was counted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Counter {
    Policy(Policy),
    /// A whole IPv6 /56 (0) or /48 (1).
    Network(Policy, usize),
    /// The one that the route names.
    Route,
}

/// A policy, and how the headers tell of it, written once.
pub(crate) struct CountedPolicy {
    pub(crate) rate: RatePolicy,
    /// `RateLimit-Policy`.
    pub(crate) header: Option<HeaderValue>,
    /// The names of its windows, in their order.
    windows: Vec<String>,
}

impl CountedPolicy {
    pub(crate) fn new(rate: RatePolicy) -> Self {
        let windows: Vec<String> =
            rate.windows.iter().map(|window| window_name(&rate, window.length)).collect();
        let items: Vec<String> = rate
            .windows
            .iter()
            .zip(&windows)
            .map(|(Window { length, limit }, name)| {
                format!("\"{name}\";q={limit};w={}", length.as_secs().max(1))
            })
            .collect();
        Self { header: HeaderValue::try_from(items.join(", ")).ok(), rate, windows }
    }

    /// The name of the window of this length.
    pub(crate) fn window_name(&self, length: Duration) -> &str {
        let mut windows = self.rate.windows.iter().zip(&self.windows);
        let found = windows.find(|(window, _)| window.length == length);
        found.map_or(self.rate.name, |(_, name)| name)
    }
}

/// Every policy of [`Policy::ALL`], in that order, and its two for IPv6 networks.
pub(crate) struct Limits(Vec<(CountedPolicy, [CountedPolicy; 2])>);

impl Limits {
    /// # Errors
    /// The name of a policy that has no row.
    pub(crate) fn new(settings: &LimitSettings) -> Result<Self, String> {
        let counted = |policy: &Policy| {
            let rate = settings.policy(policy.name());
            let rate = rate.ok_or_else(|| missing_row(policy.name()))?;
            let [narrow, wide] = policy.network_names();
            let networks = [(narrow, settings.ipv6_56), (wide, settings.ipv6_48)];
            let networks =
                networks.map(|(name, times)| CountedPolicy::new(wider(&rate, name, times)));
            Ok((CountedPolicy::new(rate), networks))
        };
        Policy::ALL.iter().map(counted).collect::<Result<_, String>>().map(Self)
    }

    pub(crate) fn of(&self, policy: Policy) -> &CountedPolicy {
        &self.0[policy as usize].0
    }

    /// The policy of a whole /56 (0) or /48 (1).
    pub(crate) fn of_network(&self, policy: Policy, width: usize) -> &CountedPolicy {
        &self.0[policy as usize].1[width]
    }
}

/// The same for a network of many callers.
fn wider(rate: &RatePolicy, name: &'static str, times: u32) -> RatePolicy {
    let windows = rate.windows.iter();
    let windows = windows.map(|w| Window { limit: w.limit.saturating_mul(times), ..*w });
    RatePolicy { name, windows: windows.collect(), is_coarse: true }
}

/// What is wrong when a route or the guard names a policy that has no row.
pub(crate) fn missing_row(name: &str) -> String {
    format!("the configuration lacks [rate_limits.{name}]")
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
