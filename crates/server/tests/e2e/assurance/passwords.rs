//! Passwords: what is taken, how it is kept, and what guessing is told.

use alpine_domain::{
    account::{Role, Tier},
    ports::secrets::{HashPriority, PasswordHasher as _},
};
use alpine_infra::{
    InfraMetrics,
    secrets::{Argon2Hasher, HashSettings},
};
use serde_json::json;

use super::assert_refused;
use crate::{
    alpine::Alpine,
    support::{Answer, Client, execute},
};

const EMAIL: &str = "ada@example.com";

async fn sign_up(alpine: &Alpine, email: &str, password: &str) -> Answer {
    let body = json!({"email": email, "password": password, "full_name": "Ada"});
    alpine.post("auth/signup", &body, None).await
}

async fn sign_in(alpine: &Alpine, email: &str, password: &str) -> Answer {
    alpine.post("auth/login", &json!({"email": email, "password": password}), None).await
}

async fn stored_hash(alpine: &Alpine) -> String {
    let email = EMAIL.parse().unwrap();
    alpine.app.core.stores.accounts.credentials(&email).await.unwrap().unwrap().1
}

#[tokio::test]
async fn passwords_have_12_to_128_characters_of_any_kind() {
    Alpine::on_every_back_end(async |alpine| {
        let of = |length: usize| "aß漢 🔬".chars().cycle().take(length).collect::<String>();
        for (n, (length, is_taken)) in
            [(11, false), (12, true), (128, true), (129, false)].into_iter().enumerate()
        {
            let email = format!("u{n}@example.com");
            let answer = sign_up(&alpine, &email, &of(length)).await;
            if is_taken {
                answer.expect(201);
                sign_in(&alpine, &email, &of(length)).await.expect(200);
                assert_eq!(sign_in(&alpine, &email, &of(length - 1)).await.status, 401);
            } else {
                assert_refused(&answer, 422, "invalid");
                assert_eq!(answer.refused_fields(), ["password"], "{length}");
                assert_eq!(sign_in(&alpine, &email, &of(length)).await.status, 401);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn passwords_that_are_common_are_refused_with_a_reason() {
    Alpine::on_every_back_end(async |alpine| {
        for common in ["password1234", "PassWordPassWord", "111111111111", EMAIL] {
            let answer = sign_up(&alpine, EMAIL, common).await;
            assert_refused(&answer, 422, "invalid");
            assert_eq!(answer.refused_fields(), ["password"], "{common}");
            let message = answer.json()["errors"][0]["message"].as_str().unwrap().to_owned();
            assert!(
                message.contains("guessed first") || message.contains("address"),
                "{common}: {message}"
            );
        }
    })
    .await;
}

/// ASVS 5.0, 11.4.2; the parameters are those of OWASP's Password Storage Cheat Sheet.
#[tokio::test]
async fn passwords_are_kept_by_argon2id_with_19456_kib_and_2_passes_at_least() {
    Alpine::on_every_back_end(async |alpine| {
        sign_up(&alpine, EMAIL, Client::PASSWORD).await.expect(201);
        let hash = stored_hash(&alpine).await;
        let parameters = hash.strip_prefix("$argon2id$v=19$").unwrap().split('$').next().unwrap();
        let number = |name: &str| -> u32 {
            let mut all = parameters.split(',');
            all.find_map(|part| part.strip_prefix(name)).unwrap().parse().unwrap()
        };
        assert!(number("m=") >= 19_456 && number("t=") >= 2, "{parameters}");
    })
    .await;
}

/// The hash has the parameters of the Python original.
#[tokio::test]
async fn passwords_hashed_by_older_rules_are_hashed_anew_at_log_in() {
    let original = HashSettings { memory_kib: 65_536, parallelism: 2, ..HashSettings::default() };
    let metrics = InfraMetrics::register(&prometheus::Registry::new()).unwrap();
    let original = Argon2Hasher::new(original, metrics).unwrap();
    let old = &original.hash(Client::PASSWORD, HashPriority::Known).await.unwrap();
    Alpine::on_every_back_end(async |alpine| {
        let account = alpine
            .app
            .core
            .use_cases
            .accounts
            .create(EMAIL, Client::PASSWORD, "Ada", Tier::Free, Role::User)
            .await
            .unwrap();
        let accounts = &alpine.app.core.stores.accounts;
        let new = stored_hash(&alpine).await;
        accounts.upgrade_hash(account.id, &new, old).await.unwrap();
        assert_eq!(sign_in(&alpine, EMAIL, "a quiet river at dusk").await.status, 401);
        assert_eq!(stored_hash(&alpine).await, *old);
        sign_in(&alpine, EMAIL, Client::PASSWORD).await.expect(200);
        assert!(stored_hash(&alpine).await.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        sign_in(&alpine, EMAIL, Client::PASSWORD).await.expect(200);
    })
    .await;
}

/// A body is refused by its size before its members are read, and a password by its length before it is hashed, which
/// `passwords_are_checked` tries at the hasher.
#[tokio::test]
async fn passwords_of_a_megabyte_are_refused_before_hashing() {
    Alpine::on_every_back_end(async |alpine| {
        sign_up(&alpine, EMAIL, Client::PASSWORD).await.expect(201);
        let huge = "x".repeat(1 << 20);
        assert_refused(&sign_up(&alpine, "eve@example.com", &huge).await, 413, "body-too-large");
        assert_refused(&sign_in(&alpine, EMAIL, &huge).await, 413, "body-too-large");
        let form = [("username", EMAIL), ("password", huge.as_str())];
        let answer = alpine.post_form("auth/login", &form).await;
        assert_refused(&answer, 413, "body-too-large");
        let token = alpine.as_holder(None).sign_in(EMAIL).await.access_token;
        let body = json!({"current_password": huge, "new_password": "another river at noon"});
        let answer = alpine.as_holder(Some(&token)).put("users/password", &body).await;
        assert_refused(&answer, 413, "body-too-large");
        // What a body may hold and a password may not.
        let long = "x".repeat(10_000);
        let answer = sign_up(&alpine, "eve@example.com", &long).await;
        assert_eq!(
            (answer.status.as_u16(), answer.refused_fields()),
            (422, vec!["password".into()])
        );
        assert_eq!(sign_in(&alpine, EMAIL, &long).await.status, 401);
    })
    .await;
}

#[tokio::test]
async fn passwords_of_unknown_wrong_and_disabled_accounts_are_answered_alike() {
    Alpine::on_every_back_end(async |alpine| {
        let accounts = &alpine.app.core.use_cases.accounts;
        for email in [EMAIL, "disabled@example.com"] {
            accounts.create(email, Client::PASSWORD, "Ada", Tier::Free, Role::User).await.unwrap();
        }
        let disable = "UPDATE users SET is_active = FALSE WHERE email = 'disabled@example.com'";
        execute(&alpine.app, disable.to_owned()).await;
        let mut answers = Vec::new();
        for (email, password) in [
            ("nobody@example.com", Client::PASSWORD),
            (EMAIL, "a quiet river at dusk"),
            ("disabled@example.com", Client::PASSWORD),
            ("disabled@example.com", "a quiet river at dusk"),
        ] {
            let answer = sign_in(&alpine, email, password).await;
            assert_refused(&answer, 401, "unauthenticated");
            answers.push(answer.told());
        }
        for answer in &answers {
            assert_eq!(*answer, answers[0]);
        }
    })
    .await;
}

#[tokio::test]
async fn passwords_are_changed_by_who_knows_the_current_one_and_other_sessions_end() {
    Alpine::on_every_back_end(async |alpine| {
        sign_up(&alpine, EMAIL, Client::PASSWORD).await.expect(201);
        let anybody = alpine.as_holder(None);
        let (phone, laptop) = (anybody.sign_in(EMAIL).await, anybody.sign_in(EMAIL).await);
        let here = alpine.as_holder(Some(&laptop.access_token));
        let change = |current: &str| json!({"current_password": current, "new_password": "another river at noon"});
        let wrong = here.put("users/password", &change("a quiet river at dusk")).await;
        assert_refused(&wrong, 403, "forbidden");
        for token in [&phone.access_token, &laptop.access_token] {
            alpine.get("auth/me", Some(token)).await.expect(200);
        }
        let changed = here.put("users/password", &change(Client::PASSWORD)).await.expect(200);
        let kept = changed["access_token"].as_str();
        alpine.get("auth/me", kept).await.expect(200);
        let phone_asks = alpine.get("auth/me", Some(&phone.access_token)).await;
        assert_refused(&phone_asks, 401, "unauthenticated");
        let body = json!({"refresh_token": phone.refresh_token});
        assert_eq!(alpine.post("auth/refresh", &body, None).await.status, 401);
        assert_eq!(sign_in(&alpine, EMAIL, Client::PASSWORD).await.status, 401);
        sign_in(&alpine, EMAIL, "another river at noon").await.expect(200);
    })
    .await;
}
