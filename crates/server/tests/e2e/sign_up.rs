//! Signing up tells nobody whether an address has an account, and makes nobody's account a stranger's.

use std::time::Duration;

use alpine_testing::Wait;
use serde_json::{Value, json};

use crate::{
    alpine::Alpine,
    support::{Answer, Client, Options, TestApp, mailed_token},
};

const EMAIL: &str = "ada@example.com";
const STRANGERS: &str = "eight long words of nobody";

async fn sign_up(app: &TestApp, email: &str, password: &str) -> Answer {
    let body = json!({"email": email, "password": password, "full_name": "Ada"});
    app.client().post("auth/signup", &body).await
}

async fn confirm(app: &TestApp, token: &str, password: &str) -> Answer {
    app.client().post("auth/confirm-signup", &json!({"token": token, "password": password})).await
}

async fn mails(app: &TestApp, count: usize) -> Vec<String> {
    Wait::unpromised("mail is sent by a job")
        .until("the mails are sent", async || app.mails().len() == count)
        .await;
    app.mails()
}

fn confirming() -> Options {
    Options::default()
        .set("FRONTEND_URL", "https://www.example.com")
        .set("ALPINE__ACCOUNTS__CONFIRM_ADDRESSES", "always")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_address_is_answered_as_a_free_one_and_its_owner_is_told_by_mail() {
    Alpine::with(confirming, async |alpine| {
        let app = &alpine.app;
        let free = sign_up(app, EMAIL, Client::PASSWORD).await;
        free.expect(202);
        let mail = mails(app, 1).await.remove(0);
        assert!(mail.contains("Subject: Finish signing up to Alpine"), "{mail}");
        assert!(mail.contains("https://www.example.com/confirm-signup?"), "{mail}");
        // Nobody signs in before, and nothing tells that somebody is to.
        let body = json!({"email": EMAIL, "password": Client::PASSWORD});
        let waiting = app.client().post("auth/login", &body).await;
        let unknown = json!({"email": "nobody@example.com", "password": Client::PASSWORD});
        assert_eq!(waiting.told(), app.client().post("auth/login", &unknown).await.told());

        let token = mailed_token(&mail);
        assert_eq!(confirm(app, "0", Client::PASSWORD).await.refused_fields(), ["token"]);
        assert_eq!(confirm(app, &token, STRANGERS).await.refused_fields(), ["password"]);
        let made = confirm(app, &token, Client::PASSWORD).await;
        assert_eq!(made.header("location"), "/api/v1/users/profile");
        let made: Value = made.expect(201);
        let client = app.client().with_token(made["access_token"].as_str().unwrap());
        assert_eq!(client.get("auth/me").await.expect(200)["is_verified"], true);
        app.client().post("auth/login", &body).await.expect(200);
        assert_eq!(confirm(app, &token, Client::PASSWORD).await.refused_fields(), ["token"]);

        let taken = sign_up(app, " ADA@example.com", STRANGERS).await;
        assert_eq!(taken.told(), free.told());
        let mail = mails(app, 2).await.remove(1);
        assert!(mail.contains("Subject: You have an account at Alpine"), "{mail}");
        assert!(mail.contains("To: ada@example.com") && !mail.contains("token="), "{mail}");
        app.client().post("auth/login", &body).await.expect(200);
    })
    .await;
}

/// The stranger signs up last, so the owner follows the newer link, with the password that the owner chose.
#[tokio::test(flavor = "multi_thread")]
async fn a_strangers_sign_up_with_ones_address_makes_no_account_of_the_strangers() {
    Alpine::with(confirming, async |alpine| {
        let app = &alpine.app;
        sign_up(app, EMAIL, Client::PASSWORD).await.expect(202);
        let first = mailed_token(&mails(app, 1).await[0]);
        sign_up(app, EMAIL, STRANGERS).await.expect(202);
        let newer = mailed_token(&mails(app, 2).await[1]);
        let refused = confirm(app, &newer, Client::PASSWORD).await;
        assert_eq!(refused.refused_fields(), ["password"]);
        confirm(app, &first, Client::PASSWORD).await.expect(201);
        // The other one is worth nothing any more, even to who knows both.
        assert_eq!(confirm(app, &newer, STRANGERS).await.refused_fields(), ["token"]);
        let body = json!({"email": EMAIL, "password": STRANGERS});
        assert_eq!(app.client().post("auth/login", &body).await.status, 401);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_up_waits_for_a_day_and_mails_are_bounded() {
    let limited = || confirming().set("ALPINE__RATE_LIMITS__ENABLED", "true");
    Alpine::with(limited, async |alpine| {
        let app = &alpine.app;
        sign_up(app, EMAIL, Client::PASSWORD).await.expect(202);
        let token = mailed_token(&mails(app, 1).await[0]);
        alpine.clock.advance(Duration::from_hours(24));
        assert_eq!(confirm(app, &token, Client::PASSWORD).await.refused_fields(), ["token"]);
        let mut answers = Vec::new();
        for _ in 0..7 {
            answers.push(sign_up(app, "bob@example.com", STRANGERS).await.status.as_u16());
        }
        assert_eq!(answers, [202, 202, 202, 202, 202, 429, 429]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_has_sign_ups_confirmed() {
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("smtp://{}", server.local_addr().unwrap());
    let with_server = || Options::default().set("ALPINE__MAIL__SMTP", &url);
    Alpine::with(with_server, async |alpine| {
        sign_up(&alpine.app, EMAIL, Client::PASSWORD).await.expect(202);
    })
    .await;
    let never = || with_server().set("ALPINE__ACCOUNTS__CONFIRM_ADDRESSES", "never");
    Alpine::with(never, async |alpine| {
        sign_up(&alpine.app, EMAIL, Client::PASSWORD).await.expect(201);
    })
    .await;
}
