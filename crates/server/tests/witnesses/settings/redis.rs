//! Redis: where it is, and how long anybody waits for it.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    row::{Row, setting},
    stage::{On, PATIENCE, Stage, within},
};

const URL: (&str, &str) = ("redis.url", "{redis}");
/// The others are about something else than a slow machine.
const PATIENT: (&str, &str) = ("redis.deadline", "5s");

pub fn rows() -> Vec<Row> {
    let is_used = |key: &str, value| {
        setting(key, value, "in use", |at| {
            Box::pin(async move {
                let used = at.comes_to("redis_connected", "", 1.0).await;
                if used { "in use" } else { "not in use" }.to_owned()
            })
        })
    };
    vec![
        is_used("redis.url", "{redis}").besides(&[PATIENT]),
        setting("redis.key_prefix", "witness-of-the-prefix", "found", |at| {
            Box::pin(async move {
                assert!(at.comes_to("redis_connected", "", 1.0).await);
                let redis = at.redis.as_ref().unwrap();
                let found = redis.command(&["KEYS", "witness-of-the-prefix:*"]).unwrap();
                if found.trim().is_empty() { "not found" } else { "found" }.to_owned()
            })
        })
        .besides(&[URL, PATIENT]),
        setting("redis.deadline", "5s", "in use", |at| Box::pin(used_when_slow(at, 100)))
            .besides(&[URL, ("redis.connect_timeout", "5s")]),
        setting("redis.connect_timeout", "50ms", "not in use", |at| {
            Box::pin(used_when_slow(at, 150))
        })
        .besides(&[URL, PATIENT]),
        setting("redis.probe_interval", "1h", "not in use", |at| {
            Box::pin(async move {
                assert!(at.comes_to("redis_connected", "", 1.0).await);
                let proxy = at.proxy.as_ref().unwrap();
                proxy.refuse();
                proxy.cut();
                let gone = async || at.metric("redis_connected", "").await < 1.0;
                assert!(within(Duration::from_secs(10), gone).await);
                proxy.pass();
                let back = at.comes_to("redis_connected", "", 1.0).await;
                if back { "in use" } else { "not in use" }.to_owned()
            })
        })
        .besides(&[URL, PATIENT, ("redis.check_interval", "300ms")]),
        setting("redis.check_interval", "100ms", "noticed", |at| {
            Box::pin(async move {
                assert!(at.comes_to("redis_connected", "", 1.0).await);
                at.proxy.as_ref().unwrap().black_hole();
                let gone = async || at.metric("redis_connected", "").await < 1.0;
                if within(PATIENCE, gone).await { "noticed" } else { "not noticed" }.to_owned()
            })
        })
        .besides(&[URL, ("redis.deadline", "300ms")]),
    ]
    .into_iter()
    .map(|row| row.on(On::Redis))
    .collect()
}

/// Whether a Redis is used that becomes slow and is lost once.
async fn used_when_slow(at: &Stage, milliseconds: u64) -> String {
    let proxy = at.proxy.as_ref().unwrap();
    proxy.delay(Duration::ZERO, Duration::from_millis(milliseconds));
    proxy.cut();
    sleep(Duration::from_millis(200)).await;
    let gone = async || at.metric("redis_connected", "").await < 1.0;
    within(PATIENCE, gone).await;
    let back = async || at.metric("redis_connected", "").await > 0.0;
    if within(2 * PATIENCE, back).await { "in use" } else { "not in use" }.to_owned()
}
