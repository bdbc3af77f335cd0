//! Who may ask how often, and how it is told.

use actix_web::http::StatusCode;
use alpine_domain::account::{Role, Tier};

use super::{
    harness::{Answer, World, assert_problem, bearer, get, post, world, world_with},
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

/// Signs in as the client at `address`.
async fn sign_in_from(world: &World, address: &str, email: &str, password: &str) -> Answer {
    let body = format!(r#"{{"email": "{email}", "password": "{password}"}}"#);
    let request = post("/api/v1/auth/login", &body).insert_header(("x-forwarded-for", address));
    world.send(request).await
}

#[actix_web::test]
async fn strangers_at_an_account_are_counted_together_and_its_owner_is_none() {
    const PASSWORD: &str = "a quiet river at dawn";
    let trusted_proxies = vec!["192.0.2.7/32".parse().unwrap()];
    let world = world_with(HttpSettings { trusted_proxies, ..HttpSettings::default() });
    world.token(Tier::Free, Role::User);
    let owner = "user0@example.com";
    assert_eq!(sign_in_from(&world, "2001:db8:1:2::1", owner, PASSWORD).await.status, 200);
    // The first sign-in came from an unknown address as well, so nine are left.
    for (account, left) in [(owner, 9), ("nobody@example.com", 10), ("no address", 10)] {
        for n in 0..left {
            let address = format!("198.51.100.{n}");
            let answer = sign_in_from(&world, &address, account, "wrong").await;
            assert_problem(&answer, StatusCode::UNAUTHORIZED, "unauthenticated");
        }
        // Even with the right password.
        for written in [account, &account.to_uppercase()] {
            let answer = sign_in_from(&world, "203.0.113.1", written, PASSWORD).await;
            assert_problem(&answer, StatusCode::TOO_MANY_REQUESTS, "rate-limited");
            assert_eq!(answer.header("retry-after"), "13");
            let policy = "\"strangers-minute\";q=10;w=60, \"strangers-hour\";q=30;w=3600";
            assert_eq!(answer.header("ratelimit-policy"), policy);
        }
    }
    // The owner is at home in the whole network, and what is counted there is only what comes from there.
    for n in 2..6 {
        let address = format!("2001:db8:1:2::{n}");
        assert_eq!(sign_in_from(&world, &address, owner, "wrong").await.status, 401);
        assert_eq!(sign_in_from(&world, &address, owner, PASSWORD).await.status, 200);
    }
    let sessions = world.store.sessions.lock().unwrap();
    assert!(sessions.iter().all(|session| session.address == sessions[0].address));
    let digest = sessions[0].address.as_ref().unwrap().as_str();
    assert!(digest.len() == 64 && !digest.contains("2001"));
}

#[actix_web::test]
async fn signing_up_makes_an_address_known() {
    let mut settings = HttpSettings::default();
    settings.limits.strangers.windows.iter_mut().for_each(|window| window.limit = 1);
    let world = world_with(settings);
    let body =
        r#"{"email": "ada@example.com", "password": "a quiet river at dawn", "full_name": "Ada"}"#;
    assert_eq!(world.post("/api/v1/auth/signup", body).await.status, 201);
    for _ in 0..3 {
        assert_eq!(world.post("/api/v1/auth/login", body).await.status, 200);
    }
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
