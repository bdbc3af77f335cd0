//! How much is kept of answers, and for how long.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use alpine_domain::{
    Error,
    ports::cache::{CacheKey, CachePolicy, Loaded, Loader, Scope},
};
use tokio::time::timeout;

use crate::{
    row::{Row, setting},
    stage::{On, Stage},
};

const TTL: Duration = Duration::from_secs(100);

pub fn rows() -> Vec<Row> {
    let mut rows = bounds();
    rows.extend(times());
    rows
}

fn key(n: usize) -> CacheKey {
    CacheKey { route: "witness", scope: Scope::Public, parameters: n.to_string() }
}

fn policy() -> CachePolicy {
    CachePolicy { ttl: TTL, grace: Duration::ZERO, tags: Vec::new() }
}

/// Loads a body of so many bytes.
fn body(bytes: usize) -> Loader {
    Arc::new(move || {
        let body = vec![b'a'; bytes].into();
        Box::pin(async move { Ok(Loaded { body, headers: Vec::new(), expires_at: None }) })
    })
}

/// How many of a hundred bodies of so many bytes are kept.
async fn kept(at: &Stage, bytes: usize) -> usize {
    let cache = &at.app.core.ports.cache;
    for n in 0..100 {
        cache.get_or_load(key(n), &policy(), body(bytes)).await.unwrap();
    }
    (0..100).filter(|n| cache.get(&key(*n)).is_some()).count()
}

fn bounds() -> Vec<Row> {
    vec![
        setting("cache.max_bytes", "64KiB", "few", |at| {
            Box::pin(async move { few_or_most(kept(at, 5_000).await) })
        }),
        setting("cache.max_entries", "10", "few", |at| {
            Box::pin(async move { few_or_most(kept(at, 10).await) })
        }),
        setting("cache.max_body", "1KiB", "0", |at| {
            Box::pin(async move { kept(at, 1_025).await.to_string() })
        }),
        setting("cache.load_deadline", "50ms", "refused", |at| {
            Box::pin(async move {
                let never: Loader = Arc::new(|| Box::pin(std::future::pending()));
                let policy = policy();
                let load = at.app.core.ports.cache.get_or_load(key(0), &policy, never);
                let ended = timeout(Duration::from_secs(1), load).await;
                ended.map_or("still waiting", |_| "refused").to_owned()
            })
        }),
        setting("cache.jitter", "1.0", "far apart", |at| {
            Box::pin(async move {
                let cache = &at.app.core.ports.cache;
                let now = at.app.now();
                let mut shortest = TTL;
                for n in 0..40 {
                    let body = cache.get_or_load(key(n), &policy(), body(10)).await.unwrap();
                    shortest = shortest.min(body.fresh_until.since(now));
                }
                // With the default none lives for less than nine tenths.
                if shortest < TTL / 2 { "far apart" } else { "close together" }.to_owned()
            })
        })
        .on(On::MovedClock),
        setting("cache.absent_ttl", "50s", "1", |at| {
            Box::pin(async move {
                let asked = Arc::new(AtomicUsize::new(0));
                let counted = asked.clone();
                let absent: Loader = Arc::new(move || {
                    counted.fetch_add(1, Ordering::SeqCst);
                    Box::pin(async { Err(Error::NotFound("it")) })
                });
                let cache = &at.app.core.ports.cache;
                for _ in 0..2 {
                    cache.get_or_load(key(0), &policy(), absent.clone()).await.unwrap_err();
                    at.app.advance(Duration::from_secs(20));
                }
                asked.load(Ordering::SeqCst).to_string()
            })
        })
        .on(On::MovedClock),
        setting("cache.redis_bytes", "1KiB", "refused", |at| {
            Box::pin(async move {
                at.comes_to("redis_connected", "", 1.0).await;
                at.app.core.ports.cache.get_or_load(key(0), &policy(), body(5_000)).await.unwrap();
                let refused = at.comes_to("redis_cache_bytes_total", "too_large", 1.0).await;
                if refused { "refused" } else { "written" }.to_owned()
            })
        })
        .on(On::Redis)
        .besides(&[("redis.url", "{redis}"), ("redis.deadline", "1s")]),
    ]
}

/// With the bounds of the rows 13 and 10 have room.
fn few_or_most(count: usize) -> String {
    if count <= 13 { "few" } else { "most" }.to_owned()
}

/// Whether an answer comes from the cache after so many minutes. Only administrators are told.
async fn after(at: &Stage, path: &str, minutes: u64) -> String {
    let admin = at.admin().await;
    let asked = async || admin.get(path).await.header("x-cache").to_owned();
    asked().await;
    at.app.advance(Duration::from_mins(minutes));
    asked().await
}

fn times() -> Vec<Row> {
    const LONG: (&str, &str) = ("accounts.access_ttl", "5h");
    vec![
        setting("cache_ttl.signals", "1h", "HIT", |at| Box::pin(after(at, "signals/latest", 2))),
        setting("cache_ttl.performance", "1h", "HIT", |at| Box::pin(after(at, "symbols", 6))),
        setting("cache_ttl.profile", "1h", "HIT", |at| Box::pin(after(at, "auth/me", 2))),
        setting("cache_ttl.grace", "1h", "STALE", |at| Box::pin(after(at, "symbols", 30))),
    ]
    .into_iter()
    .map(|row| row.on(On::MovedClock).besides(&[LONG]))
    .collect()
}
