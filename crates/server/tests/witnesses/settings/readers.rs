//! Who sees which signals and when, and what a tier costs.

use std::time::Duration;

use alpine_domain::account::{Role, Tier};
use serde_json::Value;

use crate::{
    row::{Row, setting},
    stage::{On, Stage},
    support::Client,
};

pub fn rows() -> Vec<Row> {
    let mut rows = vec![setting("visibility.premium_from", "70.0", "PREMIUM", |at| {
        Box::pin(async move {
            at.publish(&at.producer().await, "shown", &["75"]).await;
            let list = at.elite().await.get("signals/latest").await.expect(200);
            list[0]["type"].as_str().unwrap().to_owned()
        })
    })];
    for reader in ["anonymous", "free", "starter", "pro", "elite"] {
        let late = matches!(reader, "anonymous" | "free");
        let shown = if late { ("4m", "shown") } else { ("10m", "not shown") };
        rows.extend([
            setting(format!("visibility.{reader}.below"), "70.0", "not shown", |at| {
                Box::pin(async move { shown_or_not(&list(at).await, "75") })
            }),
            setting(format!("visibility.{reader}.delay"), shown.0, shown.1, |at| {
                Box::pin(async move { shown_or_not(&list(at).await, "61") })
            }),
            setting(format!("visibility.{reader}.max_rows"), "3", "3", |at| {
                Box::pin(async move { list(at).await.len().to_string() })
            }),
        ]);
    }
    for (tier, value) in [("starter", "4901"), ("pro", "9901"), ("elite", "24901")] {
        rows.push(setting(format!("plans.{tier}"), value, value, |at| {
            Box::pin(async move { priced(at, "price_cents").await })
        }));
    }
    for (tier, value) in [("starter", "49001"), ("pro", "99001"), ("elite", "249001")] {
        rows.push(setting(format!("plans.yearly.{tier}"), value, value, |at| {
            Box::pin(async move { priced(at, "yearly_price_cents").await })
        }));
    }
    rows.into_iter().map(|row| row.on(On::MovedClock)).collect()
}

/// What the key's tier costs.
async fn priced(at: &Stage, member: &str) -> String {
    let plans = at.get("/api/v1/payments/plans").await;
    let plans = plans["items"].as_array().unwrap();
    let plan = plans.iter().find(|plan| plan["tier"] == at.field()).unwrap();
    plan[member].to_string()
}

/// The confidences that the reader of the key is shown of old signals, one of them of 75 percent, and of one
/// of 61 percent that is five minutes old.
async fn list(at: &Stage) -> Vec<String> {
    let producer = at.producer().await;
    at.publish(&producer, "old", &["60", "60", "60", "60", "60", "75"]).await;
    at.app.advance(Duration::from_mins(15));
    at.publish(&producer, "new", &["61"]).await;
    at.app.advance(Duration::from_mins(5));
    let list = reader(at).await.get("signals/latest?limit=50").await.expect(200);
    let confidence = |row: &Value| row["confidence"].as_f64().unwrap().to_string();
    list.as_array().unwrap().iter().map(confidence).collect()
}

async fn reader(at: &Stage) -> Client {
    match at.subject() {
        "anonymous" => at.app.client(),
        tier => {
            let tier: Tier = tier.parse().unwrap();
            at.member("ada@example.com", tier, Role::User).await
        }
    }
}

fn shown_or_not(list: &[String], confidence: &str) -> String {
    assert!(list.len() > 1, "{list:?}");
    let is_shown = list.iter().any(|shown| shown == confidence);
    if is_shown { "shown" } else { "not shown" }.to_owned()
}
