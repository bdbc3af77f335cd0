//! Invariant 13, and what is refused rather than believed when nothing can be known.

use std::time::{Duration, Instant};

use alpine_domain::{Timestamp, account::Tier};
use alpine_testing::{Wait, own_postgres};
use serde_json::json;

use super::{
    cluster::{Cluster, State, measured},
    watch::within_delta,
};
use crate::support::{Options, SignalBody, TestApp};

/// Redis works, but the second instance listens under another name, so that no wake-up reaches it.
#[tokio::test(flavor = "multi_thread")]
async fn invariant_13_a_lost_wake_up_is_noticed_by_the_poll() {
    let options = Options::default().set("ALPINE__VISIBILITY__ANONYMOUS__DELAY", "0s");
    let Some(mut cluster) = Cluster::start(1, options).await else { return };
    let elsewhere = cluster.apps[0].deployment().with("ALPINE__REDIS__KEY_PREFIX", "elsewhere");
    cluster.apps.push(elsewhere.start(0).await);
    cluster.until_redis_is(true).await;
    let [a, b] = [&cluster.apps[0], &cluster.apps[1]];
    let producer = a.client().with_key(&a.producer("argo").await);
    // A read that needs no proof of freshness, and so asks for none.
    let shown = async || b.client().get("signals/latest").await.json();
    assert_eq!(shown().await, json!([]));
    // An instance wakes itself once, when it begins to listen. That may tell of the first signal, and only
    // the poll of the second.
    for count in 1..=2 {
        let body = SignalBody::new(&format!("lost-wake-up-{count}"), "70.0").to_json();
        producer.post_text("external-signals/sync/signal", body).await.expect(201);
        let accepted = Instant::now();
        let seen = async || shown().await.as_array().map(Vec::len) == Some(count);
        let unaware = within_delta(accepted).until("it shows", seen).await;
        eprintln!("unaware for {unaware:?}");
    }
    assert!(cluster.total("redis_breaker_state", "").await == 0, "Redis was in use all the time");
}

/// Revocation comes first: who cannot know whether a token was revoked does not accept it. What is
/// public goes on from the cache, for as long as its bound allows.
#[tokio::test(flavor = "multi_thread")]
async fn invariant_11_with_database_and_redis_away_tokens_are_refused_and_public_bodies_end_in_time()
 {
    let Some(mut postgres) = own_postgres() else { return };
    let options = Options::default()
        .set("DATABASE_URL", &postgres.url())
        .set("ALPINE__CACHE_TTL__SIGNALS", "60s")
        .set("ALPINE__CACHE_TTL__GRACE", "120s")
        .clock_at(Timestamp::parse_rfc3339("2026-01-01T00:00:00Z").unwrap());
    let Some(mut cluster) = Cluster::start(2, options).await else { return };
    let token = cluster.account("ada@example.com", Tier::Pro).await.access_token;
    let signed_in = async |app: &TestApp| {
        app.client().with_token(&token).get("signals/latest").await.status.as_u16()
    };
    let public = async |app: &TestApp| app.client().get("signals/latest").await;
    let stale = async |app: &TestApp| {
        measured(app, "redis_cache_operations_total", r#"operation="get",outcome="stale""#).await
    };
    for app in &cluster.apps {
        assert_eq!(signed_in(app).await, 200);
        assert_eq!(public(app).await.status, 200);
    }
    cluster.enter(State::Killed).await;
    postgres.kill().unwrap();
    let killed = Instant::now();
    for app in &cluster.apps {
        let refused = async || signed_in(app).await == 503;
        within_delta(killed).until("no token is believed", refused).await;
    }

    let advance = |seconds| cluster.apps[0].advance(Duration::from_secs(seconds));
    for app in &cluster.apps {
        assert_eq!(public(app).await.status, 200, "it is still fresh");
        assert_eq!(stale(app).await, 0);
    }
    advance(61);
    for app in &cluster.apps {
        assert_eq!(public(app).await.status, 200, "within its grace");
        assert_eq!(stale(app).await, 1);
    }
    advance(120);
    for app in &cluster.apps {
        let answer = public(app).await;
        assert_eq!(answer.status.as_u16(), 503, "older than TTL and grace");
        assert!(!answer.header("retry-after").is_empty());
    }

    postgres.restart().unwrap();
    let recovery = Wait::unpromised("PostgreSQL has just come back, and pools back off from it");
    for app in &cluster.apps {
        let back = async || signed_in(app).await == 200 && public(app).await.status == 200;
        recovery.until("it recovers by itself", back).await;
    }
}
