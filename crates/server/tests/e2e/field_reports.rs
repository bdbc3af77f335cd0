//! What producers reported from the field, each with the answer that is right.

use alpine_domain::account::{Role, Tier};
use serde_json::{Value, json};

use crate::{
    alpine::Alpine,
    support::{Answer, SignalBody},
};

/// Signals hashed by CPython: prices that went through 32-bit floats, integers kept beside nulls, and the
/// tickers of real markets.
const CPYTHON_SIGNALS: &str = include_str!("../../../domain/tests/data/cpython-signals.jsonl");

const BATCH: &str = "external-signals/sync/batch";
const OUTCOME: &str = "external-signals/sync/outcome";

fn signal(id: &str) -> SignalBody {
    SignalBody::new(id, "60.0")
}

/// Status, problem type and the refused fields with what is said of them.
#[track_caller]
fn assert_refused(answer: &Answer, status: u16, kind: &str, errors: &Value) {
    let body = answer.expect(status);
    assert_eq!(body["type"], format!("/problems/{kind}"), "{body}");
    assert_eq!(&body["errors"], errors, "{body}");
}

async fn close(alpine: &Alpine, id: &str, price: &str, at: &str) -> Answer {
    let body =
        format!(r#"{{"signal_id": "{id}", "exit_price": {price}, "exit_timestamp": "{at}"}}"#);
    alpine.post_as_producer(OUTCOME, body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_cpython_hashes_is_stored() {
    Alpine::on_every_back_end(async |alpine| {
        let answer = alpine.post_as_producer(BATCH, CPYTHON_SIGNALS).await.expect(200);
        assert_eq!((&answer["stored"], &answer["refused"]), (&json!(64), &json!(0)), "{answer}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exit_at_zero_or_below_is_the_result_that_it_is() {
    Alpine::on_every_back_end(async |alpine| {
        let at = "2025-11-21T21:00:00Z";
        for (id, action, price, pnl) in [
            ("BUY-0", "BUY", "0", -100.0),
            ("SELL-0", "SELL", "0.0", 100.0),
            ("BUY-1", "BUY", "-37.63", -995.952_380_95),
        ] {
            let body =
                SignalBody { action: action.into(), entry_price: "4.2".into(), ..signal(id) };
            alpine.ingest(&body.to_json()).await.expect(201);
            let closed = close(&alpine, id, price, at).await.expect(200);
            assert_eq!(closed["pnl_pct"].as_f64(), Some(pnl), "{closed}");
            assert_eq!(closed["exit_price"].as_f64(), price.parse().ok(), "{closed}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_say_what_the_signal_says_to_the_digit() {
    Alpine::on_every_back_end(async |alpine| {
        alpine.ingest(&signal("STAT-1").to_json()).await.expect(201);
        let closed = close(&alpine, "STAT-1", "180.0", "2025-11-21T21:00:00Z").await;
        assert!(closed.expect(200).to_string().contains("\"pnl_pct\":2.56410256,"));
        alpine.app.advance(std::time::Duration::from_hours(1));
        let stats = alpine.get("performance/stats?record=all", None).await;
        for figure in ["avg_win_pct", "largest_win_pct", "mean_return_pct"] {
            let figure = format!("\"{figure}\":2.56410256,");
            assert!(stats.text.contains(&figure), "{figure} {}", stats.text);
        }
        let curve = alpine.get("performance/equity-curve?record=all", None).await;
        assert!(curve.text.contains("\"cumulative_pct\":2.56410256}"), "{}", curve.text);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn instants_that_nobody_can_write_are_refused_by_field() {
    Alpine::on_every_back_end(async |alpine| {
        let out_of_range = "must lie in the years 2 to 9999, in UTC as well as in the offset that it is written in";
        let unreadable = "must be an RFC 3339 date and time with an offset, 2025-01-15T10:30:00Z for example";
        alpine.ingest(&signal("OPEN").to_json()).await.expect(201);
        for (text, message) in [
            ("0000-01-01T00:00:00+01:00", out_of_range),
            ("0001-01-01T00:00:00Z", out_of_range),
            ("0002-01-01T00:00:00+01:00", out_of_range),
            ("2025-01-15\\u000010:30:00Z", unreadable),
            ("2025-01-15_10:30:00Z", unreadable),
        ] {
            let body = SignalBody { timestamp: text.into(), ..signal("Y0") };
            let errors = json!([{"field": "timestamp", "message": message}]);
            assert_refused(&alpine.ingest(&body.to_json()).await, 422, "invalid", &errors);
            let errors = json!([{"field": "exit_timestamp", "message": message}]);
            assert_refused(&close(&alpine, "OPEN", "180", text).await, 422, "invalid", &errors);
        }
        let token = alpine.token_of(Tier::Elite, Role::User).await;
        let key = json!({"name": "bot", "scopes": ["signals:read"], "expires_at": "9999-12-31T23:59:59-05:00"});
        let answer = alpine.post("users/api-keys", &key, Some(&token)).await;
        let errors = json!([{"field": "expires_at", "message": out_of_range}]);
        assert_refused(&answer, 422, "invalid", &errors);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_say_what_is_wrong() {
    Alpine::on_every_back_end(async |alpine| {
        // A byte order mark: the same verdict at both.
        let marked = |id: &str| format!("\u{feff}{}", signal(id).to_json());
        alpine.ingest(&marked("BOM-1")).await.expect(201);
        let batch = alpine.post_as_producer(BATCH, marked("BOM-2")).await.expect(200);
        assert_eq!(batch["stored"], 1, "{batch}");
        // Half of a surrogate pair.
        let cut = signal("CUT").to_json().replace("{\"signal_id\"", r#"{"reasoning": "cut \ud83d", "signal_id""#);
        let errors = json!([{
            "field": "reasoning",
            "message": "holds half of a surrogate pair, which is no character; was an emoji cut in the middle?",
        }]);
        assert_refused(&alpine.ingest(&cut).await, 422, "invalid", &errors);
        // NaN in an array refuses its element, as it refuses its line.
        let broken = signal("NAN-1").to_json().replace("\"stop_price\": null", "\"stop_price\": NaN");
        let array = format!("[{},\n{broken}]", signal("NAN-0").to_json());
        let answer = alpine.post_as_producer(BATCH, array).await.expect(200);
        assert_eq!((&answer["stored"], &answer["refused"]), (&json!(1), &json!(1)), "{answer}");
        assert_eq!(answer["results"][1]["line"], 2, "{answer}");
        assert_eq!(answer["results"][1]["errors"][0]["field"], "body", "{answer}");
        // A status that nobody may report is not offered.
        let won = r#"{"signal_id": "NAN-0", "exit_price": 1, "exit_timestamp": "2025-11-21T21:00:00Z", "status": "won"}"#;
        let errors = json!([{
            "field": "status",
            "message": "must be one of: target_hit stop_hit closed expired",
        }]);
        assert_refused(&alpine.post_as_producer(OUTCOME, won).await, 422, "invalid", &errors);
        // No prefix is said twice.
        let absurd = close(&alpine, "NAN-0", "1e300", "2025-11-21T21:00:00Z").await;
        let errors = json!([{
            "field": "exit_price",
            "message": "gives a profit or loss beyond 9000000000 percent; check the price",
        }]);
        assert_refused(&absurd, 422, "invalid", &errors);
        // A line is bounded as a single signal is; the others are stored.
        let long = signal("LONG").to_json().replace(", \"sha256\"", &format!(", {}\"sha256\"", " ".repeat(1 << 20)));
        let lines = format!("{long}\n{}", signal("SHORT").to_json());
        let answer = alpine.post_as_producer(BATCH, lines).await.expect(200);
        assert_eq!((&answer["stored"], &answer["refused"]), (&json!(1), &json!(1)), "{answer}");
        let message = answer["results"][0]["errors"][0]["message"].as_str().unwrap();
        assert!(message.starts_with("is longer than "), "{message}");
    })
    .await;
}
