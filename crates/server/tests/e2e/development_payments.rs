//! Where nothing is paid, the whole journey can be tried by hand.

use std::time::Duration;

use alpine_domain::account::{Role, Tier};
use serde_json::json;

use crate::{alpine::Alpine, support::Options};

#[tokio::test(flavor = "multi_thread")]
async fn the_payer_is_played_on_a_page() {
    Alpine::with(
        || Options::default().set("ALPINE__BILLING__PROVIDER", "development"),
        async |alpine| {
            if !alpine.app.config.is_development() {
                return;
            }
            let token = alpine.token_of(Tier::Free, Role::User).await;
            let user = alpine.as_holder(Some(&token));
            let begun = user
                .post("subscriptions/upgrade", &json!({"tier": "elite", "interval": "year"}))
                .await
                .expect(200);
            let url = begun["checkout_url"].as_str().unwrap();
            let (_, path) = url.split_once("/api/v1/").unwrap();
            let page = user.get(path).await;
            assert_eq!(page.status, 200);
            assert!(
                page.text.contains("Nothing is paid here") && page.text.contains("/pay\""),
                "{}",
                page.text
            );
            let play = async |step: &str| user.post(&format!("{path}/{step}"), &json!({})).await;
            let plan = async || user.get("subscriptions/plan").await.expect(200);
            for (step, tier) in [
                ("pay", "elite"),
                ("fail_renewal", "elite"),
                ("pay", "elite"),
                ("refund", "free"),
                ("end_period", "elite"),
            ] {
                alpine.clock.advance(Duration::from_secs(1));
                let answer = play(step).await;
                let back = answer.header("location").to_owned();
                assert!(back.ends_with(&format!("?done={step}")), "{back}");
                assert_eq!(
                    (answer.status.as_u16(), plan().await["tier"].clone()),
                    (303, json!(tier)),
                    "{step}"
                );
            }
            // Another price is billed for the difference, and from then on.
            let dearer =
                user.post("subscriptions/upgrade", &json!({"tier": "pro"})).await.expect(200);
            assert_eq!(dearer["checkout_url"], json!(null));
            assert_eq!(plan().await["price"], 99.0);
            user.post("subscriptions/upgrade", &json!({"tier": "elite", "interval": "year"}))
                .await
                .expect(200);
            let newest = async || {
                let invoices = user.get("subscriptions/invoices?limit=1").await.expect(200);
                invoices["items"][0]["amount_paid"].clone()
            };
            assert_eq!(newest().await, 249_000 - 9_900);
            alpine.clock.advance(Duration::from_secs(1));
            assert_eq!(play("end_period").await.status, 303);
            assert_eq!(newest().await, 249_000);
            let portal = user.post("subscriptions/portal", &json!({})).await.expect(200);
            assert_eq!(portal["portal_url"], json!(url), "where the payer is played");
            assert_eq!(plan().await["price"], 2_490.0);
            user.post("subscriptions/cancel", &json!({})).await.expect(200);
            assert_eq!(play("end_period").await.status, 303);
            assert_eq!(plan().await["tier"], "free");
            assert_eq!(play("dance").await.status, 404);
            let invoices = user.get("subscriptions/invoices?limit=2").await.expect(200);
            assert_eq!(invoices["has_more"], true);
            let next = invoices["next_cursor"].as_str().unwrap();
            let rest = user
                .get(&format!("subscriptions/invoices?limit=2&cursor={next}"))
                .await
                .expect(200);
            assert_eq!(rest["items"].as_array().unwrap().len(), 2);
            assert_ne!(rest["items"][0], invoices["items"][1]);
        },
    )
    .await;
}
