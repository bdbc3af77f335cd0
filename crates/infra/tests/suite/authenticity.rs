//! Invariant 17: nothing that is read from Redis is believed without proof that Alpine wrote it for that
//! very key; and what a writer to Redis can do to the limiter is bounded.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use alpine_domain::{
    Clock as _, Error,
    ports::{
        blacklist::TokenBlacklist as _,
        cache::{
            CacheKey, CacheOutcome, CachePolicy, Loaded, Loader, ResponseCache as _, Scope, Tag,
        },
        rate_limit::{RateLimiter as _, RatePolicy, Window},
    },
    time::SystemClock,
};
use alpine_infra::{
    InfraMetrics, MonotonicClock,
    blacklist::{BlacklistSettings, RedisBlacklist},
    cache::{BodyCache, CacheSettings},
    rate_limit::RedisRateLimiter,
    redis::{RedisHandle, RedisSettings},
};
use alpine_testing::{Memory, Wait, own_redis};
use prometheus::{Registry, TextEncoder};
use redis::{Commands as _, Connection};
use sha2::{Digest as _, Sha256};
use tokio::time::{Instant, sleep, timeout};

use crate::support::{ONE, database_of, metrics, shared_limits};

const TAG: Tag = Tag::of("signals");
const PATIENCE: Duration = Duration::from_secs(10);

fn settings(url: &str) -> RedisSettings {
    let mut settings = RedisSettings::new(url).unwrap();
    // Generous: a busy machine must not make a cache or a limiter fall back.
    settings.deadline = Duration::from_secs(2);
    settings
}

/// A handle of a deployment on the database `database`.
async fn handle(url: &str, database: u128) -> RedisHandle {
    let redis = database_of(RedisHandle::open(settings(url), metrics()).unwrap(), database);
    assert!(redis.wait_until_in_use(PATIENCE).await, "Redis is not used");
    redis
}

async fn cache(url: &str, database: u128) -> BodyCache {
    cache_with(url, database, CacheSettings::default(), metrics()).await
}

async fn cache_with(
    url: &str,
    database: u128,
    settings: CacheSettings,
    metrics: Arc<InfraMetrics>,
) -> BodyCache {
    let redis = handle(url, database).await;
    let cache =
        BodyCache::with_redis(settings, redis, ONE, Arc::new(SystemClock), metrics).unwrap();
    cache.restart(&[(TAG, 7)]);
    cache
}

/// What the cache answers, how it came about, and how often the source was asked.
async fn get(
    cache: &BodyCache,
    scope: Scope,
    source: &'static str,
) -> (String, CacheOutcome, usize) {
    let key = CacheKey { route: "latest", scope, parameters: String::new() };
    let policy =
        CachePolicy { ttl: Duration::from_mins(1), grace: Duration::ZERO, tags: vec![TAG] };
    let loads = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&loads);
    let load: Loader = Arc::new(move || {
        count.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            Ok(Loaded { body: source.into(), headers: Vec::new(), expires_at: None })
        })
    });
    let got = cache.get_or_load(key, &policy, load).await.unwrap();
    // The entry is written to Redis after the answer.
    sleep(Duration::from_millis(100)).await;
    (String::from_utf8(got.body.to_vec()).unwrap(), got.outcome, loads.load(Ordering::SeqCst))
}

fn connect(url: &str) -> Connection {
    redis::Client::open(url).unwrap().get_connection().unwrap()
}

fn bodies(redis: &mut Connection) -> Vec<String> {
    redis.keys("*:body").unwrap()
}

/// Replaces `from` by `to` in an entry and mends what can be mended without a key.
fn forge(entry: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let at = entry.windows(from.len()).position(|part| part == from).unwrap();
    let mut forged = entry.to_vec();
    forged[at..at + to.len()].copy_from_slice(to);
    let end = forged.len() - 32;
    let digest = Sha256::digest(&forged[..end]);
    forged[end..].copy_from_slice(&digest);
    forged
}

#[tokio::test]
async fn invariant_17_a_forged_body_is_never_served() {
    let Some(server) = own_redis(Memory::Lost) else { return };
    let url = server.url();
    let first = cache(&url, 1).await;
    assert_eq!(get(&first, Scope::Group("elite"), "price 101").await.1, CacheOutcome::Miss);
    let mut redis = connect(&url);
    let names = bodies(&mut redis);
    assert_eq!(names.len(), 1, "{names:?}");
    let entry: Vec<u8> = redis.get(&names[0]).unwrap();
    // An untouched one is shared.
    let second = cache(&url, 1).await;
    assert_eq!(
        get(&second, Scope::Group("elite"), "other").await,
        ("price 101".to_owned(), CacheOutcome::Hit, 0)
    );
    let () = redis.set_ex(&names[0], forge(&entry, b"price 101", b"price 999"), 60).unwrap();
    let third = cache(&url, 1).await;
    assert_eq!(
        get(&third, Scope::Group("elite"), "price 102").await,
        ("price 102".to_owned(), CacheOutcome::Miss, 1)
    );
}

#[tokio::test]
async fn invariant_17_an_entry_is_good_under_its_own_key_only() {
    let Some(server) = own_redis(Memory::Lost) else { return };
    let url = server.url();
    let first = cache(&url, 1).await;
    get(&first, Scope::Group("elite"), "elite list").await;
    let mut redis = connect(&url);
    let elite = bodies(&mut redis);
    get(&first, Scope::Public, "public list").await;
    let public: Vec<_> =
        bodies(&mut redis).into_iter().filter(|key| !elite.contains(key)).collect();
    assert_eq!((elite.len(), public.len()), (1, 1));
    let entry: Vec<u8> = redis.get(&elite[0]).unwrap();
    let () = redis.set_ex(&public[0], entry, 60).unwrap();
    let second = cache(&url, 1).await;
    assert_eq!(
        get(&second, Scope::Public, "public again").await,
        ("public again".to_owned(), CacheOutcome::Miss, 1)
    );
}

/// How many values of this kind were found forged.
fn forgeries(registry: &Registry, kind: &str) -> u64 {
    let text = TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
    let series = text.lines().filter(|line| line.starts_with("redis_forgeries_total{"));
    let of_kind = series.filter(|line| line.contains(kind));
    of_kind.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

/// A lease that Alpine did not write for that very key keeps nobody waiting, and is told of.
#[tokio::test]
async fn invariant_17_a_forged_lease_keeps_nobody_from_loading() {
    let Some(server) = own_redis(Memory::Lost) else { return };
    let url = server.url();
    get(&cache(&url, 1).await, Scope::Public, "first").await;
    let mut redis = connect(&url);
    let body = bodies(&mut redis).pop().unwrap();
    let lease = format!("{}:lease", body.trim_end_matches(":body"));
    // Its end lies in the far future, and its code is somebody else's.
    let mut forged = vec![7; 16];
    forged.extend_from_slice(&(i64::MAX / 2).to_be_bytes());
    forged.extend_from_slice(&Sha256::digest(b"not ours"));
    for value in [forged, b"x".to_vec(), Vec::new()] {
        let () = redis.del(&body).unwrap();
        let () = redis.set_ex(&lease, &value, 600).unwrap();
        // Whoever believes it waits for a load that nobody makes.
        let (registry, mut settings) = (Registry::new(), CacheSettings::default());
        settings.load_deadline = Duration::from_mins(5);
        let metrics = InfraMetrics::register(&registry).unwrap();
        let other = cache_with(&url, 1, settings, metrics).await;
        let got = timeout(Duration::from_mins(1), get(&other, Scope::Public, "loaded")).await;
        assert_eq!(got.unwrap(), ("loaded".to_owned(), CacheOutcome::Miss, 1), "{value:?}");
        assert_eq!(forgeries(&registry, "cache lease"), 1, "{value:?}");
    }
}

/// What stands in the place of a mirrored revocation and is none says nothing about the token.
#[tokio::test]
async fn invariant_17_a_forged_revocation_is_not_believed() {
    let Some(server) = own_redis(Memory::Lost) else { return };
    let url = server.url();
    let registry = Registry::new();
    let list = async |metrics| {
        let redis = handle(&url, 1).await;
        RedisBlacklist::new(BlacklistSettings::default(), redis, Arc::new(SystemClock), metrics)
    };
    let writer = list(metrics()).await;
    let reader = list(InfraMetrics::register(&registry).unwrap()).await;
    let until = SystemClock.now().later(Duration::from_mins(10));
    let mut redis = connect(&url);
    let denied = |redis: &mut Connection| -> Vec<String> { redis.keys("*denied:*").unwrap() };
    writer.deny("session", until);
    Wait::unpromised("Redis is a mirror, which is written behind the answer")
        .until("it is mirrored", async || !denied(&mut redis).is_empty())
        .await;
    assert!(reader.is_denied("session").await.unwrap());
    let name = denied(&mut redis).pop().unwrap();
    let good: Vec<u8> = redis.get(&name).unwrap();
    let (hash, other) = (Sha256::digest(b"session"), Sha256::digest(b"other"));
    let elsewhere = name.replace(&hex::encode(hash), &hex::encode(other));
    assert_ne!(elsewhere, name);
    // Somebody else's revocation, and what is none at all.
    let () = redis.set_ex(&elsewhere, &good, 600).unwrap();
    let result = reader.is_denied("other").await;
    assert!(matches!(result, Err(Error::Unavailable { .. })), "{result:?}");
    let () = redis.set_ex(&name, Sha256::digest(&good).as_slice(), 600).unwrap();
    let result = reader.is_denied("session").await;
    assert!(matches!(result, Err(Error::Unavailable { .. })), "{result:?}");
    assert_eq!(forgeries(&registry, "revocation"), 2);
    // Who denied it needs nobody's word.
    assert!(writer.is_denied("session").await.unwrap());
}

#[tokio::test]
async fn invariant_17_two_databases_on_one_redis_share_nothing() {
    let Some(server) = own_redis(Memory::Lost) else { return };
    let url = server.url();
    let (ours, theirs) = (cache(&url, 1).await, cache(&url, 2).await);
    assert_eq!(get(&ours, Scope::Public, "ours").await.0, "ours");
    assert_eq!(
        get(&theirs, Scope::Public, "theirs").await,
        ("theirs".to_owned(), CacheOutcome::Miss, 1)
    );
    let (ours, theirs) = (limiter(&url, 1).await, limiter(&url, 2).await);
    let policy = policy(Duration::from_mins(1), 3);
    assert_eq!(admitted(&ours, &policy, 5).await, 3);
    assert_eq!(admitted(&theirs, &policy, 5).await, 3);
}

async fn limiter(url: &str, database: u128) -> RedisRateLimiter {
    let clock = Arc::new(MonotonicClock::new());
    let redis = handle(url, database).await;
    RedisRateLimiter::new(shared_limits(1), redis, clock, metrics())
}

fn policy(length: Duration, limit: u32) -> RatePolicy {
    RatePolicy { name: "test", windows: vec![Window { length, limit }], is_coarse: false }
}

async fn admitted(limiter: &RedisRateLimiter, policy: &RatePolicy, times: u32) -> u32 {
    let mut admitted = 0;
    for _ in 0..times {
        admitted += u32::from(limiter.admit(policy, "caller").await.allowed);
    }
    admitted
}

fn counters(redis: &mut Connection) -> String {
    let names: Vec<String> = redis.keys("*:limit:test:*").unwrap();
    assert_eq!(names.len(), 1, "{names:?}");
    names[0].clone()
}

/// A window is 2 s long, its sub-buckets a twelfth of that.
const WINDOW: Duration = Duration::from_secs(2);
/// The longest wait that the limiter's own rule asks for: the window, the sub-bucket that is partly
/// outside of it, and the one that a lease may be charged to.
const LONGEST_WAIT: Duration = Duration::from_millis(2_000 + 2 * 167);

/// However far ahead the time in the counters is, by a server's clock that jumped or by a forgery.
#[tokio::test]
async fn invariant_17_a_time_that_jumps_heals_within_a_window() {
    let Some(server) = own_redis(Memory::Lost) else { return };
    let url = server.url();
    for ahead in [3_i64, 1_000_000] {
        let _: () = redis::cmd("FLUSHALL").query(&mut connect(&url)).unwrap();
        let limiter = limiter(&url, 1).await;
        let policy = policy(WINDOW, 3);
        assert_eq!(admitted(&limiter, &policy, 1).await, 1);
        let mut redis = connect(&url);
        let key = counters(&mut redis);
        let (seconds, micros): (i64, i64) = redis::cmd("TIME").query(&mut redis).unwrap();
        let then = (seconds + ahead) * 1_000_000 + micros;
        // As the script would have left it: the latest time seen, and three admissions then.
        let () = redis.hset(&key, "t", then).unwrap();
        let () = redis.hset(&key, format!("2000000:{}", then / 166_667), 3).unwrap();
        let other = self::limiter(&url, 1).await;
        let started = Instant::now();
        let decision = other.admit(&policy, "caller").await;
        assert!(!decision.allowed, "the forged admissions count, within bounds");
        assert!(decision.retry_after.unwrap() <= LONGEST_WAIT, "{decision:?}");
        sleep(decision.retry_after.unwrap()).await;
        assert!(other.admit(&policy, "caller").await.allowed, "{ahead} s ahead");
        assert!(started.elapsed() < LONGEST_WAIT + Duration::from_secs(2), "a busy machine");
        // And no more than one limit fits into the window after it.
        assert!(admitted(&other, &policy, 10).await <= 2);
    }
}

#[tokio::test]
async fn invariant_17_forged_counters_refuse_for_a_window_at_most() {
    let extremes = [
        "9223372036854775807",
        "-9223372036854775808",
        "1e308",
        "-1e308",
        "nan",
        "inf",
        "",
        "x",
        "18446744073709551616",
    ];
    // Each waits for its windows to pass, all at once.
    let mut victims = tokio::task::JoinSet::new();
    for value in extremes {
        let Some(server) = own_redis(Memory::Lost) else { return };
        victims.spawn(async move {
            heals(&server.url(), value).await;
        });
    }
    assert_eq!(victims.join_all().await.len(), extremes.len());
}

/// A limiter whose counters on a server of its own all say `value`.
async fn heals(url: &str, value: &str) {
    let policy = policy(WINDOW, 3);
    let victim = limiter(url, 1).await;
    assert_eq!(admitted(&victim, &policy, 1).await, 1);
    let mut redis = connect(url);
    let key = counters(&mut redis);
    let fields: Vec<String> = redis.hkeys(&key).unwrap();
    assert!(fields.len() >= 2, "{fields:?}");
    for field in &fields {
        let () = redis.hset(&key, field, value).unwrap();
    }
    let () = redis.hset(&key, format!("2000000:{value}"), value).unwrap();
    let decision = victim.admit(&policy, "caller").await;
    let wait = decision.retry_after.unwrap_or_default();
    assert!(wait <= LONGEST_WAIT, "{value}: {decision:?}");
    sleep(wait).await;
    // The counters are good again: one limit in a window, no more and no less.
    sleep(LONGEST_WAIT).await;
    assert_eq!(admitted(&victim, &policy, 10).await, 3, "{value}");
    let wait = victim.admit(&policy, "caller").await.retry_after.unwrap();
    assert!(wait <= LONGEST_WAIT, "{value}: {wait:?}");
}
