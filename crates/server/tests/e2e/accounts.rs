//! Signing up, in and out, as clients do it.

use std::time::Duration;

use alpine_domain::account::{Role, Tier};
use serde_json::{Value, json};

use crate::{
    alpine::Alpine,
    support::{Answer, Options, TestApp, backends},
};

const PASSWORD: &str = "a quiet river at dawn";

async fn sign_up(alpine: &Alpine, email: &str) -> Value {
    let body = json!({"email": email, "password": PASSWORD, "full_name": "Ada", "tier": "elite", "role": "admin"});
    let answer = alpine.post("/api/v1/auth/signup", &body, None).await;
    assert_eq!(answer.status, 201);
    answer.json()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no {key} in {value}"))
}

async fn me(alpine: &Alpine, token: &str) -> u16 {
    alpine.get("/api/v1/auth/me", Some(token)).await.status.as_u16()
}

#[tokio::test]
async fn a_new_account_is_free_whatever_the_body_claims() {
    Alpine::on_every_back_end(async |alpine| {
        let answer = sign_up(&alpine, "Ada@Example.com").await;
        assert_eq!(answer["user"]["tier"], "free");
        assert_eq!(answer["user"]["email"], "ada@example.com");
        assert_eq!((&answer["token_type"], &answer["expires_in"]), (&json!("bearer"), &json!(900)));
        assert_eq!(answer["requires_2fa"], false);
        let token = text(&answer, "access_token");
        let profile = alpine.json("/api/v1/users/profile", Some(token)).await;
        assert_eq!((&profile["role"], &profile["is_active"]), (&json!("user"), &json!(true)));
        // The token names the account by id: its claims hold no address.
        assert!(!token.contains("ada"));
        let change = json!({"full_name": "Ada L.", "tier": "elite", "id": "x"});
        let answer = alpine.as_holder(Some(token)).put("/api/v1/users/profile", &change).await;
        let profile: Value = answer.json();
        assert_eq!((&profile["full_name"], &profile["tier"]), (&json!("Ada L."), &json!("free")));
    })
    .await;
}

#[tokio::test]
async fn an_address_is_taken_once_however_it_is_written() {
    Alpine::on_every_back_end(async |alpine| {
        sign_up(&alpine, "ada@example.com").await;
        let body = json!({"email": " ADA@example.com", "password": PASSWORD, "full_name": "Eve"});
        assert_eq!(alpine.post("/api/v1/auth/signup", &body, None).await.status, 409);
    })
    .await;
}

#[tokio::test]
async fn every_refused_field_of_a_sign_up_is_named_at_once() {
    Alpine::on_every_back_end(async |alpine| {
        let body = json!({"email": "nobody", "password": "short", "full_name": ""});
        let answer = alpine.post("/api/v1/auth/signup", &body, None).await;
        assert_eq!(answer.status, 422);
        let problem: Value = answer.json();
        let mut fields: Vec<&str> = problem["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| e["field"].as_str().unwrap())
            .collect();
        fields.sort_unstable();
        assert_eq!(fields, ["email", "full_name", "password"]);
    })
    .await;
}

#[tokio::test]
async fn signing_in_takes_a_form_or_json_and_tells_nobody_who_has_an_account() {
    Alpine::on_every_back_end(async |alpine| {
        sign_up(&alpine, "ada@example.com").await;
        let form = [("username", "ada@example.com"), ("password", PASSWORD)];
        assert_eq!(alpine.post_form("/api/v1/auth/login", &form).await.status, 200);
        let json_body = json!({"email": "ada@example.com", "password": PASSWORD});
        assert_eq!(alpine.post("/api/v1/auth/login", &json_body, None).await.status, 200);

        let mut answers = Vec::new();
        for (email, password) in
            [("ada@example.com", "wrong password!!"), ("eve@example.com", PASSWORD)]
        {
            let answer = alpine
                .post("/api/v1/auth/login", &json!({"email": email, "password": password}), None)
                .await;
            assert_eq!(answer.status, 401);
            assert!(answer.headers.contains_key("www-authenticate"));
            let problem: Value = answer.json();
            answers.push(problem["detail"].clone());
        }
        assert_eq!(answers[0], answers[1]);
    })
    .await;
}

#[tokio::test]
async fn a_user_sees_their_sessions_ends_one_and_changes_the_password() {
    Alpine::on_every_back_end(async |alpine| {
        let phone = sign_up(&alpine, "ada@example.com").await;
        let body = json!({"email": "ada@example.com", "password": PASSWORD});
        alpine.clock.advance(Duration::from_secs(1));
        let laptop = alpine.post("/api/v1/auth/login", &body, None).await.expect(200);
        let (phone, laptop) = (text(&phone, "access_token"), text(&laptop, "access_token"));
        let list = alpine.json("/api/v1/users/sessions", Some(laptop)).await;
        let items = list["items"].as_array().unwrap();
        let current: Vec<_> = items.iter().map(|session| &session["current"]).collect();
        assert_eq!(
            (current, &list["has_more"]),
            (vec![&json!(true), &json!(false)], &json!(false))
        );
        let digest = text(&items[0], "address_digest");
        assert_eq!((digest.len(), digest), (64, text(&items[1], "address_digest")));

        let path = format!("/api/v1/users/sessions/{}", text(&items[1], "id"));
        let as_laptop = alpine.as_holder(Some(laptop));
        assert_eq!(as_laptop.delete(&path).await.expect(200), json!({"message": "session ended"}));
        assert_eq!((me(&alpine, phone).await, me(&alpine, laptop).await), (401, 200));
        let gone = as_laptop.delete(&path).await.expect(404);
        assert_eq!(text(&gone, "type"), "/problems/not-found");

        let change =
            |current: &str, new: &str| json!({"current_password": current, "new_password": new});
        let password = "/api/v1/users/password";
        let wrong =
            as_laptop.put(password, &change("wrong password!!", "another river at noon")).await;
        assert_eq!(text(&wrong.expect(403), "detail"), "the current password is wrong");
        let short = as_laptop.put(password, &change(PASSWORD, "short")).await;
        assert_eq!(
            (short.status.as_u16(), short.refused_fields()),
            (422, vec!["new_password".to_owned()])
        );
        assert_eq!(me(&alpine, laptop).await, 200);
        let changed = as_laptop.put(password, &change(PASSWORD, "another river at noon")).await;
        let changed = changed.expect(200);
        assert_eq!(text(&changed, "message"), "password changed; every other session has ended");
        let token = text(&changed, "access_token");
        assert_eq!((me(&alpine, laptop).await, me(&alpine, token).await), (401, 200));
        assert_eq!(alpine.post("/api/v1/auth/login", &body, None).await.status, 401);
    })
    .await;
}

#[tokio::test]
async fn a_refresh_token_is_good_once_and_a_copy_ends_its_family() {
    Alpine::on_every_back_end(async |alpine| {
        let first = sign_up(&alpine, "ada@example.com").await;
        let refresh = async |token: &str| {
            alpine.post("/api/v1/auth/refresh", &json!({"refresh_token": token}), None).await
        };
        let answer = refresh(text(&first, "refresh_token")).await;
        assert_eq!(answer.status, 200);
        let second: Value = answer.json();
        assert_ne!(first["refresh_token"], second["refresh_token"]);
        assert_eq!(me(&alpine, text(&second, "access_token")).await, 200);

        alpine.clock.advance(Duration::from_secs(10));
        assert_eq!(refresh(text(&first, "refresh_token")).await.status, 401, "a replay");
        assert_eq!(refresh(text(&second, "refresh_token")).await.status, 401, "the family ended");
        assert_eq!(me(&alpine, text(&second, "access_token")).await, 401, "and its access tokens");
        assert_eq!(refresh("alp_r_unknown").await.status, 401);
    })
    .await;
}

#[tokio::test]
async fn two_tabs_that_refresh_at_once_hear_the_same_and_a_later_replay_ends_the_family() {
    let options = || Options::default().set("ALPINE__HTTP__TRUSTED_PROXIES", "127.0.0.0/8");
    Alpine::with(options, async |alpine| {
        const HOME: &str = "203.0.113.7";
        let refresh = async |token: &str, address: &str| {
            let request = alpine.as_holder(None).request(reqwest::Method::POST, "auth/refresh");
            let request = request.header("X-Forwarded-For", address);
            alpine.as_holder(None).send(request.json(&json!({"refresh_token": token}))).await
        };
        let first = sign_up(&alpine, "ada@example.com").await;
        let first = text(&first, "refresh_token");
        let answers = futures_util::future::join_all((0..4).map(|_| refresh(first, HOME))).await;
        let tokens: Vec<Value> = answers.iter().map(|answer| answer.expect(200)).collect();
        let second = text(&tokens[0], "refresh_token");
        assert_eq!(
            tokens.iter().map(|t| text(t, "refresh_token")).collect::<Vec<_>>(),
            [second; 4]
        );
        for token in &tokens {
            assert_eq!(me(&alpine, text(token, "access_token")).await, 200);
        }
        // Another instance knows it too, and nine seconds later still.
        alpine.clock.advance(Duration::from_secs(9));
        let sibling = alpine.app.sibling().await;
        let request = sibling.client().request(reqwest::Method::POST, "auth/refresh");
        let request =
            request.header("X-Forwarded-For", HOME).json(&json!({"refresh_token": first}));
        assert_eq!(
            text(&sibling.client().send(request).await.expect(200), "refresh_token"),
            second
        );
        // A second later it is a replay.
        alpine.clock.advance(Duration::from_secs(1));
        assert_eq!(refresh(first, HOME).await.status, 401);
        assert_eq!(refresh(second, HOME).await.status, 401, "the family ended");

        // A copy that is used elsewhere is a replay at once.
        let body = json!({"email": "ada@example.com", "password": PASSWORD});
        let first: Value = alpine.post("/api/v1/auth/login", &body, None).await.json();
        let first = text(&first, "refresh_token");
        let second = refresh(first, HOME).await.expect(200);
        assert_eq!(refresh(first, "198.51.100.1").await.status, 401);
        assert_eq!(refresh(text(&second, "refresh_token"), HOME).await.status, 401);
    })
    .await;
}

#[tokio::test]
async fn an_access_token_ends_and_a_refresh_token_is_none() {
    Alpine::on_every_back_end(async |alpine| {
        let answer = sign_up(&alpine, "ada@example.com").await;
        let token = text(&answer, "access_token").to_owned();
        assert_eq!(me(&alpine, text(&answer, "refresh_token")).await, 401);
        alpine.clock.advance(Duration::from_mins(15) - Duration::from_secs(1));
        assert_eq!(me(&alpine, &token).await, 200);
        alpine.clock.advance(Duration::from_secs(1));
        assert_eq!(me(&alpine, &token).await, 401);
    })
    .await;
}

#[tokio::test]
async fn api_keys_end_when_revoked() {
    Alpine::on_every_back_end(async |alpine| {
        let pro = alpine.token_of(Tier::Pro, Role::User).await;
        let body = json!({"name": "bot", "scopes": ["signals:read"]});
        let elite = alpine.token_of(Tier::Elite, Role::User).await;
        let made: Value = alpine.post("/api/v1/users/api-keys", &body, Some(&elite)).await.json();
        let key = text(&made, "key").to_owned();
        assert_eq!(
            alpine.as_holder(None).with_key(&key).get("/api/v1/signals/subscribed").await.status,
            200
        );
        assert_eq!(
            alpine
                .as_holder(None)
                .with_key("alp_u_guess")
                .get("/api/v1/signals/subscribed")
                .await
                .status,
            401
        );
        let listed = alpine.json("/api/v1/users/api-keys", Some(&elite)).await.to_string();
        assert!(!listed.contains(&key), "the key itself is shown once");
        let path = format!("/api/v1/users/api-keys/{}", text(&made, "id"));
        assert_eq!(alpine.as_holder(Some(&pro)).delete(&path).await.status, 404, "somebody else's");
        assert_eq!(alpine.as_holder(Some(&elite)).delete(&path).await.status, 200);
        let client = alpine.as_holder(None).with_key(&key);
        let refused = client.get("/api/v1/signals/subscribed").await;
        assert_eq!(refused.expect(401)["type"], "/problems/unauthenticated", "at once");
    })
    .await;
}

/// Signs in behind a proxy that is trusted, as the client at `address`.
async fn sign_in_from(alpine: &Alpine, address: &str, email: &str, password: &str) -> Answer {
    let client = alpine.as_holder(None);
    let request = client
        .request(reqwest::Method::POST, "auth/login")
        .header("X-Forwarded-For", address)
        .json(&json!({"email": email, "password": password}));
    client.send(request).await
}

#[tokio::test]
async fn passwords_failures_on_one_account_slow_it_down_while_its_owner_gets_in() {
    let options = || {
        Options::default()
            .set("ALPINE__RATE_LIMITS__ENABLED", "true")
            .set("ALPINE__HTTP__TRUSTED_PROXIES", "127.0.0.1")
            // One count, also when the machine is too busy for Redis to answer in time.
            .set("ALPINE__REDIS__DEADLINE", "5s")
    };
    Alpine::with(options, async |alpine| {
        const HOME: &str = "203.0.113.7";
        let email = "ada@example.com";
        alpine
            .app
            .core
            .use_cases
            .accounts
            .create(email, PASSWORD, "Ada", Tier::Free, Role::User)
            .await
            .unwrap();
        assert_eq!(sign_in_from(&alpine, HOME, email, PASSWORD).await.status, 200);

        // Of an account that exists and of one that does not, strangers hear the same. The owner was
        // one of them, the first time.
        for (email, admitted) in [(email, 9), ("eve@example.com", 10)] {
            let mut answers = Vec::new();
            for n in 0..25 {
                let address = format!("198.51.100.{n}");
                let answer = sign_in_from(&alpine, &address, email, "wrong password!!").await;
                if answer.status == 429 {
                    assert_ne!(answer.header("retry-after"), "");
                }
                answers.push(answer.status.as_u16());
            }
            let expected: Vec<u16> =
                (0..25).map(|n| if n < admitted { 401 } else { 429 }).collect();
            assert_eq!(answers, expected);
        }
        let right = sign_in_from(&alpine, "198.51.100.200", email, PASSWORD).await;
        assert_eq!(right.status, 429, "a guesser does not learn that a password was right");
        assert_eq!(sign_in_from(&alpine, HOME, email, PASSWORD).await.status, 200);
        assert_eq!(sign_in_from(&alpine, HOME, email, "wrong password!!").await.status, 401);
        // Nobody's address is in the database.
        if let Some(digests) = alpine.app.sql("SELECT DISTINCT address_digest FROM sessions") {
            assert!(!digests.is_empty() && !digests.contains("203.0.113"), "{digests}");
        }
    })
    .await;
}

/// The secret is changed while the instances are restarted one after the other, in the three steps of
/// `secrets.accepted_jwt`: nobody is signed out meanwhile, and what was revoked stays so.
#[tokio::test]
async fn a_secret_is_changed_and_nobody_is_signed_out() {
    const NEW: &str = "c07d6e41b82f93a5504e1b7f6ad2983c1f64ab09";
    for backend in backends() {
        let first = TestApp::spawn(&backend).await;
        let old = first.config.secrets.jwt.clone().unwrap();
        let deployment = first.deployment();
        let accepting = |jwt: &str, accepted: &str| {
            deployment
                .clone()
                .with("JWT_SECRET", jwt)
                .with("ALPINE__SECRETS__ACCEPTED_JWT", accepted)
        };
        let signed_in = first.client().sign_up("ada@example.com").await;
        let out = first.client().sign_in("ada@example.com").await;
        first.client().with_token(&out.access_token).post("auth/logout", &json!({})).await;
        let mut tokens = vec![signed_in.access_token];
        let mut before = first;
        let steps = [(old.reveal(), NEW), (NEW, old.reveal()), (NEW, "")];
        for (step, (jwt, accepted)) in steps.into_iter().enumerate() {
            let next = accepting(jwt, accepted).start(0).await;
            tokens.push(next.client().sign_in("ada@example.com").await.access_token);
            // What the old secret signed ends in the last step.
            let ended = if step == 2 { 2 } else { 0 };
            for (app, ended) in [(&before, 0), (&next, ended)] {
                for (n, token) in tokens.iter().enumerate() {
                    let status = app.client().with_token(token).get("auth/me").await.status;
                    let expected = if n < ended { 401 } else { 200 };
                    assert_eq!(status, expected, "token {n} in step {step} on {backend:?}");
                }
                let revoked = app.client().with_token(&out.access_token).get("auth/me").await;
                assert_eq!(revoked.status, 401);
            }
            before.stop().await.unwrap();
            before = next;
        }
        let body = json!({"refresh_token": signed_in.refresh_token});
        before.client().post("auth/refresh", &body).await.expect(200);
    }
}
