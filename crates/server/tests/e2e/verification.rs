//! Whoever has a signal, or an export, can hash it again without asking anybody.

use std::{
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use alpine_domain::account::{Role, Tier};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    alpine::Alpine,
    support::{Answer, Options, SignalBody},
};

const EXPIRY: Duration = Duration::from_hours(31 * 24);

/// When the first signal ended: after it was received.
const CLOSED_AT: &str = "2026-01-01T00:00:01Z";

/// With the default of the configuration.
fn of_a_day() -> Options {
    Options::default().set("ALPINE__SIGNALS__LIVE_WITHIN", &"24h")
}

fn sha256(text: &Value) -> String {
    hex::encode(Sha256::digest(text.as_str().unwrap().as_bytes()))
}

async fn report(alpine: &Alpine, id: &str, price: &str, at: &str) -> Answer {
    let outcome =
        format!(r#"{{"signal_id": "{id}", "exit_price": {price}, "exit_timestamp": "{at}"}}"#);
    alpine.post_as_producer("external-signals/sync/outcome", outcome).await
}

/// Signals of every fate; Alpine's numbers of them.
async fn publish(alpine: &Alpine) -> Vec<String> {
    let mut ids = Vec::new();
    for (id, strategy, timestamp) in [
        ("closed", "momentum", "2025-12-31T23:59:59Z"),
        ("expired", "=1+1, 'x'", "2026-01-01T00:00:00+00:00"),
        ("backfilled", "'quoted", "2025-06-01T12:00:00.5-05:00"),
    ] {
        let body = SignalBody {
            target_price: Some("184.250".to_owned()),
            strategy: strategy.to_owned(),
            timestamp: timestamp.to_owned(),
            ..SignalBody::new(id, "70.0")
        };
        ids.push(alpine.ingest(&body.to_json()).await.expect(201)["alpine_signal_id"].to_string());
        alpine.clock.advance(Duration::from_secs(1));
    }
    report(alpine, "closed", "184.25", CLOSED_AT).await.expect(200);
    report(alpine, "backfilled", "1e2", "2025-07-01T00:00:00Z").await.expect(200);
    alpine.clock.advance(EXPIRY);
    alpine.app.core.use_cases.expiry.run_once().await.unwrap();
    report(alpine, "expired", "170", "2026-01-20T00:00:00Z").await.expect(200);
    let open =
        SignalBody { timestamp: alpine.app.now().to_string(), ..SignalBody::new("open", "70") };
    ids.push(alpine.ingest(&open.to_json()).await.expect(201)["alpine_signal_id"].to_string());
    ids
}

#[tokio::test]
async fn every_hash_is_told_with_its_text() {
    Alpine::with(of_a_day, async |alpine| {
        let ids = publish(&alpine).await;
        let elite = alpine.token_of(Tier::Elite, Role::User).await;
        let of =
            async |id: &str| alpine.json(&format!("signals/{id}/verification"), Some(&elite)).await;
        let mut origins = Vec::new();
        for id in &ids {
            let told = of(id).await;
            assert_eq!(told["hash"], sha256(&told["canonical_text"]), "{told}");
            assert_eq!((&told["hash_matches"], &told["id"]), (&json!(true), &json!(id)));
            let producer = json!({"id": "1", "name": "argo", "simulated": false});
            assert_eq!(told["producer"], producer);
            let records = ["/record", "/outcome/record", "/late_outcome/record"];
            for record in records.iter().filter_map(|place| told.pointer(place)) {
                assert_eq!(record["hash"], sha256(&record["text"]), "{told}");
            }
            for outcome in
                [&told["outcome"], &told["late_outcome"]].into_iter().filter(|it| it.is_object())
            {
                let text: Value =
                    serde_json::from_str(outcome["record"]["text"].as_str().unwrap()).unwrap();
                assert_eq!(text["signal"], told["record"]["hash"], "{told}");
            }
            let page = alpine.json(&format!("signals/{id}"), Some(&elite)).await;
            for member in ["signal_id", "received_at", "origin", "hash", "timestamp"] {
                assert_eq!(page[member], told[member], "{member}");
            }
            assert_eq!(page["producer"], "argo");
            assert_eq!(page["outcome_origin"], told["outcome"]["origin"]);
            origins.push((told["origin"].clone(), told["outcome"]["origin"].clone()));
        }
        let expected = [
            (json!("live"), json!("live")),
            (json!("live"), json!("live")),
            (json!("backfilled"), json!("backfilled")),
            (json!("live"), Value::Null),
        ];
        assert_eq!(origins, expected);
        let history = alpine.json("signals/history?days=60", Some(&elite)).await;
        let row = &history.as_array().unwrap()[0];
        let names =
            ["signal_id", "producer_signal_id", "producer", "origin"].map(|name| &row[name]);
        assert_eq!(names, [ids[3].as_str(), "open", "argo", "live"]);
        assert_eq!(row["received_at"], row["created_at"]);
    })
    .await;
}

/// What a tier may not see, or not yet, is not told by its hashes either.
#[tokio::test]
async fn a_verification_shows_what_the_signal_shows() {
    Alpine::on_every_back_end(async |alpine| {
        let body = |id: &str, confidence| SignalBody {
            timestamp: alpine.app.now().to_string(),
            ..SignalBody::new(id, confidence)
        };
        let mut ids = Vec::new();
        for (id, confidence) in [("plain", "70"), ("premium", "97")] {
            let stored = alpine.ingest(&body(id, confidence).to_json()).await.expect(201);
            ids.push(stored["alpine_signal_id"].to_string());
        }
        let ask = async |tier, id: &str| {
            let token = alpine.token_of(tier, Role::User).await;
            alpine.get(&format!("signals/{id}/verification"), Some(&token)).await
        };
        assert_eq!(alpine.get(&format!("signals/{}/verification", ids[0]), None).await.status, 401);
        assert_eq!(ask(Tier::Free, &ids[0]).await.status, 404);
        assert_eq!(ask(Tier::Pro, &ids[1]).await.status, 404);
        ask(Tier::Elite, &ids[1]).await.expect(200);
        alpine.clock.advance(Duration::from_mins(15));
        assert_eq!(ask(Tier::Free, &ids[0]).await.expect(200)["outcome"], Value::Null);
        let now = alpine.app.now().to_string();
        report(&alpine, "plain", "180", &now).await.expect(200);
        let starter = ask(Tier::Starter, &ids[0]).await.expect(200);
        assert_eq!(starter["outcome"]["status"], "closed");
        assert_eq!(ask(Tier::Free, &ids[0]).await.expect(200)["outcome"], Value::Null);
        alpine.clock.advance(Duration::from_mins(15));
        assert_eq!(ask(Tier::Free, &ids[0]).await.expect(200), starter);
    })
    .await;
}

/// Alpine's own command and the script that was written from the documentation.
fn verifiers(file: &Path) -> [(&'static str, Output); 2] {
    let mut ours = Command::new(env!("CARGO_BIN_EXE_alpine"));
    ours.arg("verify").env_clear();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/verify_export.py");
    let mut python = Command::new("python3");
    python.arg(script);
    [("alpine verify", ours), ("verify_export.py", python)]
        .map(|(name, mut command)| (name, command.arg(file).output().unwrap()))
}

fn text_of(output: &Output) -> String {
    String::from_utf8([output.stdout.as_slice(), output.stderr.as_slice()].concat()).unwrap()
}

/// Replaces a text that stands there.
fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "no {from} in {text}");
    text.replacen(from, to, 1)
}

/// The same file with something falsified: what, the column that is named, and the file.
fn falsified(
    format: &str,
    text: &str,
    closed: &Value,
) -> Vec<(&'static str, &'static str, String)> {
    let outcome_hash = closed["outcome_hash"].as_str().unwrap();
    let hash = closed["hash"].as_str().unwrap();
    let swapped = |from: &str| replaced(text, from, &from.chars().rev().collect::<String>());
    let receipt = match format {
        "csv" => "argo,2026-01-01T00:00:00Z",
        _ => "\"received_at\":\"2026-01-01T00:00:00Z",
    };
    let mut files = vec![
        ("a changed price", "hash", replaced(text, "184.250", "184.251")),
        (
            "a moved timestamp",
            "hash",
            replaced(text, "2025-12-31T23:59:59Z", "2025-12-31T23:59:58Z"),
        ),
        ("a swapped hash", "hash", swapped(hash)),
        ("a swapped outcome hash", "outcome_hash", swapped(outcome_hash)),
        (
            "a removed outcome hash",
            "outcome_hash",
            match format {
                "csv" => replaced(text, outcome_hash, ""),
                _ => replaced(text, &format!("\"{outcome_hash}\""), "null"),
            },
        ),
        ("a moved receipt", "record_hash", replaced(text, receipt, &receipt.replace("00Z", "01Z"))),
    ];
    let exit_timestamp = match format {
        "csv" => format!(",{CLOSED_AT},{CLOSED_AT},"),
        _ => format!("\"exit_timestamp\":\"{CLOSED_AT}\""),
    };
    let moved = replaced(&exit_timestamp, CLOSED_AT, "2026-01-02T00:00:00Z");
    files.push(("a moved exit", "outcome_hash", replaced(text, &exit_timestamp, &moved)));
    let pnl = closed["pnl_pct"].to_string();
    files.push(("a better result", "pnl_pct", replaced(text, &pnl, "14.98575499")));
    files
}

#[tokio::test]
async fn a_file_is_hashed_again_by_whoever_has_it() {
    Alpine::with(of_a_day, async |alpine| {
        let ids = publish(&alpine).await;
        let elite = alpine.token_of(Tier::Elite, Role::User).await;
        let folder = tempfile::tempdir().unwrap();
        let export = async |format: &str| {
            alpine.get(&format!("signals/export?days=60&format={format}"), Some(&elite)).await.text
        };
        let json: Value = serde_json::from_str(&export("json").await).unwrap();
        let rows = json.as_array().unwrap();
        let closed = rows.iter().find(|row| row["id"] == ids[0].as_str()).unwrap();
        for format in ["csv", "json", "ndjson"] {
            let text = export(format).await;
            let file = folder.path().join(format!("signals.{format}"));
            std::fs::write(&file, &text).unwrap();
            for (name, output) in verifiers(&file) {
                let told = text_of(&output);
                assert!(output.status.success(), "{name}, {format}: {told}\n{text}");
                assert_eq!(told, "4 rows, 0 of them differ\n", "{name}, {format}");
            }
            for (what, column, text) in falsified(format, &text, closed) {
                std::fs::write(&file, &text).unwrap();
                for (name, output) in verifiers(&file) {
                    let told = text_of(&output);
                    assert!(!output.status.success(), "{name} passes {what} in {format}: {text}");
                    assert!(told.contains(column), "{name} tells of {what} in {format}: {told}");
                    assert!(told.contains("rows, 1 of them differ"), "{name}: {told}");
                }
            }
            // What readers take for something else than what was hashed.
            let twice = match format {
                "csv" => replaced(&text, "pnl_pct", "pnl_pct,pnl_pct"),
                _ => replaced(&text, "\"pnl_pct\"", "\"pnl_pct\":14.5,\"pnl_pct\""),
            };
            std::fs::write(&file, &twice).unwrap();
            for (name, output) in verifiers(&file) {
                let told = text_of(&output);
                assert!(!output.status.success(), "{name} passes a name that stands there twice");
                assert!(told.contains("stands there twice"), "{name}, {format}: {told}");
            }
            // A file that broke off is no whole one.
            std::fs::write(&file, replaced(&text, &ids[0], "\"")).unwrap();
            for (name, output) in verifiers(&file) {
                assert!(!output.status.success(), "{name} reads half of {format}");
            }
        }
    })
    .await;
}
