//! Redis killed, stopped, absent and back: nobody waits, nothing is let in, nothing counts twice.

use std::{sync::Arc, time::Duration};

use alpine_domain::{
    Clock, Error,
    ports::{
        blacklist::TokenBlacklist,
        cache::{CacheKey, CacheOutcome, CachePolicy, Loaded, Loader, ResponseCache, Scope, Tag},
        events::EventBus,
        health::{Condition, Probe},
        rate_limit::{RateLimiter, RatePolicy, Window},
    },
    time::SystemClock,
};
use alpine_infra::{
    MonotonicClock,
    blacklist::{BlacklistSettings, MirroredBlacklist, RedisBlacklist},
    cache::{BodyCache, CacheSettings},
    events::RedisWakeBus,
    rate_limit::RedisRateLimiter,
    redis::{RedisHandle, RedisProbe, RedisSettings},
};
use alpine_testing::Wait;
use tokio::time::Instant;

use crate::support::{ONE, OwnRedis, free_port, metrics, open, shared_limits};

const TAG: Tag = Tag::of("t");
/// The deadline of these tests is 100 ms; a busy machine may add as much again.
const PROMPT: Duration = Duration::from_millis(250);

/// Everything that uses Redis, over one handle.
struct Parts {
    redis: RedisHandle,
    cache: BodyCache,
    limiter: RedisRateLimiter,
    mirrored: MirroredBlacklist,
    remote: RedisBlacklist,
}

fn parts(redis: RedisHandle) -> Parts {
    parts_at(redis, 0)
}

/// An instance that starts when the event `at` is the newest.
fn parts_at(redis: RedisHandle, at: i64) -> Parts {
    let clock = || Arc::new(SystemClock);
    let cache =
        BodyCache::with_redis(CacheSettings::default(), redis.clone(), ONE, clock(), metrics())
            .unwrap();
    cache.restart(&[(TAG, at)]);
    let limits = shared_limits(1);
    let steady = Arc::new(MonotonicClock::new());
    let list = BlacklistSettings::default();
    Parts {
        cache,
        limiter: RedisRateLimiter::new(limits, redis.clone(), steady, metrics()),
        mirrored: MirroredBlacklist::new(list, redis.clone(), clock(), metrics()),
        remote: RedisBlacklist::new(list, redis.clone(), clock(), metrics()),
        redis,
    }
}

fn policy(limit: u32) -> RatePolicy {
    let window = Window { length: Duration::from_mins(1), limit };
    RatePolicy { name: "test", windows: vec![window], is_coarse: false }
}

async fn prompt<T>(future: impl Future<Output = T>) -> T {
    let started = Instant::now();
    let result = future.await;
    assert!(started.elapsed() < PROMPT, "took {:?}", started.elapsed());
    result
}

async fn cached(parts: &Parts, name: &str, text: &'static str) -> (String, CacheOutcome) {
    let key = CacheKey { route: "r", scope: Scope::Public, parameters: name.to_owned() };
    let policy =
        CachePolicy { ttl: Duration::from_mins(1), grace: Duration::ZERO, tags: vec![TAG] };
    let load: Loader = Arc::new(move || {
        Box::pin(
            async move { Ok(Loaded { body: text.into(), headers: Vec::new(), expires_at: None }) },
        )
    });
    let got = parts.cache.get_or_load(key, &policy, load).await.unwrap();
    (String::from_utf8(got.body.to_vec()).unwrap(), got.outcome)
}

async fn condition(parts: &Parts) -> Condition {
    prompt(RedisProbe::new(Some(parts.redis.clone())).probe()).await.condition
}

async fn until_away(parts: &Parts) {
    Wait::unpromised("nobody uses Redis here, so the background finds out when it next looks")
        .until("Redis is out of use", async || !parts.redis.is_in_use())
        .await;
}

/// Uses everything while Redis is away. The first use may take a deadline each.
async fn everything_goes_on(parts: &Parts) {
    let soon = SystemClock.now().later(Duration::from_mins(1));
    assert_eq!(prompt(cached(parts, "warm", "other")).await, ("one".into(), CacheOutcome::Hit));
    assert!(prompt(parts.mirrored.is_denied("before")).await.unwrap());
    assert!(prompt(parts.remote.is_denied("before")).await.unwrap());
    assert!(prompt(parts.limiter.admit(&policy(1_000), "x")).await.allowed);
    assert!(!parts.redis.is_in_use());
    // Now the circuit is open, and nothing waits at all.
    let started = Instant::now();
    for n in 0..20 {
        assert!(parts.limiter.admit(&policy(1_000), "x").await.allowed);
        let _ = cached(parts, &n.to_string(), "local").await;
        parts.mirrored.deny(&format!("during-{n}"), soon);
        assert!(parts.mirrored.is_denied(&format!("during-{n}")).await.unwrap());
        assert!(!parts.mirrored.is_denied("never").await.unwrap());
        // Who has only Redis to ask cannot tell, and says so.
        let unknown = parts.remote.is_denied("never").await;
        assert!(matches!(unknown, Err(Error::Unavailable { .. })));
    }
    assert!(started.elapsed() < PROMPT * 2, "took {:?}", started.elapsed());
    assert_ne!(condition(parts).await, Condition::Up);
    parts.cache.invalidate(&[TAG], 1);
    assert_eq!(prompt(cached(parts, "warm", "two")).await, ("two".into(), CacheOutcome::Miss));
}

async fn warm_up(parts: &Parts) {
    let soon = SystemClock.now().later(Duration::from_mins(1));
    assert_eq!(cached(parts, "warm", "one").await.1, CacheOutcome::Miss);
    parts.mirrored.deny("before", soon);
    parts.remote.deny("before", soon);
    assert_eq!(condition(parts).await, Condition::Up);
}

#[tokio::test]
async fn killed_and_back_empty() {
    let Some(mut server) = OwnRedis::start() else { return };
    let parts = parts(open(server.settings()).await);
    warm_up(&parts).await;
    server.0.kill().unwrap();
    everything_goes_on(&parts).await;
    server.0.restart().unwrap();
    assert!(parts.redis.wait_until_in_use(Duration::from_secs(10)).await);
    assert_eq!(condition(&parts).await, Condition::Up);
    // An empty Redis un-revokes nothing and brings nothing old back.
    assert!(parts.mirrored.is_denied("before").await.unwrap());
    assert!(parts.remote.is_denied("before").await.unwrap());
    assert_eq!(cached(&parts, "warm", "three").await, ("two".into(), CacheOutcome::Hit));
    assert!(!parts.remote.is_denied("never").await.unwrap());
}

#[tokio::test]
async fn stopped_and_continued() {
    let Some(mut server) = OwnRedis::start() else { return };
    let redis = parts(open(server.settings()).await);
    warm_up(&redis).await;
    server.0.stop().unwrap();
    everything_goes_on(&redis).await;
    server.0.resume().unwrap();
    assert!(redis.redis.wait_until_in_use(Duration::from_secs(10)).await);
    // Another instance must not find in Redis what was invalidated while it was stopped. It comes
    // up as servers do, and this one has asked for the body since.
    assert_eq!(cached(&redis, "other", "x").await.1, CacheOutcome::Miss);
    let late = parts_at(open(redis.redis.settings().clone()).await, 1);
    assert_eq!(cached(&late, "warm", "three").await, ("three".into(), CacheOutcome::Miss));
}

#[tokio::test]
async fn absent_at_boot_delays_nothing() {
    let settings = RedisSettings::new(&format!("redis://127.0.0.1:{}/", free_port())).unwrap();
    let started = Instant::now();
    let parts = parts(crate::support::identified(RedisHandle::open(settings, metrics()).unwrap()));
    let bus = RedisWakeBus::new(parts.redis.clone());
    assert_eq!(cached(&parts, "a", "one").await, ("one".into(), CacheOutcome::Miss));
    assert!(parts.limiter.admit(&policy(3), "x").await.allowed);
    bus.wake();
    assert!(started.elapsed() < PROMPT);
    assert_eq!(condition(&parts).await, Condition::Down);
    assert_eq!(RedisProbe::new(None).probe().await.condition, Condition::NotConfigured);
    assert!(!RedisProbe::new(None).is_essential());
}

#[tokio::test]
async fn crossing_an_outage_admits_nothing_extra_on_one_instance() {
    let Some(mut server) = OwnRedis::start() else { return };
    let parts = parts(open(server.settings()).await);
    let policy = policy(20);
    let mut admitted = 0;
    for _ in 0..8 {
        admitted += u32::from(parts.limiter.admit(&policy, "x").await.allowed);
    }
    server.0.kill().unwrap();
    until_away_or_use(&parts).await;
    for _ in 0..6 {
        admitted += u32::from(parts.limiter.admit(&policy, "x").await.allowed);
    }
    assert_eq!(admitted, 14);
    server.0.restart().unwrap();
    assert!(parts.redis.wait_until_in_use(Duration::from_secs(10)).await);
    for _ in 0..20 {
        admitted += u32::from(parts.limiter.admit(&policy, "x").await.allowed);
    }
    assert_eq!(admitted, 20);
}

#[tokio::test]
async fn what_was_admitted_meanwhile_is_charged_for_all_instances() {
    let Some(mut server) = OwnRedis::start() else { return };
    let settings = server.settings();
    let (a, b) = (parts(open(settings.clone()).await), parts(open(settings).await));
    let policy = policy(20);
    server.0.stop().unwrap();
    until_away_or_use(&a).await;
    for _ in 0..12 {
        assert!(a.limiter.admit(&policy, "x").await.allowed);
    }
    server.0.resume().unwrap();
    assert!(a.redis.wait_until_in_use(Duration::from_secs(10)).await);
    assert!(b.redis.wait_until_in_use(Duration::from_secs(10)).await);
    // The first call on the returned Redis settles the debt, so the other instance sees it.
    assert!(a.limiter.admit(&policy, "x").await.allowed);
    let mut admitted = 0;
    for _ in 0..20 {
        admitted += u32::from(b.limiter.admit(&policy, "x").await.allowed);
    }
    assert!(admitted <= 7, "{admitted}");
}

/// Opens the circuit by a use that is not counted by the test.
async fn until_away_or_use(parts: &Parts) {
    let _ = parts.remote.is_denied("probe").await;
    until_away(parts).await;
}

#[tokio::test]
async fn a_read_only_or_full_server_is_a_miss_not_an_error() {
    let Some(server) = OwnRedis::start() else { return };
    let parts = parts(open(server.settings()).await);
    let mut connection = redis::Client::open(parts.redis.settings().address())
        .unwrap()
        .get_multiplexed_async_connection()
        .await
        .unwrap();
    () = redis::cmd("CONFIG")
        .arg(&["SET", "maxmemory", "1"])
        .query_async(&mut connection)
        .await
        .unwrap();
    assert_eq!(cached(&parts, "a", "one").await, ("one".into(), CacheOutcome::Miss));
    assert!(parts.limiter.admit(&policy(1), "x").await.allowed);
    assert!(!parts.limiter.admit(&policy(1), "x").await.allowed);
    parts.cache.invalidate(&[TAG], 1);
    assert_eq!(cached(&parts, "a", "two").await, ("two".into(), CacheOutcome::Miss));
}
