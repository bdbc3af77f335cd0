//! Two-factor sign-in from end to end, and the change of the key that seals its secrets.

use std::time::Duration;

use alpine_domain::Timestamp;
use serde_json::{Value, json};

use crate::{
    alpine::Alpine,
    support::{Client, Options, TestApp, backends},
};

const EMAIL: &str = "ada@example.com";
const OLD: &str = "5d2f81c09e7b4a6638f1d0c2e7a95b42aa17c3d8";
const NEW: &str = "c07d6e41b82f93a5504e1b7f6ad2983c1f64ab09";
const STEP: Duration = Duration::from_secs(30);

/// What an authenticator shows.
fn code(setup: &Value, now: Timestamp) -> String {
    let secret = totp_rs::Secret::try_from_base32(setup["secret"].as_str().unwrap()).unwrap();
    let totp = totp_rs::Builder::new().with_secret(secret).build().unwrap();
    totp.generate(u64::try_from(now.seconds()).unwrap()).to_string()
}

async fn begin(client: &Client) -> Value {
    let body = json!({"email": EMAIL, "password": Client::PASSWORD});
    client.post("auth/login", &body).await.expect(200)
}

async fn finish(client: &Client, mfa_token: &Value, code: &str) -> u16 {
    let body = json!({"mfa_token": mfa_token, "token": code});
    client.post("auth/verify-2fa", &body).await.status.as_u16()
}

/// Signs up and switches two-factor sign-in on; a client with the first session, and what was set up.
pub async fn with_factor(app: &TestApp) -> (Client, Value) {
    let token = app.client().sign_up(EMAIL).await.access_token;
    let client = app.client().with_token(&token);
    let setup = client.post("2fa/setup", &json!({})).await.expect(200);
    let body = json!({"password": Client::PASSWORD, "token": code(&setup, app.now())});
    client.post("2fa/enable", &body).await.expect(200);
    app.advance(STEP);
    (client, setup)
}

fn sealing() -> Options {
    Options::default().set("ALPINE__SECRETS__SECOND_FACTOR", OLD)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_asked_for_after_the_password_and_taken_once() {
    Alpine::with(sealing, async |alpine| {
        let app = &alpine.app;
        let (client, setup) = with_factor(app).await;
        let first = begin(&app.client()).await;
        assert_eq!([&first["access_token"], &first["requires_2fa"]], [&json!(""), &json!(true)]);
        let second = begin(&app.client()).await;
        let code = code(&setup, app.now());
        let (first, second) = (&first["mfa_token"], &second["mfa_token"]);
        let anybody = app.client();
        let (one, other) =
            tokio::join!(finish(&anybody, first, &code), finish(&anybody, second, &code));
        let mut both = [one, other];
        both.sort_unstable();
        assert_eq!(both, [200, 401], "of two who send one code, one signs in");
        client.get("auth/me").await.expect(200);
        if let Some(stored) = app.sql("SELECT secret FROM second_factors") {
            assert!(!stored.contains(setup["secret"].as_str().unwrap()), "{stored}");
        }
    })
    .await;
}

/// The three steps of `secrets.accepted_second_factor`: nobody's authenticator stops working.
#[tokio::test(flavor = "multi_thread")]
async fn the_key_that_seals_is_changed_and_every_authenticator_works() {
    let start = Timestamp::parse_rfc3339("2026-01-01T00:00:00Z").unwrap();
    for backend in backends() {
        let first = TestApp::spawn_with(&backend, sealing().clock_at(start)).await;
        let (_, setup) = with_factor(&first).await;
        let deployment = first.deployment();
        let mut before = first;
        for (step, (sealing, accepted)) in [(OLD, NEW), (NEW, OLD), (NEW, "")].iter().enumerate() {
            if step == 2 {
                assert_eq!(
                    before.core.use_cases.accounts.reseal_factors().await.unwrap(),
                    0,
                    "a code did"
                );
            }
            before.stop().await.unwrap();
            before = deployment
                .clone()
                .with("ALPINE__SECRETS__SECOND_FACTOR", sealing)
                .with("ALPINE__SECRETS__ACCEPTED_SECOND_FACTOR", accepted)
                .start(0)
                .await;
            before.advance(STEP);
            let mfa_token = begin(&before.client()).await["mfa_token"].clone();
            let code = code(&setup, before.now());
            assert_eq!(
                finish(&before.client(), &mfa_token, &code).await,
                200,
                "{step} {backend:?}"
            );
        }
        before.stop().await.unwrap();
        // With another key and no old one, backup codes are all that is left.
        let lost = deployment.with("ALPINE__SECRETS__SECOND_FACTOR", OLD).start(0).await;
        lost.advance(STEP);
        let mfa_token = begin(&lost.client()).await["mfa_token"].clone();
        let code = code(&setup, lost.now());
        assert_eq!(finish(&lost.client(), &mfa_token, &code).await, 500);
        let backup = setup["backup_codes"][0].as_str().unwrap();
        assert_eq!(finish(&lost.client(), &mfa_token, backup).await, 200);
    }
}
