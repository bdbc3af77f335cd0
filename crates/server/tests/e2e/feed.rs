//! Real signals in, the same numbers and the right statistics out.

use serde_json::Value;

use crate::alpine::{
    ARGO_METRICS, ARGO_OUTCOMES, ARGO_SIGNALS, Alpine, EDGE_SIGNALS, MALFORMED_SIGNALS, bodies,
};
use crate::support::SignalBody;

const SYNC: &str = "/api/v1/external-signals/sync";

fn count(results: &Value, status: &str) -> usize {
    results["results"].as_array().unwrap().iter().filter(|row| row["status"] == status).count()
}

#[tokio::test]
async fn the_record_of_real_signals_equals_the_producers_own_metrics() {
    Alpine::on_every_back_end(async |alpine| {
        let total = ARGO_SIGNALS.lines().count();
        let batch = format!("{SYNC}/batch");
        let first = alpine.post_as_producer(&batch, ARGO_SIGNALS.to_owned()).await;
        assert_eq!(first.status, 200);
        assert_eq!(count(&first.json(), "stored"), total);
        let again = alpine.post_as_producer(&batch, ARGO_SIGNALS.to_owned()).await;
        assert_eq!(count(&again.json(), "duplicate"), total);

        for _ in 0..2 {
            for outcome in ARGO_OUTCOMES.lines() {
                let answer =
                    alpine.post_as_producer(&format!("{SYNC}/outcome"), outcome.to_owned()).await;
                assert_eq!(answer.status, 200, "{outcome}");
            }
        }
        check_statistics(&alpine).await;
        check_profit_and_loss(&alpine).await;
    })
    .await;
}

async fn check_statistics(alpine: &Alpine) {
    let metrics: Value = serde_json::from_str(ARGO_METRICS).unwrap();
    for (symbol, expected) in metrics.as_object().unwrap() {
        let path = format!("/api/v1/performance/stats?symbol={symbol}");
        let found = alpine.json(&path, None).await;
        for (key, value) in expected.as_object().unwrap() {
            let (found, value) = (found[key].as_f64(), value.as_f64().unwrap());
            let found = found.unwrap_or_else(|| panic!("{symbol} has no {key}"));
            assert!((found - value).abs() <= 1e-6, "{symbol} {key}: {found} instead of {value}");
        }
    }
}

/// Each outcome's profit or loss is computed by us and equals what the producer computed.
async fn check_profit_and_loss(alpine: &Alpine) {
    let token = alpine.admin_token().await;
    let history = alpine.json("/api/v1/signals/history?limit=500&symbol=AMD", Some(&token)).await;
    let history = history.as_array().unwrap();
    assert_eq!(history.len(), 229);
    let curve = alpine.json("/api/v1/performance/equity-curve?symbol=AMD", None).await;
    let last = curve["points"].as_array().unwrap().last().unwrap();
    let sum: f64 = history.iter().map(|row| row["pnl_pct"].as_f64().unwrap()).sum();
    assert!((last["cumulative_pct"].as_f64().unwrap() - sum).abs() < 1e-6);
}

#[tokio::test]
async fn every_valid_edge_case_comes_back_with_the_same_numbers() {
    Alpine::on_every_back_end(async |alpine| {
        let token = alpine.admin_token().await;
        for body in bodies(EDGE_SIGNALS) {
            let answer = alpine.ingest(&body).await;
            assert_eq!(answer.status, 201, "{body}");
            let location = answer.header("location").to_owned();
            let text = alpine.get(&location, Some(&token)).await.text;
            let (sent, back): (Value, Value) =
                (serde_json::from_str(&body).unwrap(), serde_json::from_str(&text).unwrap());
            // Numbers are compared as their texts: serde_json keeps them to the letter here.
            for (ours, theirs) in [
                ("entry_price", &["entry_price"][..]),
                ("confidence", &["confidence"]),
                ("take_profit", &["target_price", "take_profit"]),
                ("stop_loss", &["stop_price", "stop_loss"]),
                ("timestamp", &["timestamp"]),
                ("symbol", &["symbol"]),
                ("strategy", &["strategy"]),
                ("hash", &["sha256"]),
            ] {
                let sent = theirs.iter().find_map(|key| sent.get(*key)).unwrap_or(&Value::Null);
                assert_eq!(back[ours].to_string(), sent.to_string(), "{ours} of {body}");
            }
            assert_eq!(alpine.ingest(&body).await.status, 409);
        }
    })
    .await;
}

#[tokio::test]
async fn every_malformed_line_is_refused_under_its_field() {
    Alpine::on_every_back_end(async |alpine| {
        for line in MALFORMED_SIGNALS.lines() {
            let case: Value = serde_json::from_str(line).unwrap();
            let field = case["field"].as_str().unwrap();
            let mut body = case["body"].clone();
            if case["why"] == "missing" {
                body.as_object_mut().unwrap().remove(field);
            }
            let answer = alpine.ingest(&body.to_string()).await;
            assert!(answer.status.is_client_error(), "{body}");
            assert_eq!(answer.header("content-type"), "application/problem+json");
            let problem: Value = answer.json();
            let fields: Vec<&str> = problem["errors"]
                .as_array()
                .unwrap()
                .iter()
                .map(|e| e["field"].as_str().unwrap())
                .collect();
            assert_eq!(fields, [field], "{body}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_bad_line_is_told_and_the_good_ones_are_stored() {
    Alpine::on_every_back_end(async |alpine| {
        let good: Vec<&str> = ARGO_SIGNALS.lines().take(2).collect();
        let body = format!("{}\n{{\"signal_id\": \"X\"}}\n\n{}\nnot json\n", good[0], good[1]);
        let answer = alpine.post_as_producer(&format!("{SYNC}/batch"), body).await;
        let results: Value = answer.json();
        assert_eq!(count(&results, "stored"), 2);
        let refused: Vec<&Value> = results["results"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|row| row["status"] == "refused")
            .collect();
        assert_eq!(refused[0]["line"], 2);
        assert!(refused[0]["errors"].as_array().unwrap().iter().any(|e| e["field"] == "sha256"));
        assert_eq!(refused[1]["line"], 5);
    })
    .await;
}

#[tokio::test]
async fn an_outcome_happens_once() {
    Alpine::on_every_back_end(async |alpine| {
        alpine.ingest(ARGO_SIGNALS.lines().next().unwrap()).await;
        let path = format!("{SYNC}/outcome");
        let outcome = |price: &str, time: &str| {
            format!(r#"{{"signal_id": "ARGO-AAPL-0000", "exit_price": {price}, "exit_timestamp": "{time}"}}"#)
        };
        let after = "2007-12-03T00:00:00-05:00";
        let status = async |body: String| alpine.post_as_producer(&path, body).await.status.as_u16();
        assert_eq!(status(outcome("5.37", "2007-11-01T00:00:00Z")).await, 422, "exit before entry");
        assert_eq!(status(outcome("5.37", after)).await, 200);
        assert_eq!(status(outcome("5.37", after)).await, 200, "the same again");
        assert_eq!(status(outcome("5.370", after)).await, 200, "the same number in other digits");
        assert_eq!(status(outcome("5.38", after)).await, 409, "another one");
        let unknown = outcome("5.37", after).replace("0000", "9999");
        assert_eq!(status(unknown).await, 404);
    })
    .await;
}

#[tokio::test]
async fn the_same_id_with_other_content_is_a_conflict_that_names_the_stored_signal() {
    Alpine::on_every_back_end(async |alpine| {
        let lines: Vec<&str> = ARGO_SIGNALS.lines().take(2).collect();
        let stored: Value = alpine.ingest(lines[0]).await.json();
        let duplicate: Value = alpine.ingest(lines[0]).await.json();
        assert!(duplicate["type"].as_str().unwrap().ends_with("duplicate-signal"));
        assert_eq!(duplicate["existing_signal_id"], stored["alpine_signal_id"]);

        let other = SignalBody::new("ARGO-AAPL-0000", "60.0").to_json();
        let answer = alpine.ingest(&other).await;
        assert_eq!(answer.status, 409);
        let conflict: Value = answer.json();
        assert!(conflict["type"].as_str().unwrap().ends_with("signal-conflict"));
        assert_eq!(conflict["existing_signal_id"], stored["alpine_signal_id"]);
    })
    .await;
}
