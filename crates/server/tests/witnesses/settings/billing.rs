//! Settings of payments.

use std::time::Duration;

use alpine_domain::{
    account::{Role, Tier},
    ports::payments::PlayedStep,
};
use futures_util::FutureExt as _;
use serde_json::json;

use crate::{
    row::{Row, setting},
    stage::{On, PATIENCE, Stage, within},
    support::Client,
};

/// Somebody who has begun a checkout; its id.
async fn payer(at: &Stage) -> (Client, String) {
    let user = at.member("payer@example.com", Tier::Free, Role::User).await;
    let begun = user.post("subscriptions/upgrade", &json!({"tier": "pro"})).await.expect(200);
    let url = begun["checkout_url"].as_str().unwrap();
    let checkout = url.rsplit_once('/').unwrap().1.to_owned();
    (user, checkout)
}

/// Somebody who paid, of which nothing was heard.
pub async fn unheard_payer(at: &Stage) -> Client {
    let (user, checkout) = payer(at).await;
    let provider = at.app.core.ports.payments.clone().unwrap();
    provider.play(&checkout, PlayedStep::Pay).await.unwrap();
    user
}

/// Whether somebody whose event was lost has access soon.
async fn follows(at: &Stage) -> String {
    let user = unheard_payer(at).await;
    at.app.advance(Duration::from_mins(2));
    let has = async || user.get("subscriptions/plan").await.expect(200)["tier"] == "pro";
    within(PATIENCE / 2, has).await.to_string()
}

/// What is said of somebody whose renewal failed.
async fn in_grace(at: &Stage) -> String {
    let (user, checkout) = payer(at).await;
    let payments = &at.app.core.use_cases.payments;
    for step in [PlayedStep::Pay, PlayedStep::FailRenewal] {
        payments.play(&checkout, step).await.unwrap();
    }
    let plan = user.get("subscriptions/plan").await.expect(200);
    plan["status"].to_string() + &plan["is_active"].to_string()
}

pub fn rows() -> Vec<Row> {
    vec![
        setting("billing.provider", "off", "None", |at| {
            async { format!("{:?}", at.app.core.use_cases.payments.provider_name()) }.boxed_local()
        }),
        setting("billing.stripe_key", "sk_test_0123456789abcdef", "Some(\"stripe\")", |at| {
            async { format!("{:?}", at.app.core.use_cases.payments.provider_name()) }.boxed_local()
        })
        .besides(&[
            ("billing.webhook_secrets", "whsec_0123456789abcdef"),
            ("billing.monthly_prices.pro", "price_1"),
        ]),
        setting("billing.grace", "0s", "\"past_due\"false", |at| in_grace(at).boxed_local()),
        setting("billing.recheck_interval", "20ms", "true", |at| follows(at).boxed_local())
            .on(On::MovedClock),
        setting("billing.sweep_interval", "20ms", "true", |at| follows(at).boxed_local())
            .on(On::MovedClock),
    ]
}
