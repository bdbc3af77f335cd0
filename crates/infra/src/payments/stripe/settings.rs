//! How Stripe is reached.

use std::time::Duration;

use alpine_domain::account::Secret;

/// How Stripe is reached. `Debug` hides the secrets.
#[derive(Debug, Clone)]
pub struct StripeSettings {
    /// `sk_test_…` or `sk_live_…`, or a restricted key (`rk_…`).
    pub key: Secret,
    /// `whsec_…`: one, and a second one while it is rotated.
    pub webhook_secrets: Vec<Secret>,
    /// `https://api.stripe.com`, without a slash at its end.
    pub url: String,
    /// How long one call may take.
    pub timeout: Duration,
}
