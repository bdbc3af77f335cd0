//! A link by mail lets the owner in where strangers' guesses keep the password from being tried.

use std::time::Duration;

use alpine_testing::Wait;
use serde_json::{Value, json};

use crate::{
    alpine::Alpine,
    second_factor::with_factor,
    support::{Answer, Client, Options, TestApp, mailed_token},
};

const EMAIL: &str = "ada@example.com";
const NEW_PLACE: &str = "203.0.113.99";

async fn post_from(app: &TestApp, address: &str, path: &str, body: &Value) -> Answer {
    let client = app.client();
    let request = client.request(reqwest::Method::POST, path).header("X-Forwarded-For", address);
    client.send(request.json(body)).await
}

async fn ask(app: &TestApp, email: &str) -> Answer {
    post_from(app, NEW_PLACE, "auth/sign-in-link", &json!({"email": email})).await
}

async fn redeem(app: &TestApp, token: &str) -> Answer {
    post_from(app, NEW_PLACE, "auth/sign-in-link/redeem", &json!({"token": token})).await
}

fn links(app: &TestApp) -> Vec<String> {
    app.mails().into_iter().filter(|mail| mail.contains("Subject: Sign in to Alpine")).collect()
}

/// Asks, and waits for the mail that is the `count`th.
async fn mailed(app: &TestApp, count: usize) -> String {
    ask(app, EMAIL).await.expect(200);
    Wait::unpromised("mail is sent by a job")
        .until("the mail is sent", async || links(app).len() == count)
        .await;
    mailed_token(&links(app)[count - 1])
}

fn behind_a_proxy() -> Options {
    Options::default()
        .set("FRONTEND_URL", "https://www.example.com")
        .set("ALPINE__HTTP__TRUSTED_PROXIES", "127.0.0.1")
        .set("ALPINE__SECRETS__SECOND_FACTOR", "5d2f81c09e7b4a6638f1d0c2e7a95b42aa17c3d8")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_is_let_in_at_a_new_address_while_strangers_guess() {
    let limited = || {
        behind_a_proxy()
            .set("ALPINE__RATE_LIMITS__ENABLED", "true")
            // One count, also when the machine is too busy for Redis to answer in time.
            .set("ALPINE__REDIS__DEADLINE", "5s")
    };
    Alpine::with(limited, async |alpine| {
        let app = &alpine.app;
        let right = json!({"email": EMAIL, "password": Client::PASSWORD});
        let up = json!({"email": EMAIL, "password": Client::PASSWORD, "full_name": "Ada"});
        post_from(app, "192.0.2.1", "auth/signup", &up).await.expect(201);
        let wrong = json!({"email": EMAIL, "password": "a quiet river at dusk"});
        for n in 0..12 {
            post_from(app, &format!("198.51.100.{n}"), "auth/login", &wrong).await;
        }
        let locked_out = post_from(app, NEW_PLACE, "auth/login", &right).await;
        assert_eq!(locked_out.expect(429)["type"], "/problems/rate-limited");

        let told = ask(app, EMAIL).await.expect(200);
        assert_eq!(ask(app, "nobody@example.com").await.expect(200), told);
        let sent = async || links(app).len() == 1;
        Wait::unpromised("mail is sent by a job").until("the mail is sent", sent).await;
        let mail = links(app).remove(0);
        assert!(mail.contains("https://www.example.com/sign-in-link?"), "{mail}");
        let token = mailed_token(&mail);
        assert_eq!(redeem(app, "0").await.refused_fields(), ["token"]);
        let signed_in = redeem(app, &token).await.expect(200);
        let client = app.client().with_token(signed_in["access_token"].as_str().unwrap());
        let me = client.get("auth/me").await.expect(200);
        assert_eq!((&me["email"], &me["is_verified"]), (&json!(EMAIL), &json!(true)));
        assert_eq!(redeem(app, &token).await.refused_fields(), ["token"], "it is used");
        // The place is known now: the password may be tried from there.
        post_from(app, NEW_PLACE, "auth/login", &right).await.expect(200);
        // Elsewhere it may not.
        assert_eq!(post_from(app, "203.0.113.98", "auth/login", &right).await.status, 429);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_ends_in_time_and_by_what_its_owner_does() {
    Alpine::with(behind_a_proxy, async |alpine| {
        let app = &alpine.app;
        let signed_in = app.client().sign_up(EMAIL).await;
        let old = mailed(app, 1).await;
        let new = mailed(app, 2).await;
        assert_eq!(redeem(app, &old).await.status, 422, "a newer one was sent");
        alpine.clock.advance(Duration::from_mins(15) - Duration::from_micros(1));
        redeem(app, &new).await.expect(200);
        let late = mailed(app, 3).await;
        alpine.clock.advance(Duration::from_mins(15));
        assert_eq!(redeem(app, &late).await.status, 422, "fifteen minutes have gone");

        let client = app.client().sign_in(EMAIL).await;
        let client = app.client().with_token(&client.access_token);
        let before = mailed(app, 4).await;
        client.post("auth/logout-all", &json!({})).await.expect(200);
        assert_eq!(redeem(app, &before).await.status, 422, "its owner signed out everywhere");
        let client = app.client().sign_in(EMAIL).await;
        let client = app.client().with_token(&client.access_token);
        let before = mailed(app, 5).await;
        let change =
            json!({"current_password": Client::PASSWORD, "new_password": "another river at noon"});
        client.put("users/password", &change).await.expect(200);
        assert_eq!(redeem(app, &before).await.status, 422, "there is another password");

        let disabled = mailed(app, 6).await;
        let id = signed_in.user["id"].as_str().unwrap();
        let write = format!("UPDATE users SET is_active = FALSE WHERE id = '{id}'");
        crate::support::execute(app, write).await;
        assert_eq!(redeem(app, &disabled).await.status, 422, "the account is disabled");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_does_not_replace_the_second_factor_and_one_of_many_at_once_is_used() {
    Alpine::with(behind_a_proxy, async |alpine| {
        let app = &alpine.app;
        with_factor(app).await;
        let token = mailed(app, 1).await;
        let answers = futures_util::future::join_all((0..4).map(|_| redeem(app, &token))).await;
        let good: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
        assert_eq!(good.len(), 1);
        assert_eq!(answers.iter().filter(|answer| answer.status == 422).count(), 3);
        let told = good[0].json();
        assert_eq!([&told["access_token"], &told["requires_2fa"]], [&json!(""), &json!(true)]);
        assert!(told["mfa_token"].as_str().unwrap().len() > 20);
    })
    .await;
}
