//! Signing in with a code: shapes, and who may guess how often.

use actix_web::http::StatusCode;
use alpine_domain::{
    Clock as _,
    account::{Role, Tier},
};
use serde_json::{Value, json};

use super::harness::{Answer, World, assert_problem, bearer, get, post, world_with};
use crate::{HttpSettings, LimitRow, Policy};

const PASSWORD: &str = "a quiet river at dawn";
const OWNER: &str = "user0@example.com";
const HOME: &str = "2001:db8:1:2::1";

fn code(world: &World, setup: &Value) -> String {
    let secret = totp_rs::Secret::try_from_base32(setup["secret"].as_str().unwrap()).unwrap();
    let totp = totp_rs::Builder::new().with_secret(secret).build().unwrap();
    totp.generate(u64::try_from(world.clock.now().seconds()).unwrap()).to_string()
}

async fn send(world: &World, path: &str, body: Value, address: &str, token: &str) -> Answer {
    let request = post(&format!("/api/v1/{path}"), &body.to_string());
    let request = request.insert_header(("x-forwarded-for", address));
    match token {
        "" => world.send(request).await,
        token => world.send(request.insert_header(bearer(token))).await,
    }
}

/// An account whose second factor was switched on at [`HOME`], where somebody signed in; what was set up.
async fn with_factor() -> (World, String, Value) {
    with_factor_by(HttpSettings::default()).await
}

async fn with_factor_by(mut settings: HttpSettings) -> (World, String, Value) {
    settings.http.trusted_proxies = vec!["192.0.2.7/32".parse().unwrap()];
    let world = world_with(settings);
    let token = world.token(Tier::Free, Role::User);
    assert_eq!(sign_in(&world, HOME).await["requires_2fa"], false);
    let setup = send(&world, "2fa/setup", json!({}), HOME, &token).await;
    assert_eq!(setup.status, 200, "{:?}", setup.body);
    let setup = setup.json();
    let body = json!({"password": PASSWORD, "token": code(&world, &setup)});
    let enabled = send(&world, "2fa/enable", body, HOME, &token).await;
    assert_eq!(enabled.status, 200, "{:?}", enabled.body);
    world.clock.advance(std::time::Duration::from_secs(30));
    (world, token, setup)
}

async fn sign_in(world: &World, address: &str) -> Value {
    let body = json!({"email": OWNER, "password": PASSWORD});
    let answer = send(world, "auth/login", body, address, "").await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    answer.json()
}

async fn verify(world: &World, address: &str, mfa_token: &Value, code: &str) -> Answer {
    let body = json!({"mfa_token": mfa_token, "token": code});
    send(world, "auth/verify-2fa", body, address, "").await
}

#[actix_web::test]
async fn a_code_stands_between_the_password_and_the_session() {
    let (world, token, setup) = with_factor().await;
    assert!(setup["qr_code"].as_str().unwrap().starts_with("data:image/png;base64,iVBOR"));
    assert!(setup["otpauth_uri"].as_str().unwrap().starts_with("otpauth://totp/Alpine:user0%40"));
    assert_eq!(setup["backup_codes"].as_array().unwrap().len(), 10);
    let status = world.get_as(&token, "/api/v1/2fa/status").await.json();
    assert_eq!([&status["enabled"], &status["backup_codes_left"]], [&json!(true), &json!(10)]);

    let asked = sign_in(&world, HOME).await;
    assert_eq!(asked["requires_2fa"], true);
    assert_eq!([&asked["access_token"], &asked["refresh_token"]], ["", ""]);
    assert_eq!([&asked["expires_in"], &asked["user"]["email"]], [&json!(300), &json!(OWNER)]);
    let mfa_token = &asked["mfa_token"];
    let text = mfa_token.as_str().unwrap();
    for request in [
        get("/api/v1/auth/me").insert_header(bearer(text)),
        get("/api/v1/signals/live").insert_header(("x-api-key", text)),
        post("/api/v1/auth/refresh", &json!({"refresh_token": text}).to_string()),
    ] {
        assert_eq!(world.send(request).await.status, 401);
    }
    let malformed = verify(&world, HOME, mfa_token, "12345").await;
    assert_problem(&malformed, StatusCode::UNPROCESSABLE_ENTITY, "invalid");
    let wrong = verify(&world, HOME, mfa_token, "000000").await;
    assert_problem(&wrong, StatusCode::UNAUTHORIZED, "unauthenticated");
    let code = code(&world, &setup);
    let signed_in = verify(&world, HOME, mfa_token, &code).await.json();
    assert_eq!(
        [&signed_in["requires_2fa"], &signed_in["mfa_token"]],
        [&json!(false), &Value::Null]
    );
    let access = signed_in["access_token"].as_str().unwrap();
    assert_eq!(world.get_as(access, "/api/v1/auth/me").await.json()["email"], OWNER);
    let again = verify(&world, HOME, &sign_in(&world, HOME).await["mfa_token"], &code).await;
    assert_problem(&again, StatusCode::UNAUTHORIZED, "unauthenticated");

    let setup_again = send(&world, "2fa/setup", json!({}), HOME, &token).await;
    assert_problem(&setup_again, StatusCode::CONFLICT, "second-factor-on");
    let off = json!({"password": PASSWORD, "token": setup["backup_codes"][0]});
    assert_eq!(send(&world, "2fa/disable", off, HOME, &token).await.status, 200);
    assert_eq!(sign_in(&world, HOME).await["requires_2fa"], false);
}

#[actix_web::test]
async fn who_knows_the_password_guesses_few_codes_and_locks_nobody_out_at_home() {
    let (world, _, setup) = with_factor().await;
    let mut answered = Vec::new();
    for n in 0..3 {
        let address = format!("198.51.100.{n}");
        let mfa_token = sign_in(&world, &address).await["mfa_token"].clone();
        for _ in 0..5 {
            answered.push(verify(&world, &address, &mfa_token, "000000").await.status);
        }
    }
    // Ten codes from strangers, however many tokens and addresses.
    assert_eq!(answered, [[401; 5], [401; 5], [429; 5]].concat());
    let mfa_token = sign_in(&world, "203.0.113.1").await["mfa_token"].clone();
    let code = code(&world, &setup);
    assert_eq!(verify(&world, "203.0.113.1", &mfa_token, &code).await.status, 429);
    let mfa_token = sign_in(&world, HOME).await["mfa_token"].clone();
    assert_eq!(verify(&world, HOME, &mfa_token, &code).await.status, 200);
    // Nothing that identifies a person stands in a limiter's key.
    let counts = world.limiter.0.lock().unwrap();
    let shows = |caller: &str| caller.contains('@') || caller.contains("second");
    assert!(counts.keys().all(|(_, caller)| !shows(caller)), "{counts:?}");
}

/// Whoever guesses tokens, or codes, counts as one whose credentials are refused.
#[actix_web::test]
async fn refused_tokens_and_codes_of_an_address_are_bounded() {
    let mut settings = HttpSettings::default();
    settings.limits.set(Policy::Address, LimitRow { per_minute: 3, per_hour: 0 });
    let (world, _, setup) = with_factor_by(settings).await;
    let (guesser, other) = ("198.51.100.1", "198.51.100.2");
    let mfa_token = sign_in(&world, HOME).await["mfa_token"].clone();
    for n in 0..3 {
        let refused = verify(&world, guesser, &json!(format!("alp_m_{n}")), "000000").await;
        assert_problem(&refused, StatusCode::UNAUTHORIZED, "unauthenticated");
        let refused = verify(&world, other, &mfa_token, "000000").await;
        assert_problem(&refused, StatusCode::UNAUTHORIZED, "unauthenticated");
    }
    let code = code(&world, &setup);
    for address in [guesser, other] {
        let refused = verify(&world, address, &mfa_token, &code).await;
        assert_problem(&refused, StatusCode::TOO_MANY_REQUESTS, "rate-limited");
        assert_eq!(refused.header("ratelimit-policy"), "\"address\";q=3;w=60");
    }
    assert_eq!(verify(&world, HOME, &mfa_token, &code).await.status, 200);
}

#[actix_web::test]
async fn guesses_of_a_signed_in_client_are_counted_too() {
    let (world, token, _) = with_factor().await;
    for n in 0..11 {
        let answer = send(&world, "2fa/verify", json!({"token": "000000"}), HOME, &token).await;
        // The code that switched it on was one.
        assert_eq!(answer.status, if n < 9 { 403 } else { 429 }, "{n}");
    }
}
