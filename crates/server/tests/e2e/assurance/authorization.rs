//! Who may do and see what: API1, API3 and API5 of the API Security Top 10.

use std::time::Instant;

use alpine_domain::account::{Role, Tier};
use alpine_http::{HttpSettings, endpoint::Access, routes::table};
use reqwest::Method;
use serde_json::{Value, json};

use super::assert_refused;
use crate::{
    alpine::Alpine,
    hot_path::within_delta,
    support::{Client, SignalBody},
};

#[tokio::test]
async fn authorization_another_users_object_is_not_found() {
    Alpine::on_every_back_end(async |alpine| {
        let ada = alpine.token_of(Tier::Elite, Role::User).await;
        let eve = alpine.token_of(Tier::Pro, Role::User).await;
        let admin = alpine.admin_token().await;
        let made =
            alpine.post("users/api-keys", &json!({"name": "bot"}), Some(&ada)).await.expect(201);
        let sessions = alpine.json("users/sessions", Some(&ada)).await;
        for (folder, id) in [("api-keys", &made["id"]), ("sessions", &sessions["items"][0]["id"])] {
            let path = format!("users/{folder}/{}", id.as_str().unwrap());
            let nobodys = format!("users/{folder}/00000000-0000-4000-8000-000000000000");
            // Administrators are no owners.
            for other in [&eve, &admin] {
                let client = alpine.as_holder(Some(other));
                let (refused, unknown) =
                    (client.delete(&path).await, client.delete(&nobodys).await);
                assert_refused(&refused, 404, "not-found");
                assert_refused(&unknown, 404, "not-found");
                assert_eq!(refused.json()["detail"], unknown.json()["detail"], "{folder}");
            }
        }
        // Nothing was ended by that.
        alpine.get("auth/me", Some(&ada)).await.expect(200);
        let program = alpine.as_holder(None).with_key(made["key"].as_str().unwrap());
        program.get("signals/history").await.expect(200);
    })
    .await;
}

#[tokio::test]
async fn authorization_no_route_of_administrators_opens_for_others() {
    let routes = table(&HttpSettings::default());
    let admins: Vec<_> = routes
        .iter()
        .map(|route| &route.endpoint)
        .filter(|endpoint| matches!(endpoint.access, Access::Admin))
        .collect();
    assert!(admins.len() >= 6);
    Alpine::on_every_back_end(async |alpine| {
        let user = alpine.token_of(Tier::Elite, Role::User).await;
        let made =
            alpine.post("users/api-keys", &json!({"name": "bot"}), Some(&user)).await.expect(201);
        let anybody = alpine.as_holder(None);
        let callers = [
            (anybody.clone(), 401),
            (anybody.with_token(&user), 403),
            (anybody.with_key(made["key"].as_str().unwrap()), 401),
            (anybody.with_key(&alpine.producer_key), 401),
            (anybody.with_token("guess"), 401),
        ];
        for endpoint in &admins {
            let path = endpoint.path.replace("{id}", "00000000-0000-4000-8000-000000000000");
            for (caller, status) in &callers {
                let method = Method::from_bytes(endpoint.method.as_str().as_bytes()).unwrap();
                let request = caller.request(method, &path).json(&json!({}));
                let answer = caller.send(request).await;
                assert_eq!(answer.status, *status, "{path}: {}", answer.text);
            }
        }
    })
    .await;
}

/// Everything that a reader can ask for a signal by, and whether it stands there.
async fn shows(client: &Client, id: &str, number: &str) -> Vec<bool> {
    let mut all = Vec::new();
    for path in ["signals/latest", "signals/subscribed", "signals/live", "signals/history"] {
        all.push(client.get(path).await.text.contains(number));
    }
    for format in ["csv", "json", "ndjson"] {
        let path = format!("signals/export?format={format}");
        all.push(client.get(&path).await.text.contains(number));
    }
    all.push(client.get(&format!("signals/{id}")).await.status == 200);
    all
}

/// Who reads much asks first, so that the answers are remembered when the others come.
#[tokio::test]
async fn authorization_a_lower_tier_gets_nothing_more_by_list_id_file_cache_or_replay() {
    Alpine::on_every_back_end(async |alpine| {
        let elite = alpine.as_holder(Some(&alpine.token_of(Tier::Elite, Role::User).await));
        let lower = [
            alpine.as_holder(Some(&alpine.token_of(Tier::Pro, Role::User).await)),
            alpine.as_holder(Some(&alpine.token_of(Tier::Starter, Role::User).await)),
            alpine.as_holder(Some(&alpine.token_of(Tier::Free, Role::User).await)),
            alpine.as_holder(None),
        ];
        let mut signal = SignalBody::new("premium", "97");
        signal.entry_price = "4711.25".to_owned();
        let stored = alpine.ingest(&signal.to_json()).await.expect(201);
        let id = stored["alpine_signal_id"].to_string();
        for _ in 0..2 {
            assert_eq!(shows(&elite, &id, "4711.25").await, [true; 8]);
        }
        for reader in &lower {
            assert_eq!(shows(reader, &id, "4711.25").await, [false; 8]);
        }
        for path in ["signals/latest", "signals/subscribed", "signals/history"] {
            let tag = elite.get(path).await.header("etag").to_owned();
            assert!(!tag.is_empty());
            for reader in &lower {
                let request = reader.request(Method::GET, path).header("If-None-Match", &tag);
                let answer = reader.send(request).await;
                assert_ne!(answer.status, 304, "{path}: what another reader had is no match");
                assert!(!answer.text.contains("4711.25"));
            }
        }
    })
    .await;
}

/// Promised: at once on the instance that was told, within 2 s everywhere else.
#[tokio::test(flavor = "multi_thread")]
async fn authorization_a_downgrade_takes_effect_here_at_once_and_everywhere_in_2_s() {
    Alpine::on_every_back_end(async |alpine| {
        let reader = alpine.sign_in_as(Tier::Elite, Role::User).await;
        let sibling = alpine.app.sibling().await;
        let here = alpine.as_holder(Some(&reader.access_token));
        let there = sibling.client().with_token(&reader.access_token);
        let mut signal = SignalBody::new("premium", "97");
        signal.entry_price = "4711.25".to_owned();
        let stored = alpine.ingest(&signal.to_json()).await.expect(201);
        let id = stored["alpine_signal_id"].to_string();
        let can_read =
            async |client: &Client| client.get(&format!("signals/{id}")).await.status == 200;
        let arrived = Instant::now();
        within_delta(arrived).until("both show it", async || can_read(&there).await).await;
        for client in [&here, &there] {
            assert_eq!(shows(client, &id, "4711.25").await, [true; 8]);
        }
        let accounts = &alpine.app.core.use_cases.accounts;
        let id_of = reader.user["id"].as_str().unwrap().parse().unwrap();
        let account = accounts.profile(id_of).await.unwrap();
        accounts.set_tier_and_role(&account, Tier::Free, Role::User).await.unwrap();
        let lowered = Instant::now();
        assert!(!can_read(&here).await, "at once");
        within_delta(lowered).until("the other refuses it", async || !can_read(&there).await).await;
        for client in [&here, &there] {
            let me: Value = client.get("auth/me").await.expect(200);
            assert_eq!(me["tier"], "free");
            assert_eq!(shows(client, &id, "4711.25").await, [false; 8]);
        }
    })
    .await;
}
