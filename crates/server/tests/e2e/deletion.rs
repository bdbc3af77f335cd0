//! The end of an account, and what is kept about a person until then.

use std::time::{Duration, Instant};

use alpine_domain::account::{Role, Tier};
use alpine_testing::Wait;
use serde_json::{Value, json};

use crate::{
    alpine::Alpine,
    hot_path::within_delta,
    support::{Answer, Client, TestApp},
};

const EMAIL: &str = "ada@example.com";

async fn delete(client: &Client, password: &str) -> Answer {
    let request = client.request(reqwest::Method::DELETE, "users/account");
    client.send(request.json(&json!({"password": password}))).await
}

fn farewells(app: &TestApp) -> usize {
    app.mails().iter().filter(|mail| mail.contains("Subject: Your account at Alpine was")).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_account_is_over_here_at_once_elsewhere_in_time_and_erased_after_a_month() {
    Alpine::on_every_back_end(async |alpine| {
        let app = &alpine.app;
        let signed_in = app.client().sign_up(EMAIL).await;
        let ada = app.client().with_token(&signed_in.access_token);
        let made = ada.post("users/api-keys", &json!({"name": "bot"})).await.expect(201);
        let program = app.client().with_key(made["key"].as_str().unwrap());
        let sibling = app.sibling().await;
        let (ada_there, program_there) = (ada.at(&sibling.base), program.at(&sibling.base));
        ada_there.get("auth/me").await.expect(200);
        program_there.get("signals/history").await.expect(200);

        let refused = delete(&ada, "a quiet river at dusk").await;
        assert_eq!(refused.expect(403)["detail"], "the current password is wrong");
        let told = delete(&ada, Client::PASSWORD).await.expect(200);
        let deleted = Instant::now();
        let promised =
            "the account is deleted; what is personal in it is erased on 2026-01-31 (UTC)";
        assert_eq!(told["message"], promised);
        assert_eq!(ada.get("auth/me").await.status, 401);
        assert_eq!(program.get("signals/history").await.status, 401);
        let unknown = json!({"email": "nobody@example.com", "password": Client::PASSWORD});
        let unknown = app.client().post("auth/login", &unknown).await;
        let body = json!({"email": EMAIL, "password": Client::PASSWORD});
        assert_eq!(app.client().post("auth/login", &body).await.told(), unknown.told());
        let refresh = json!({"refresh_token": signed_in.refresh_token});
        assert_eq!(app.client().post("auth/refresh", &refresh).await.status, 401);
        let is_over = async || {
            ada_there.get("auth/me").await.status == 401
                && program_there.get("signals/history").await.status == 401
        };
        within_delta(deleted).until("it is over on the other instance", is_over).await;
        Wait::unpromised("mail is sent by a job")
            .until("the owner is told", async || farewells(app) == 1)
            .await;

        // Somebody else may have the address; that account is another one.
        let again = app.client().sign_up(EMAIL).await;
        assert_ne!(again.user["id"], signed_in.user["id"]);

        let id = signed_in.user["id"].as_str().unwrap().parse().unwrap();
        let stored = async || app.core.stores.accounts.account(id).await.unwrap().unwrap();
        app.advance(Duration::from_hours(30 * 24) - Duration::from_micros(1));
        let jobs = &app.core.stores.jobs;
        assert!(jobs.counts().await.unwrap().pending >= 1);
        assert_eq!(stored().await.full_name.as_str(), "Test Person");
        app.advance(Duration::from_micros(1));
        // Whoever looks next does it; a sign-up has every instance look at once.
        app.client().sign_up("eve@example.com").await;
        Wait::unpromised("jobs that become due are looked for every `jobs.interval`")
            .until("it is erased", async || stored().await.full_name.as_str().is_empty())
            .await;
        assert_eq!(farewells(app), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_administrator_is_not_deleted() {
    Alpine::on_every_back_end(async |alpine| {
        let admin = alpine.as_holder(Some(&alpine.admin_token().await));
        let refused = delete(&admin, Client::PASSWORD).await.expect(409);
        assert_eq!(refused["type"], "/problems/last-admin");
        admin.get("auth/me").await.expect(200);
        let other = alpine.token_of(Tier::Elite, Role::Admin).await;
        delete(&admin, Client::PASSWORD).await.expect(200);
        alpine.get("roles", Some(&other)).await.expect(200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_about_a_person_is_a_file_without_secrets_or_others() {
    Alpine::on_every_back_end(async |alpine| {
        let app = &alpine.app;
        let signed_in = app.client().sign_up(EMAIL).await;
        app.client().sign_up("eve@example.com").await;
        let ada = app.client().with_token(&signed_in.access_token);
        let id = signed_in.user["id"].as_str().unwrap().parse().unwrap();
        let now = app.core.ports.clock.now();
        let accounts = &app.core.stores.accounts;
        accounts.set_tier_and_role(id, Tier::Pro, Role::User, now).await.unwrap();
        let made = ada.post("users/api-keys", &json!({"name": "my bot"})).await.expect(201);
        let answer = ada.get("users/export").await;
        let file: Value = answer.expect(200);
        let disposition = answer.header("content-disposition");
        assert_eq!(disposition, "attachment; filename=\"alpine_account.json\"");
        assert!(answer.header("cache-control").contains("no-store"));
        assert_eq!(file["profile"], ada.get("users/profile").await.expect(200));
        assert_eq!(file["sessions"], ada.get("users/sessions").await.expect(200)["items"]);
        assert_eq!(file["api_keys"], ada.get("users/api-keys").await.expect(200)["items"]);
        assert_eq!(file["notifications"], ada.get("notifications").await.expect(200)["items"]);
        assert_eq!(file["notifications"].as_array().unwrap().len(), 1);
        assert_eq!(file["second_factor"], ada.get("2fa/status").await.expect(200));
        let mut actions: Vec<_> = file["activity"]
            .as_array()
            .unwrap()
            .iter()
            .map(|line| line["action"].as_str().unwrap())
            .collect();
        actions.sort_unstable();
        assert_eq!(actions, ["account_created", "api_key_created", "sign_in"]);
        for secret in [made["key"].as_str().unwrap(), "argon2", "eve@example.com"] {
            assert!(!answer.text.contains(secret), "{secret}");
        }
        assert_eq!(app.client().get("users/export").await.status, 401);
    })
    .await;
}
