//! Who may ask how often, and how it is told.

use actix_web::http::{Method, StatusCode};
use alpine_domain::account::{Role, Tier};

use alpine_domain::Clock as _;

use super::harness::{
    Answer, PRODUCER_KEY, USER_KEY, World, assert_problem, bearer, get, post, world, world_with,
};
use crate::{HttpSettings, LimitRow, Policy, routes};

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
    let now = world.clock.now().seconds();
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
    assert_eq!(policies, ["admin", "api_key", "elite", "producer", "starter"]);
    // Nothing that identifies a person or opens a door stands in a limiter's key.
    for (_, caller) in counts.keys() {
        assert!(!caller.contains('@') && !caller.contains(USER_KEY), "{caller}");
    }
}

/// More keys are no way to a higher limit.
#[actix_web::test]
async fn all_keys_of_one_owner_are_counted_together() {
    let world = world();
    let owner = world.token(Tier::Elite, Role::User);
    for n in 0..3 {
        let request = post("/api/v1/users/api-keys", &format!(r#"{{"name": "script {n}"}}"#));
        let made = world.send(request.insert_header(bearer(&owner))).await;
        assert_eq!(made.status, 201, "{:?}", made.body);
        let key = made.json()["key"].as_str().unwrap().to_owned();
        for key in [key, USER_KEY.to_owned()] {
            let request = get("/api/v1/signals/latest").insert_header(("x-api-key", key));
            assert_eq!(world.send(request).await.status, 200);
        }
    }
    let counts = world.limiter.0.lock().unwrap();
    let by_key = counts.iter().filter(|((policy, _), _)| *policy == "api_key");
    assert_eq!(by_key.map(|(_, n)| *n).collect::<Vec<_>>(), [3, 3], "two owners");
}

#[actix_web::test]
async fn guesses_are_counted_by_address_and_by_account() {
    let world = world();
    let guess = r#"{"email": "Ada@Example.com", "password": "wrong"}"#;
    for _ in 0..10 {
        let answer = world.post("/api/v1/auth/login", guess).await;
        assert_problem(&answer, StatusCode::UNAUTHORIZED, "unauthenticated");
    }
    let same = guess.to_lowercase();
    let answer = world.post("/api/v1/auth/login", &same).await;
    assert_problem(&answer, StatusCode::TOO_MANY_REQUESTS, "rate-limited");
    let counts = world.limiter.0.lock().unwrap();
    let mut counted: Vec<(&str, &str, u32)> =
        counts.iter().map(|((policy, caller), n)| (*policy, &caller[..2], *n)).collect();
    counted.sort_unstable();
    assert_eq!(counted, [("sign_in", "a:", 10), ("sign_in", "g:", 10), ("strangers", "s:", 10)]);
    assert!(counts.keys().all(|(_, caller)| !caller.contains("ada@")));
}

/// A guess at a password is one at the account that it opens, whatever else is asked for with it.
#[actix_web::test]
async fn guesses_at_a_profile_are_counted_for_its_account() {
    let world = world();
    let token = world.token(Tier::Free, Role::User);
    for n in 0..11 {
        let change = format!(r#"{{"email": "new{n}@example.com", "current_password": "wrong"}}"#);
        let request = post("/api/v1/users/profile", &change).method(Method::PUT);
        let answer = world.send(request.insert_header(bearer(&token))).await;
        assert_eq!(answer.status, if n < 10 { 403 } else { 429 }, "{n}");
    }
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
    let mut settings = HttpSettings::default();
    settings.http.trusted_proxies = vec!["192.0.2.7/32".parse().unwrap()];
    let world = world_with(settings);
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
    let digest = |address| world.state.services.use_cases.accounts.address_digest(address).unwrap();
    let (home, stranger) = (digest("2001:db8:1:2::1"), digest("203.0.113.1"));
    assert!(home.as_str().len() == 64 && !home.as_str().contains("2001") && home != stranger);
}

/// Nobody fills another's mailbox, from however many addresses; and whoever is refused learns nothing of accounts.
#[actix_web::test]
async fn mails_to_one_address_are_counted_whoever_asks_for_them() {
    let mut settings = HttpSettings::default();
    settings.http.trusted_proxies = vec!["192.0.2.7/32".parse().unwrap()];
    let world = world_with(settings);
    let token = world.token(Tier::Free, Role::User);
    for account in ["user0@example.com", "nobody@example.com"] {
        for n in 0..7 {
            let written = if n % 2 == 0 { account.to_owned() } else { account.to_uppercase() };
            let forgot =
                post("/api/v1/auth/forgot-password", &format!(r#"{{"email": "{written}"}}"#));
            let from = ("x-forwarded-for", format!("198.51.100.{n}"));
            let answer = world.send(forgot.insert_header(from)).await;
            assert_eq!(answer.status, if n < 5 { 200 } else { 429 }, "{written}");
        }
    }
    // Those that confirm the address are counted apart.
    for n in 0..6 {
        let again = post("/api/v1/auth/resend-verification", "");
        let answer = world.send(again.insert_header(bearer(&token))).await;
        assert_eq!(answer.status, if n < 5 { 200 } else { 429 });
    }
    let counts = world.limiter.0.lock().unwrap();
    assert!(counts.keys().all(|(_, caller)| !caller.contains("user0")));
}

#[actix_web::test]
async fn signing_up_makes_an_address_known() {
    let mut settings = HttpSettings::default();
    settings.limits.set(Policy::Strangers, LimitRow { per_minute: 1, per_hour: 1 });
    let world = world_with(settings);
    let body =
        r#"{"email": "ada@example.com", "password": "a quiet river at dawn", "full_name": "Ada"}"#;
    assert_eq!(world.post("/api/v1/auth/signup", body).await.status, 201);
    for _ in 0..3 {
        assert_eq!(world.post("/api/v1/auth/login", body).await.status, 200);
    }
}

const SYNC: &str = "/api/v1/external-signals/sync/outcome";

/// How a producer's request is answered that passes the guard: with its body refused.
async fn push(world: &World) -> Answer {
    world.send(post(SYNC, "{}").insert_header(("x-api-key", PRODUCER_KEY))).await
}

#[actix_web::test]
async fn a_producer_has_its_own_limit_whatever_else_comes_from_its_address() {
    let world = world();
    for n in 0..1_400 {
        let answer = world.get("/api/v1/symbols").await;
        assert_eq!(answer.status, if n < 20 { 200 } else { 429 });
    }
    for _ in 0..1_201 {
        let answer = push(&world).await;
        assert_problem(&answer, StatusCode::UNPROCESSABLE_ENTITY, "invalid");
    }
    assert_eq!(push(&world).await.header("x-ratelimit-remaining"), (6_000 - 1_202).to_string());
}

#[actix_web::test]
async fn a_refresh_belongs_to_its_session() {
    let world = world();
    let body =
        r#"{"email": "ada@example.com", "password": "a quiet river at dawn", "full_name": "Ada"}"#;
    let signed_in = world.post("/api/v1/auth/signup", body).await;
    assert_eq!(signed_in.status, 201);
    let token = signed_in.json()["refresh_token"].as_str().unwrap().to_owned();
    for _ in 0..20 {
        assert_eq!(world.get("/api/v1/symbols").await.status, 200);
    }
    assert_eq!(world.get("/api/v1/symbols").await.status, 429);
    let refresh = format!(r#"{{"refresh_token": "{token}"}}"#);
    // The same client again within seconds: it gets the same answer each time.
    for left in (0..10).rev() {
        let answer = world.post("/api/v1/auth/refresh", &refresh).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("x-ratelimit-remaining"), left.to_string());
        assert_eq!(answer.header("ratelimit-policy"), "\"refresh\";q=10;w=60");
    }
    let answer = world.post("/api/v1/auth/refresh", &refresh).await;
    assert_problem(&answer, StatusCode::TOO_MANY_REQUESTS, "rate-limited");
    assert_eq!(answer.header("ratelimit-policy"), "\"refresh\";q=10;w=60");
}

#[actix_web::test]
async fn an_ipv6_network_is_bounded_as_a_whole() {
    let mut settings = HttpSettings::default();
    settings.http.trusted_proxies = vec!["192.0.2.7/32".parse().unwrap()];
    let world = world_with(settings);
    let from = async |address: String| {
        let request = get("/api/v1/symbols").insert_header(("x-forwarded-for", address));
        world.send(request).await
    };
    let (mut admitted, mut refused) = (0, 0);
    for n in 0..300 {
        // One /48, each from a /64 of its own, four in each /56.
        let answer = from(format!("2001:db8:1:{:x}::1", n * 64)).await;
        if answer.status == 200 {
            admitted += 1;
        } else {
            assert_problem(&answer, StatusCode::TOO_MANY_REQUESTS, "rate-limited");
            let policy = "\"anonymous-48-minute\";q=160;w=60, \"anonymous-48-hour\";q=1600;w=3600";
            assert_eq!(answer.header("ratelimit-policy"), policy);
            refused += 1;
        }
    }
    assert_eq!((admitted, refused), (160, 140));
    let mut admitted = 0;
    for n in 0..100 {
        let answer = from(format!("2001:db8:2:{n:x}::1")).await;
        admitted += u32::from(answer.status == 200);
        assert!(answer.status == 200 || answer.header("ratelimit-policy").contains("-56"));
    }
    assert_eq!(admitted, 80);
    // One /64 that asks for too much costs its neighbours nothing but what it was given.
    for n in 0..100 {
        assert_eq!(from("2001:db8:3:1::1".to_owned()).await.status, if n < 20 { 200 } else { 429 });
    }
    for n in 0..60 {
        assert_eq!(from(format!("2001:db8:3:{:x}::1", 2 + n)).await.status, 200);
    }
}

#[actix_web::test]
async fn refused_credentials_of_an_address_are_bounded_and_good_ones_pass() {
    let mut settings = HttpSettings::default();
    settings.limits.set(Policy::Address, LimitRow { per_minute: 3, per_hour: 0 });
    let world = world_with(settings);
    let token = world.token(Tier::Pro, Role::User);
    let rubbish = || get("/api/v1/auth/me").insert_header(bearer("rubbish"));
    let key =
        |key: &str| get("/api/v1/signals/latest").insert_header(("x-api-key", key.to_owned()));
    assert_eq!(push(&world).await.status, 422, "now it is known in this process");
    let account =
        r#"{"email": "ada@example.com", "password": "a quiet river at dawn", "full_name": "Ada"}"#;
    let signed_up = world.post("/api/v1/auth/signup", account).await.json();
    let refresh = format!(r#"{{"refresh_token": {}}}"#, signed_up["refresh_token"]);
    for n in 0..3 {
        assert_eq!(world.send(rubbish()).await.status, 401, "{n}");
    }
    let exhausted = "\"address\";q=3;w=60";
    for request in [
        rubbish(),
        key("unknown"),
        key(USER_KEY),
        post("/api/v1/auth/refresh", r#"{"refresh_token": "x"}"#),
        // Whether it is good would have to be looked up.
        post("/api/v1/auth/refresh", &refresh),
    ] {
        let answer = world.send(request).await;
        assert_problem(&answer, StatusCode::TOO_MANY_REQUESTS, "rate-limited");
        assert_eq!(answer.header("ratelimit-policy"), exhausted);
    }
    // A token is proved without being looked up, and this key was looked up before.
    assert_eq!(world.get_as(&token, "/api/v1/auth/me").await.status, 200);
    assert_eq!(push(&world).await.status, 422);
    // Nor does it concern those who send none.
    assert_eq!(world.get("/api/v1/symbols").await.status, 200);
    assert_eq!(world.get("/api/v1/auth/me").await.status, 401);
}

#[actix_web::test]
async fn what_no_other_policy_counts_is_counted_by_address() {
    let mut settings = HttpSettings::default();
    settings.limits.set(Policy::Address, LimitRow { per_minute: 3, per_hour: 0 });
    let world = world_with(settings);
    for path in ["/nowhere", "/api/v1/auth/me", "/problems/invalid"] {
        assert_ne!(world.get(path).await.status, 429, "{path}");
    }
    let pages = ["/docs", "/docs/index.html", "/openapi.json"];
    let health = ["/health", "/api/v1/external-signals/sync/health"];
    for path in
        ["/nowhere", "/api/v1/auth/me", "/problems/invalid"].iter().chain(&pages).chain(&health)
    {
        let answer = world.get(path).await;
        assert_problem(&answer, StatusCode::TOO_MANY_REQUESTS, "rate-limited");
    }
    // What a load balancer or orchestrator decides by costs nothing and is never refused.
    for path in ["/health/liveness", "/health/readiness", "/metrics"] {
        assert_eq!(world.get(path).await.status, 200, "{path}");
    }
}

#[actix_web::test]
async fn a_good_credential_of_another_kind_counts_under_its_own_policy() {
    let world = world();
    let token = world.token(Tier::Free, Role::User);
    let wrong = || post(SYNC, "{}").insert_header(("x-api-key", USER_KEY));
    assert_problem(&world.send(wrong()).await, StatusCode::FORBIDDEN, "forbidden");
    world.get_as(&token, "/api/v1/auth/me").await;
    let counts = world.limiter.0.lock().unwrap();
    let mut policies: Vec<&str> = counts.keys().map(|(policy, _)| *policy).collect();
    policies.sort_unstable();
    assert_eq!(policies, ["api_key", "free"]);
}

#[actix_web::test]
async fn a_route_may_name_a_limit_of_its_own_and_nothing_starts_without_its_row() {
    let named = |name| {
        let table = routes::table(&HttpSettings::default()).into_iter();
        table
            .map(
                |route| {
                    if route.endpoint.name == "symbols" { route.limited_by(name) } else { route }
                },
            )
            .collect::<Vec<_>>()
    };
    let settings = HttpSettings::default();
    assert_eq!(crate::check_limits(&[], &settings), Ok(()));
    let missing = crate::check_limits(&named("export"), &settings).unwrap_err();
    assert!(missing.contains("[rate_limits.export]"), "{missing}");

    let world = world();
    let answer = world.send_to(named("export"), get("/api/v1/symbols")).await;
    assert_problem(&answer, StatusCode::INTERNAL_SERVER_ERROR, "internal");
    // Any row will do.
    for left in [9, 8] {
        let answer = world.send_to(named("refresh"), get("/api/v1/symbols")).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("ratelimit"), format!("\"refresh\";r={left};t=60"));
        assert_eq!(answer.header("ratelimit-policy"), "\"refresh\";q=10;w=60");
    }
}
