//! The record as a sceptic reads it: what was never closed is seen, on every surface and in every file.

use std::{path::Path, process::Command, time::Duration};

use alpine_domain::account::{Role, Tier};
use serde_json::{Value, json};

use crate::{alpine::Alpine, support::SignalBody};

const HORIZON: Duration = Duration::from_hours(30 * 24);

/// Forty winners that are reported and sixty losers that never are.
async fn publish(alpine: &Alpine) {
    let mut lines = Vec::new();
    for number in 0..100 {
        let timestamp = alpine.app.now().to_string();
        let body = SignalBody { timestamp, ..SignalBody::new(&format!("S{number}"), "70") };
        lines.push(body.to_json());
    }
    let stored = alpine.post_as_producer("external-signals/sync/batch", lines.join("\n")).await;
    assert_eq!(stored.expect(200)["stored"], 100);
    alpine.clock.advance(Duration::from_mins(1));
    for number in 0..40 {
        let outcome = json!({
            "signal_id": format!("S{number}"),
            "exit_price": 180 + number,
            "exit_timestamp": alpine.app.now().to_string(),
        });
        alpine
            .post_as_producer("external-signals/sync/outcome", outcome.to_string())
            .await
            .expect(200);
        alpine.clock.advance(Duration::from_secs(1));
    }
}

fn verified(file: &Path, answer: &Path) -> [(bool, String); 2] {
    let mut ours = Command::new(env!("CARGO_BIN_EXE_alpine"));
    ours.env_clear().arg("verify").arg(file).arg("--figures").arg(answer);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/verify_export.py");
    let mut python = Command::new("python3");
    python.arg(script).arg(file).arg(answer);
    [ours, python].map(|mut command| {
        let output = command.output().unwrap();
        let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
        (output.status.success(), String::from_utf8(text).unwrap())
    })
}

#[tokio::test]
async fn losers_that_are_never_reported_are_seen_on_every_surface() {
    Alpine::on_every_back_end(async |alpine| {
        publish(&alpine).await;
        // A token does not live as long as a horizon.
        let stats = async || {
            let elite = alpine.token_of(Tier::Elite, Role::User).await;
            alpine.json("performance/stats", Some(&elite)).await
        };
        let told = stats().await;
        assert_eq!(
            (&told["open"], &told["overdue"], &told["due"]),
            (&json!(60), &json!(0), &json!(40))
        );
        alpine.clock.advance(HORIZON);
        // Answers are kept for a minute at most.
        alpine.clock.advance(Duration::from_mins(10));
        if alpine.app.core.use_cases.expiry.run_once().await.unwrap().0 < 60 {
            let told = stats().await;
            assert_eq!((&told["coverage"], &told["win_rate_lower"]), (&json!(40.0), &json!(40.0)));
        }
        alpine.clock.advance(Duration::from_mins(16));
        // Once with what happened one by one, once from the sums.
        for _sealed in [false, true] {
            let elite = alpine.token_of(Tier::Elite, Role::User).await;
            let ask = async |path: &str| alpine.json(path, Some(&elite)).await;
            for path in [
                "performance/stats",
                "performance/stats?days=60",
                "performance/stats?producer=argo",
            ] {
                let told = ask(path).await;
                assert_eq!(told["coverage"], 40.0, "{path}");
                let range = (&told["win_rate"], &told["win_rate_lower"]);
                assert_eq!(range, (&json!(100.0), &json!(40.0)), "{path}");
                assert_eq!((&told["expired"], &told["closed"]), (&json!(60), &json!(40)), "{path}");
                assert_eq!(told["small_sample"], false);
            }
            let curve = ask("performance/equity-curve").await;
            assert_eq!((&curve["coverage"], &curve["total_points"]), (&json!(40.0), &json!(40)));
            let end = curve["points"].as_array().unwrap().last().unwrap()["cumulative_pct"].clone();
            assert_eq!(end, curve["cumulative_pct"]);
            assert!(curve["cumulative_lower_pct"].as_f64() < end.as_f64());
            let symbols = ask("symbols").await;
            let row = &symbols["items"][0];
            assert_eq!((&row["coverage"], &row["win_rate_lower"]), (&json!(40.0), &json!(40.0)));
            let badge = alpine.get("performance/badge.svg", None).await;
            let text = badge.text;
            for part in ["40–100", "40 of 100"] {
                assert!(text.contains(part), "{part} in {text}");
            }
            while !alpine.app.core.use_cases.sums.run_once().await.unwrap().is_done {}
        }
        let elite = alpine.token_of(Tier::Elite, Role::User).await;
        let folder = tempfile::tempdir().unwrap();
        let (file, answer) = (folder.path().join("signals"), folder.path().join("stats.json"));
        let told = stats().await;
        for format in ["csv", "ndjson", "json"] {
            let path = format!("signals/export?days=60&format={format}");
            std::fs::write(&file, alpine.get(&path, Some(&elite)).await.text).unwrap();
            std::fs::write(&answer, told.to_string()).unwrap();
            for (is_right, text) in verified(&file, &answer) {
                assert!(is_right && text.contains(" figures, 0 of them differ"), "{text}");
            }
            // A figure off by one, and a better one.
            for (figure, value) in [
                ("winning_trades", json!(41)),
                ("expired", json!(59)),
                ("win_rate_lower", json!(100.0)),
                ("cumulative_pct", json!(told["cumulative_pct"].as_f64().unwrap() + 1.0)),
            ] {
                let mut falsified: Value = told.clone();
                falsified[figure] = value;
                std::fs::write(&answer, falsified.to_string()).unwrap();
                for (is_right, text) in verified(&file, &answer) {
                    assert!(!is_right && text.contains(figure), "{figure}: {text}");
                }
            }
        }
    })
    .await;
}
