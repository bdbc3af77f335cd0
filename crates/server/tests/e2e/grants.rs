//! Whatever grants something is proved to whom it grants: administrators, and addresses of accounts.

use std::process::Command;

use alpine_domain::{Error, error::ConflictKind};
use alpine_testing::own_postgres;
use serde_json::{Value, json};

use crate::{
    alpine::Alpine,
    support::{Client, Options},
};

const OPERATORS_PASSWORD: &str = "an operator's own words";

#[tokio::test]
async fn who_registers_the_operators_address_first_becomes_no_administrator() {
    Alpine::on_every_back_end(async |alpine| {
        let email = "ops@example.com";
        let stranger = alpine.as_holder(None).sign_up(email).await;
        let accounts = &alpine.app.core.use_cases.accounts;
        let refused = accounts.create_admin(email, OPERATORS_PASSWORD, "Ops").await;
        let is_taken =
            matches!(&refused, Err(Error::Conflict(c)) if c.kind == ConflictKind::EmailTaken);
        assert!(is_taken, "{refused:?}");
        let profile = alpine.json("/api/v1/users/profile", Some(&stranger.access_token)).await;
        assert_eq!(profile["role"], "user");
    })
    .await;
}

#[tokio::test]
async fn another_address_needs_the_password_and_a_password_is_not_changed_by_the_way() {
    Alpine::on_every_back_end(async |alpine| {
        alpine.as_holder(None).sign_up("bob@example.com").await;
        let ada = alpine.as_holder(None).sign_up("ada@example.com").await;
        let holder = alpine.as_holder(Some(&ada.access_token));
        let put = async |body: Value| holder.put("users/profile", &body).await;

        // Of a taken and of a free address, who holds a token alone hears the same.
        for email in ["bob@example.com", "nobody@example.com"] {
            let answer = put(json!({"email": email})).await;
            assert_eq!(answer.status, 422, "{}", answer.text);
            assert_eq!(answer.refused_fields(), ["current_password"]);
            let body = json!({"email": email, "current_password": "not the password"});
            let answer = put(body).await;
            assert_eq!(answer.status, 403, "{}", answer.text);
        }
        let body = json!({"password": "another password!", "current_password": Client::PASSWORD});
        let answer = put(body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.refused_fields()),
            (422, vec!["password".into()])
        );

        // What is as it was needs no proof, however it is written.
        let answer = put(json!({"email": "ADA@example.com", "full_name": "Ada King"})).await;
        assert_eq!(answer.expect(200)["full_name"], "Ada King");
        let body = json!({"email": "bob@example.com", "current_password": Client::PASSWORD});
        assert_eq!(put(body).await.status, 409);
        let body = json!({"email": "ada@example.org", "current_password": Client::PASSWORD});
        let profile = put(body).await.expect(200);
        assert_eq!(
            (&profile["email"], &profile["is_verified"]),
            (&json!("ada@example.org"), &json!(false))
        );
        alpine.as_holder(None).sign_in("ada@example.org").await;
    })
    .await;
}

#[tokio::test]
async fn passwords_are_not_guessed_by_changing_the_address() {
    let options = || Options::default().set("ALPINE__RATE_LIMITS__ENABLED", "true");
    Alpine::with(options, async |alpine| {
        let ada = alpine.as_holder(None).sign_up("ada@example.com").await;
        let holder = alpine.as_holder(Some(&ada.access_token));
        let mut answers = Vec::new();
        for n in 0..12 {
            let body = json!({"email": "x@example.com", "current_password": format!("a guess, number {n}")});
            answers.push(holder.put("users/profile", &body).await.status.as_u16());
        }
        // Signing up was an attempt at this account from this address too.
        let expected: Vec<u16> = (0..12).map(|n| if n < 9 { 403 } else { 429 }).collect();
        assert_eq!(answers, expected);
    })
    .await;
}

/// It started once, and failed at each request.
#[test]
fn a_role_without_rights_does_not_start_and_is_told_which_it_lacks() {
    let Some(server) = own_postgres() else { return };
    for sql in [
        "CREATE ROLE alpine_owner LOGIN",
        "CREATE ROLE alpine LOGIN",
        "CREATE DATABASE alpine OWNER alpine_owner",
    ] {
        server.execute(sql).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let run = |role: &str, arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_alpine"))
            .args(arguments)
            .env_clear()
            .env("ALPINE__DATA_DIR", folder.path())
            .env("ALPINE__DATABASE__MIGRATE_ON_START", "false")
            .env("JWT_SECRET", crate::support::SECRET)
            .env("DATABASE_URL", format!("postgres://{role}@127.0.0.1:{}/alpine", server.port()))
            .current_dir(folder.path())
            .output()
            .unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    // What every start does, without serving.
    let start = ["producer", "create", "argo"];
    let (_, told) = run("alpine_owner", &start);
    assert!(told.contains("lacks") && told.contains("migrations"), "{told}");
    let (migrated, told) = run("alpine_owner", &["migrate", "run"]);
    assert!(migrated, "{told}");
    for arguments in [&start[..], &["serve"]] {
        let (started, told) = run("alpine", arguments);
        assert!(!started, "{told}");
        for part in [
            "the role alpine lacks SELECT on public.__diesel_schema_migrations",
            "SELECT, INSERT, UPDATE, DELETE on public.api_keys",
            "`alpine migrate grant 'alpine'`",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }
    let (granted, told) = run("alpine_owner", &["migrate", "grant", "alpine"]);
    assert!(granted, "{told}");
    let (started, told) = run("alpine", &start);
    assert!(started, "{told}");
}
