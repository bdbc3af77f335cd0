//! Passwords, addresses and names as keyboards of all kinds send them.

use alpine_domain::{
    account::{Account, Email, FullName, NewAccount, Role, Tier, UserId},
    ports::secrets::{HashPriority, PasswordHasher as _},
};
use alpine_infra::{
    InfraMetrics,
    secrets::{Argon2Hasher, HashSettings},
};
use prometheus::Registry;
use serde_json::{Value, json};

use crate::alpine::Alpine;

/// One password in two forms: as a Mac's file names are spelled, and as most keyboards send it.
const NFD: &str = "cafe\u{301} au lait a\u{300} Paris";
const NFC: &str = "caf\u{e9} au lait \u{e0} Paris";

async fn sign_in(alpine: &Alpine, email: &str, password: &str) -> u16 {
    let body = json!({"email": email, "password": password});
    alpine.post("/api/v1/auth/login", &body, None).await.status.as_u16()
}

#[tokio::test]
async fn a_password_is_the_same_in_every_unicode_form() {
    Alpine::on_every_back_end(async |alpine| {
        let body = json!({"email": "jose\u{301}@example.com", "password": NFD, "full_name": " Jose\u{301} "});
        let answer = alpine.post("/api/v1/auth/signup", &body, None).await.expect(201);
        assert_eq!(answer["user"]["email"], "jos\u{e9}@example.com");
        assert_eq!(answer["user"]["full_name"], "Jos\u{e9}");
        let odd_spaces = NFC.replace(' ', "\u{a0}");
        for email in ["jos\u{e9}@example.com", "JOSE\u{301}@EXAMPLE.COM"] {
            for password in [NFC, NFD, &odd_spaces] {
                assert_eq!(sign_in(&alpine, email, password).await, 200, "{email} {password}");
            }
        }
        assert_eq!(sign_in(&alpine, "jos\u{e9}@example.com", &NFC.to_uppercase()).await, 401);
        // Both spellings are one account.
        let body = json!({"email": "jos\u{e9}@example.com", "password": NFC, "full_name": "Eve"});
        assert_eq!(alpine.post("/api/v1/auth/signup", &body, None).await.status, 409);
    })
    .await;
}

/// An account as an older release stored it.
async fn older_account(alpine: &Alpine, email: &str, name: &str, password: &str) -> Account {
    let metrics = InfraMetrics::register(&Registry::new()).unwrap();
    let hasher = Argon2Hasher::new(HashSettings::default(), metrics).unwrap();
    let mut random = [0; 10];
    alpine.app.core.ports.randomness.fill(&mut random);
    let account = NewAccount {
        id: UserId::generate(alpine.app.now(), random),
        email: Email::from_stored(email).unwrap(),
        full_name: FullName::from_stored(name),
        password_hash: hasher.hash(password, HashPriority::Known).await.unwrap(),
        tier: Tier::Free,
        role: Role::User,
        created_at: alpine.app.now(),
        welcome: None,
    };
    alpine.app.core.stores.accounts.create(account).await.unwrap()
}

async fn hash_of(alpine: &Alpine, account: &Account) -> String {
    alpine.app.core.stores.accounts.credentials(&account.email).await.unwrap().unwrap().1
}

#[tokio::test]
async fn a_password_hashed_as_it_was_typed_is_hashed_anew_at_the_next_sign_in() {
    Alpine::on_every_back_end(async |alpine| {
        let email = "ada@example.com";
        let account = older_account(&alpine, email, "Ada", NFD).await;
        let old = hash_of(&alpine, &account).await;
        assert_eq!(sign_in(&alpine, email, NFC).await, 401, "nobody can know yet");
        assert_eq!(sign_in(&alpine, email, &NFD.replace("Paris", "paris")).await, 401);
        assert_eq!(hash_of(&alpine, &account).await, old);
        assert_eq!(sign_in(&alpine, email, NFD).await, 200);
        assert_ne!(hash_of(&alpine, &account).await, old);
        assert_eq!(sign_in(&alpine, email, NFC).await, 200);
        assert_eq!(sign_in(&alpine, email, NFD).await, 200);

        // One that was hashed in the normal form stays as it is.
        let eve = older_account(&alpine, "eve@example.com", "Eve", NFC).await;
        let old = hash_of(&alpine, &eve).await;
        assert_eq!(sign_in(&alpine, "eve@example.com", NFD).await, 200);
        assert_eq!(hash_of(&alpine, &eve).await, old);
    })
    .await;
}

#[tokio::test]
async fn an_account_that_would_be_refused_today_stays_its_owners() {
    Alpine::on_every_back_end(async |alpine| {
        for (email, typed, name) in [
            ("\u{430}dmin@example.com", "\u{410}DMIN@example.com", "\u{202e}nimda"),
            ("e\u{301}@example.com", "e\u{301}@example.com", "a\u{ad}b"),
            ("a@xn--bcher-kva.example", "a@xn--bcher-kva.example", ""),
        ] {
            older_account(&alpine, email, name, NFC).await;
            let body = json!({"email": typed, "password": NFC});
            let answer = alpine.post("/api/v1/auth/login", &body, None).await.expect(200);
            let token = answer["access_token"].as_str();
            let profile = alpine.json("/api/v1/users/profile", token).await;
            assert_eq!((&profile["email"], &profile["full_name"]), (&json!(email), &json!(name)));
            let change = json!({"full_name": "Ada"});
            let answer = alpine.as_holder(token).put("/api/v1/users/profile", &change).await;
            assert_eq!(answer.expect(200)["email"], email);
        }
    })
    .await;
}

#[tokio::test]
async fn a_refused_text_is_told_with_its_field_and_what_to_do() {
    Alpine::on_every_back_end(async |alpine| {
        let body = json!({"email": "\u{430}dmin@example.com", "password": "a quiet\u{200b} river", "full_name": "A\u{202e}da"});
        let problem = alpine.post("/api/v1/auth/signup", &body, None).await.expect(422);
        let expected = json!([
            {"field": "email", "message": "U+0064 is of another script than the letters beside it; write each word in one script"},
            {"field": "password", "message": "must not hold U+200B, which is not seen; leave it out"},
            {"field": "full_name", "message": "must not hold U+202E, which is not seen; leave it out"},
        ]);
        assert_eq!(problem["errors"], expected);
        let token = alpine.token_of(Tier::Elite, Role::User).await;
        let body = json!({"name": "bot\u{2066}", "scopes": ["all"]});
        let problem: Value = alpine.post("/api/v1/users/api-keys", &body, Some(&token)).await.expect(422);
        assert_eq!(problem["errors"][0]["field"], "name");
        assert_eq!(problem["errors"][1]["field"], "scopes");
    })
    .await;
}
