//! Producers and their keys, as administrators manage them by the API and operators on the machine.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    alpine::Alpine,
    hot_path::within_delta,
    support::{Client, SignalBody, TestApp},
};

async fn pushes(app: &TestApp, key: &str, id: &str) -> u16 {
    let body = SignalBody::new(id, "70").to_json();
    let producer = app.client().with_key(key);
    producer.post_text("external-signals/sync/signal", body).await.status.as_u16()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

async fn change(client: &Client, id: &Value, what: &str, body: &Value) -> Value {
    client.post(&format!("admin/producers/{id}/{what}"), body).await.expect(200)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_changed_while_the_producer_goes_on() {
    Alpine::on_every_back_end(async |alpine| {
        let app = &alpine.app;
        let admin = app.client().with_token(&alpine.admin_token().await);
        let made = admin.post("admin/producers", &json!({"name": "zeus"})).await.expect(201);
        let first = text(&made, "key").to_owned();
        let again = admin.post("admin/producers", &json!({"name": "zeus"})).await.expect(409);
        assert_eq!(again["type"], "/problems/producer-exists");
        assert_eq!(pushes(app, &first, "a").await, 201);

        let sibling = app.sibling().await;
        assert_eq!(pushes(&sibling, &first, "b").await, 201);
        let rotated = change(&admin, &made["id"], "rotate", &json!({"overlap_seconds": 60})).await;
        let (at, second) = (Instant::now(), text(&rotated, "key").to_owned());
        assert_eq!(text(&rotated, "old_key_until"), "2026-01-01T00:01:00Z");
        assert_eq!((pushes(app, &first, "c").await, pushes(app, &second, "d").await), (201, 201));
        let mut n = 0;
        let knows = async || {
            n += 1;
            pushes(&sibling, &second, &format!("there {n}")).await == 201
        };
        within_delta(at).until("the other instance takes the new key", knows).await;
        let head = app.core.stores.events.head().await.unwrap();
        let has_heard = async || sibling.follow_state.borrow().position >= Some(head);
        within_delta(at).until("the other instance has heard of it", has_heard).await;
        assert_eq!(pushes(&sibling, &first, "e").await, 201, "the old key is good for a minute");
        let list = admin.get("admin/producers").await.expect(200);
        let keys = list.to_string();
        assert!(!keys.contains(&first) && !keys.contains(&second), "{keys}");
        let zeus = &list["items"][1];
        assert_eq!(
            (text(zeus, "name"), text(zeus, "old_key_until")),
            ("zeus", "2026-01-01T00:01:00Z")
        );

        // To the microsecond, here and there, although both remember the key.
        app.advance(Duration::from_mins(1) - Duration::from_micros(1));
        assert_eq!(
            (pushes(app, &first, "f").await, pushes(&sibling, &first, "g").await),
            (201, 201)
        );
        app.advance(Duration::from_micros(1));
        assert_eq!(
            (pushes(app, &first, "h").await, pushes(&sibling, &first, "i").await),
            (401, 401)
        );
        assert_eq!(pushes(app, &second, "j").await, 201);

        let at_once = change(&admin, &made["id"], "rotate", &json!({"overlap_seconds": 0})).await;
        assert_eq!(at_once["old_key_until"], Value::Null);
        assert_eq!(pushes(app, &second, "k").await, 401);
        let third = text(&at_once, "key").to_owned();
        let path = format!("admin/producers/{}", made["id"]);
        admin.delete(&path).await.expect(200);
        assert_eq!(pushes(app, &third, "l").await, 401);
        change(&admin, &made["id"], "enable", &json!({})).await;
        assert_eq!(pushes(app, &third, "m").await, 201);

        for whole in ["60", "60.0", "6e1", "0"] {
            let body = format!("{{\"overlap_seconds\": {whole}}}");
            assert_eq!(
                admin.post_text(&format!("{path}/rotate"), body).await.status,
                200,
                "{whole}"
            );
        }
        for (body, field) in [
            (json!({"overlap_seconds": 0.5}), "overlap_seconds"),
            (json!({"overlap_seconds": 2_592_001}), "overlap_seconds"),
            (json!({"overlap_seconds": "60"}), "overlap_seconds"),
            (json!({"overlap_seconds": -1}), "overlap_seconds"),
        ] {
            let refused = admin.post(&format!("{path}/rotate"), &body).await;
            assert_eq!(
                (refused.status.as_u16(), refused.refused_fields()),
                (422, vec![field.into()])
            );
        }
        assert_eq!(admin.post("admin/producers/999999/rotate", &json!({})).await.status, 404);
        let refused = admin.post("admin/producers", &json!({"name": "No Name"})).await;
        assert_eq!(refused.refused_fields(), ["name"]);
    })
    .await;
}

#[test]
fn an_operator_does_the_same_on_the_machine() {
    let folder = tempfile::tempdir().unwrap();
    let alpine = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_alpine"))
            .arg("producer")
            .args(arguments)
            .env_clear()
            .env("ALPINE__DATA_DIR", folder.path())
            .env("ALPINE__LOGGING__FILTER", "error")
            .current_dir(folder.path())
            .output()
            .unwrap();
        let told = [output.stdout, output.stderr].concat();
        let told = String::from_utf8(told).unwrap();
        let lines = told.split_inclusive('\n').filter(|line| !line.starts_with("database: "));
        (output.status.success(), lines.collect::<String>())
    };
    migrate(folder.path());
    assert!(alpine(&["create", "zeus"]).0);
    let (is_good, told) = alpine(&["rotate", "zeus", "--overlap-hours", "1"]);
    assert!(
        is_good && told.contains("key, shown this once: alp_p_") && told.contains("good until"),
        "{told}"
    );
    let (_, list) = alpine(&["list"]);
    assert!(
        list.starts_with("zeus: enabled, made ") && list.contains("its old key is good"),
        "{list}"
    );
    assert!(alpine(&["disable", "zeus"]).0);
    assert!(alpine(&["list"]).1.starts_with("zeus: disabled"));
    assert!(alpine(&["enable", "zeus"]).0);
    assert!(alpine(&["list"]).1.starts_with("zeus: enabled"));
    let (is_good, told) = alpine(&["rotate", "nobody"]);
    assert!(!is_good && told.contains("producer not found"), "{told}");
    let (is_good, told) = alpine(&["rotate", "zeus", "--overlap-hours", "721"]);
    assert!(!is_good && told.contains("721"), "{told}");
}

/// Makes the database in a folder: no other command does.
fn migrate(folder: &std::path::Path) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_alpine"));
    let command = command.args(["migrate", "run"]).env_clear().env("ALPINE__DATA_DIR", folder);
    assert!(command.current_dir(folder).output().unwrap().status.success());
}
