//! Keys of users' programs and of producers.

use std::{collections::BTreeSet, time::Instant};

use alpine_domain::account::{Role, Tier};
use diesel::{RunQueryDsl as _, sql_types::BigInt};
use serde_json::{Value, json};

use super::assert_refused;
use crate::{
    alpine::Alpine,
    hot_path::within_delta,
    support::{SignalBody, TestApp},
};

async fn make(alpine: &Alpine, token: &str, scopes: &[&str]) -> Value {
    let body = json!({"name": "bot", "scopes": scopes});
    alpine.post("users/api-keys", &body, Some(token)).await.expect(201)
}

/// How many rows of a column hold this text.
async fn rows_with(app: &TestApp, table: &str, column: &str, text: &str) -> i64 {
    #[derive(diesel::QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        count: i64,
    }
    let statement = format!("SELECT count(*) AS count FROM {table} WHERE {column} LIKE '%{text}%'");
    let count = move |conn: &mut alpine_persistence::AnyConnection| {
        Ok(diesel::sql_query(statement.clone()).get_result::<Count>(conn)?.count)
    };
    app.core.database.read("test", count).await.unwrap()
}

/// 128 bits are 22 characters of Base64, 32 hexadecimal digits.
#[tokio::test]
async fn keys_hold_128_random_bits_at_least() {
    Alpine::on_every_back_end(async |alpine| {
        let token = alpine.token_of(Tier::Elite, Role::User).await;
        let mut keys = BTreeSet::new();
        for _ in 0..4 {
            keys.insert(make(&alpine, &token, &["read"]).await["key"].as_str().unwrap().to_owned());
        }
        for name in ["p1", "p2", "p3", "p4"] {
            keys.insert(alpine.app.producer(name).await);
        }
        assert_eq!(keys.len(), 8);
        for key in &keys {
            let (_, random) = key.rsplit_once('_').unwrap();
            let is_hexadecimal = random.chars().all(|c| c.is_ascii_hexdigit());
            assert!(
                random.len() >= if is_hexadecimal { 32 } else { 22 },
                "{} digits",
                random.len()
            );
            let different: BTreeSet<char> = random.chars().collect();
            assert!(different.len() >= 8, "these are not random");
        }
    })
    .await;
}

#[tokio::test]
async fn keys_are_stored_as_hashes() {
    Alpine::on_every_back_end(async |alpine| {
        let token = alpine.token_of(Tier::Elite, Role::User).await;
        let made = make(&alpine, &token, &["read"]).await;
        for (table, key) in
            [("api_keys", made["key"].as_str().unwrap()), ("producers", &alpine.producer_key)]
        {
            let hash = alpine_domain::account::digest(key);
            assert_eq!(rows_with(&alpine.app, table, "key_hash", &hash).await, 1, "{table}");
            assert_eq!(rows_with(&alpine.app, table, "key_hash", key).await, 0, "{table}");
            // What tells keys apart in a list gives away less than what is needed to guess the rest.
            let listed = alpine.json("users/api-keys", Some(&token)).await.to_string();
            assert!(!listed.contains(&key[key.len() - 24..]), "{listed}");
        }
    })
    .await;
}

#[tokio::test]
async fn keys_open_what_their_scopes_say_and_nothing_else() {
    const ROUTES: [(&str, &str); 3] = [
        ("read", "signals/history"),
        ("export", "signals/export?format=csv"),
        ("account", "users/profile"),
    ];
    Alpine::on_every_back_end(async |alpine| {
        let token = alpine.token_of(Tier::Elite, Role::User).await;
        for (scope, _) in ROUTES {
            let made = make(&alpine, &token, &[scope]).await;
            let program = alpine.as_holder(None).with_key(made["key"].as_str().unwrap());
            for (needed, path) in ROUTES {
                let answer = program.get(path).await;
                if needed == scope {
                    assert_eq!(answer.status, 200, "{scope}: {path}");
                } else {
                    assert_refused(&answer, 403, "missing-scope");
                    assert!(answer.text.contains(needed), "{}", answer.text);
                }
            }
            // No scope makes keys, changes passwords or pushes signals.
            let name = json!({"name": "another"});
            assert_eq!(program.post("users/api-keys", &name).await.status, 401);
            let change = json!({"current_password": "x", "new_password": "another river at noon"});
            assert_eq!(program.put("users/password", &change).await.status, 401);
            let signal = SignalBody::new("by-a-user", "70").to_json();
            let pushed = program.post_text("external-signals/sync/signal", signal).await;
            assert_refused(&pushed, 403, "forbidden");
        }
        let producer = alpine.as_holder(None).with_key(&alpine.producer_key);
        for (_, path) in ROUTES {
            assert_refused(&producer.get(path).await, 403, "forbidden");
        }
    })
    .await;
}

#[tokio::test]
async fn keys_are_revoked_here_at_once_and_elsewhere_in_time() {
    Alpine::on_every_back_end(async |alpine| {
        let token = alpine.token_of(Tier::Elite, Role::User).await;
        let [gone, kept] =
            [make(&alpine, &token, &["read"]).await, make(&alpine, &token, &["read"]).await];
        let sibling = alpine.app.sibling().await;
        let as_program =
            |app: &TestApp, made: &Value| app.client().with_key(made["key"].as_str().unwrap());
        let there = as_program(&sibling, &gone);
        there.get("signals/history").await.expect(200);
        let path = format!("users/api-keys/{}", gone["id"].as_str().unwrap());
        alpine.as_holder(Some(&token)).delete(&path).await.expect(200);
        let revoked = Instant::now();
        let here = as_program(&alpine.app, &gone).get("signals/history").await;
        assert_refused(&here, 401, "unauthenticated");
        let is_refused = async || there.get("signals/history").await.status == 401;
        within_delta(revoked).until("the other instance refuses it", is_refused).await;
        as_program(&sibling, &kept).get("signals/history").await.expect(200);
    })
    .await;
}
