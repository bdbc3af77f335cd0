//! The memory of Redis: what bodies take of it, and what happens where it ends.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use alpine_domain::{
    Clock as _,
    ports::{
        blacklist::TokenBlacklist as _,
        cache::{CacheKey, CachePolicy, Loaded, Loader, ResponseCache as _, Scope, Tag},
        health::{Condition, Probe as _, Report},
        rate_limit::{RateLimiter as _, RatePolicy, Window},
    },
    time::SystemClock,
};
use alpine_infra::{
    InfraMetrics, MonotonicClock,
    blacklist::{BlacklistSettings, MirroredBlacklist},
    cache::{BodyCache, CacheSettings},
    rate_limit::RedisRateLimiter,
    redis::{RedisHandle, RedisProbe},
};
use alpine_testing::{Redis, Wait};
use prometheus::Registry;
use tokio::time::{Instant, sleep, timeout};

use crate::support::{ONE, OwnRedis, identified, open, shared_limits};

const TAG: Tag = Tag::of("t");
const PATIENCE: Duration = Duration::from_secs(20);
const MIB: u64 = 1 << 20;

fn behind_answers() -> Wait {
    Wait::unpromised("Redis is written behind the answers")
}

/// One instance.
struct Instance {
    redis: RedisHandle,
    cache: BodyCache,
    limiter: RedisRateLimiter,
    denied: MirroredBlacklist,
    registry: Registry,
    loads: Arc<AtomicUsize>,
}

impl Instance {
    async fn start(server: &OwnRedis, redis_bytes: u64, instances: NonZeroU32) -> Self {
        let registry = Registry::new();
        let metrics = InfraMetrics::register(&registry).unwrap();
        let mut settings = server.settings();
        "alpine".clone_into(&mut settings.key_prefix);
        // A busy machine must not take Redis out of use here.
        settings.deadline = Duration::from_secs(2);
        let redis = identified(RedisHandle::open(settings, Arc::clone(&metrics)).unwrap());
        assert!(redis.wait_until_in_use(PATIENCE).await);
        let settings = CacheSettings { redis_bytes, ..CacheSettings::default() };
        let clock = || Arc::new(SystemClock);
        let cache = BodyCache::with_redis(
            settings,
            redis.clone(),
            instances,
            clock(),
            Arc::clone(&metrics),
        );
        let cache = cache.unwrap();
        cache.restart(&[(TAG, 0)]);
        let (limits, steady) = (shared_limits(1), Arc::new(MonotonicClock::new()));
        let list = BlacklistSettings::default();
        Self {
            cache,
            limiter: RedisRateLimiter::new(limits, redis.clone(), steady, Arc::clone(&metrics)),
            denied: MirroredBlacklist::new(list, redis.clone(), clock(), metrics),
            redis,
            registry,
            loads: Arc::default(),
        }
    }

    /// Asks for a body of `size` bytes that do not compress.
    async fn get(&self, name: &str, size: usize) {
        self.get_for(Duration::from_mins(1), name, size).await;
    }

    /// The same, fresh for `ttl` and stale for as long again.
    async fn get_for(&self, ttl: Duration, name: &str, size: usize) {
        let key = CacheKey { route: "r", scope: Scope::Public, parameters: name.to_owned() };
        let policy = CachePolicy { ttl, grace: ttl, tags: vec![TAG] };
        let loads = Arc::clone(&self.loads);
        let load: Loader = Arc::new(move || {
            loads.fetch_add(1, Ordering::SeqCst);
            let mut noise = vec![0; size];
            getrandom::fill(&mut noise).unwrap();
            Box::pin(async move {
                Ok(Loaded { body: noise.into(), headers: Vec::new(), expires_at: None })
            })
        });
        assert_eq!(self.cache.get_or_load(key, &policy, load).await.unwrap().body.len(), size);
    }

    fn loads(&self) -> usize {
        self.loads.load(Ordering::SeqCst)
    }

    async fn admit(&self, caller: &str) {
        let windows = vec![Window { length: Duration::from_mins(1), limit: 1_000_000 }];
        let policy = RatePolicy { name: "test", windows, is_coarse: false };
        assert!(self.limiter.admit(&policy, caller).await.allowed);
    }

    async fn report(&self) -> Report {
        RedisProbe::new(Some(self.redis.clone())).probe().await
    }

    /// Waits until health says so.
    async fn until_report(&self, condition: Condition, detail: Option<&str>) {
        let told = async || {
            let report = self.report().await;
            let fits = match (&report.detail, detail) {
                (Some(is), Some(wanted)) => is.contains(wanted),
                (None, None) => true,
                _ => false,
            };
            report.condition == condition && fits
        };
        Wait::unpromised("a Redis is full when it is, and has room when it has freed it")
            .until(&format!("health says {condition:?}, {detail:?}"), told)
            .await;
    }

    /// For a second health says that Redis is full, and every request is answered.
    async fn stays_full(&self) {
        let began = Instant::now();
        for n in 0.. {
            let detail = "Redis refuses writes: out of memory; local fallbacks are used";
            let expected =
                Report { condition: Condition::Degraded, detail: Some(detail.to_owned()) };
            assert_eq!(self.report().await, expected);
            self.get(&format!("while full {n}"), 20_000).await;
            self.admit("caller").await;
            if began.elapsed() > Duration::from_secs(1) {
                return;
            }
        }
    }

    /// Bytes of bodies for Redis with this outcome.
    fn bytes(&self, outcome: &str) -> f64 {
        let families = self.registry.gather();
        let family = families.iter().find(|f| f.name() == "redis_cache_bytes_total");
        let metrics = family.map(prometheus::proto::MetricFamily::get_metric).unwrap_or_default();
        let is_it = |m: &&prometheus::proto::Metric| m.get_label()[0].value() == outcome;
        metrics.iter().find(is_it).map_or(0.0, |m| m.get_counter().get_value())
    }
}

fn run(server: &Redis, command: &str) -> String {
    let words: Vec<_> = command.split_whitespace().collect();
    server.command(&words).unwrap()
}

/// Bytes that Redis says its bodies take, names and all.
fn bytes_of_bodies(server: &Redis) -> u64 {
    let keys = run(server, "KEYS *:body");
    let size = |key| run(server, &format!("MEMORY USAGE {key} SAMPLES 0")).parse::<u64>();
    keys.lines().map(|key| size(key).unwrap_or(0)).sum()
}

/// Cursors and rare filters, more than the budget holds, then pages that everybody asks for.
#[tokio::test]
async fn bodies_stay_within_their_budget_and_popular_ones_are_shared_whatever_else_is_asked() {
    let Some(server) = OwnRedis::start() else { return };
    let three = NonZeroU32::new(3).unwrap();
    let mut all = Vec::new();
    for _ in 0..3 {
        all.push(Instance::start(&server, 3 * MIB, three).await);
    }
    for instance in &all {
        instance.get("popular", 2_000).await;
    }
    for n in 0..1_500 {
        all[n % 3].get(&format!("cursor {n}"), 2_000).await;
    }
    for instance in &all {
        behind_answers()
            .until("bodies are refused", async || instance.bytes("asked_once") >= 2_000.0)
            .await;
        instance.cache.invalidate(&[TAG], 1);
    }
    let bodies = bytes_of_bodies(&server.0);
    assert!((3 * MIB / 8..3 * MIB / 4).contains(&bodies), "a quarter of the budget: {bodies}");
    // All have loaded it before: who loads it now writes it, and the others find it.
    all[0].get("popular", 2_000).await;
    let written = async || {
        let before = all[1].loads();
        all[1].get("popular", 2_000).await;
        let is_written = all[1].loads() == before;
        if !is_written {
            all[1].cache.restart(&[(TAG, 1)]);
        }
        is_written
    };
    behind_answers().until("the popular body is in Redis", written).await;
    let before = all[2].loads();
    all[2].get("popular", 2_000).await;
    assert_eq!(all[2].loads(), before);
    // Even if everything is asked for again and again, there is a bound.
    for n in 0..6_000 {
        all[n % 3].get(&format!("again {}", n % 1_500), 2_000).await;
        if n % 1_500 == 1_499 {
            for instance in &all {
                instance.cache.invalidate(&[TAG], 2 + i64::try_from(n).unwrap());
            }
        }
    }
    let bodies = bytes_of_bodies(&server.0);
    assert!((3 * MIB / 2..3 * MIB).contains(&bodies), "the budget: {bodies}");
    assert!(all.iter().all(|instance| instance.bytes("full") > 0.0));
    all[0].get("large", 100_000).await;
    behind_answers()
        .until("the large body is refused", async || all[0].bytes("too_large") >= 100_000.0)
        .await;
}

/// Whatever its policy: the event log keeps rows for longer, so that no body outlives the row that ended
/// its generation.
#[tokio::test]
async fn a_body_stays_for_half_an_hour_at_most() {
    let Some(server) = OwnRedis::start() else { return };
    let instance = Instance::start(&server, 3 * MIB, ONE).await;
    instance.get_for(Duration::from_hours(5), "long", 2_000).await;
    let life = || -> Option<u64> {
        let names = run(&server.0, "KEYS *:body");
        let name = names.split_whitespace().next()?.to_owned();
        run(&server.0, &format!("PTTL {name}")).trim().parse().ok()
    };
    behind_answers().until("the body is there", async || life().is_some()).await;
    let half_an_hour = 30 * 60 * 1_000;
    assert!(life().is_some_and(|millis| millis <= half_an_hour), "{:?}", life());
}

#[tokio::test]
async fn a_full_redis_is_told_of_and_left_until_there_is_room() {
    let Some(server) = OwnRedis::start() else { return };
    run(&server.0, "CONFIG SET maxmemory 2mb");
    run(&server.0, "CONFIG SET maxmemory-policy noeviction");
    let instance = Instance::start(&server, 64 * MIB, ONE).await;
    let soon = SystemClock.now().later(Duration::from_mins(1));
    instance.denied.deny("before", soon);
    let full = async {
        for n in 0.. {
            instance.get(&format!("{n}"), 20_000).await;
            instance.admit("caller").await;
            assert!(instance.denied.is_denied("before").await.unwrap());
            if instance.report().await.detail.is_some_and(|text| text.contains("out of memory")) {
                return;
            }
        }
    };
    timeout(PATIENCE, full).await.unwrap();
    instance.stays_full().await;
    assert!(instance.denied.is_denied("before").await.unwrap());
    instance.denied.deny("while full", soon);
    assert!(instance.denied.is_denied("while full").await.unwrap());
    run(&server.0, "CONFIG SET maxmemory 20mb");
    instance.until_report(Condition::Up, None).await;
    assert!(instance.denied.is_denied("while full").await.unwrap());
}

/// At its limit a server refuses large values, and takes small ones: those of the probe.
#[tokio::test]
async fn a_redis_that_takes_small_writes_only_is_full() {
    let Some(server) = OwnRedis::start() else { return };
    run(&server.0, "CONFIG SET maxmemory 10mb");
    run(&server.0, "CONFIG SET maxmemory-policy noeviction");
    let instance = Instance::start(&server, 64 * MIB, ONE).await;
    let used = || -> u64 {
        let info = run(&server.0, "INFO memory");
        let used = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
        used.unwrap().parse().unwrap()
    };
    for n in 0.. {
        if used() > 10 * MIB / 100 * 97 {
            break;
        }
        run(&server.0, &format!("SETRANGE filler:{n} 20000 x"));
    }
    // For several rounds of the probe it is good enough.
    sleep(Duration::from_secs(1)).await;
    assert_eq!(instance.report().await.condition, Condition::Up);
    instance.get("large", 1_000_000).await;
    instance.until_report(Condition::Degraded, Some("out of memory")).await;
    instance.stays_full().await;
    run(&server.0, "FLUSHALL");
    instance.until_report(Condition::Up, None).await;
}

#[tokio::test]
async fn a_redis_that_evicts_is_used_on_and_nobody_denied_comes_in() {
    let Some(server) = OwnRedis::start() else { return };
    run(&server.0, "CONFIG SET maxmemory 2mb");
    run(&server.0, "CONFIG SET maxmemory-policy volatile-lru");
    let instance = Instance::start(&server, 64 * MIB, ONE).await;
    let soon = SystemClock.now().later(Duration::from_mins(1));
    instance.denied.deny("before", soon);
    for n in 0..400 {
        instance.get(&format!("{n}"), 20_000).await;
        instance.admit("caller").await;
        assert!(instance.denied.is_denied("before").await.unwrap());
    }
    let evicted = run(&server.0, "INFO stats");
    assert!(!evicted.contains("evicted_keys:0\r"), "{evicted}");
    assert_eq!(instance.report().await, Report { condition: Condition::Up, detail: None });
}

/// Each is told within a round of the probe, and a user who may not ask is left alone.
#[tokio::test]
async fn limits_that_do_not_fit_are_told_where_they_are_wanted() {
    let Some(server) = OwnRedis::start() else { return };
    let instance = Instance::start(&server, 64 * MIB, ONE).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(instance.report().await, Report { condition: Condition::Up, detail: None });
    instance.redis.expect_memory_limit(64 * MIB);
    instance.until_report(Condition::Up, Some("no memory limit")).await;
    run(&server.0, "CONFIG SET maxmemory 64mb");
    instance.until_report(Condition::Up, Some("not above cache.redis_bytes")).await;
    run(&server.0, "CONFIG SET maxmemory 128mb");
    instance.until_report(Condition::Up, None).await;
    run(&server.0, "CONFIG SET maxmemory-policy allkeys-lru");
    instance.until_report(Condition::Up, Some("noeviction or volatile-lru")).await;
    run(&server.0, "ACL SETUSER default -info");
    let hidden = open(server.settings()).await;
    hidden.expect_memory_limit(64 * MIB);
    sleep(Duration::from_secs(1)).await;
    let report = RedisProbe::new(Some(hidden)).probe().await;
    assert_eq!(report, Report { condition: Condition::Up, detail: None });
}
