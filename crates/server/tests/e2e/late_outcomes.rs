//! An outcome that comes after its signal has expired: kept beside the expiry, told as late as any outcome,
//! and in the figures of who asks for it.

use std::time::Duration;

use alpine_domain::account::{Role, Tier};
use serde_json::{Value, json};

use crate::{
    alpine::Alpine,
    support::{Answer, SignalBody},
};

const QUARTER: Duration = Duration::from_mins(15);

/// Publishes a signal; Alpine's number of it.
async fn publish(alpine: &Alpine, id: &str, confidence: &str) -> String {
    let stored = alpine.ingest(&SignalBody::new(id, confidence).to_json()).await.expect(201);
    stored["alpine_signal_id"].to_string()
}

async fn report(alpine: &Alpine, id: &str, price: f64) -> Answer {
    let outcome = json!({
        "signal_id": id, "exit_price": price, "exit_timestamp": "2025-02-01T00:00:00Z",
    });
    alpine.post_as_producer("external-signals/sync/outcome", outcome.to_string()).await
}

/// What a reader is told of one signal, on every path: its own page, the history, the export.
async fn told(alpine: &Alpine, token: &str, id: &str) -> [Value; 3] {
    let page = alpine.json(&format!("signals/{id}"), Some(token)).await;
    let history = alpine.json("signals/history?days=60", Some(token)).await;
    let of_history = history.as_array().unwrap().iter().find(|row| row["signal_id"] == *id);
    let export = alpine.get("signals/export?format=ndjson&days=60", Some(token)).await.text;
    let lines = export.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let of_export = lines.into_iter().find(|row| row["id"] == *id);
    [page, of_history.unwrap().clone(), of_export.unwrap()]
}

/// Trades without and with late outcomes, and how many of these are late.
async fn figures(alpine: &Alpine, token: Option<&str>) -> [Value; 3] {
    let without = alpine.json("performance/stats?record=all", token).await;
    assert_eq!(without, alpine.json("performance/stats?record=all&late=exclude", token).await);
    assert!(without.get("late_trades").is_none(), "{without}");
    let with = alpine.json("performance/stats?record=all&late=include", token).await;
    let curve = alpine.json("performance/equity-curve?record=all&late=include", token).await;
    assert_eq!(
        (&with["total_trades"], &with["late_trades"]),
        (&curve["total_points"], &curve["late_points"])
    );
    [&without["total_trades"], &with["total_trades"], &with["late_trades"]].map(Clone::clone)
}

#[tokio::test]
async fn a_late_outcome_is_kept_beside_the_expiry() {
    Alpine::on_every_back_end(async |alpine| {
        let plain = publish(&alpine, "plain", "70").await;
        let premium = publish(&alpine, "premium", "97").await;
        alpine.clock.advance(Duration::from_hours(31 * 24));
        alpine.app.core.use_cases.expiry.run_once().await.unwrap();
        alpine.clock.advance(Duration::from_hours(1));
        let token = async |tier| alpine.token_of(tier, Role::User).await;
        let expired = told(&alpine, &token(Tier::Free).await, &plain).await;
        for row in &expired {
            assert_eq!((&row["status"], &row["late_outcome"]), (&json!("expired"), &json!(null)));
        }

        let answer = report(&alpine, "plain", 193.05).await.expect(200);
        let late = json!({
            "status": "closed", "exit_price": 193.05, "pnl_pct": 10,
            "exit_time": "2025-02-01T00:00:00Z", "received_at": alpine.app.now().to_string(),
        });
        let of_answer = ["result", "signal_status", "exit_price", "late_outcome"];
        assert_eq!(
            of_answer.map(|member| answer[member].clone()),
            [json!("late"), json!("expired"), json!(null), late.clone()],
            "{answer}"
        );
        // Again it is answered alike, but for the words; another one is refused.
        alpine.clock.advance(Duration::from_secs(1));
        let again = report(&alpine, "plain", 193.05).await.expect(200);
        for (member, value) in answer.as_object().unwrap() {
            assert_eq!(&again[member] == value, member != "message", "{member}: {again}");
        }
        let refused = report(&alpine, "plain", 190.0).await.expect(409);
        assert_eq!(refused["type"], "/problems/outcome-conflict");
        report(&alpine, "premium", 180.0).await.expect(200);

        // Paid readers know at once, the expiry unchanged; late readers after their delay.
        let mut beside = expired.clone();
        for row in &mut beside {
            row["late_outcome"] = late.clone();
        }
        let starter = told(&alpine, &token(Tier::Starter).await, &plain).await;
        // What a file has besides: the producer's letters, and the hash.
        assert_eq!(starter[2]["late_exit_timestamp"], "2025-02-01T00:00:00Z");
        for member in ["late_exit_timestamp", "late_outcome_hash"] {
            beside[2][member] = starter[2][member].clone();
        }
        assert_eq!(starter, beside);
        let path = format!("signals/{premium}");
        let elite = token(Tier::Elite).await;
        assert_eq!(alpine.json(&path, Some(&elite)).await["late_outcome"]["exit_price"], 180.0);
        assert_eq!(alpine.get(&path, Some(&token(Tier::Pro).await)).await.status, 404);
        let counts = |trades: usize| [json!(0), json!(trades), json!(trades)];
        for (tier, known) in [(Tier::Free, 0), (Tier::Starter, 1), (Tier::Pro, 1), (Tier::Elite, 2)]
        {
            assert_eq!(figures(&alpine, Some(&token(tier).await)).await, counts(known), "{tier}");
        }
        alpine.clock.advance(QUARTER - Duration::from_secs(2));
        assert_eq!(told(&alpine, &token(Tier::Free).await, &plain).await, expired);
        assert_eq!(figures(&alpine, None).await, counts(0));
        alpine.clock.advance(Duration::from_secs(2));
        assert_eq!(told(&alpine, &token(Tier::Free).await, &plain).await, beside);
        for tier in [Tier::Free, Tier::Starter, Tier::Pro, Tier::Elite] {
            assert_eq!(figures(&alpine, Some(&token(tier).await)).await, counts(2), "{tier}");
        }
        assert_eq!(figures(&alpine, None).await, counts(2));
    })
    .await;
}
