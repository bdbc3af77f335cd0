//! What users are told of, over sockets.

use std::time::Duration;

use alpine_domain::account::{Role, Tier};
use serde_json::{Value, json};

use crate::{
    alpine::Alpine,
    support::{Client, SignalBody, TestApp},
};

/// An account of which so many changes of its tier are told, a second apart.
async fn told_of(app: &TestApp, email: &str, changes: u32) -> (Client, Value) {
    let signed_in = app.client().sign_up(email).await;
    let id = signed_in.user["id"].as_str().unwrap().parse().unwrap();
    for n in 0..changes {
        app.advance(Duration::from_secs(1));
        let tier = if n % 2 == 0 { Tier::Pro } else { Tier::Elite };
        let now = app.core.ports.clock.now();
        let accounts = &app.core.stores.accounts;
        accounts.set_tier_and_role(id, tier, Role::User, now).await.unwrap();
    }
    (app.client().with_token(&signed_in.access_token), signed_in.user)
}

fn ids(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().unwrap().iter();
    items.map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_user_is_told_is_listed_read_and_deleted() {
    Alpine::on_every_back_end(async |alpine| {
        let app = &alpine.app;
        let (ada, user) = told_of(app, "ada@example.com", 5).await;
        let (eve, _) = told_of(app, "eve@example.com", 1).await;

        let whole = ada.get("notifications").await.expect(200);
        let counts = ["total", "unread_count", "limit", "offset"].map(|name| whole[name].as_u64());
        assert_eq!(counts, [5, 5, 20, 0].map(Some));
        assert_eq!((&whole["has_more"], &whole["next_cursor"]), (&json!(false), &Value::Null));
        let newest = &whole["items"][0];
        assert_eq!(newest["user_id"], user["id"]);
        assert_eq!(newest["type"], "tier_changed");
        assert_eq!(newest["title"], "Your plan changed");
        assert_eq!(newest["message"], "Your plan was elite and is pro from now on.");
        assert_eq!(newest["created_at"], "2026-01-01T00:00:05Z");
        assert_eq!((&newest["is_read"], &newest["read_at"]), (&json!(false), &Value::Null));

        let ids_of_ada = ids(&whole);
        let mut paged = Vec::new();
        let mut path = "notifications?limit=2".to_owned();
        loop {
            let answer = ada.get(&path).await;
            let page = answer.expect(200);
            paged.extend(ids(&page));
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            assert!(answer.header("link").contains(&format!("limit=2&cursor={cursor}")));
            path = format!("notifications?limit=2&cursor={cursor}");
        }
        assert_eq!(paged, ids_of_ada);
        let second = ada.get("notifications?limit=2&offset=2").await.expect(200);
        assert_eq!(ids(&second), ids_of_ada[2..4]);

        let named = json!({"notification_ids": [ids_of_ada[0], ids_of_ada[2], "notif-0"]});
        let read = eve.post("notifications/read", &named).await.expect(200);
        assert_eq!(read["count"], 0, "they are somebody else's");
        let read = ada.post("notifications/read", &named).await.expect(200);
        assert_eq!(read["count"], 2);
        let unread = ada.get("notifications/unread").await.expect(200);
        assert_eq!(ids(&unread), [1, 3, 4].map(|n: usize| ids_of_ada[n].clone()));
        assert_eq!((unread["total"].as_u64(), unread["unread_count"].as_u64()), (Some(3), Some(3)));
        let first = &ada.get("notifications").await.expect(200)["items"][0];
        assert_eq!((&first["is_read"], first["read_at"].is_string()), (&json!(true), true));
        let too_many: Vec<_> = (0..101).map(|n| format!("notif-{n}")).collect();
        for wrong in [json!([]), json!(["7"]), json!(too_many), json!([7]), Value::Null] {
            let refused = ada.post("notifications/read", &json!({"notification_ids": wrong})).await;
            assert_eq!(refused.refused_fields(), ["notification_ids"], "{wrong}");
        }
        assert_eq!(ada.post("notifications/read-all", &json!({})).await.expect(200)["count"], 3);
        let unread = ada.get("notifications/unread").await.expect(200);
        assert_eq!(
            (unread["items"].clone(), unread["unread_count"].as_u64()),
            (json!([]), Some(0))
        );

        let one = format!("notifications/{}", ids_of_ada[1]);
        assert_eq!(eve.delete(&one).await.status, 404);
        let deleted = ada.delete(&one).await.expect(200);
        assert_eq!((&deleted["message"], &deleted["count"]), (&json!("deleted"), &json!(1)));
        assert_eq!(ada.delete(&one).await.status, 404);
        assert_eq!(ada.delete("notifications/7").await.status, 404);
        assert_eq!(ada.get("notifications").await.expect(200)["total"], 4);
        assert_eq!(eve.get("notifications").await.expect(200)["unread_count"], 1);
        assert_eq!(app.client().get("notifications").await.status, 401);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_password_is_told() {
    Alpine::on_every_back_end(async |alpine| {
        let (ada, _) = told_of(&alpine.app, "ada@example.com", 0).await;
        let body = json!({
            "current_password": Client::PASSWORD,
            "new_password": "nine grey owls in the barn",
        });
        let changed = ada.put("users/password", &body).await.expect(200);
        let ada = ada.with_token(changed["access_token"].as_str().unwrap());
        let page = ada.get("notifications/unread").await.expect(200);
        let items = page["items"].as_array().unwrap();
        assert_eq!(items.len(), 1, "{page}");
        assert_eq!(items[0]["type"], "security");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signals_are_told_by_tier_until_they_are_deleted_or_switched_off() {
    Alpine::on_every_back_end(async |alpine| {
        let of_tier = async |tier| {
            let token = alpine.token_of(tier, Role::User).await;
            alpine.as_holder(Some(&token))
        };
        let (elite, free) = (of_tier(Tier::Elite).await, of_tier(Tier::Free).await);
        alpine.app.advance(Duration::from_secs(1));
        let stored = alpine.ingest(&SignalBody::new("SIG-1", "80").to_json()).await.expect(201);
        let id = stored["alpine_signal_id"].to_string();
        let page = elite.get("notifications").await.expect(200);
        assert_eq!(ids(&page), [format!("notif-s-{id}")]);
        assert_eq!(page["items"][0]["type"], "new_signal");
        assert_eq!(free.get("notifications").await.expect(200)["total"], 0);
        let outcome = json!({
            "signal_id": "SIG-1", "exit_price": 180, "exit_timestamp": "2025-12-31T23:59:59Z",
        });
        let path = "external-signals/sync/outcome";
        alpine.post_as_producer(path, outcome.to_string()).await.expect(200);
        alpine.app.advance(Duration::from_mins(15));
        // The tokens have expired by then.
        let (elite, free) = (of_tier(Tier::Elite).await, of_tier(Tier::Free).await);
        for client in [&elite, &free] {
            let page = client.get("notifications/unread").await.expect(200);
            assert_eq!((&page["unread_count"], &page["total"]), (&json!(2), &json!(2)));
        }
        let named = json!({"notification_ids": [format!("notif-c-{id}"), "notif-s-1"]});
        assert_eq!(elite.post("notifications/read", &named).await.expect(200)["count"], 1);
        let unread = elite.get("notifications/unread").await.expect(200);
        assert_eq!(ids(&unread), [format!("notif-s-{id}")]);
        assert_eq!(elite.post("notifications/read-all", &json!({})).await.expect(200)["count"], 1);
        elite.delete(&format!("notifications/notif-s-{id}")).await.expect(200);
        assert_eq!(elite.delete(&format!("notifications/notif-s-{id}")).await.status, 404);
        assert_eq!(ids(&elite.get("notifications").await.expect(200)), [format!("notif-c-{id}")]);

        let path = "notifications/preferences";
        let mut before = free.get(path).await.expect(200);
        assert_eq!(before.as_object_mut().unwrap().remove("digest"), Some(json!("off")));
        assert!(before.as_object().unwrap().values().all(|told| told == true), "{before}");
        for (digest, status) in [("weekly", 200), ("hourly", 422), ("daily", 200), ("off", 200)] {
            let answer = free.put(path, &json!({"digest": digest})).await;
            assert_eq!(answer.status, status, "{digest}: {}", answer.text);
            if status == 200 {
                assert_eq!(free.get(path).await.expect(200)["digest"], digest);
            }
        }
        let off = free.put(path, &json!({"signal_closed": false})).await.expect(200);
        assert_eq!((&off["signal_closed"], &off["new_signal"]), (&json!(false), &json!(true)));
        assert_eq!(free.get(path).await.expect(200), off);
        assert_eq!(ids(&free.get("notifications").await.expect(200)), [format!("notif-s-{id}")]);
        let refused = free.put(path, &json!({"security": false, "new_signal": 1})).await;
        assert_eq!(refused.refused_fields(), ["new_signal"]);
        let refused = free.put(path, &json!({"security": false})).await;
        assert_eq!(refused.refused_fields(), ["security"]);
        let file = free.get("users/export").await.expect(200);
        assert_eq!(file["notification_preferences"], off);
        assert_eq!(file["notifications"][0]["id"], format!("notif-s-{id}"));
    })
    .await;
}
