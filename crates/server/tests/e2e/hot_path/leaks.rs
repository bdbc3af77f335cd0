//! Invariant 16: what a reader may not see, or not yet, changes nothing of what they get.

use std::time::Duration;

use alpine_domain::account::{Role, Tier};
use alpine_http::{HttpSettings, endpoint::Access, routes::table};
use serde_json::json;

use super::cluster::measured;
use crate::{
    alpine::Alpine,
    support::{Client, SignalBody, TestApp, Told},
};

/// The path of every GET route of the table that readers may call, so that a new route is covered or
/// this fails. Left out is what tells of the process and not of signals, and what operators close off.
pub(super) fn paths(is_anonymous: bool, signal: &str) -> Vec<String> {
    const OF_THE_PROCESS: [&str; 5] = ["health", "liveness", "readiness", "metrics", "docs_file"];
    let routes = table(&HttpSettings::default());
    let endpoints = routes.into_iter().map(|route| route.endpoint);
    let readable = endpoints.filter(|endpoint| {
        let may_call = match endpoint.access {
            Access::Public | Access::Optional(_) => true,
            Access::Bearer | Access::BearerOrKey(_) => !is_anonymous,
            Access::Admin | Access::Producer => false,
        };
        endpoint.method.as_str() == "GET" && may_call && !OF_THE_PROCESS.contains(&endpoint.name)
    });
    let paths: Vec<_> = readable
        .map(|endpoint| {
            let path = endpoint.canonical_path().replace("{kind}", "not-found");
            let path = path.replace("{id}", signal);
            assert!(!path.contains('{'), "say here what stands for the parameter of {path}");
            path
        })
        .collect();
    assert!(paths.len() >= 7, "{paths:?}");
    paths
}

async fn everything(client: &Client, is_anonymous: bool, signal: &str) -> Vec<(String, Told)> {
    let mut all = Vec::new();
    for path in paths(is_anonymous, signal) {
        let answer = client.get(&path).await;
        let expected = match path.as_str() {
            // A redirection to the page.
            "/docs" => 308,
            _ => 200,
        };
        assert_eq!(answer.status, expected, "{path}: {}", answer.text);
        all.push((path, answer.told()));
    }
    all
}

async fn misses(app: &TestApp) -> u64 {
    let label = r#"operation="get",outcome="miss""#;
    measured(app, "redis_cache_operations_total", label).await
}

async fn publish(alpine: &Alpine, id: &str, confidence: &str, symbol: &str) -> String {
    let body = SignalBody { symbol: symbol.to_owned(), ..SignalBody::new(id, confidence) };
    let answer = alpine.ingest(&body.to_json()).await.expect(201);
    answer["alpine_signal_id"].to_string().trim_matches('"').to_owned()
}

async fn close(alpine: &Alpine, id: &str) {
    let outcome = json!({
        "signal_id": id, "exit_price": 180, "exit_timestamp": "2025-02-01T00:00:00Z",
    });
    alpine.post_as_producer("external-signals/sync/outcome", outcome.to_string()).await.expect(200);
}

/// Numbers that look like chance and are the same in each run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % bound
    }
}

/// With the clock at rest each reader asks for everything, something happens, and they ask again. Who
/// may not know of it gets the same bytes and headers, from the cache as before, and a new instance
/// tells them the same. Whom it concerns gets something else.
#[tokio::test(flavor = "multi_thread")]
async fn invariant_16_what_is_hidden_changes_nothing() {
    Alpine::on_every_back_end(async |alpine| {
        let mut chance = Chance(16);
        let shown = publish(&alpine, "shown", "60", "AAPL").await;
        publish(&alpine, "premium-0", "97", "SPY").await;
        publish(&alpine, "plain-0", "70", "QQQ").await;
        alpine.clock.advance(Duration::from_mins(20));
        let (mut premium, mut plain) = (vec!["premium-0".to_owned()], vec!["plain-0".to_owned()]);
        for step in 1..=8 {
            alpine.clock.advance(Duration::from_secs(61 + chance.below(400)));
            let mut readers = vec![("anonymous", true, alpine.as_holder(None))];
            for (name, tier) in
                [("free", Tier::Free), ("starter", Tier::Starter), ("pro", Tier::Pro)]
            {
                let token = alpine.token_of(tier, Role::User).await;
                readers.push((name, name == "free", alpine.as_holder(Some(&token))));
            }
            let mut before = Vec::new();
            for (name, _, client) in &readers {
                before.push(everything(client, *name == "anonymous", &shown).await);
            }

            let (symbol, id) = (format!("NEW{step}"), format!("step-{step}"));
            let (happened, is_premium) = match (chance.below(4), premium.pop(), plain.pop()) {
                (0, Some(id), kept) => {
                    plain.extend(kept);
                    close(&alpine, &id).await;
                    (format!("closed {id}"), true)
                }
                (1, kept, Some(id)) => {
                    premium.extend(kept);
                    close(&alpine, &id).await;
                    (format!("closed {id}"), false)
                }
                (kind, one, other) => {
                    premium.extend(one);
                    plain.extend(other);
                    let is_premium = kind % 2 == 0;
                    let confidence = if is_premium { "97" } else { "70" };
                    publish(&alpine, &id, confidence, &symbol).await;
                    if is_premium {
                        premium.push(id.clone());
                    } else {
                        plain.push(id.clone());
                    }
                    (format!("published {id}"), is_premium)
                }
            };
            eprintln!("step {step}: {happened}, premium: {is_premium}");

            let sibling = alpine.app.sibling().await;
            for ((name, is_late, client), before) in readers.iter().zip(&before) {
                let (is_anonymous, is_hidden) = (*name == "anonymous", is_premium || *is_late);
                let missed = misses(&alpine.app).await;
                let after = everything(client, is_anonymous, &shown).await;
                let missed = misses(&alpine.app).await - missed;
                if !is_hidden {
                    assert_ne!(&after, before, "{name} learns at once that step {step} {happened}");
                    continue;
                }
                assert_eq!(&after, before, "{name} is told that step {step} {happened}");
                assert_eq!(missed, 0, "misses tell {name} that step {step} {happened}");
                let client = client.at(&sibling.base);
                let anew = everything(&client, is_anonymous, &shown).await;
                assert_eq!(&anew, before, "{name} is told anew that step {step} {happened}");
            }
            sibling.stop().await.unwrap();
        }
    })
    .await;
}
