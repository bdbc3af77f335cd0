//! The original's "Rollback Plan": each line is a documented command or setting (see the README's chapter of
//! that name), exercised here.

use std::time::Instant;

use alpine_domain::account::{Role, Tier};
use alpine_testing::{Memory, Wait, own_redis, postgres_url};
use serde_json::Value;

use crate::{
    alpine::{ARGO_SIGNALS, Alpine, health_tells},
    support::{Backend, Options, backends},
};

/// "Indexes can be dropped without affecting data": `cargo xtask migrate revert`, or DROP INDEX, while the
/// service runs.
#[tokio::test(flavor = "multi_thread")]
async fn indexes_can_be_dropped_without_affecting_data() {
    Alpine::on_every_back_end(async |alpine| {
        let batch = ARGO_SIGNALS.lines().take(50).collect::<Vec<_>>().join("\n");
        alpine.post_as_producer("external-signals/sync/batch", batch).await.expect(200);
        let token = alpine.admin_token().await;
        // Another limit each time, so that no cache answers.
        let rows = async |limit: u32| -> Vec<Value> {
            let path = format!("signals/latest?limit={limit}");
            alpine.json(&path, Some(&token)).await.as_array().unwrap()[..50].to_vec()
        };
        let before = rows(98).await;
        let mut migrator = alpine.app.migrator();
        let all = migrator.status().unwrap();
        let indexes = all.iter().filter(|migration| migration.name.contains("idx_")).count();
        assert!(indexes >= 5);
        migrator.revert(indexes).unwrap();
        assert!(!format!("{:?}", migrator.schema_fingerprint().unwrap()).contains("idx_signal_"));
        assert_eq!(rows(99).await, before, "without indexes");
        migrator.run().unwrap();
        assert_eq!(rows(100).await, before, "with indexes again");
    })
    .await;
}

/// Starts on a Redis of its own, calls `before`, kills it, calls `after`.
async fn losing_redis(
    options: Options,
    before: impl AsyncFn(&Alpine),
    after: impl AsyncFn(&Alpine),
) {
    let (Some(mut redis), Some(_)) = (own_redis(Memory::Lost), postgres_url()) else { return };
    let alpine = Alpine::start(&Backend::PostgresRedis { redis: redis.url() }, options).await;
    before(&alpine).await;
    let killed = Instant::now();
    redis.kill().unwrap();
    after(&alpine).await;
    let degraded = async || alpine.json("/health", None).await["status"] == "degraded";
    health_tells(killed).until("health says degraded", degraded).await;
}

/// "System falls back to in-memory if Redis unavailable".
#[tokio::test(flavor = "multi_thread")]
async fn system_falls_back_to_in_memory_if_redis_unavailable() {
    let ask = async |alpine: &Alpine| {
        let token = alpine.admin_token().await;
        let first = alpine.get("signals/latest", Some(&token)).await;
        let second = alpine.get("signals/latest", Some(&token)).await;
        assert_eq!((first.status.as_u16(), second.header("x-cache")), (200, "HIT"));
        alpine.post("auth/logout", &serde_json::json!({}), Some(&token)).await.expect(200);
        assert_eq!(alpine.get("auth/me", Some(&token)).await.status, 401);
    };
    losing_redis(Options::default(), ask, ask).await;
}

/// "Rate limiting falls back to in-memory if Redis unavailable": what was spent before stays spent.
#[tokio::test(flavor = "multi_thread")]
async fn rate_limiting_falls_back_to_in_memory_if_redis_unavailable() {
    let options = Options::default().set("ALPINE__RATE_LIMITS__ENABLED", "true");
    let count = async |alpine: &Alpine, requests: u32| {
        let mut admitted = 0;
        for _ in 0..requests {
            admitted += u32::from(alpine.get("signals/latest", None).await.status == 200);
        }
        admitted
    };
    let before = async |alpine: &Alpine| assert_eq!(count(alpine, 12).await, 12);
    let after = async |alpine: &Alpine| {
        let admitted = count(alpine, 30).await;
        assert!((1..=8).contains(&admitted), "{admitted} more than the twelve of twenty");
    };
    losing_redis(options, before, after).await;
}

/// "CORS: revert to `allow_origins=["*"]` if needed": then no credentials are sent along.
#[tokio::test(flavor = "multi_thread")]
async fn cors_can_be_reverted_to_any_origin() {
    let any = || Options::default().set("ALPINE__CORS__ORIGINS", "*");
    Alpine::with(any, async |alpine| {
        let client = alpine.as_holder(None);
        let request = client
            .request(reqwest::Method::GET, "signals/latest")
            .header("Origin", "https://any.example");
        let answer = client.send(request).await;
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        assert_eq!(answer.header("access-control-allow-credentials"), "");
    })
    .await;
}

/// "Connection pooling: revert to default settings": the original's five connections.
#[tokio::test(flavor = "multi_thread")]
async fn connection_pooling_can_be_reverted_to_default_settings() {
    const READERS: u32 = 40;
    for backend in backends().into_iter().filter(|backend| *backend != Backend::SqliteMemory) {
        let five = Options::default()
            .set("ALPINE__DATABASE__POOL_KEPT", &5)
            .set("ALPINE__DATABASE__POOL_MAX", &5)
            // Longer than the table is held.
            .set("ALPINE__DATABASE__CHECKOUT_TIMEOUT", "20s");
        let alpine = Alpine::start(&backend, five).await;
        let token = alpine.token_of(Tier::Pro, Role::User).await;
        let holder = alpine.app.deployment();
        let held = tokio::task::spawn_blocking(move || {
            holder.sql("BEGIN; LOCK TABLE signals; SELECT pg_sleep(1.5); COMMIT")
        });
        let count = |condition: &str| {
            let sql = format!("SELECT count(*) FROM pg_stat_activity WHERE {condition}");
            alpine.app.sql(&sql).unwrap().trim().parse::<u32>().unwrap()
        };
        Wait::unpromised("psql connects when it has started")
            .until("the table is held", async || {
                count("wait_event = 'PgSleep' AND datname = current_database()") == 1
            })
            .await;
        // Each asks for another signal, so that no cache answers, and they hold what connections there are.
        let readers: Vec<_> = (0..READERS)
            .map(|id| {
                let client = alpine.as_holder(Some(&token));
                let path = format!("signals/{}", 1_000_000 + id);
                tokio::spawn(async move { client.get(&path).await.status.as_u16() })
            })
            .collect();
        let mut most = 0;
        while !held.is_finished() {
            most = most.max(count("wait_event_type = 'Lock' AND datname = current_database()"));
        }
        assert_eq!(most, 5);
        for reader in readers {
            assert_eq!(reader.await.unwrap(), 404);
        }
    }
}
