//! Every error is a problem document that says enough and not too much.

use actix_web::http::{Method, StatusCode};
use alpine_domain::{
    Error, FieldError,
    error::{Conflict, ConflictKind},
    signal::SignalId,
};

use super::harness::{Answer, PRODUCER_KEY, assert_problem, get, post, request, world, world_with};
use crate::{
    HttpSettings, LimitRow, Policy,
    endpoint::{Access, Limit},
    problem::{KINDS, Problem, Result},
    route::Route,
};

fn document(error: Error) -> String {
    let response = Problem::from(error).respond("/api/v1/x", "req-1");
    let body = actix_web::body::MessageBody::try_into_bytes(response.into_body()).unwrap();
    let value: serde_json::Value = serde_json::from_slice(&body).unwrap();
    serde_json::to_string_pretty(&value).unwrap()
}

#[test]
fn shapes() {
    let fields = vec![
        FieldError::new("limit", "must be a whole number from 1 to 100"),
        FieldError::new("symbol", "must have 1 to 20 characters"),
    ];
    insta::assert_snapshot!("invalid", document(Error::Invalid(fields)));
    let conflict = Conflict {
        kind: ConflictKind::SignalConflict,
        detail: "signal_id SIG-1 is taken".to_owned(),
        existing_signal: Some(SignalId::new(42)),
    };
    insta::assert_snapshot!("conflict", document(Error::Conflict(conflict)));
    insta::assert_snapshot!("internal", document(Error::internal("SELECT secret FROM users")));
}

#[test]
fn every_kind_of_conflict_has_its_own_type() {
    for (kind, slug) in [
        (ConflictKind::DuplicateSignal, "duplicate-signal"),
        (ConflictKind::SignalConflict, "signal-conflict"),
        (ConflictKind::OutcomeConflict, "outcome-conflict"),
        (ConflictKind::EmailTaken, "email-taken"),
        (ConflictKind::ProducerExists, "producer-exists"),
        (ConflictKind::LimitReached, "limit-reached"),
        (ConflictKind::LastAdmin, "last-admin"),
        (ConflictKind::SecondFactorOn, "second-factor-on"),
        (ConflictKind::AlreadySubscribed, "already-subscribed"),
        (ConflictKind::NotSubscribed, "not-subscribed"),
        (ConflictKind::PaymentsOff, "payments-off"),
        (ConflictKind::ChannelsOff, "channels-off"),
        (ConflictKind::NoChannel, "no-channel"),
    ] {
        let problem = Problem::from(Error::conflict(kind, "x"));
        assert_eq!((problem.slug(), problem.status()), (slug, StatusCode::CONFLICT));
    }
}

#[actix_web::test]
async fn types_can_be_followed() {
    let world = world();
    for kind in KINDS {
        let answer = world.get(&format!("/problems/{}", kind.slug)).await;
        assert_eq!(answer.json()["status"], kind.status);
    }
    assert_eq!(world.get("/problems/unheard-of").await.status, 404);
}

#[actix_web::test]
async fn a_panic_is_an_internal_error_that_says_nothing() {
    async fn broken(_: crate::Context) -> Result<actix_web::HttpResponse> {
        panic!("the secret is hunter2")
    }
    let table = || vec![Route::new(Method::GET, "x", "x", Access::Public, Limit::None, broken)];
    let answer = world().send_to(table(), get("/api/v1/x")).await;
    assert_problem(&answer, StatusCode::INTERNAL_SERVER_ERROR, "internal");
    assert!(!String::from_utf8_lossy(&answer.body).contains("hunter2"));
}

#[actix_web::test]
async fn an_endless_address_is_414() {
    let world = world();
    let path = |length: usize| {
        let start = "/api/v1/signals/latest?symbol=";
        format!("{start}{}", "A".repeat(length - start.len()))
    };
    // The symbol is too long as well, which nobody looks at before.
    assert_problem(&world.get(&path(8_192)).await, StatusCode::UNPROCESSABLE_ENTITY, "invalid");
    for length in [8_193, 16_384] {
        let answer = world.get(&path(length)).await;
        assert_problem(&answer, StatusCode::URI_TOO_LONG, "uri-too-long");
    }
}

#[actix_web::test]
async fn what_is_away_is_told_without_its_inside() {
    async fn away(_: crate::Context) -> Result<actix_web::HttpResponse> {
        let source = "connection to 10.1.2.3:5432 refused: SELECT * FROM signals";
        Err(Error::unavailable("the database", source).into())
    }
    let table = vec![Route::new(Method::GET, "x", "x", Access::Public, Limit::None, away)];
    let answer = world().send_to(table, get("/api/v1/x")).await;
    assert_problem(&answer, StatusCode::SERVICE_UNAVAILABLE, "unavailable");
    assert_eq!(answer.header("retry-after"), "1");
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(!text.contains("SELECT") && !text.contains("10.1.2.3"), "{text}");
}

fn fields(answer: &Answer) -> Vec<String> {
    let document = answer.json();
    let errors = document["errors"].as_array().unwrap().iter();
    errors.map(|error| error["field"].as_str().unwrap().to_owned()).collect()
}

#[actix_web::test]
async fn broken_syntax_is_400_and_broken_rules_are_422() {
    let world = world_with(generous());
    let path = "/api/v1/auth/signup";
    let depth_bomb = "[".repeat(20_000);
    for broken in ["{", "", "{\"email\":}", &depth_bomb] {
        let answer = world.post(path, broken).await;
        assert_problem(&answer, StatusCode::BAD_REQUEST, "malformed");
    }
    let answer = world.post(path, r#"{"email": "x", "password": 1, "tier": "elite"}"#).await;
    assert_problem(&answer, StatusCode::UNPROCESSABLE_ENTITY, "invalid");
    assert_eq!(fields(&answer), ["email", "password", "full_name"]);
    let answer = world.get("/api/v1/signals/latest?limit=101&premium_only=x").await;
    assert_problem(&answer, StatusCode::UNPROCESSABLE_ENTITY, "invalid");
    assert_eq!(fields(&answer), ["limit", "premium_only"]);
    let answer = world.get("/api/v1/signals/latest?limit=%ff").await;
    assert_problem(&answer, StatusCode::BAD_REQUEST, "malformed");
}

/// Limits that these tests do not run into.
fn generous() -> HttpSettings {
    let mut settings = HttpSettings::default();
    for policy in [Policy::SignIn, Policy::Strangers] {
        settings.limits.set(policy, LimitRow { per_minute: 1_000, per_hour: 0 });
    }
    settings
}

#[actix_web::test]
async fn bodies_have_a_size_and_a_type() {
    let world = world_with(generous());
    let path = "/api/v1/auth/login";
    let large = format!("{{\"email\": \"{}\"}}", "x".repeat(64 * 1024));
    let answer = world.post(path, &large).await;
    assert_problem(&answer, StatusCode::PAYLOAD_TOO_LARGE, "body-too-large");
    let announced = post(path, "{}").insert_header(("content-length", "99999999"));
    let answer = world.send(announced).await;
    assert_problem(&answer, StatusCode::PAYLOAD_TOO_LARGE, "body-too-large");
    let xml = request(&Method::POST, path).insert_header(("content-type", "application/xml"));
    let answer = world.send(xml.set_payload("<a/>")).await;
    assert_problem(&answer, StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type");
    let packed = post(path, "{}").insert_header(("content-encoding", "gzip"));
    let answer = world.send(packed).await;
    assert_problem(&answer, StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type");
    assert_eq!(answer.header("accept-encoding"), "identity");
}

#[actix_web::test]
async fn a_body_that_stops_coming_is_refused_after_the_configured_time() {
    use std::io::{Read as _, Write as _};
    let mut settings = HttpSettings::default();
    settings.http.body_timeout = std::time::Duration::from_millis(50);
    let (address, handle) = world_with(settings).listen();
    let answer = actix_web::web::block(move || {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        // Less than the default of 30 s, more than a busy machine needs for one answer.
        stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
        let head = "POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\
                    Content-Type: application/json\r\n\r\n{";
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = vec![0; 64];
        let length = stream.read(&mut answer).unwrap();
        String::from_utf8_lossy(&answer[..length]).into_owned()
    });
    let answer = answer.await.unwrap();
    handle.stop(false).await;
    assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
}

#[actix_web::test]
async fn batches_have_a_limit_of_their_own() {
    let world = world();
    let large = format!("[1{}]", " ".repeat(100 * 1024));
    let path = "/api/v1/external-signals/sync/batch";
    let batch = |text: &str| post(path, text).insert_header(("x-api-key", PRODUCER_KEY));
    assert_eq!(world.send(batch(&large)).await.status, 200);
    let single = "/api/v1/external-signals/sync/signal";
    let single = post(single, &large).insert_header(("x-api-key", PRODUCER_KEY));
    assert_eq!(world.send(single).await.status, 413);
}

#[actix_web::test]
async fn what_cannot_be_given_is_not_acceptable() {
    use alpine_domain::account::{Role, Tier};
    let world = world();
    let token = world.token(Tier::Elite, Role::User);
    let ask = |accept: &str| {
        get("/api/v1/signals/export?format=csv")
            .insert_header(super::harness::bearer(&token))
            .insert_header(("accept", accept))
    };
    let answer = world.send(ask("application/pdf")).await;
    assert_problem(&answer, StatusCode::NOT_ACCEPTABLE, "not-acceptable");
    assert_eq!(world.send(ask("text/*")).await.status, 200);
}

#[actix_web::test]
async fn a_refused_preflight_is_a_problem_too() {
    let preflight = request(&Method::OPTIONS, "/api/v1/symbols")
        .insert_header(("origin", "https://evil.example"))
        .insert_header(("access-control-request-method", "GET"));
    let answer = world().send(preflight).await;
    assert_problem(&answer, StatusCode::BAD_REQUEST, "malformed");
    assert_eq!(answer.header("access-control-allow-origin"), "");
}
