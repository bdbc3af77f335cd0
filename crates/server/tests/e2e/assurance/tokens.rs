//! Access tokens (RFC 7519, RFC 8725) and refresh tokens (RFC 9700, section 4.14).

use std::{process::Command, time::Duration};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::assert_refused;
use crate::{
    alpine::Alpine,
    support::{SECRET, SignedIn},
};

const EMAIL: &str = "ada@example.com";

/// A token with this header and payload, signed with the server's own secret.
fn signed(header: &Value, payload: &Value) -> String {
    let [header, payload] = [header, payload].map(|part| BASE64.encode(part.to_string()));
    let text = format!("{header}.{payload}");
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    format!("{text}.{}", BASE64.encode(mac.finalize().into_bytes()))
}

/// A good token taken apart: header and payload.
fn parts(token: &str) -> (Value, Value) {
    let mut all = token.split('.').map(|part| BASE64.decode(part).unwrap());
    let mut json = || serde_json::from_slice(&all.next().unwrap()).unwrap();
    (json(), json())
}

/// A member set to a value, or taken out.
fn with(value: &Value, member: &str, changed: Option<Value>) -> Value {
    let mut value = value.clone();
    let members = value.as_object_mut().unwrap();
    match changed {
        Some(changed) => members.insert(member.to_owned(), changed),
        None => members.remove(member),
    };
    value
}

async fn refuses(alpine: &Alpine, token: &str, what: &str) {
    let answer = alpine.get("auth/me", Some(token)).await;
    assert_eq!(answer.status, 401, "{what}: {}", answer.text);
    assert_refused(&answer, 401, "unauthenticated");
    // Where none is needed, a bad one is refused too.
    assert_eq!(alpine.get("signals/latest", Some(token)).await.status, 401, "{what}");
}

/// Signed in, and its token taken apart; signing it again gives the same token, so what is refused below is
/// refused for what was changed.
async fn signed_in(alpine: &Alpine) -> (SignedIn, Value, Value) {
    let signed_in = alpine.as_holder(None).sign_up(EMAIL).await;
    let (header, payload) = parts(&signed_in.access_token);
    let again = signed(&json!({"alg": "HS256", "typ": "at+jwt"}), &payload);
    alpine.get("auth/me", Some(&again)).await.expect(200);
    (signed_in, header, payload)
}

/// RFC 8725, sections 3.1 and 3.2.
#[tokio::test]
async fn tokens_have_one_algorithm_and_none_is_none() {
    Alpine::on_every_back_end(async |alpine| {
        let (signed_in, header, payload) = signed_in(&alpine).await;
        assert_eq!(header["alg"], "HS256");
        for algorithm in
            ["none", "None", "NONE", "", "HS384", "HS512", "RS256", "ES256", "EdDSA", "hs256"]
        {
            let header = with(&header, "alg", Some(json!(algorithm)));
            refuses(&alpine, &signed(&header, &payload), algorithm).await;
        }
        let none = json!({"alg": "none", "typ": "at+jwt"});
        let unsigned = signed(&none, &payload);
        let (text, _) = unsigned.rsplit_once('.').unwrap();
        for token in [format!("{text}."), text.to_owned()] {
            refuses(&alpine, &token, "no signature").await;
        }
        let (text, signature) = signed_in.access_token.rsplit_once('.').unwrap();
        let (head, _) = text.split_once('.').unwrap();
        let other = with(&payload, "sub", Some(json!("00000000-0000-4000-8000-000000000000")));
        let spliced = format!("{head}.{}.{signature}", BASE64.encode(other.to_string()));
        refuses(&alpine, &spliced, "another payload under this signature").await;
        for typ in ["JWT", "rt+jwt", ""] {
            let header = with(&header, "typ", Some(json!(typ)));
            refuses(&alpine, &signed(&header, &payload), typ).await;
        }
    })
    .await;
}

/// RFC 8725, section 3.10: what a header names is neither looked up nor fetched.
#[tokio::test]
async fn tokens_with_a_hostile_kid_are_refused() {
    Alpine::on_every_back_end(async |alpine| {
        let (_, header, payload) = signed_in(&alpine).await;
        let long = "k".repeat(20_000);
        for kid in
            ["../../../../dev/null", "' UNION SELECT 'x' --", "| id", "\u{0}", "", long.as_str()]
        {
            let header = with(&header, "kid", Some(json!(kid)));
            let token = signed(&header, &payload);
            refuses(&alpine, &token, kid).await;
        }
        for (member, value) in [
            ("jku", json!("http://127.0.0.1:1/keys")),
            ("x5u", json!("http://127.0.0.1:1/cert")),
            ("jwk", json!({"kty": "oct", "k": "AAAA"})),
            ("crit", json!(["exp"])),
        ] {
            refuses(&alpine, &signed(&with(&header, member, Some(value)), &payload), member).await;
        }
    })
    .await;
}

#[tokio::test]
async fn tokens_with_a_missing_or_odd_exp_are_refused() {
    Alpine::on_every_back_end(async |alpine| {
        let (_, header, payload) = signed_in(&alpine).await;
        let now = alpine.app.now().seconds();
        for exp in [
            None,
            Some(json!(null)),
            Some(json!((now + 60).to_string())),
            Some(json!(-1)),
            Some(json!(now)),
            Some(json!(now - 1)),
            Some(json!(1e300)),
            Some(json!(i64::MAX)),
            Some(json!([now + 60])),
        ] {
            let what = format!("exp {exp:?}");
            refuses(&alpine, &signed(&header, &with(&payload, "exp", exp)), &what).await;
        }
    })
    .await;
}

/// RFC 8725, sections 3.8 and 3.9.
#[tokio::test]
async fn tokens_of_another_issuer_or_audience_are_refused() {
    Alpine::on_every_back_end(async |alpine| {
        let (_, header, payload) = signed_in(&alpine).await;
        for member in ["iss", "aud"] {
            for value in [None, Some(json!("other")), Some(json!("")), Some(json!(["other"]))] {
                let what = format!("{member} {value:?}");
                refuses(&alpine, &signed(&header, &with(&payload, member, value)), &what).await;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn tokens_for_refreshing_open_nothing() {
    Alpine::on_every_back_end(async |alpine| {
        let (signed_in, ..) = signed_in(&alpine).await;
        refuses(&alpine, &signed_in.refresh_token, "a refresh token").await;
        let body = json!({"refresh_token": signed_in.access_token});
        let answer = alpine.post("auth/refresh", &body, None).await;
        assert_refused(&answer, 401, "unauthenticated");
    })
    .await;
}

/// RFC 2104 asks for keys as long as the hash, 32 bytes; what stands in documentation is known to everybody.
#[test]
fn tokens_are_signed_with_no_short_or_well_known_secret() {
    let random = "cN7rT4kXz9QmW2bV8pLs5JhY3gFd6aRe";
    for (secret, reason) in [
        ("", "JWT_SECRET"),
        (&random[..31], "JWT_SECRET"),
        ("your-secret-key-change-in-production", "JWT_SECRET"),
        ("00000000000000000000000000000000000000000000", "JWT_SECRET"),
        (random, ""),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_alpine"))
            .args(["config", "check"])
            .env_clear()
            .env("ALPINE__PROFILE", "production")
            .env("ALPINE__DATA_DIR", folder.path())
            .env("JWT_SECRET", secret)
            .current_dir(folder.path())
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        let names_it = told.lines().any(|line| line.contains("secrets.jwt"));
        assert_eq!(names_it, !reason.is_empty(), "{secret}: {told}");
        assert!(reason.is_empty() || !output.status.success() && told.contains(reason), "{told}");
        assert!(secret.is_empty() || !told.contains(secret), "{told}");
    }
}

#[tokio::test]
async fn tokens_are_denied_by_their_id_and_others_live_on() {
    Alpine::on_every_back_end(async |alpine| {
        let (one, ..) = signed_in(&alpine).await;
        let other = alpine.as_holder(None).sign_in(EMAIL).await;
        let sibling = alpine.app.sibling().await;
        alpine.post("auth/logout", &json!({}), Some(&one.access_token)).await.expect(200);
        refuses(&alpine, &one.access_token, "signed out").await;
        alpine.get("auth/me", Some(&other.access_token)).await.expect(200);
        let there = sibling.client();
        let signed_out = there.with_token(&one.access_token);
        let is_refused = async || signed_out.get("auth/me").await.status == 401;
        let promise = crate::hot_path::within_delta(std::time::Instant::now());
        promise.until("the other instance refuses it", is_refused).await;
        there.with_token(&other.access_token).get("auth/me").await.expect(200);
        // Until the token ends by itself, and for one that signs it anew with another end.
        alpine.clock.advance(Duration::from_mins(14));
        refuses(&alpine, &one.access_token, "signed out").await;
        let (header, payload) = parts(&one.access_token);
        let later = with(&payload, "exp", Some(json!(payload["exp"].as_i64().unwrap() + 60)));
        refuses(&alpine, &signed(&header, &later), "the same session").await;
    })
    .await;
}

#[tokio::test]
async fn tokens_that_refresh_are_used_once_and_a_replay_ends_their_family() {
    Alpine::on_every_back_end(async |alpine| {
        let (first, ..) = signed_in(&alpine).await;
        let untouched = alpine.as_holder(None).sign_in(EMAIL).await;
        let refresh = async |token: &str| {
            alpine.post("auth/refresh", &json!({"refresh_token": token}), None).await
        };
        let second = refresh(&first.refresh_token).await.expect(200);
        let [access, newer] =
            ["access_token", "refresh_token"].map(|name| second[name].as_str().unwrap());
        // Beyond the time within which a second tab may ask with the same token.
        alpine.clock.advance(Duration::from_secs(10));
        assert_refused(&refresh(&first.refresh_token).await, 401, "unauthenticated");
        assert_refused(&refresh(newer).await, 401, "unauthenticated");
        refuses(&alpine, access, "of the family").await;
        refuses(&alpine, &first.access_token, "of the family").await;
        refresh(&untouched.refresh_token).await.expect(200);
    })
    .await;
}
