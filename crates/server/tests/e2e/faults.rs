//! Servers that go away under the running application.

use std::time::{Duration, Instant};

use alpine_domain::account::{Role, Tier};
use alpine_testing::{Memory, Wait, own_postgres, own_redis, postgres_authority, postgres_url};
use serde_json::{Value, json};

use crate::{
    alpine::{ARGO_SIGNALS, Alpine, health_tells},
    support::{Backend, Options},
};

/// Every path whose answer must not depend on Redis.
const PATHS: [&str; 7] = [
    "signals/latest?limit=5",
    "signals/subscribed",
    "signals/live",
    "signals/history",
    "auth/me",
    "performance/stats",
    "symbols",
];

async fn answers(alpine: &Alpine, token: &str) -> Vec<(u16, Value)> {
    let mut answers = Vec::new();
    for path in PATHS {
        let answer = alpine.get(path, Some(token)).await;
        answers.push((answer.status.as_u16(), answer.json()));
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_redis_changes_no_answer_except_health() {
    let (Some(mut redis), Some(_)) = (own_redis(Memory::Lost), postgres_url()) else { return };
    let back_end = Backend::PostgresRedis { redis: redis.url() };
    let alpine = Alpine::start(&back_end, Options::default()).await;
    let batch = ARGO_SIGNALS.lines().take(20).collect::<Vec<_>>().join("\n");
    alpine.post_as_producer("external-signals/sync/batch", batch).await.expect(200);
    let revoked = alpine.token_of(Tier::Pro, Role::User).await;
    let token = alpine.token_of(Tier::Pro, Role::User).await;
    alpine.post("auth/logout", &json!({}), Some(&revoked)).await.expect(200);
    let before = answers(&alpine, &token).await;
    assert!(before.iter().all(|(status, _)| *status == 200));

    let killed = Instant::now();
    redis.kill().unwrap();
    assert_eq!(answers(&alpine, &token).await, before);
    assert_eq!(alpine.get("auth/me", Some(&revoked)).await.status, 401, "revoked before the kill");
    let degraded = async || alpine.json("/health", None).await["status"] == "degraded";
    health_tells(killed).until("health says degraded", degraded).await;
    assert_eq!(alpine.get("/health/readiness", None).await.status, 200);

    // A restarted instance without Redis knows of the revocation as well.
    let sibling = alpine.app.sibling().await;
    assert_eq!(sibling.client().with_token(&revoked).get("auth/me").await.status, 401);

    redis.restart().unwrap();
    let healthy = async || alpine.json("/health", None).await["status"] == "healthy";
    Wait::unpromised("Redis is used again once it has answered several times")
        .until("health recovers", healthy)
        .await;
    assert_eq!(answers(&alpine, &token).await, before);
    assert_eq!(alpine.get("auth/me", Some(&revoked)).await.status, 401, "it came back empty");
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_postgres_gives_503_problem_documents_and_full_recovery() {
    let (Some(mut redis), Some(mut postgres)) = (own_redis(Memory::Lost), own_postgres()) else {
        return;
    };
    redis.command(&["PING"]).unwrap();
    let options = Options::default().set("DATABASE_URL", &postgres.url());
    let alpine = Alpine::start(&Backend::PostgresRedis { redis: redis.url() }, options).await;
    let token = alpine.token_of(Tier::Elite, Role::User).await;
    let signal = ARGO_SIGNALS.lines().next().unwrap();
    let stored = alpine.ingest(signal).await;
    assert_eq!(stored.status, 201);
    let signal = format!("signals/{}", stored.json()["alpine_signal_id"]);

    postgres.kill().unwrap();
    let export = "signals/export?format=ndjson";
    for path in ["signals/history?limit=7", &signal, "signals/subscribed?limit=3", export] {
        let started = Instant::now();
        let answer = alpine.get(path, Some(&token)).await;
        assert_eq!(answer.status, 503, "{path}: {}", answer.text);
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert!(!answer.header("retry-after").is_empty());
        assert!(!answer.text.to_lowercase().contains("connection to server"), "{}", answer.text);
        assert!(started.elapsed() < Duration::from_secs(10), "waiting is bounded");
    }
    assert_eq!(alpine.ingest(ARGO_SIGNALS.lines().nth(1).unwrap()).await.status, 503);
    assert_eq!(alpine.get("/health/liveness", None).await.status, 200);
    assert_eq!(alpine.get("/health/readiness", None).await.status, 503);

    redis.kill().unwrap();
    postgres.restart().unwrap();
    let recovered = async || alpine.get(&signal, Some(&token)).await.status == 200;
    Wait::unpromised("PostgreSQL has just come back, and the pool backs off from it")
        .until("reads are served again", recovered)
        .await;
    // No connection from before the restart is handed out any more.
    for limit in 1..=20 {
        let path = format!("signals/history?limit={limit}");
        assert_eq!(alpine.get(&path, Some(&token)).await.status, 200, "{path}");
    }
    assert_eq!(alpine.ingest(ARGO_SIGNALS.lines().nth(1).unwrap()).await.status, 201);
}

/// The server proves who it is, by an authority that is named; another authority is not believed.
#[tokio::test(flavor = "multi_thread")]
async fn postgres_is_reached_with_a_fully_verified_certificate() {
    let (Some(mut server), Some(redis), Some(authority)) =
        (own_postgres(), own_redis(Memory::Lost), postgres_authority())
    else {
        return;
    };
    let url = |authority: &std::path::Path| {
        let authority = authority.display();
        let base = server.url().replace("127.0.0.1", "localhost");
        format!("{base}?sslmode=verify-full&sslrootcert={authority}")
    };
    let options = Options::default().set("DATABASE_URL", &url(server.authority()));
    let alpine = Alpine::start(&Backend::PostgresRedis { redis: redis.url() }, options).await;
    assert_eq!(alpine.ingest(ARGO_SIGNALS.lines().next().unwrap()).await.status, 201);
    let encrypted = server
        .execute("SELECT count(*) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE s.ssl AND a.application_name = 'alpine'")
        .unwrap();
    assert!(encrypted.trim().parse::<u32>().unwrap() >= 1, "{encrypted}");

    let other = alpine_persistence::DatabaseSettings::new(url(&authority));
    let refused =
        tokio::task::spawn_blocking(move || alpine_persistence::Migrator::connect(&other).err());
    assert!(refused.await.unwrap().is_some(), "a certificate of another authority");
    server.kill().unwrap();
}

/// While PostgreSQL takes no writes, reads are served, writes refused for now, and health says so; an
/// instance stays ready, because its readers lose nothing. Then everything works again by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_postgres_serves_reads_and_is_written_again() {
    let (Some(redis), Some(postgres)) = (own_redis(Memory::Lost), own_postgres()) else {
        return;
    };
    let options = Options::default().set("DATABASE_URL", &postgres.url());
    let alpine = Alpine::start(&Backend::PostgresRedis { redis: redis.url() }, options).await;
    let token = alpine.token_of(Tier::Elite, Role::User).await;
    let mut lines = ARGO_SIGNALS.lines();
    let mut next = || lines.next().unwrap();
    let stored = alpine.ingest(next()).await;
    assert_eq!(stored.status, 201);
    let signal = format!("signals/{}", stored.json()["alpine_signal_id"]);

    postgres.execute("ALTER SYSTEM SET default_transaction_read_only = on").unwrap();
    postgres.execute("SELECT pg_reload_conf()").unwrap();
    let line = next();
    let is_refused = async || alpine.ingest(line).await.status == 503;
    Wait::unpromised("a reload reaches a session of PostgreSQL when it is idle")
        .until("writes are refused", is_refused)
        .await;
    let refused = Instant::now();
    for limit in 1..=5 {
        let refused = alpine.ingest(line).await;
        assert_eq!(refused.status, 503, "{}", refused.text);
        assert_eq!(refused.header("retry-after"), "1");
        assert_eq!(refused.json()["detail"], "writing to the database is unavailable");
        let history = format!("signals/history?limit={limit}");
        for path in [signal.as_str(), &history] {
            assert_eq!(alpine.get(path, Some(&token)).await.status, 200, "{path}");
        }
    }
    let health = async || alpine.get("/health", None).await.json();
    let degraded = async || health().await["status"] == "degraded";
    let promise = "a report is passed on for a second, `health.rs`; another for a busy machine";
    Wait::promised(Duration::from_secs(2), refused, promise)
        .until("health says so", degraded)
        .await;
    let check = health().await["details"]["database"].clone();
    assert_eq!(
        (&check["status"], &check["detail"]),
        (&"degraded".into(), &"the database takes no writes".into())
    );
    assert_eq!(alpine.get("/health/readiness", None).await.status, 200);

    postgres.execute("ALTER SYSTEM RESET default_transaction_read_only").unwrap();
    let reset = Instant::now();
    postgres.execute("SELECT pg_reload_conf()").unwrap();
    let promise = "a host that takes writes is looked for once a second, `pool.rs`; the rest is for \
                   the reload and a machine with three times the work, where five seconds were not enough";
    Wait::promised(Duration::from_secs(10), reset, promise)
        .until("writes are taken again", async || alpine.ingest(line).await.status == 201)
        .await;
}

/// Many readers ask for the costliest figures while their table is locked: others are answered, and
/// nothing goes on in PostgreSQL for readers who have gone.
#[tokio::test(flavor = "multi_thread")]
async fn costly_reads_take_nothing_from_others_and_end_with_their_readers() {
    let (Some(redis), Some(postgres)) = (own_redis(Memory::Lost), own_postgres()) else {
        return;
    };
    let options = Options::default().set("DATABASE_URL", &postgres.url());
    let alpine = Alpine::start(&Backend::PostgresRedis { redis: redis.url() }, options).await;
    let token = alpine.token_of(Tier::Elite, Role::User).await;
    let postgres = std::sync::Arc::new(postgres);
    let waiting = || {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' \
                   AND wait_event_type = 'Lock'";
        postgres.execute(sql).unwrap().parse::<u32>().unwrap()
    };
    let lock = std::thread::spawn({
        let postgres = std::sync::Arc::clone(&postgres);
        move || {
            let sql = "LOCK TABLE outcomes IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(9)";
            postgres.execute(sql).map(|_| ())
        }
    });
    let locked = async || {
        let sql = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted \
                   AND relation = 'outcomes'::regclass";
        postgres.execute(sql).unwrap() == "1"
    };
    Wait::unpromised("psql connects when it has started")
        .until("the table is locked", locked)
        .await;

    // More than there are connections, and no two of them share an entry of the cache.
    let readers: Vec<_> = (1..=60)
        .map(|days| {
            let client = alpine.as_holder(None);
            tokio::spawn(async move {
                client.get(&format!("performance/equity-curve?days={days}")).await.status.as_u16()
            })
        })
        .collect();
    Wait::unpromised("requests arrive as fast as the machine lets them")
        .until("they wait in PostgreSQL", async || waiting() > 0)
        .await;
    for _ in 0..20 {
        let asked = Instant::now();
        let answer = alpine.get("auth/me", Some(&token)).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        // A connection would be waited for as long as this; the rest is a busy machine's.
        assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
        assert!(waiting() <= 4, "costly reads have four connections");
    }
    for reader in &readers {
        reader.abort();
    }
    Wait::unpromised("what is promised is that they end before the lock does, which comes next")
        .until("nothing is read for readers who have gone", async || waiting() == 0)
        .await;
    assert!(!lock.is_finished(), "the lock ended before the statements did");
    assert_eq!(alpine.get("auth/me", Some(&token)).await.status, 200);
    lock.join().unwrap().unwrap();
}
