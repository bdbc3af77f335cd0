//! Who may ask how often.

use std::time::Duration;

use alpine_domain::account::{Role, Tier};
use reqwest::Method;
use serde_json::json;

use super::http::status_from;
use crate::{
    row::{Row, setting},
    stage::{On, Stage},
    support::{Answer, Client},
};

const ENABLED: (&str, &str) = ("rate_limits.enabled", "true");

pub fn rows() -> Vec<Row> {
    let mut rows = windows();
    for policy in [
        "anonymous",
        "free",
        "starter",
        "pro",
        "elite",
        "api_key",
        "admin",
        "producer",
        "sign_in",
        "refresh",
    ] {
        for (field, value) in [("per_minute", "7"), ("per_hour", "7777")] {
            let key = format!("rate_limits.{policy}.{field}");
            rows.push(setting(key, value, value, |at| Box::pin(told(at))).besides(&[ENABLED]));
        }
    }
    rows.extend(addresses());
    rows.extend(strangers());
    rows.extend(mails());
    rows.extend(invites());
    rows.extend(networks());
    rows
}

/// An answer that was counted under this policy.
async fn counted_under(at: &Stage, policy: &str) -> Answer {
    let anybody = at.app.client();
    let (email, password) = ("nobody@example.com", Client::PASSWORD);
    let credentials = json!({"email": email, "password": password});
    match policy {
        "anonymous" => anybody.get("symbols").await,
        "admin" => at.admin().await.get("symbols").await,
        "producer" => at.producer().await.post("external-signals/sync/signal", &json!({})).await,
        "sign_in" => anybody.post("auth/login", &credentials).await,
        "refresh" => {
            let refresh_token = anybody.sign_up("ada@example.com").await.refresh_token;
            anybody.post("auth/refresh", &json!({"refresh_token": refresh_token})).await
        }
        "api_key" => {
            let made = at.elite().await.post("users/api-keys", &json!({"name": "bot"})).await;
            let made = made.expect(201);
            anybody.with_key(made["key"].as_str().unwrap()).get("symbols").await
        }
        tier => {
            let tier: Tier = tier.parse().unwrap();
            at.member("ada@example.com", tier, Role::User).await.get("symbols").await
        }
    }
}

/// The limit of the window that the key is about, as the answer tells it.
async fn told(at: &Stage) -> String {
    let answer = counted_under(at, at.subject()).await;
    let window = if at.field() == "per_minute" { ";w=60" } else { ";w=3600" };
    limit(&answer, window)
}

/// `q` of the window with this end in `"name";q=20;w=60, …`; empty without one.
fn limit(answer: &Answer, window: &str) -> String {
    let mut windows = answer.header("ratelimit-policy").split(", ");
    let found = windows.find_map(|item| item.strip_suffix(window));
    found.and_then(|item| item.split(";q=").nth(1)).unwrap_or_default().to_owned()
}

fn windows() -> Vec<Row> {
    vec![
        setting("rate_limits.enabled", "true", "429", |at| {
            Box::pin(async move {
                let client = at.app.client();
                for _ in 0..20 {
                    client.get("symbols").await.expect(200);
                }
                client.get("symbols").await.status.as_u16().to_string()
            })
        }),
        setting("rate_limits.minute", "30s", "20", |at| {
            Box::pin(async move { limit(&at.app.client().get("symbols").await, ";w=30") })
        })
        .besides(&[ENABLED]),
        setting("rate_limits.hour", "30m", "200", |at| {
            Box::pin(async move { limit(&at.app.client().get("symbols").await, ";w=1800") })
        })
        .besides(&[ENABLED]),
        setting("rate_limits.capacity", "1", "shared", |at| {
            Box::pin(async move {
                for n in 0..40 {
                    status_from(&at.app.client(), &format!("192.0.2.{n}")).await;
                }
                let shared = at.metric("rate_limit_evicted_total", "").await > 0.0;
                if shared { "shared" } else { "one by one" }.to_owned()
            })
        })
        .besides(&[ENABLED, ("http.trusted_proxies", "127.0.0.1")]),
        setting("instances", "4", "5", |at| {
            Box::pin(async move {
                let mut admitted = 0;
                while at.app.client().get("symbols").await.status == 200 && admitted < 40 {
                    admitted += 1;
                }
                admitted.to_string()
            })
        })
        .on(On::Postgres)
        .besides(&[ENABLED, ("allow_without_redis", "true")]),
    ]
}

/// The statuses of requests that are counted by address alone, with a pause after each. Answers do not tell of
/// this limit.
async fn requests(at: &Stage, pause: Duration) -> String {
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(at.app.client().get("/health").await.status.as_u16().to_string());
        at.app.advance(pause);
    }
    statuses.join(" ")
}

fn addresses() -> Vec<Row> {
    vec![
        setting("rate_limits.address.per_minute", "3", "200 200 200 429", |at| {
            Box::pin(requests(at, Duration::ZERO))
        })
        .on(On::MovedClock)
        .besides(&[ENABLED]),
        setting("rate_limits.address.per_hour", "3", "200 200 200 429", |at| {
            Box::pin(requests(at, Duration::from_mins(2)))
        })
        .on(On::MovedClock)
        .besides(&[ENABLED, ("rate_limits.address.per_minute", "3")]),
    ]
}

/// The statuses of wrong passwords for one account, with a pause after each.
async fn guesses(at: &Stage, count: usize, pause: Duration) -> String {
    let accounts = &at.app.core.use_cases.accounts;
    let (email, tier) = ("elite@example.com", Tier::Elite);
    accounts.create(email, Client::PASSWORD, "Ada", tier, Role::User).await.unwrap();
    let mut statuses = Vec::new();
    for _ in 0..count {
        let body = json!({"email": email, "password": "a wrong password"});
        let request = at.app.client().request(Method::POST, "auth/login").json(&body);
        statuses.push(at.app.client().send(request).await.status.as_u16().to_string());
        at.app.advance(pause);
    }
    statuses.join(" ")
}

fn strangers() -> Vec<Row> {
    vec![
        setting("rate_limits.strangers.per_minute", "2", "401 401 429", |at| {
            Box::pin(guesses(at, 3, Duration::ZERO))
        })
        .on(On::MovedClock)
        .besides(&[ENABLED]),
        setting("rate_limits.strangers.per_hour", "2", "401 401 429", |at| {
            Box::pin(guesses(at, 3, Duration::from_mins(2)))
        })
        .on(On::MovedClock)
        .besides(&[ENABLED, ("rate_limits.strangers.per_minute", "1")]),
    ]
}

/// The statuses of asking for another password, with a pause after each.
async fn asked(at: &Stage, count: usize, pause: Duration) -> String {
    let mut statuses = Vec::new();
    for _ in 0..count {
        let body = json!({"email": "ada@example.com"});
        let answer = at.app.client().post("auth/forgot-password", &body).await;
        statuses.push(answer.status.as_u16().to_string());
        at.app.advance(pause);
    }
    statuses.join(" ")
}

fn mails() -> Vec<Row> {
    vec![
        setting("rate_limits.mails.per_minute", "1", "200 429", |at| {
            Box::pin(asked(at, 2, Duration::ZERO))
        })
        .on(On::MovedClock)
        .besides(&[ENABLED]),
        setting("rate_limits.mails.per_hour", "1", "200 429", |at| {
            Box::pin(asked(at, 2, Duration::from_mins(2)))
        })
        .on(On::MovedClock)
        .besides(&[ENABLED]),
    ]
}

/// The statuses of asking for a link, where no channel is, with a pause after each.
async fn invited(at: &Stage, pause: Duration) -> String {
    let user = at.member("ada@example.com", Tier::Elite, Role::User).await;
    let mut statuses = Vec::new();
    for _ in 0..2 {
        let answer = user.post("users/channels/telegram/invite", &json!({})).await;
        statuses.push(answer.status.as_u16().to_string());
        at.app.advance(pause);
    }
    statuses.join(" ")
}

fn invites() -> Vec<Row> {
    vec![
        setting("rate_limits.invites.per_minute", "1", "409 429", |at| {
            Box::pin(invited(at, Duration::ZERO))
        })
        .on(On::MovedClock)
        .besides(&[ENABLED]),
        setting("rate_limits.invites.per_hour", "1", "409 429", |at| {
            Box::pin(invited(at, Duration::from_mins(2)))
        })
        .on(On::MovedClock)
        .besides(&[ENABLED, ("rate_limits.invites.per_minute", "1")]),
    ]
}

/// How many of so many requests are admitted, from addresses that `address` makes.
async fn admitted(at: &Stage, address: fn(u16) -> String) -> String {
    let mut admitted = 0;
    for n in 0..20 {
        if status_from(&at.app.client(), &address(n)).await == "200" {
            admitted += 1;
        }
    }
    admitted.to_string()
}

fn networks() -> Vec<Row> {
    const BESIDES: &[(&str, &str)] = &[
        ENABLED,
        ("http.trusted_proxies", "127.0.0.1"),
        ("rate_limits.anonymous.per_minute", "2"),
    ];
    vec![
        setting("rate_limits.ipv6_56", "2", "4", |at| {
            Box::pin(admitted(at, |n| format!("2001:db8:0:{n:x}::1")))
        })
        .besides(BESIDES),
        setting("rate_limits.ipv6_48", "5", "10", |at| {
            Box::pin(admitted(at, |n| format!("2001:db8:0:{:x}::1", n * 0x100)))
        })
        .besides(BESIDES),
    ]
}
