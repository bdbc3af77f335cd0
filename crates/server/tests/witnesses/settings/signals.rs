//! What ends or is deleted and when, the event log, the clock, health.

use std::time::Duration;

use alpine_domain::{
    account::{Role, Tier, Viewer},
    notification::{NotificationRequest, Recipient},
    retention::{Progress, RetentionRun as _, RetentionStep},
};
use diesel::connection::SimpleConnection as _;
use serde_json::json;
use tokio::time::{sleep, timeout};

use crate::{
    row::{Row, setting},
    stage::{On, PATIENCE, Stage, within},
    support::SignalBody,
};

pub fn rows() -> Vec<Row> {
    let mut rows = expiry();
    rows.extend(record());
    rows.extend(retention());
    rows.extend(jobs());
    rows.extend(mail());
    rows.extend(log());
    rows.extend(operation());
    rows
}

fn expiry() -> Vec<Row> {
    // The run of the background would take them away from the one that is counted.
    const ASKED_ONLY: (&str, &str) = ("signals.expiry_interval", "1h");
    vec![
        setting("signals.expires_after", "1d", "3", |at| Box::pin(expired(at)))
            .besides(&[ASKED_ONLY]),
        setting("signals.expires_after_by_strategy.brief", "1d", "3", |at| Box::pin(expired(at)))
            .besides(&[ASKED_ONLY]),
        setting("signals.max_expired_per_run", "2", "2", |at| Box::pin(expired(at)))
            .besides(&[ASKED_ONLY, ("signals.expires_after", "1d")]),
        setting("signals.live_within", "1h", "backfilled", |at| {
            Box::pin(async move {
                at.app.advance(Duration::from_hours(2));
                let signalled = at.app.now().earlier(Duration::from_hours(2));
                let producer = at.producer().await;
                let body =
                    SignalBody { timestamp: signalled.to_string(), ..SignalBody::new("S", "60") };
                let stored =
                    producer.post_text("external-signals/sync/signal", body.to_json()).await;
                let path = format!("signals/{}", stored.expect(201)["alpine_signal_id"]);
                let told = at.elite().await.get(&path).await.expect(200);
                told["origin"].as_str().unwrap().to_owned()
            })
        }),
        setting("signals.expiry_interval", "20ms", "3", |at| {
            Box::pin(async move {
                three_of_two_days(at).await;
                at.comes_to("signals_expired_total", "", 3.0).await;
                at.metric("signals_expired_total", "").await.to_string()
            })
        })
        .besides(&[("signals.expires_after", "1d")]),
    ]
    .into_iter()
    .map(|row| row.on(On::MovedClock))
    .collect()
}

fn record() -> Vec<Row> {
    vec![
        setting("record.assumed_loss_percent", "25", "-25.0", |at| {
            Box::pin(async move {
                expired(at).await;
                let told = at.elite().await.get("performance/stats").await.expect(200);
                told["expectancy_lower_pct"].to_string()
            })
        })
        .besides(&[("signals.expiry_interval", "1h"), ("signals.expires_after", "1d")]),
        setting("record.seal_interval", "20ms", "3", |at| {
            Box::pin(async move {
                three_of_two_days(at).await;
                at.comes_to(SUMMED, "", 3.0).await;
                at.metric(SUMMED, "").await.to_string()
            })
        }),
    ]
    .into_iter()
    .map(|row| row.on(On::MovedClock))
    .collect()
}

/// What is counted of what is added to the record.
pub const SUMMED: &str = "record_events_summed_total";

pub async fn three_of_two_days(at: &Stage) {
    at.publish(&at.producer().await, "brief", &["60", "60", "60"]).await;
    at.app.advance(Duration::from_hours(48));
}

/// How many of three signals a run ends after two days.
async fn expired(at: &Stage) -> String {
    three_of_two_days(at).await;
    at.app.core.use_cases.expiry.run_once().await.unwrap().0.to_string()
}

fn retention() -> Vec<Row> {
    const ASKED_ONLY: (&str, &str) = ("retention.interval", "1h");
    const SOON: (&str, &str) = ("retention.api_keys_after", "1d");
    vec![
        setting("retention.sessions_after", "1d", "1", |at| {
            Box::pin(async move {
                at.app.client().sign_up("ada@example.com").await;
                at.app.advance(Duration::from_hours(24 * 32));
                deleted(at).await.0.to_string()
            })
        })
        .besides(&[ASKED_ONLY]),
        setting("retention.api_keys_after", "1d", "2", |at| {
            Box::pin(async move {
                two_revoked_keys(at).await;
                deleted(at).await.1.to_string()
            })
        })
        .besides(&[ASKED_ONLY]),
        setting("retention.failed_jobs_after", "1d", "1", |at| {
            Box::pin(async move {
                at.broken_job().await;
                let counts = async || at.app.core.stores.jobs.counts().await.unwrap();
                assert!(within(3 * PATIENCE, async || counts().await.failed == 1).await);
                at.app.advance(Duration::from_hours(48));
                let mut run = Progress::default();
                while let RetentionStep::Deleted(_) =
                    at.app.core.use_cases.retention.step(&mut run).await.unwrap()
                {}
                run.rows.to_string()
            })
        })
        .besides(&[ASKED_ONLY, ("jobs.interval", "20ms")]),
        setting("retention.audit_after", "31d", "4", |at| {
            Box::pin(async move {
                at.app.client().sign_up("ada@example.com").await;
                at.app.advance(Duration::from_hours(24 * 32));
                let mut run = Progress::default();
                while let RetentionStep::Deleted(_) =
                    at.app.core.use_cases.retention.step(&mut run).await.unwrap()
                {}
                // Two lines; and the counts of their hour, which go in any case.
                run.rows.to_string()
            })
        })
        .besides(&[ASKED_ONLY]),
        setting("retention.notifications_after", "1d", "1", |at| {
            Box::pin(async move {
                let ada = at.app.client().sign_up("ada@example.com").await;
                let id = ada.user["id"].as_str().unwrap().parse().unwrap();
                let (core, now) = (&at.app.core, at.app.core.ports.clock.now());
                let accounts = &core.stores.accounts;
                accounts.set_tier_and_role(id, Tier::Pro, Role::User, now).await.unwrap();
                at.app.advance(Duration::from_hours(48));
                let mut run = Progress::default();
                while let RetentionStep::Deleted(_) =
                    core.use_cases.retention.step(&mut run).await.unwrap()
                {}
                let to = Recipient { user: id, viewer: Viewer::Anonymous };
                let page = core.use_cases.notifications.page(to, NotificationRequest::whole());
                (1 - page.await.unwrap().total).to_string()
            })
        })
        .besides(&[ASKED_ONLY]),
        setting("retention.max_rows_per_run", "1", "Bound", |at| {
            Box::pin(async move {
                two_revoked_keys(at).await;
                format!("{:?}", deleted(at).await.2)
            })
        })
        .besides(&[ASKED_ONLY, SOON]),
        setting("retention.interval", "20ms", "2", |at| {
            Box::pin(async move {
                two_revoked_keys(at).await;
                at.comes_to("retention_deleted_rows_total", "\"api_keys\"", 2.0).await;
                at.metric("retention_deleted_rows_total", "\"api_keys\"").await.to_string()
            })
        })
        .besides(&[SOON]),
    ]
    .into_iter()
    .map(|row| row.on(On::MovedClock))
    .collect()
}

/// What is due later is found by looking: nothing wakes the instance then.
fn jobs() -> Vec<Row> {
    vec![
        setting("jobs.interval", "20ms", "1", |at| {
            Box::pin(async move {
                // The first look, at the start, is over once something was done.
                at.job(Duration::ZERO).await;
                assert!(at.comes_to("jobs_done_total", "\"done\"", 1.0).await);
                at.job(Duration::from_hours(1)).await;
                // The looks that the end of the one and the coming of the other bring about are over as well.
                sleep(Duration::from_secs(1)).await;
                at.app.advance(Duration::from_hours(1));
                at.comes_to("jobs_done_total", "\"done\"", 2.0).await;
                (at.metric("jobs_done_total", "\"done\"").await - 1.0).to_string()
            })
        })
        .on(On::MovedClock),
    ]
}

/// Everybody who asks gets a mail, and the last job is done.
async fn mails_to(at: &Stage, people: &[&str]) -> Vec<String> {
    for email in people {
        at.app.client().sign_up(email).await;
        let body = json!({"email": email});
        at.app.client().post("auth/forgot-password", &body).await.expect(200);
        let counts = async || at.app.core.stores.jobs.counts().await.unwrap();
        let tried = async || {
            let is_pending = counts().await.pending > 0;
            !is_pending || at.metric("jobs_done_total", "\"reset_requested\"").await > 0.0
        };
        assert!(within(PATIENCE, tried).await);
    }
    at.app.mails()
}

fn mail() -> Vec<Row> {
    vec![
        // Nobody listens there.
        setting("mail.smtp", "smtp://127.0.0.1:1", "0", |at| {
            Box::pin(async move { mails_to(at, &["ada@example.com"]).await.len().to_string() })
        })
        .besides(&[("accounts.confirm_addresses", "never")]),
        setting("mail.from", "Ops <ops@example.org>", "true", |at| {
            Box::pin(async move {
                let mails = mails_to(at, &["ada@example.com"]).await;
                mails[0].contains("From: Ops <ops@example.org>").to_string()
            })
        }),
        setting("mail.outbox_files", "1", "1", |at| {
            Box::pin(async move {
                let people = ["ada@example.com", "bob@example.com"];
                mails_to(at, &people).await.len().to_string()
            })
        }),
    ]
}

/// Keys that were revoked two days ago.
pub async fn two_revoked_keys(at: &Stage) {
    let client = at.elite().await;
    for name in ["one", "two"] {
        let made = client.post("users/api-keys", &json!({"name": name})).await.expect(201);
        let path = format!("users/api-keys/{}", made["id"].as_str().unwrap());
        client.delete(&path).await.expect(200);
    }
    at.app.advance(Duration::from_hours(48));
}

/// The sessions and API keys that a run deletes, and how it ends.
async fn deleted(at: &Stage) -> (u64, u64, RetentionStep) {
    let (mut run, mut sessions, mut keys) = (Progress::default(), 0, 0);
    loop {
        match at.app.core.use_cases.retention.step(&mut run).await.unwrap() {
            RetentionStep::Deleted(rows) => {
                sessions += rows.sessions;
                keys += rows.api_keys;
            }
            end => return (sessions, keys, end),
        }
    }
}

fn log() -> Vec<Row> {
    vec![
        setting("events.poll_interval", "10m", "not read", |at| {
            Box::pin(async move {
                let other = at.app.sibling().await;
                // It reads once at its start.
                sleep(Duration::from_millis(200)).await;
                let key = other.producer("argo").await;
                at.publish(&other.client().with_key(&key), "shown", &["60"]).await;
                let head = u32::try_from(other.core.stores.events.head().await.unwrap()).unwrap();
                let read = at.comes_to("event_log_position", "", head.into()).await;
                if read { "read" } else { "not read" }.to_owned()
            })
        })
        .besides(&[("events.max_staleness", "1h")]),
        setting("events.max_staleness", "1h", "200", |at| {
            Box::pin(async move {
                let client = at.elite().await;
                without_a_log(at).await;
                sleep(Duration::from_millis(2_500)).await;
                client.get("signals/latest").await.status.as_u16().to_string()
            })
        })
        .besides(&[("events.catch_up_deadline", "500ms")]),
        setting("events.catch_up_deadline", "1m", "still waiting", |at| {
            Box::pin(async move {
                let client = at.elite().await;
                without_a_log(at).await;
                sleep(Duration::from_millis(1_500)).await;
                let asked = timeout(PATIENCE, client.get("signals/latest")).await;
                asked
                    .map_or("still waiting".to_owned(), |answer| answer.status.as_u16().to_string())
            })
        })
        .besides(&[("events.max_staleness", "1001ms")]),
        setting("events.page", "1", "one by one", |at| {
            Box::pin(async move {
                let other = at.app.sibling().await;
                let key = other.producer("argo").await;
                let reads =
                    async || at.metric("db_query_duration_seconds_count", "\"event_read\"").await;
                let before = reads().await;
                at.publish(&other.client().with_key(&key), "shown", &["60"; 50]).await;
                let head = u32::try_from(other.core.stores.events.head().await.unwrap()).unwrap();
                assert!(at.comes_to("event_log_position", "", head.into()).await);
                let many = reads().await - before > 30.0;
                if many { "one by one" } else { "many at once" }.to_owned()
            })
        }),
    ]
}

/// From now on the log cannot be read.
async fn without_a_log(at: &Stage) {
    let rename = |unit: &mut alpine_persistence::Unit<'_>| {
        unit.conn.batch_execute("ALTER TABLE events RENAME TO away")?;
        Ok(())
    };
    at.app.core.database.write("rename", rename).await.unwrap();
}

fn operation() -> Vec<Row> {
    vec![
        setting("clock.settle", "100ms", "agreed", |at| {
            Box::pin(async move {
                let time = &at.app.core.ports.agreed_time;
                let agreed = within(PATIENCE, async || time.agreed_now().is_some()).await;
                if agreed { "agreed" } else { "not yet" }.to_owned()
            })
        }),
        setting("health.probe_timeout", "50ms", "given up", |at| {
            Box::pin(async move {
                let database = at.app.core.database.clone();
                let held = tokio::spawn(async move {
                    let hold = |_: &mut _| {
                        std::thread::sleep(Duration::from_millis(500));
                        Ok(())
                    };
                    database.read("hold", hold).await
                });
                sleep(Duration::from_millis(50)).await;
                let health = at.app.client().get("/health").await.json();
                let status = health["details"]["database"]["status"].to_string();
                held.await.unwrap().unwrap();
                if status.contains("unhealthy") { "given up" } else { "waited for" }.to_owned()
            })
        })
        .besides(&[("database.pool_max", "1"), ("database.pool_kept", "1")]),
    ]
}
