//! Administrators find accounts, change them with a reason, and see figures.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use alpine_domain::account::{Role, Tier};
use serde_json::{Value, json};

use crate::{
    alpine::Alpine,
    hot_path::within_delta,
    support::{Answer, Client, SignalBody},
};

async fn patch(admin: &Client, id: &str, body: &Value) -> Answer {
    let request = admin.request(reqwest::Method::PATCH, &format!("admin/users/{id}"));
    admin.send(request.json(body)).await
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

fn emails(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|user| text(user, "email")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_found_changed_and_disabled_with_a_reason() {
    Alpine::on_every_back_end(async |alpine| {
        let app = &alpine.app;
        let admin = app.client().with_token(&alpine.admin_token().await);
        let ada = alpine.sign_in_as(Tier::Free, Role::User).await.access_token;
        alpine.sign_in_as(Tier::Pro, Role::User).await;
        let all = admin.get("admin/users?limit=2").await;
        assert!(all.header("link").contains("rel=\"next\""), "{:?}", all.header("link"));
        let all = all.expect(200);
        assert_eq!((&all["total"], &all["has_more"]), (&json!(3), &json!(true)));
        let next = format!("admin/users?limit=2&cursor={}", text(&all, "next_cursor"));
        let next = admin.get(&next).await.expect(200);
        assert_eq!((emails(&next).len(), &next["next_cursor"]), (1, &Value::Null));

        let found = admin.get("admin/users?search=FREE-u&tier=free&is_active=true").await;
        let found = found.expect(200);
        assert_eq!(emails(&found), ["free-user@example.com"]);
        assert!(!found.to_string().contains("hash") && !found.to_string().contains("argon"));
        let id = text(&found["items"][0], "id").to_owned();
        let detail = admin.get(&format!("admin/users/{id}")).await.expect(200);
        assert_eq!(
            (&detail["live_sessions"], &detail["live_api_keys"], &detail["two_factor_enabled"]),
            (&json!(1), &json!(0), &json!(false))
        );
        assert_eq!(text(&detail, "last_sign_in_at"), "2026-01-01T00:00:00Z");

        let body = json!({"tier": "elite", "reason": "a trial of a month"});
        assert_eq!(patch(&admin, &id, &body).await.expect(200)["tier"], "elite");
        let me = alpine.json("auth/me", Some(&ada)).await;
        assert_eq!(me["tier"], "elite", "here at once");
        let sibling = app.sibling().await;
        let there = sibling.client().with_token(&ada);
        assert_eq!(there.get("auth/me").await.status, 200);
        let body = json!({"is_active": false, "reason": "a stolen card"});
        patch(&admin, &id, &body).await.expect(200);
        let at = Instant::now();
        assert_eq!(alpine.get("auth/me", Some(&ada)).await.status, 401);
        let is_out = async || there.get("auth/me").await.status == 401;
        within_delta(at).until("the other instance refuses the token", is_out).await;
        let body = json!({"is_active": true, "reason": "a mistake"});
        patch(&admin, &id, &body).await.expect(200);
        assert_eq!(alpine.get("auth/me", Some(&ada)).await.status, 401, "its sessions have ended");

        let log = admin.get(&format!("admin/audit?subject=user:{id}&limit=3")).await.expect(200);
        let told: Vec<_> = log["items"].as_array().unwrap().iter().collect();
        assert_eq!(
            told.iter().map(|line| text(line, "reason")).collect::<Vec<_>>(),
            ["a mistake", "a stolen card", "a trial of a month"]
        );
        assert!(text(told[0], "actor").starts_with("user:"));
        refusals(&admin, &id).await;
    })
    .await;
}

async fn refusals(admin: &Client, id: &str) {
    let own = admin.get("admin/users?role=admin").await.expect(200);
    let own = text(&own["items"][0], "id").to_owned();
    let body = json!({"is_active": false, "reason": "I am gone"});
    let refused = patch(admin, &own, &body).await.expect(409);
    assert_eq!(refused["type"], "/problems/last-admin");
    for (body, field) in [
        (json!({"tier": "pro"}), "reason"),
        (json!({"tier": "pro", "reason": ""}), "reason"),
        (json!({"tier": "pro", "reason": "x".repeat(201)}), "reason"),
        (json!({"tier": "gold", "reason": "x"}), "tier"),
        (json!({"is_active": "no", "reason": "x"}), "is_active"),
        (json!({"role": "admin", "tier": "pro", "reason": "x"}), "role"),
        (json!({"reason": "x"}), "tier"),
    ] {
        let refused = patch(admin, id, &body).await;
        assert_eq!((refused.status.as_u16(), refused.refused_fields()), (422, vec![field.into()]));
    }
    for query in ["cursor=a_b", "search=", "search=a%20b", "search=%00", "offset=10001", "tier=x"] {
        assert_eq!(admin.get(&format!("admin/users?{query}")).await.status, 422, "{query}");
    }
}

async fn figures(alpine: &Alpine, admin: &Client) -> Value {
    // What instances counted is written every ten seconds; here it is written now.
    alpine.app.core.use_cases.usage.flush().await.unwrap();
    // What the cache has of them is too old by then.
    alpine.app.advance(Duration::from_secs(11));
    admin.get("admin/analytics").await.expect(200)
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_tell_of_users_signals_and_requests() {
    Alpine::on_every_back_end(async |alpine| {
        let admin = alpine.as_holder(Some(&alpine.admin_token().await));
        let elite = alpine.token_of(Tier::Elite, Role::User).await;
        for (id, confidence) in [("a", "60"), ("b", "70"), ("c", "80")] {
            alpine.ingest(&SignalBody::new(id, confidence).to_json()).await.expect(201);
        }
        let before = figures(&alpine, &admin).await;
        let counts = |figures: &Value, names: &[&str]| -> Vec<u64> {
            names.iter().map(|name| figures[*name].as_u64().unwrap()).collect()
        };
        let users = ["total_users", "active_users", "new_users_today", "signals_today"];
        assert_eq!(counts(&before, &users), [2, 2, 2, 3]);
        assert_eq!(before["users_by_tier"], json!({"free": 1, "starter": 0, "pro": 0, "elite": 1}));
        let latest = "signals/latest?limit=2";
        assert_eq!(alpine.get(latest, Some(&elite)).await.header("x-alpine-signals"), "");
        alpine.get(latest, Some(&elite)).await.expect(200);
        alpine.get(latest, None).await.expect(200);
        alpine.get("signals/live", Some(&elite)).await.expect(200);
        alpine.get("nowhere", None).await.expect(404);
        alpine.get("/health", None).await.expect(200);
        let after = figures(&alpine, &admin).await;
        let names = ["signals_delivered_today", "signals_delivered_this_month"];
        assert_eq!(counts(&after, &names), [2 + 2 + 3; 2]);
        // The four above, and the question before.
        let names = ["api_requests_today", "api_requests_this_week"];
        let asked: Vec<u64> = counts(&after, &names);
        let asked_before = counts(&before, &names);
        assert_eq!([asked[0] - asked_before[0], asked[1] - asked_before[1]], [5; 2]);
        assert_eq!(
            (&after["error_rate"], &after["rate_limit_exceeded_today"]),
            (&json!(0.0), &json!(0))
        );
        assert!(after["cache_hit_rate"].as_f64().unwrap() > 0.0, "{after}");
        assert_eq!(alpine.app.core.use_cases.analytics.recount(false).await.unwrap(), []);
        // A new signal is told of at once.
        alpine.ingest(&SignalBody::new("d", "60").to_json()).await.expect(201);
        assert_eq!(admin.get("admin/analytics").await.expect(200)["signals_today"], 4);
    })
    .await;
}

#[test]
fn an_operator_does_the_same_on_the_machine() {
    let folder = tempfile::tempdir().unwrap();
    let alpine = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_alpine"))
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
    assert!(alpine(&["admin", "create", "--email", "ada@example.com"]).0);
    let why = ["--reason", "a trial"];
    let tier = ["user", "set-tier", "ada@example.com", "pro", why[0], why[1]];
    assert_eq!(
        alpine(&tier),
        (true, "ada@example.com is enabled and has the tier pro\n".to_owned())
    );
    let (is_good, told) = alpine(&["user", "disable", "ada@example.com", why[0], why[1]]);
    assert!(!is_good && told.contains("the last administrator"), "{told}");
    assert!(!alpine(&["user", "enable", "ada@example.com"]).0, "a reason is needed");
    assert_eq!(alpine(&["rollups", "verify"]), (true, "every sum is right\n".to_owned()));
    assert_eq!(alpine(&["rollups", "rebuild"]), (true, "every sum is right\n".to_owned()));
    assert!(!alpine(&["user", "enable", "bob@example.com", why[0], why[1]]).0);
}

/// Makes the database in a folder: no other command does.
fn migrate(folder: &std::path::Path) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_alpine"));
    let command = command.args(["migrate", "run"]).env_clear().env("ALPINE__DATA_DIR", folder);
    assert!(command.current_dir(folder).output().unwrap().status.success());
}
