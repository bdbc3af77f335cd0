//! Another address needs the password and both mailboxes.

use alpine_testing::Wait;
use serde_json::json;

use crate::{
    alpine::Alpine,
    support::{Answer, Client, Options, TestApp, mailed_token},
};

const OLD: &str = "ada@example.com";
const NEW: &str = "ada@example.org";

fn confirming() -> Options {
    Options::default()
        .set("FRONTEND_URL", "https://www.example.com")
        .set("ALPINE__ACCOUNTS__CONFIRM_ADDRESSES", "always")
}

async fn confirm(app: &TestApp, token: &str) -> Answer {
    app.client().post("auth/confirm-email", &json!({"token": token})).await
}

/// The token in the newest mail with this subject to this address, once it is sent.
async fn mailed(app: &TestApp, to: &str, subject: &str) -> String {
    let newest = async || {
        let (to, subject) = (format!("To: {to}"), format!("Subject: {subject}"));
        let mails = app.mails();
        let found = mails.iter().rev().find(|it| it.contains(&to) && it.contains(&subject));
        found.map(|mail| mailed_token(mail))
    };
    Wait::unpromised("mail is sent by a job").until_some("the mail is sent", newest).await
}

async fn signed_in(app: &TestApp) -> Client {
    let account = app.core.use_cases.accounts.sign_up(OLD, Client::PASSWORD, "Ada").await.unwrap();
    app.client().with_token(account.access_token.reveal())
}

const TO_OLD: &str = "Your account at Alpine is to have";
const TOLD: &str = "Subject: The address of your account has changed";
const TO_NEW: &str = "Confirm your new address";

#[tokio::test(flavor = "multi_thread")]
async fn an_address_changes_once_both_have_confirmed_it() {
    Alpine::with(confirming, async |alpine| {
        let app = &alpine.app;
        let ada = signed_in(app).await;
        let change =
            json!({"email": NEW, "current_password": Client::PASSWORD, "full_name": "Ada K."});
        let wrong = json!({"email": NEW, "current_password": "a quiet river at dusk"});
        assert_eq!(ada.put("users/profile", &wrong).await.status, 403);
        let told = ada.put("users/profile", &change).await.expect(202);
        assert!(told["message"].as_str().unwrap().contains("both addresses"), "{told}");
        let me = ada.get("auth/me").await.expect(200);
        assert_eq!((&me["email"], &me["full_name"]), (&json!(OLD), &json!("Ada K.")));
        let old = mailed(app, OLD, TO_OLD).await;
        let new = mailed(app, NEW, TO_NEW).await;
        assert_eq!(confirm(app, "0").await.refused_fields(), ["token"]);
        let one = confirm(app, &new).await.expect(200);
        assert_eq!(one["message"], "confirmed; the other address is still to be confirmed");
        assert_eq!(confirm(app, &new).await.refused_fields(), ["token"], "it is used");
        assert_eq!(ada.get("auth/me").await.expect(200)["email"], OLD);
        confirm(app, &old).await.expect(200);
        let me = ada.get("auth/me").await.expect(200);
        assert_eq!((&me["email"], &me["is_verified"]), (&json!(NEW), &json!(true)));
        for to in [OLD, NEW] {
            let is_told = async || {
                let to = format!("To: {to}");
                app.mails().iter().any(|mail| mail.contains(&to) && mail.contains(TOLD))
            };
            Wait::unpromised("mail is sent by a job").until("it is told", is_told).await;
        }
        app.client().sign_in(NEW).await;
        let body = json!({"email": OLD, "password": Client::PASSWORD});
        assert_eq!(app.client().post("auth/login", &body).await.status, 401);
    })
    .await;
}

/// Who knows the password, or has the session, does not get the account; its owner reads of it.
#[tokio::test(flavor = "multi_thread")]
async fn signing_out_everywhere_or_another_password_stops_a_change() {
    Alpine::with(confirming, async |alpine| {
        let app = &alpine.app;
        let ada = signed_in(app).await;
        let change = json!({"email": NEW, "current_password": Client::PASSWORD});
        ada.put("users/profile", &change).await.expect(202);
        let (old, new) = (mailed(app, OLD, TO_OLD).await, mailed(app, NEW, TO_NEW).await);
        confirm(app, &new).await.expect(200);
        ada.post("auth/logout-all", &json!({})).await.expect(200);
        assert_eq!(confirm(app, &old).await.refused_fields(), ["token"]);
        let client = app.client().sign_in(OLD).await;
        let client = app.client().with_token(&client.access_token);
        assert_eq!(client.get("auth/me").await.expect(200)["email"], OLD);
    })
    .await;
}

/// A taken address is answered as a free one, and its owner keeps it.
#[tokio::test(flavor = "multi_thread")]
async fn a_taken_address_is_not_told_and_not_changed_to() {
    Alpine::with(confirming, async |alpine| {
        let app = &alpine.app;
        let ada = signed_in(app).await;
        let accounts = &app.core.use_cases.accounts;
        accounts.sign_up("eve@example.com", Client::PASSWORD, "Eve").await.unwrap();
        let ask = async |email: &str| {
            let change = json!({"email": email, "current_password": Client::PASSWORD});
            ada.put("users/profile", &change).await
        };
        let (free, taken) = (ask(NEW).await, ask("eve@example.com").await);
        assert_eq!((free.status.as_u16(), free.told()), (202, taken.told()));
        let old = mailed(app, OLD, TO_OLD).await;
        confirm(app, &old).await;
        assert!(!app.mails().iter().any(|mail| mail.contains("To: eve@example.com")));
        app.client().sign_in("eve@example.com").await;
        assert_eq!(ada.get("auth/me").await.expect(200)["email"], OLD);
    })
    .await;
}
