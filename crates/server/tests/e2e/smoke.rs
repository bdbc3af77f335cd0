//! The main road once, from end to end, on every back end.

use crate::support::{Backend, Options, SignalBody, TestApp, backends};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn health_and_the_banners_curl_answer() {
    for backend in backends() {
        let app = TestApp::spawn(&backend).await;
        let client = app.client();
        let health = client.get("/health").await.expect(200);
        assert_eq!(health["details"]["database"]["status"], "healthy", "{backend:?}: {health}");
        let latest = client.get("/api/v1/signals/latest").await.expect(200);
        assert_eq!(latest, json!([]));
        for path in ["/health/liveness", "/health/readiness", "/metrics", "/docs/", "/openapi.json"]
        {
            let answer = client.get(path).await;
            assert!(answer.status.is_success(), "{path}: {} {}", answer.status, answer.text);
        }
        app.stop().await.unwrap();
    }
}

/// What is told is what is in force.
#[tokio::test(flavor = "multi_thread")]
async fn plans_are_told_from_the_configuration_and_asked_about_before_they_are_sent_again() {
    let options = Options::default()
        .set("ALPINE__PLANS__PRO", "9950")
        .set("ALPINE__RATE_LIMITS__ENABLED", "true");
    let app = TestApp::spawn_with(&Backend::SqliteMemory, options).await;
    let answer = app.client().get("payments/plans").await;
    let plans = answer.expect(200);
    let told: Vec<_> = plans["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|plan| (plan["tier"].as_str().unwrap(), plan["price"].as_f64(), &plan["price_cents"]))
        .collect();
    let cents = [json!(4_900), json!(9_950), json!(24_900)];
    assert_eq!(
        told,
        [
            ("starter", Some(49.0), &cents[0]),
            ("pro", Some(99.5), &cents[1]),
            ("elite", Some(249.0), &cents[2])
        ]
    );
    assert_eq!(
        plans["items"][1]["features"],
        json!([
            "signals below 95 percent confidence",
            "as soon as they are published",
            "100 requests a minute",
            "5 API keys",
        ])
    );
    assert_eq!(answer.header("cache-control"), "public, no-cache");
    let request = app.client().request(reqwest::Method::GET, "payments/plans");
    let request = request.header("If-None-Match", answer.header("etag"));
    assert_eq!(app.client().send(request).await.status, 304);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_goes_from_its_producer_to_a_subscriber() {
    for backend in backends() {
        let app = TestApp::spawn(&backend).await;
        let producer = app.client().with_key(&app.producer("argo").await);
        let body = SignalBody::new("SIG-1", "72.5").to_json();
        let stored = producer.post_text("external-signals/sync/signal", body.clone()).await;
        let stored = stored.expect(201);
        assert_eq!(stored["external_signal_id"], "SIG-1");
        let again = producer.post_text("external-signals/sync/signal", body).await;
        let existing = again.expect(409)["existing_signal_id"].clone();
        assert_eq!(digits(&existing), digits(&stored["alpine_signal_id"]));
        let stranger = app.client().with_key("not-a-key");
        let refused = stranger.post_text("external-signals/sync/signal", "{}").await;
        assert_eq!(refused.status, 401);

        let signed_in = app.client().sign_up("starter@example.com").await;
        make_starter(&app, &signed_in.user).await;
        let subscriber = app.client().with_token(&signed_in.access_token);
        let latest = subscriber.get("signals/latest").await.expect(200);
        assert_eq!(latest.as_array().map(Vec::len), Some(1), "{backend:?}: {latest}");
        assert_eq!(latest[0]["symbol"], "AAPL");

        let outcome = json!({
            "signal_id": "SIG-1", "exit_price": 193.05, "exit_timestamp": "2025-01-16T10:30:00+00:00"
        });
        let closed = producer.post("external-signals/sync/outcome", &outcome).await.expect(200);
        assert_eq!(closed["pnl_pct"].as_f64(), Some(10.0), "{closed}");
        let latest = subscriber.get("signals/latest").await.expect(200);
        assert_eq!(latest, json!([]), "a closed signal is not open any more");
    }
}

/// An id as text, whether it came as a number or as a text.
fn digits(id: &serde_json::Value) -> String {
    id.to_string().trim_matches('"').to_owned()
}

/// Raises a new account to the tier that sees standard signals at once.
async fn make_starter(app: &TestApp, user: &serde_json::Value) {
    let id = user["id"].as_str().unwrap().parse().unwrap();
    let account = app.core.use_cases.accounts.profile(id).await.unwrap();
    let (tier, role) = (alpine_domain::account::Tier::Starter, account.role);
    app.core.use_cases.accounts.set_tier_and_role(&account, tier, role).await.unwrap();
}
