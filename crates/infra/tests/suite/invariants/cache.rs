//! Invariants 6, 7, 10 and 11: nothing older than what was applied, one load, no crossing of scopes,
//! nothing older than its bound.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use alpine_domain::{
    Clock, Error, Timestamp,
    ports::cache::{
        CacheKey, CacheOutcome, CachePolicy, Loaded, Loader, ResponseCache as _, Scope, Tag,
    },
    time::{ManualClock, SystemClock},
};
use alpine_infra::{
    cache::{BodyCache, CacheSettings},
    redis::{RedisHandle, RedisSettings},
};
use alpine_testing::{Memory, own_redis};
use proptest::prelude::*;
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

use super::settings_for;
use crate::support::{ONE, free_port, metrics, open};

const TAG: Tag = Tag::of("signals");
const LOAD_DEADLINE: Duration = Duration::from_millis(700);

fn settings() -> CacheSettings {
    CacheSettings { jitter: 0.0, load_deadline: LOAD_DEADLINE, ..CacheSettings::default() }
}

fn instance(redis: RedisHandle, clock: Arc<dyn Clock>, newest: i64) -> Arc<BodyCache> {
    let cache = BodyCache::with_redis(settings(), redis, ONE, clock, metrics()).unwrap();
    cache.restart(&[(TAG, newest)]);
    Arc::new(cache)
}

async fn instances(settings: &RedisSettings, count: usize) -> Vec<Arc<BodyCache>> {
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(instance(open(settings.clone()).await, Arc::new(SystemClock), 0));
    }
    all
}

fn key(name: &str) -> CacheKey {
    CacheKey { route: "signals.latest", scope: Scope::Group("pro"), parameters: name.to_owned() }
}

fn policy() -> CachePolicy {
    CachePolicy { ttl: Duration::from_mins(1), grace: Duration::from_secs(30), tags: vec![TAG] }
}

fn loaded(text: impl Into<String>) -> Loaded {
    Loaded { body: text.into().into(), headers: Vec::new(), expires_at: None }
}

/// Reads what is stored now.
fn reading(stored: &Arc<AtomicI64>) -> Loader {
    let stored = Arc::clone(stored);
    Arc::new(move || {
        let body = stored.load(Ordering::SeqCst).to_string();
        Box::pin(async move { Ok(loaded(body)) })
    })
}

async fn get(cache: &BodyCache, load: &Loader) -> String {
    let got = cache.get_or_load(key("a"), &policy(), Arc::clone(load)).await.unwrap();
    String::from_utf8(got.body.to_vec()).unwrap()
}

#[tokio::test]
async fn invariant_06_who_applied_a_change_finds_nothing_older_on_any_level() {
    let Some(redis) = own_redis(Memory::Lost) else { return };
    let settings = settings_for(&redis.url());
    let all = instances(&settings, 3).await;
    let stored = Arc::new(AtomicI64::new(0));
    let load = reading(&stored);
    for event in 1..=20 {
        for cache in &all {
            get(cache, &load).await;
        }
        stored.store(event, Ordering::SeqCst);
        // They apply it one after the other; those that have not yet go on filling Redis.
        for n in 0..all.len() {
            all[n].invalidate(&[TAG], event);
            for (other, cache) in all.iter().enumerate() {
                let body = get(cache, &load).await;
                assert!(other > n || body == event.to_string(), "{body} after event {event}");
            }
        }
    }
}

#[tokio::test]
async fn invariant_06_nothing_that_redis_finds_again_is_served() {
    let Some(redis) = own_redis(Memory::Lost) else { return };
    let settings = settings_for(&redis.url());
    let stored = Arc::new(AtomicI64::new(0));
    let load = reading(&stored);
    let first = instances(&settings, 1).await;
    get(&first[0], &load).await;
    let mut connection =
        redis::Client::open(redis.url()).unwrap().get_multiplexed_async_connection().await.unwrap();
    let mut old: HashMap<String, Vec<u8>> = HashMap::new();
    timeout(Duration::from_secs(5), async {
        while old.is_empty() {
            let pattern = format!("{}:*:cache:*:body", settings.key_prefix);
            let keys: Vec<String> =
                redis::cmd("KEYS").arg(pattern).query_async(&mut connection).await.unwrap();
            for key in keys {
                let value = redis::cmd("GET").arg(&key).query_async(&mut connection).await.unwrap();
                old.insert(key, value);
            }
        }
    })
    .await
    .unwrap();
    stored.store(1, Ordering::SeqCst);
    first[0].invalidate(&[TAG], 1);
    // Redis comes back with an old dump: everything is as it was before the change.
    redis.command(&["FLUSHALL"]).unwrap();
    for (key, value) in &old {
        let mut set = redis::cmd("SET");
        set.arg(key).arg(value).arg("PX").arg(60_000);
        () = set.query_async(&mut connection).await.unwrap();
    }
    assert_eq!(get(&first[0], &load).await, "1");
    // An instance that starts now has learnt from the log what the newest event is.
    let late = instance(open(settings).await, Arc::new(SystemClock), 1);
    assert_eq!(get(&late, &load).await, "1");
}

#[tokio::test]
async fn invariant_06_a_load_racing_an_invalidation_is_not_stored() {
    let Some(redis) = own_redis(Memory::Lost) else { return };
    let settings = settings_for(&redis.url());
    let all = instances(&settings, 2).await;
    let (started, gate) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let slow: Loader = {
        let (started, gate) = (Arc::clone(&started), Arc::clone(&gate));
        Arc::new(move || {
            let (started, gate) = (Arc::clone(&started), Arc::clone(&gate));
            Box::pin(async move {
                started.notify_one();
                gate.notified().await;
                Ok(loaded("old"))
            })
        })
    };
    let early = {
        let cache = Arc::clone(&all[0]);
        tokio::spawn(async move { cache.get_or_load(key("a"), &policy(), slow).await.unwrap() })
    };
    started.notified().await;
    for cache in &all {
        cache.invalidate(&[TAG], 1);
    }
    gate.notify_one();
    assert_eq!(early.await.unwrap().body, "old");
    sleep(Duration::from_millis(50)).await;
    let new: Loader = Arc::new(|| Box::pin(async { Ok(loaded("new")) }));
    for cache in &all {
        assert_eq!(get(cache, &new).await, "new");
    }
}

/// An instance applies its own change when it commits it, and an older one of another instance when it
/// reads the log.
#[tokio::test]
async fn invariant_06_a_change_applied_before_an_older_one_shows_and_the_older_one_takes_nothing_back()
 {
    let Some(redis) = own_redis(Memory::Lost) else { return };
    let settings = settings_for(&redis.url());
    let all = instances(&settings, 2).await;
    let stored = Arc::new(AtomicI64::new(0));
    let load = reading(&stored);
    for cache in &all {
        assert_eq!(get(cache, &load).await, "0");
    }
    // Both are committed. The first instance does not know of the older one.
    stored.store(2, Ordering::SeqCst);
    all[0].invalidate(&[TAG], 2);
    assert_eq!(get(&all[0], &load).await, "2");
    // The other one knows of nothing yet, and finds what it has.
    assert_eq!(get(&all[1], &load).await, "0");
    let loaded_again: Loader = Arc::new(|| Box::pin(async { Ok(loaded("loaded again")) }));
    all[0].invalidate(&[TAG], 1);
    assert_eq!(get(&all[0], &loaded_again).await, "2", "what was loaded since has both");
    all[1].invalidate(&[TAG], 1);
    all[1].invalidate(&[TAG], 2);
    assert_eq!(get(&all[1], &loaded_again).await, "2", "shared under the same generation");
}

/// Takes its time and counts.
fn slow(count: &Arc<AtomicUsize>) -> Loader {
    let count = Arc::clone(count);
    Arc::new(move || {
        count.fetch_add(1, Ordering::SeqCst);
        Box::pin(async {
            sleep(Duration::from_millis(150)).await;
            Ok(loaded("body"))
        })
    })
}

async fn readers(all: &[Arc<BodyCache>], each: usize, load: &Loader) {
    let mut calls = Vec::new();
    for _ in 0..each {
        for cache in all {
            let (cache, load) = (Arc::clone(cache), Arc::clone(load));
            calls.push(tokio::spawn(async move {
                cache.get_or_load(key("a"), &policy(), load).await.unwrap().body.clone()
            }));
        }
    }
    for call in calls {
        assert_eq!(call.await.unwrap(), "body");
    }
}

#[tokio::test]
async fn invariant_07_a_thousand_readers_on_three_instances_cause_one_load() {
    let Some(redis) = own_redis(Memory::Lost) else { return };
    let all = instances(&settings_for(&redis.url()), 3).await;
    for event in 1..=3 {
        let count = Arc::default();
        readers(&all, 334, &slow(&count)).await;
        assert_eq!(count.load(Ordering::SeqCst), 1);
        for cache in &all {
            cache.invalidate(&[TAG], event);
        }
    }
}

#[tokio::test]
async fn invariant_07_without_redis_there_is_one_load_per_instance() {
    let settings = settings_for(&format!("redis://127.0.0.1:{}/", free_port()));
    let mut all = Vec::new();
    for _ in 0..3 {
        let redis =
            crate::support::identified(RedisHandle::open(settings.clone(), metrics()).unwrap());
        all.push(instance(redis, Arc::new(SystemClock), 0));
    }
    let count = Arc::default();
    readers(&all, 100, &slow(&count)).await;
    assert_eq!(count.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn invariant_07_a_hung_loader_frees_the_key_at_its_deadline() {
    let Some(redis) = own_redis(Memory::Lost) else { return };
    let all = instances(&settings_for(&redis.url()), 2).await;
    let hung: Loader = Arc::new(|| Box::pin(std::future::pending()));
    let first = {
        let cache = Arc::clone(&all[0]);
        tokio::spawn(async move { cache.get_or_load(key("a"), &policy(), hung).await })
    };
    sleep(Duration::from_millis(50)).await;
    let started = Instant::now();
    let count = Arc::default();
    let load = slow(&count);
    let waiting = readers(&all[1..], 10, &load);
    timeout(LOAD_DEADLINE * 4, waiting).await.unwrap();
    assert!(started.elapsed() >= LOAD_DEADLINE / 2, "the other instance's lease was respected");
    assert_eq!(count.load(Ordering::SeqCst), 1);
    let failed = timeout(LOAD_DEADLINE * 4, first).await.unwrap().unwrap();
    assert!(matches!(failed, Err(Error::Unavailable { .. })));
}

fn any_scope() -> impl Strategy<Value = Scope> {
    prop_oneof![
        Just(Scope::Public),
        prop_oneof![Just("pro"), Just("elite"), Just("p"), Just("")].prop_map(Scope::Group),
        "[a-z0-9:|]{0,6}".prop_map(Scope::Principal),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn invariant_10_no_body_crosses_scopes(
        keys in proptest::collection::vec((any_scope(), "[a-z0-9:|]{0,6}"), 2..30),
    ) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let cache = BodyCache::in_memory(settings(), Arc::new(SystemClock), metrics()).unwrap();
            for (scope, parameters) in keys.iter().chain(&keys) {
                let wanted = format!("{scope:?} {parameters}");
                let load: Loader = {
                    let wanted = wanted.clone();
                    Arc::new(move || {
                        let wanted = wanted.clone();
                        Box::pin(async move { Ok(loaded(wanted)) })
                    })
                };
                let key = CacheKey {
                    route: "r",
                    scope: scope.clone(),
                    parameters: parameters.clone(),
                };
                let got = cache.get_or_load(key, &policy(), load).await.unwrap();
                assert_eq!(got.body, wanted);
            }
        });
    }

    #[test]
    fn invariant_10_no_two_keys_share_a_name(
        one in (any_scope(), "[a-z0-9:|]{0,6}"),
        other in (any_scope(), "[a-z0-9:|]{0,6}"),
    ) {
        let key = |(scope, parameters): &(Scope, String)| CacheKey {
            route: "r",
            scope: scope.clone(),
            parameters: parameters.clone(),
        };
        prop_assert_eq!(one == other, key(&one).to_string() == key(&other).to_string());
    }
}

#[tokio::test]
async fn invariant_11_a_stale_body_is_never_older_than_ttl_and_grace() {
    let Some(redis) = own_redis(Memory::Lost) else { return };
    let settings = settings_for(&redis.url());
    let failing: Loader = Arc::new(|| Box::pin(async { Err(Error::unavailable("x", "down")) }));
    let load: Loader = Arc::new(|| Box::pin(async { Ok(loaded("body")) }));
    let clock = Arc::new(ManualClock::starting_at(Timestamp::from_seconds(1_000)));
    let one = instance(open(settings.clone()).await, Arc::<ManualClock>::clone(&clock), 0);
    get(&one, &load).await;
    let mut served = 0;
    for second in 1..=120 {
        clock.advance(Duration::from_secs(1));
        let got = one.get_or_load(key("a"), &policy(), Arc::clone(&failing)).await;
        assert_eq!(got.is_ok(), second < 90, "after {second} s");
        if let Ok(got) = got {
            let outcome = if second < 60 { CacheOutcome::Hit } else { CacheOutcome::Stale };
            assert_eq!(got.outcome, outcome, "after {second} s");
            served += 1;
        }
    }
    assert_eq!(served, 89);
}

#[tokio::test]
async fn invariant_11_a_readers_wrong_clock_does_not_prolong_what_another_instance_loaded() {
    let Some(redis) = own_redis(Memory::Lost) else { return };
    let settings = settings_for(&redis.url());
    let load: Loader = Arc::new(|| Box::pin(async { Ok(loaded("body")) }));
    let failing: Loader = Arc::new(|| Box::pin(async { Err(Error::unavailable("x", "down")) }));
    let brief = CachePolicy {
        ttl: Duration::from_millis(400),
        grace: Duration::from_millis(400),
        tags: vec![TAG],
    };
    let now = SystemClock.now();
    let writer = instance(open(settings.clone()).await, Arc::new(ManualClock::starting_at(now)), 0);
    writer.get_or_load(key("a"), &brief, load).await.unwrap();
    sleep(Duration::from_millis(900)).await;
    // Five seconds behind: by its own clock, the entry is from the future.
    let behind = now.earlier(Duration::from_secs(5));
    let reader = instance(open(settings).await, Arc::new(ManualClock::starting_at(behind)), 0);
    assert!(reader.get_or_load(key("a"), &brief, failing).await.is_err());
}
