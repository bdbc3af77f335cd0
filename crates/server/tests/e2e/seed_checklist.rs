//! The original's "Testing Checklist": a test each, named after its line. The ninth and tenth lines,
//! `exception_handler_catches_and_logs_errors` and `no_duplicate_dependencies`, are tested where log
//! lines and the dependency graph can be seen: in the `http` crate and in `xtask`.

use alpine_domain::account::{Role, Tier};
use alpine_testing::Wait;
use futures_util::future::join_all;
use serde_json::json;

use crate::{
    alpine::{ARGO_SIGNALS, Alpine},
    support::{Answer, Backend, Options, backends},
};

fn metric(text: &str, name: &str) -> f64 {
    let lines = text.lines().filter(|line| line.starts_with(name) && !line.starts_with('#'));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

/// "Database connection pooling works correctly": many at once are served by few connections.
#[tokio::test(flavor = "multi_thread")]
async fn database_connection_pooling_works_correctly() {
    let few = || {
        Options::default()
            .set("ALPINE__DATABASE__POOL_MAX", &4)
            .set("ALPINE__DATABASE__POOL_KEPT", &2)
    };
    Alpine::with(few, async |alpine| {
        let token = alpine.token_of(Tier::Pro, Role::User).await;
        // Each asks for another signal, so that no cache answers.
        let paths: Vec<String> = (0..100).map(|id| format!("signals/{}", 1_000_000 + id)).collect();
        let answers = join_all(paths.iter().map(|path| alpine.get(path, Some(&token)))).await;
        assert!(answers.iter().all(|answer| answer.status == 404), "{answers:?}");
        let metrics = alpine.get("/metrics", None).await.text;
        let open = metric(&metrics, "db_connections_active") + metric(&metrics, "db_connections_idle");
        assert!((1.0..=4.0).contains(&open), "{open} connections");
        if let Some(count) = alpine.app.sql(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'alpine' AND datname = current_database()",
        ) {
            // One more follows the log or migrated before the pool was there.
            assert!((1..=5).contains(&count.trim().parse::<u32>().unwrap()), "{count}");
        }
    })
    .await;
}

/// "Database indexes created successfully": under the original's names, in the form that hot queries use.
#[tokio::test(flavor = "multi_thread")]
async fn database_indexes_created_successfully() {
    Alpine::on_every_back_end(async |alpine| {
        let schema = format!("{:?}", alpine.app.migrator().schema_fingerprint().unwrap());
        for name in [
            "idx_signal_active_confidence_created",
            "idx_signal_symbol_created",
            "idx_user_tier_active",
            "idx_user_created_at",
            "idx_notif_user_read_created",
        ] {
            assert!(schema.contains(name), "{name} is missing");
        }
    })
    .await;
}

/// "Redis caching works (test cache hit/miss)": with memory just so.
#[tokio::test(flavor = "multi_thread")]
async fn redis_caching_works_test_cache_hit_miss() {
    Alpine::on_every_back_end(async |alpine| {
        // Only administrators are told where an answer came from.
        let token = alpine.admin_token().await;
        let ask = async || alpine.get("signals/latest", Some(&token)).await;
        assert_eq!(ask().await.header("x-cache"), "MISS");
        let hit = ask().await;
        assert_eq!((hit.header("x-cache"), hit.text.as_str()), ("HIT", "[]"));
        let metrics = alpine.get("/metrics", None).await.text;
        assert!(metric(&metrics, "redis_cache_hits_total") >= 1.0);
        assert!(metric(&metrics, "redis_cache_misses_total") >= 1.0);

        let etag = hit.header("etag").to_owned();
        let client = alpine.as_holder(Some(&token));
        let request =
            client.request(reqwest::Method::GET, "signals/latest").header("If-None-Match", etag);
        assert_eq!(client.send(request).await.status, 304);

        alpine.ingest(ARGO_SIGNALS.lines().next().unwrap()).await;
        assert!(ask().await.text.contains("AAPL"), "a new signal is in the cached list at once");
    })
    .await;
}

fn limited() -> Options {
    // A call that runs into its deadline may have been counted, and is decided by the instance: on a busy machine one more
    // would be admitted.
    Options::default()
        .set("ALPINE__RATE_LIMITS__ENABLED", "true")
        .set("ALPINE__REDIS__DEADLINE", "2s")
}

/// "Rate limiting works across multiple requests", and across instances.
#[tokio::test(flavor = "multi_thread")]
async fn rate_limiting_works_across_multiple_requests() {
    for backend in backends() {
        let alpine = Alpine::start(&backend, limited()).await;
        let sibling = match backend {
            Backend::SqliteMemory => None,
            Backend::PostgresRedis { .. } => Some(alpine.app.sibling().await),
        };
        let mut admitted = 0;
        for turn in 0..25 {
            let client = match &sibling {
                Some(sibling) if turn % 2 == 1 => sibling.client(),
                _ => alpine.as_holder(None),
            };
            let answer: Answer = client.get("signals/latest").await;
            if answer.status == 200 {
                admitted += 1;
                assert!(!answer.header("ratelimit").is_empty());
                continue;
            }
            assert_eq!(answer.status, 429);
            assert!(answer.header("retry-after").parse::<u32>().unwrap() >= 1);
            assert_eq!(answer.header("x-ratelimit-remaining"), "0");
        }
        assert_eq!(admitted, 20, "of an anonymous address in a minute, on {backend:?}");
        assert_eq!(alpine.get("/health", None).await.status, 200, "health is not limited");
    }
}

/// "Token blacklist works (logout invalidates token)".
#[tokio::test(flavor = "multi_thread")]
async fn token_blacklist_works_logout_invalidates_token() {
    Alpine::on_every_back_end(async |alpine| {
        let token = alpine.token_of(Tier::Free, Role::User).await;
        assert_eq!(alpine.get("users/profile", Some(&token)).await.status, 200);
        alpine.post("auth/logout", &json!({}), Some(&token)).await.expect(200);
        assert_eq!(alpine.get("users/profile", Some(&token)).await.status, 401);
        assert_eq!(alpine.get("signals/latest", Some(&token)).await.status, 401);
    })
    .await;
}

async fn from_origin(alpine: &Alpine, origin: &str) -> Answer {
    let client = alpine.as_holder(None);
    let request = client.request(reqwest::Method::GET, "signals/latest").header("Origin", origin);
    client.send(request).await
}

/// "CORS configuration allows frontend access", and nobody else's.
#[tokio::test(flavor = "multi_thread")]
async fn cors_configuration_allows_frontend_access() {
    let frontend = || Options::default().set("FRONTEND_URL", "https://app.example.com");
    Alpine::with(frontend, async |alpine| {
        let answer = from_origin(&alpine, "https://app.example.com").await;
        assert_eq!(answer.header("access-control-allow-origin"), "https://app.example.com");
        for stranger in [
            "https://evil.example.com",
            "null",
            "https://app.example.com.evil.com",
            "http://app.example.com",
        ] {
            let answer = from_origin(&alpine, stranger).await;
            assert_eq!(answer.header("access-control-allow-origin"), "", "{stranger}");
        }
        let client = alpine.as_holder(None);
        let preflight = client
            .request(reqwest::Method::OPTIONS, "auth/login")
            .header("Origin", "https://app.example.com")
            .header("Access-Control-Request-Method", "POST")
            .header("Access-Control-Request-Headers", "content-type");
        let answer = client.send(preflight).await;
        assert!(answer.status.is_success());
        assert!(answer.header("access-control-allow-methods").contains("POST"));
        assert!(!answer.header("access-control-allow-methods").contains("TRACE"));
    })
    .await;
}

/// "GZip compression reduces response size": above one kilobyte, when the client takes it.
#[tokio::test(flavor = "multi_thread")]
async fn gzip_compression_reduces_response_size() {
    Alpine::on_every_back_end(async |alpine| {
        let batch = ARGO_SIGNALS.lines().take(100).collect::<Vec<_>>().join("\n");
        alpine.post_as_producer("external-signals/sync/batch", batch).await.expect(200);
        let token = alpine.token_of(Tier::Elite, Role::User).await;
        let raw = reqwest::Client::builder().no_gzip().build().unwrap();
        let size = async |path: &str, encoding: &str| {
            let url = format!("{}/api/v1/{path}", alpine.app.base);
            let request = raw.get(url).bearer_auth(&token).header("Accept-Encoding", encoding);
            let answer = request.send().await.unwrap();
            let encoding =
                answer.headers().get("content-encoding").map(|v| v.to_str().unwrap().to_owned());
            (answer.bytes().await.unwrap().len(), encoding)
        };
        for path in ["signals/latest?limit=100", "signals/export?format=json"] {
            let (plain, none) = size(path, "identity").await;
            let (small, gzip) = size(path, "gzip").await;
            assert_eq!((none, gzip.as_deref()), (None, Some("gzip")), "{path}");
            assert!(small * 2 < plain, "{path}: {small} of {plain} bytes");
        }
        assert_eq!(size("external-signals/sync/health", "gzip").await.1, None, "not worth it");
    })
    .await;
}

/// "Health check reports database/Redis status".
#[tokio::test(flavor = "multi_thread")]
async fn health_check_reports_database_redis_status() {
    for backend in backends() {
        let alpine = Alpine::start(&backend, Options::default()).await;
        let redis = match backend {
            Backend::SqliteMemory => "not_configured",
            Backend::PostgresRedis { .. } => "healthy",
        };
        let good = async || {
            let health = alpine.json("/health", None).await;
            (
                &health["status"],
                &health["details"]["database"]["status"],
                &health["details"]["redis"]["status"],
            ) == (&json!("healthy"), &json!("healthy"), &json!(redis))
        };
        Wait::unpromised("a start does not wait for Redis to have answered several times")
            .until("database and Redis are reported", good)
            .await;
    }
}
