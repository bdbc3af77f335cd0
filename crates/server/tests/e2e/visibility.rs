//! Who sees what, and when: every reader, every path, on every boundary of confidence and delay.

use std::{collections::BTreeSet, time::Duration};

use alpine_domain::account::{Role, Tier};
use serde_json::Value;

use crate::alpine::{Alpine, EDGE_SIGNALS, bodies};

/// A reader and the rules that the contract states for them.
#[derive(Debug, Clone, Copy)]
struct Reader {
    name: &'static str,
    account: Option<(Tier, Role)>,
    /// Signals below this confidence.
    below: f64,
    delay: Duration,
    rows: usize,
}

const QUARTER: Duration = Duration::from_mins(15);

const READERS: [Reader; 6] = [
    Reader { name: "anonymous", account: None, below: 85.0, delay: QUARTER, rows: 10 },
    Reader {
        name: "free",
        account: Some((Tier::Free, Role::User)),
        below: 85.0,
        delay: QUARTER,
        rows: 10,
    },
    Reader {
        name: "starter",
        account: Some((Tier::Starter, Role::User)),
        below: 85.0,
        delay: Duration::ZERO,
        rows: 100,
    },
    Reader {
        name: "pro",
        account: Some((Tier::Pro, Role::User)),
        below: 95.0,
        delay: Duration::ZERO,
        rows: 100,
    },
    Reader {
        name: "elite",
        account: Some((Tier::Elite, Role::User)),
        below: f64::INFINITY,
        delay: Duration::ZERO,
        rows: 100,
    },
    Reader {
        name: "admin",
        account: Some((Tier::Free, Role::Admin)),
        below: f64::INFINITY,
        delay: Duration::ZERO,
        rows: 100,
    },
];

/// A signal as the producer sent it, with the number that Alpine gave it.
struct Sent {
    id: String,
    external_id: String,
    confidence: f64,
}

/// The producers' ids that the reader may see once everything sent is `age` old, newest first: those with at
/// least the confidence `from`, in percent.
fn expected_from(from: f64, reader: &Reader, sent: &[Sent], age: Duration) -> Vec<String> {
    if age < reader.delay {
        return Vec::new();
    }
    let range = from..reader.below;
    let visible = sent.iter().rev().filter(|signal| range.contains(&signal.confidence));
    visible.take(reader.rows).map(|signal| signal.id.clone()).collect()
}

fn expected(reader: &Reader, sent: &[Sent], age: Duration) -> Vec<String> {
    expected_from(0.0, reader, sent, age)
}

async fn publish_edge_cases(alpine: &Alpine) -> Vec<Sent> {
    let mut sent = Vec::new();
    for body in bodies(EDGE_SIGNALS) {
        let answer = alpine.ingest(&body).await;
        assert_eq!(answer.status, 201, "{body}");
        let answer: Value = answer.json();
        let body: Value = serde_json::from_str(&body).unwrap();
        sent.push(Sent {
            id: answer["alpine_signal_id"].to_string(),
            external_id: body["signal_id"].as_str().unwrap().to_owned(),
            confidence: body["confidence"].as_f64().unwrap(),
        });
    }
    assert_eq!(sent.len(), 32);
    sent
}

fn ids(list: &Value, key: &str) -> Vec<String> {
    let rows = list.as_array().unwrap_or_else(|| panic!("no list: {list}"));
    rows.iter().map(|row| row[key].as_str().unwrap().to_owned()).collect()
}

/// Compares every path with what the reader may see.
async fn check(alpine: &Alpine, reader: &Reader, sent: &[Sent], age: Duration) {
    let token = match reader.account {
        Some((tier, role)) => Some(alpine.token_of(tier, role).await),
        None => None,
    };
    let token = token.as_deref();
    let visible = expected(reader, sent, age);
    let context = format!("{} at {age:?}", reader.name);

    let latest = alpine.json("/api/v1/signals/latest?limit=100", token).await;
    assert_eq!(ids(&latest, "id"), visible, "latest of {context}");

    let premium = alpine.json("/api/v1/signals/latest?limit=100&premium_only=true", token).await;
    let only_premium = expected_from(85.0, reader, sent, age);
    assert_eq!(ids(&premium, "id"), only_premium, "premium of {context}");
    assert!(premium.as_array().unwrap().iter().all(|row| row["type"] == "PREMIUM"), "{context}");

    if token.is_some() {
        let page = alpine.json("/api/v1/signals/subscribed?limit=100", token).await;
        assert_eq!(ids(&page["items"], "id"), visible, "subscribed of {context}");
        assert_eq!(page["total"], visible.len(), "total of {context}");
        let live = alpine.json("/api/v1/signals/live?limit=100", token).await;
        assert_eq!(ids(&live["signals"], "id"), visible, "live of {context}");
        assert_eq!(live["count"], visible.len());
        let history = alpine.json("/api/v1/signals/history?limit=500", token).await;
        assert_eq!(ids(&history, "signal_id"), visible, "history of {context}");
        let export = alpine.get("/api/v1/signals/export?format=ndjson", token).await.text;
        let exported: Vec<String> = export
            .lines()
            .map(|line| {
                serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned()
            })
            .collect();
        assert_eq!(exported, visible, "export of {context}");
        check_single(alpine, reader, sent, age, token).await;
    } else {
        for path in ["subscribed", "live", "history", "export", "1"] {
            let answer = alpine.get(&format!("/api/v1/signals/{path}"), None).await;
            assert_eq!(answer.status, 401, "{path} without a token");
        }
    }
}

/// A single signal is shown under the same rules, but for the number of rows of a list.
async fn check_single(
    alpine: &Alpine,
    reader: &Reader,
    sent: &[Sent],
    age: Duration,
    token: Option<&str>,
) {
    let unlimited = Reader { rows: usize::MAX, ..*reader };
    let visible: BTreeSet<String> = expected(&unlimited, sent, age).into_iter().collect();
    for signal in sent {
        let answer = alpine.get(&format!("/api/v1/signals/{}", signal.id), token).await;
        let status = if visible.contains(&signal.id) { 200 } else { 404 };
        assert_eq!(answer.status, status, "{} for {} at {age:?}", signal.external_id, reader.name);
    }
}

/// The instants at which the table is checked: at once, at the last moment of the delay, at its end.
#[tokio::test]
async fn every_reader_sees_exactly_their_part_at_its_time() {
    Alpine::on_every_back_end(async |alpine| {
        let sent = publish_edge_cases(&alpine).await;
        let mut age = Duration::ZERO;
        for next in [Duration::ZERO, QUARTER - Duration::from_secs(1), QUARTER, 2 * QUARTER] {
            alpine.clock.advance(next - age);
            age = next;
            for reader in &READERS {
                check(&alpine, reader, &sent, age).await;
            }
        }
    })
    .await;
}

/// An outcome comes into sight as late as its signal did.
#[tokio::test]
async fn an_outcome_is_as_late_as_its_signal() {
    Alpine::on_every_back_end(async |alpine| {
        let sent = publish_edge_cases(&alpine).await;
        alpine.clock.advance(QUARTER);
        let first = &sent[0];
        let outcome = format!(
            r#"{{"signal_id": "{}", "exit_price": 180.0, "exit_timestamp": "2025-02-01T00:00:00Z"}}"#,
            first.external_id
        );
        let answer = alpine.post_as_producer("/api/v1/external-signals/sync/outcome", outcome).await;
        assert_eq!(answer.status, 200);

        let path = format!("/api/v1/signals/{}", first.id);
        let status = async |tier| {
            let token = alpine.token_of(tier, Role::User).await;
            alpine.json(&path, Some(&token)).await["status"].as_str().unwrap().to_owned()
        };
        assert_eq!(status(Tier::Starter).await, "closed");
        assert_eq!(status(Tier::Free).await, "open", "the close is not known to late readers yet");
        alpine.clock.advance(QUARTER);
        assert_eq!(status(Tier::Free).await, "closed");
    })
    .await;
}
