//! Who may ask how often, and how it is told.

use actix_web::http::StatusCode;
use alpine_domain::account::{Role, Tier};

use super::{
    harness::{assert_problem, bearer, get, post, world, world_with},
    stores::{PRODUCER_KEY, USER_KEY},
};
use crate::HttpSettings;

#[actix_web::test]
async fn limits_are_told_in_both_dialects() {
    let world = world();
    let answer = world.get("/api/v1/symbols").await;
    assert_eq!(
        answer.header("ratelimit-policy"),
        "\"anonymous-minute\";q=20;w=60, \"anonymous-hour\";q=200;w=3600"
    );
    assert_eq!(answer.header("ratelimit"), "\"anonymous-minute\";r=19;t=60");
    assert_eq!(answer.header("x-ratelimit-limit"), "20");
    assert_eq!(answer.header("x-ratelimit-remaining"), "19");
    let now = super::fakes::now(&*world.clock).seconds();
    assert_eq!(answer.header("x-ratelimit-reset"), (now + 60).to_string());
}

#[actix_web::test]
async fn a_refusal_says_when_to_come_back() {
    let world = world();
    for _ in 0..20 {
        assert_eq!(world.get("/api/v1/symbols").await.status, 200);
    }
    let answer = world.get("/api/v1/symbols").await;
    assert_problem(&answer, StatusCode::TOO_MANY_REQUESTS, "rate-limited");
    assert_eq!(answer.header("retry-after"), "13");
    assert_eq!(answer.header("x-ratelimit-remaining"), "0");
}

#[actix_web::test]
async fn every_class_counts_under_its_own_policy() {
    let world = world();
    let starter = world.token(Tier::Starter, Role::User);
    let elite = world.token(Tier::Elite, Role::User);
    let admin = world.token(Tier::Free, Role::Admin);
    let path = "/api/v1/signals/latest";
    for token in [&starter, &elite, &admin] {
        world.get_as(token, path).await;
    }
    world.send(get(path).insert_header(("x-api-key", USER_KEY))).await;
    let outcome = "/api/v1/external-signals/sync/outcome";
    world.send(post(outcome, "{}").insert_header(("x-api-key", PRODUCER_KEY))).await;
    let counts = world.limiter.0.lock().unwrap();
    let mut policies: Vec<&str> = counts.keys().map(|(policy, _)| *policy).collect();
    policies.sort_unstable();
    assert_eq!(policies, ["address", "admin", "api_key", "elite", "producer", "starter"]);
    // Nothing that identifies a person or opens a door stands in a limiter's key.
    for (_, caller) in counts.keys() {
        assert!(!caller.contains('@') && !caller.contains(USER_KEY), "{caller}");
    }
}

#[actix_web::test]
async fn guesses_are_counted_by_address_and_by_account() {
    let mut settings = HttpSettings::default();
    settings.limits.login.windows[0].limit = 100;
    let world = world_with(settings);
    let guess = r#"{"email": "Ada@Example.com", "password": "wrong"}"#;
    for _ in 0..10 {
        assert_eq!(world.post("/api/v1/auth/login", guess).await.status, 401);
    }
    let same = guess.to_lowercase();
    let answer = world.post("/api/v1/auth/login", &same).await;
    assert_problem(&answer, StatusCode::TOO_MANY_REQUESTS, "rate-limited");
    let other = r#"{"email": "bob@example.com", "password": "wrong"}"#;
    assert_eq!(world.post("/api/v1/auth/login", other).await.status, 401);
    let counts = world.limiter.0.lock().unwrap();
    assert!(counts.keys().all(|(_, caller)| !caller.contains("ada@")));
}

#[actix_web::test]
async fn a_flooding_address_is_stopped_before_anything_is_verified() {
    let mut settings = HttpSettings::default();
    settings.limits.address.windows[0].limit = 3;
    let world = world_with(settings);
    let rubbish = || get("/api/v1/auth/me").insert_header(bearer("rubbish"));
    for _ in 0..3 {
        assert_eq!(world.send(rubbish()).await.status, 401);
    }
    let answer = world.send(rubbish()).await;
    assert_problem(&answer, StatusCode::TOO_MANY_REQUESTS, "rate-limited");
    assert_eq!(world.get("/nowhere").await.status, 429);
    assert_eq!(world.get("/health").await.status, 200);
    assert_eq!(world.get("/metrics").await.status, 200);
}
