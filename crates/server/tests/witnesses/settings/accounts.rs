//! Accounts, passwords, tokens, producers' keys, revocations.

use std::time::Duration;

use alpine_domain::{
    account::{Role, Secret, Tier},
    ports::{
        sealing::Sealing as _,
        secrets::{AccessTokens as _, HashPriority},
    },
};
use alpine_infra::secrets::{Keyring, SignedTokens, SigningKey, TokenSettings};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    row::{Row, setting},
    stage::{On, Stage},
    support::Client,
};

/// Another secret than that of the other tests.
const OTHER_SECRET: &str = "c07d6e41b82f93a5504e1b7f6ad2983c1f64ab09";

const THIRD_SECRET: &str = "9b40c2e7f1a85d36807e2c94d15bf3a6680d7e21";

/// What a member of this tier is told who makes a key and then another one.
async fn two_keys_of(at: &Stage, tier: Tier) -> String {
    let client = at.member("keys@example.com", tier, Role::User).await;
    let make =
        async |name| client.post("users/api-keys", &json!({"name": name})).await.status.as_u16();
    format!("{} {}", make("one").await, make("two").await)
}

pub fn rows() -> Vec<Row> {
    let mut rows = accounts();
    rows.extend(passwords());
    rows.extend(secrets());
    rows
}

fn accounts() -> Vec<Row> {
    vec![
        setting("accounts.signup_tier", "pro", "pro", |at| {
            Box::pin(async move {
                let signed_up = at.app.client().sign_up("ada@example.com").await;
                signed_up.user["tier"].as_str().unwrap().to_owned()
            })
        }),
        setting("accounts.access_ttl", "1h", "3600", |at| {
            Box::pin(async move {
                let claims = claims(at).await;
                (claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap()).to_string()
            })
        }),
        setting("accounts.refresh_ttl", "1d", "401", |at| {
            Box::pin(async move {
                let refresh_token = at.app.client().sign_up("ada@example.com").await.refresh_token;
                at.app.advance(Duration::from_hours(25));
                let body = json!({"refresh_token": refresh_token});
                at.app.client().post("auth/refresh", &body).await.status.as_u16().to_string()
            })
        })
        .on(On::MovedClock),
        setting("accounts.max_api_keys.free", "2", "201 201", |at| {
            Box::pin(two_keys_of(at, Tier::Free))
        }),
        setting("accounts.max_api_keys.starter", "1", "201 409", |at| {
            Box::pin(two_keys_of(at, Tier::Starter))
        }),
        setting("accounts.max_api_keys.pro", "1", "201 409", |at| {
            Box::pin(two_keys_of(at, Tier::Pro))
        }),
        setting("accounts.max_api_keys.elite", "1", "201 409", |at| {
            Box::pin(two_keys_of(at, Tier::Elite))
        }),
        setting("accounts.confirm_addresses", "always", "202", |at| {
            Box::pin(async move {
                let body = json!({"email": "ada@example.com", "password": Client::PASSWORD, "full_name": "Ada"});
                at.app.client().post("auth/signup", &body).await.status.as_u16().to_string()
            })
        }),
        setting("accounts.erase_after", "1d", "erased on 2026-01-02", |at| {
            Box::pin(async move {
                let client = at.member("gone@example.com", Tier::Free, Role::User).await;
                let request = client.request(reqwest::Method::DELETE, "users/account");
                let answer =
                    client.send(request.json(&json!({"password": Client::PASSWORD}))).await;
                let told = answer.expect(200)["message"].as_str().unwrap().to_owned();
                told.split_once("in it is ").unwrap().1.trim_end_matches(" (UTC)").to_owned()
            })
        })
        .on(On::MovedClock),
        setting("accounts.state_cache", "1", "looked up again", |at| {
            Box::pin(async move {
                let mut clients = Vec::new();
                for n in 0..20 {
                    let email = format!("{n}@example.com");
                    clients.push(at.member(&email, Tier::Elite, Role::User).await);
                }
                let look_ups = async || {
                    for client in &clients {
                        client.get("users/api-keys").await.expect(200);
                    }
                    at.metric("db_query_duration_seconds_count", "\"account_state\"").await
                };
                let first = look_ups().await;
                let again = look_ups().await > first;
                if again { "looked up again" } else { "remembered" }.to_owned()
            })
        })
        .besides(&[("passwords.queue", "100")]),
        setting("blacklist.capacity", "1", "does not fit", |at| {
            Box::pin(async move {
                for n in 0..3 {
                    let client =
                        at.member(&format!("{n}@example.com"), Tier::Pro, Role::User).await;
                    client.post("auth/logout", &json!({})).await;
                }
                let over = at.metric("token_blacklist_overflows_total", "").await > 0.0;
                if over { "does not fit" } else { "fits" }.to_owned()
            })
        }),
        setting("producers.keys.zeus", OTHER_SECRET, "422", |at| {
            Box::pin(async move {
                let producer = at.app.client().with_key(OTHER_SECRET);
                let answer = producer.post("external-signals/sync/signal", &json!({})).await;
                answer.status.as_u16().to_string()
            })
        }),
    ]
}

/// What the access token of a new account says.
async fn claims(at: &Stage) -> Value {
    let token = at.app.client().sign_up("ada@example.com").await.access_token;
    serde_json::from_slice(&base64url(token.split('.').nth(1).unwrap())).unwrap()
}

/// RFC 4648 section 5, without padding.
fn base64url(text: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (mut bytes, mut held, mut bits) = (Vec::new(), 0_u32, 0);
    for character in text.bytes() {
        let digit = DIGITS.iter().position(|digit| *digit == character).unwrap();
        held = (held << 6) | u32::try_from(digit).unwrap();
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from((held >> bits) & 0xff).unwrap());
        }
    }
    bytes
}

fn passwords() -> Vec<Row> {
    let cost = |key: &str, value, expected| {
        setting(key, value, expected, |at| {
            Box::pin(async move {
                let hasher = &at.app.core.ports.hasher;
                let hash = hasher.hash(Client::PASSWORD, HashPriority::Known).await.unwrap();
                hash.split('$').nth(3).unwrap().to_owned()
            })
        })
    };
    vec![
        cost("passwords.memory_kib", "20480", "m=20480,t=2,p=1"),
        cost("passwords.iterations", "3", "m=19456,t=3,p=1"),
        cost("passwords.parallelism", "2", "m=19456,t=2,p=2"),
        setting("passwords.concurrent", "5", "4 refused", |at| Box::pin(refused(at)))
            .besides(&[("passwords.queue", "1"), LONG]),
        setting("passwords.queue", "1", "4 refused", |at| Box::pin(refused(at)))
            .besides(&[("passwords.concurrent", "5"), LONG]),
    ]
}

/// No hash ends before the last of ten is asked for, also on a busy machine.
const LONG: (&str, &str) = ("passwords.iterations", "20");

/// How many of ten passwords at once find no place in the queue: five are hashed and one waits.
async fn refused(at: &Stage) -> String {
    let hasher = &at.app.core.ports.hasher;
    let hashes = (0..10).map(|_| hasher.hash(Client::PASSWORD, HashPriority::Known));
    let refused = join_all(hashes).await.into_iter().filter(Result::is_err).count();
    format!("{refused} refused")
}

fn secrets() -> Vec<Row> {
    vec![
        setting("secrets.jwt", OTHER_SECRET, "signed with it", |at| {
            Box::pin(async move {
                let token = at.app.client().sign_up("ada@example.com").await.access_token;
                let key = SigningKey::new(OTHER_SECRET.as_bytes()).unwrap();
                let tokens = SignedTokens::new(key, Vec::new(), TokenSettings::default());
                let verified = tokens.verify(&token, at.app.now());
                verified.map_or("signed with another", |_| "signed with it").to_owned()
            })
        }),
        setting("secrets.accepted_jwt", OTHER_SECRET, "200", |at| {
            Box::pin(async move {
                let key = SigningKey::new(OTHER_SECRET.as_bytes()).unwrap();
                let tokens = SignedTokens::new(key, Vec::new(), TokenSettings::default());
                let own = at.app.client().sign_up("ada@example.com").await.access_token;
                let claims = at.app.core.ports.tokens.verify(&own, at.app.now()).unwrap();
                let foreign = tokens.issue(&claims).unwrap();
                at.app.client().with_token(&foreign).get("auth/me").await.status.as_str().to_owned()
            })
        }),
        setting("secrets.second_factor", OTHER_SECRET, "sealed with it", |at| {
            Box::pin(async move {
                let sealed = at.app.core.ports.sealing.seal(b"a secret", b"ada");
                let ring = Keyring::new(Some(&Secret::new(OTHER_SECRET)), &[]).unwrap();
                let opened = sealed.and_then(|sealed| ring.open(&sealed, b"ada"));
                opened.map_or("sealed with another", |_| "sealed with it").to_owned()
            })
        }),
        setting("secrets.accepted_second_factor", OTHER_SECRET, "opened", |at| {
            Box::pin(async move {
                let ring = Keyring::new(Some(&Secret::new(OTHER_SECRET)), &[]).unwrap();
                let sealed = ring.seal(b"a secret", b"ada").unwrap();
                let opened = at.app.core.ports.sealing.open(&sealed, b"ada");
                opened.map_or("refused", |_| "opened").to_owned()
            })
        })
        .besides(&[("secrets.second_factor", THIRD_SECRET)]),
        setting("tokens.issuer", "mine", "mine", |at| {
            Box::pin(async move { claims(at).await["iss"].as_str().unwrap().to_owned() })
        }),
        setting("tokens.audience", "mine", "mine", |at| {
            Box::pin(async move { claims(at).await["aud"].as_str().unwrap().to_owned() })
        }),
    ]
}
