//! Real signals in, the same numbers and the right statistics out.

use std::fmt::Write as _;

use alpine_domain::{
    account::{Role, Tier},
    json::JsonObject,
};
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

        // Of one instrument, and some once more: a repeat changes nothing. All of them are closed, and every
        // figure compared, in the tests of the domain.
        let amd = || ARGO_OUTCOMES.lines().filter(|outcome| outcome.contains("ARGO-AMD-"));
        for outcome in amd().chain(amd().take(20)) {
            let answer =
                alpine.post_as_producer(&format!("{SYNC}/outcome"), outcome.to_owned()).await;
            assert_eq!(answer.status, 200, "{outcome}");
        }
        check_statistics(&alpine).await;
        check_profit_and_loss(&alpine).await;
    })
    .await;
}

async fn check_statistics(alpine: &Alpine) {
    // Readers without an account would wait for their delay.
    let elite = alpine.token_of(Tier::Elite, Role::User).await;
    let metrics: Value = serde_json::from_str(ARGO_METRICS).unwrap();
    let found = alpine.json("/api/v1/performance/stats?symbol=AMD&record=all", Some(&elite)).await;
    let expected = metrics["AMD"].as_object().unwrap();
    assert_eq!(expected.len(), 10);
    for (key, value) in expected {
        let (found, value) = (found[key].as_f64(), value.as_f64().unwrap());
        let found = found.unwrap_or_else(|| panic!("there is no {key}"));
        assert!((found - value).abs() <= 1e-6, "{key}: {found} instead of {value}");
    }
}

/// Each outcome's profit or loss is computed by us and equals what the producer computed.
async fn check_profit_and_loss(alpine: &Alpine) {
    let token = alpine.admin_token().await;
    let history = alpine.json("/api/v1/signals/history?limit=500&symbol=AMD", Some(&token)).await;
    let history = history.as_array().unwrap();
    assert_eq!(history.len(), 229);
    let curve =
        alpine.json("/api/v1/performance/equity-curve?symbol=AMD&record=all", Some(&token)).await;
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
            let at = format!("/api/v1/signals/{}", answer.json()["alpine_signal_id"]);
            let text = alpine.get(&at, Some(&token)).await.text;
            let object = |text: &str| JsonObject::parse(text.as_bytes()).unwrap();
            let (sent, back) = (object(&body), object(&text));
            // A number's member is its digits, so that 57.0 and 57 differ here.
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
                let sent = theirs.iter().find_map(|key| sent.member(key));
                assert_eq!(back.member(ours), sent, "{ours} of {body}");
            }
            assert_eq!(alpine.ingest(&body).await.status, 409);
        }
    })
    .await;
}

#[tokio::test]
async fn every_malformed_line_is_refused_under_its_field() {
    Alpine::on_every_back_end(async |alpine| {
        let mut told = String::new();
        for (number, line) in MALFORMED_SIGNALS.lines().enumerate() {
            let case: Value = serde_json::from_str(line).unwrap();
            let field = case["field"].as_str().unwrap();
            let mut body = case["body"].clone();
            if case["why"] == "missing" {
                body.as_object_mut().unwrap().remove(field);
            }
            let answer = alpine.ingest(&body.to_string()).await;
            assert_eq!(answer.header("content-type"), "application/problem+json", "{body}");
            let Value::Object(problem) = answer.json() else { panic!("{}", answer.text) };
            assert_eq!(problem["status"], answer.status.as_u16(), "{body}");
            let (kind, why) = (&problem["type"], &case["why"]);
            writeln!(told, "{number:02} {field}: {why}: {} {kind}", answer.status.as_u16())
                .unwrap();
            for error in problem["errors"].as_array().unwrap() {
                let mut error = error.clone();
                // What was hashed follows in lines of its own.
                let message = error["message"].as_str().unwrap().lines().next().unwrap().to_owned();
                error["message"] = message.into();
                writeln!(told, "   {error}").unwrap();
            }
        }
        insta::allow_duplicates! {
        insta::assert_snapshot!(told, @r#"
        00 timestamp: "not a time": 422 "/problems/invalid"
           {"field":"timestamp","message":"must be an RFC 3339 date and time with an offset, 2025-01-15T10:30:00Z for example"}
        01 timestamp: "no offset": 422 "/problems/invalid"
           {"field":"timestamp","message":"must be an RFC 3339 date and time with an offset, 2025-01-15T10:30:00Z for example"}
        02 timestamp: "impossible date": 422 "/problems/invalid"
           {"field":"timestamp","message":"must be an RFC 3339 date and time with an offset, 2025-01-15T10:30:00Z for example"}
        03 timestamp: "an hour in the future at most": 422 "/problems/invalid"
           {"field":"timestamp","message":"lies more than an hour in the future"}
        04 timestamp: "missing": 422 "/problems/invalid"
           {"field":"timestamp","message":"is missing"}
        05 action: "unknown": 422 "/problems/invalid"
           {"field":"action","message":"must be one of: BUY SELL"}
        06 action: "empty": 422 "/problems/invalid"
           {"field":"action","message":"must be one of: BUY SELL"}
        07 action: "wrong type": 422 "/problems/invalid"
           {"field":"action","message":"must be a string"}
        08 symbol: "empty": 422 "/problems/invalid"
           {"field":"symbol","message":"must have 1 to 64 characters: letters and digits, at most 20 in a row, . - _ / : = ^ ! # $ % & * + @ | ~ ' ( ) , and spaces inside"}
        09 symbol: "longer than 20": 422 "/problems/invalid"
           {"field":"symbol","message":"must have 1 to 64 characters: letters and digits, at most 20 in a row, . - _ / : = ^ ! # $ % & * + @ | ~ ' ( ) , and spaces inside"}
        10 symbol: "control characters": 422 "/problems/invalid"
           {"field":"symbol","message":"must have 1 to 64 characters: letters and digits, at most 20 in a row, . - _ / : = ^ ! # $ % & * + @ | ~ ' ( ) , and spaces inside"}
        11 symbol: "markup": 422 "/problems/invalid"
           {"field":"symbol","message":"must have 1 to 64 characters: letters and digits, at most 20 in a row, . - _ / : = ^ ! # $ % & * + @ | ~ ' ( ) , and spaces inside"}
        12 entry_price: "must be above 0": 422 "/problems/invalid"
           {"field":"entry_price","message":"must be above 0"}
        13 entry_price: "must be above 0": 422 "/problems/invalid"
           {"field":"entry_price","message":"must be above 0"}
        14 entry_price: "a string": 422 "/problems/invalid"
           {"field":"entry_price","message":"must be a JSON number, not a string"}
        15 entry_price: "missing": 422 "/problems/invalid"
           {"field":"entry_price","message":"is missing"}
        16 confidence: "0 to 100": 422 "/problems/invalid"
           {"field":"confidence","message":"must be between 0 and 100"}
        17 confidence: "0 to 100": 422 "/problems/invalid"
           {"field":"confidence","message":"must be between 0 and 100"}
        18 confidence: "0 to 100": 422 "/problems/invalid"
           {"field":"confidence","message":"must be between 0 and 100"}
        19 target_price: "above 0": 422 "/problems/invalid"
           {"field":"target_price","message":"must be above 0"}
        20 stop_price: "above 0": 422 "/problems/invalid"
           {"field":"stop_price","message":"must be above 0"}
        21 target_price: "a BUY targets above its entry": 422 "/problems/invalid"
           {"field":"target_price","message":"of a BUY must lie above its entry_price"}
        22 stop_price: "a BUY stops below its entry": 422 "/problems/invalid"
           {"field":"stop_price","message":"of a BUY must lie below its entry_price"}
        23 sha256: "64 hex digits": 422 "/problems/invalid"
           {"field":"sha256","message":"must be a SHA-256 in 64 hex digits"}
        24 sha256: "does not match the content": 400 "/problems/malformed"
           {"field":"sha256","message":"does not match the content: compare the text that you hash with those that Alpine hashed, one of which is enough"}
        25 sha256: "missing": 422 "/problems/invalid"
           {"field":"sha256","message":"is missing"}
        26 signal_id: "empty": 422 "/problems/invalid"
           {"field":"signal_id","message":"must have 1 to 255 characters and no control characters"}
        27 signal_id: "longer than 255": 422 "/problems/invalid"
           {"field":"signal_id","message":"must have 1 to 255 characters and no control characters"}
        28 target_price: "disagrees with take_profit": 422 "/problems/invalid"
           {"field":"target_price","message":"disagrees with take_profit; send one of them"}
        "#);
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

/// Bodies that nest in every way that a parser may fall for are refused, and the server lives on.
#[tokio::test]
async fn nesting_never_brings_the_server_down() {
    Alpine::on_every_back_end(async |alpine| {
        let mut text = "1".to_owned();
        for _ in 0..70 {
            let inner = text.replace('\\', "\\u005c").replace('"', "\\u0022");
            text = format!("{}{{\"$serde_json::private::RawValue\":\"{inner}\"", "[".repeat(120));
        }
        let objects = format!("{{\"a\":{text}");
        let plain = "[".repeat(60_000);
        for body in [&text, &objects, &plain] {
            for path in ["auth/login", "auth/signup", "auth/refresh", "/api/auth/login"] {
                let answer = alpine.as_holder(None).post_text(path, body.clone()).await;
                assert_eq!(answer.expect(400)["type"], "/problems/malformed", "{path}");
            }
            for path in ["signal", "outcome"] {
                let answer = alpine.post_as_producer(&format!("{SYNC}/{path}"), body.clone()).await;
                assert_eq!(answer.expect(400)["type"], "/problems/malformed", "{path}");
            }
            let answer = alpine.post_as_producer(&format!("{SYNC}/batch"), body.clone()).await;
            // What begins like an object is a line of its own, and refused by itself.
            if body.starts_with('{') {
                let lines = answer.expect(200);
                assert_eq!((count(&lines, "refused"), &lines["stored"]), (1, &0.into()), "{lines}");
            } else {
                assert_eq!(answer.expect(400)["type"], "/problems/malformed", "batch");
            }
        }
        assert_eq!(alpine.get("/health/liveness", None).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn a_simulated_signal_is_marked_in_every_row_of_a_file() {
    Alpine::on_every_back_end(async |alpine| {
        let token = alpine.admin_token().await;
        let export = async || alpine.get("signals/export?format=csv", Some(&token)).await.text;
        alpine.ingest(&SignalBody::new("REAL-1", "60.0").to_json()).await;
        let head = "id,symbol,action,entry_price,confidence,timestamp,simulated,";
        assert!(export().await.starts_with(head));
        let (_, key) = alpine.app.core.use_cases.producers.create("simulator", true).await.unwrap();
        let simulator = alpine.as_holder(None).with_key(key.reveal());
        let body = SignalBody::new("MADE-UP-1", "60.0").to_json();
        simulator.post_text("external-signals/sync/signal", body).await.expect(201);
        alpine.ingest(&SignalBody::new("REAL-2", "60.0").to_json()).await;
        let marks: Vec<bool> = export()
            .await
            .lines()
            .skip(1)
            .map(|row| row.split(',').nth(6) == Some("true"))
            .collect();
        assert_eq!(marks, [false, true, false]);
    })
    .await;
}
