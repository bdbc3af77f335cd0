//! The contract of `ResponseCache`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use alpine_domain::{
    Error, Timestamp,
    ports::cache::{
        CacheKey, CacheOutcome, CachePolicy, Loaded, Loader, ResponseCache, Scope, Tag,
    },
    time::ManualClock,
};
use alpine_infra::cache::{BodyCache, CacheSettings};
use alpine_testing::Wait;
use bytes::Bytes;
use tokio::{sync::Notify, time::timeout};

use crate::support::{ONE, On, metrics, open, shared_settings};

/// A cache under test, and another instance beside it where there can be one.
struct Subject {
    cache: Arc<dyn ResponseCache>,
    clock: Arc<ManualClock>,
}

fn settings() -> CacheSettings {
    CacheSettings {
        jitter: 0.0,
        load_deadline: Duration::from_millis(500),
        ..CacheSettings::default()
    }
}

fn memory() -> Subject {
    let clock = Arc::new(ManualClock::starting_at(Timestamp::from_seconds(1_000)));
    let cache =
        BodyCache::in_memory(settings(), Arc::<ManualClock>::clone(&clock), metrics()).unwrap();
    Subject { cache: Arc::new(cache), clock }
}

async fn layered(on: On) -> Option<Subject> {
    let redis = open(on.settings()?).await;
    let clock = Arc::new(ManualClock::starting_at(Timestamp::from_seconds(1_000)));
    let cache =
        BodyCache::with_redis(settings(), redis, ONE, Arc::<ManualClock>::clone(&clock), metrics())
            .unwrap();
    cache.restart(&SHARED);
    Some(Subject { cache: Arc::new(cache), clock })
}

macro_rules! contract {
    ($($name:ident),* $(,)?) => {
        mod on_memory {
            $(#[tokio::test]
            async fn $name() { super::$name(super::memory()).await; })*
        }
        contract!(@layered on_redis, Server, $($name),*);
        contract!(@layered on_sentinel, Sentinel, $($name),*);
        contract!(@layered on_cluster, Cluster, $($name),*);
    };
    (@layered $module:ident, $on:ident, $($name:ident),*) => {
        mod $module {
            $(#[tokio::test]
            async fn $name() {
                if let Some(subject) = super::layered(super::On::$on).await {
                    super::$name(subject).await;
                }
            })*
        }
    };
}

contract!(
    hits_after_one_load,
    keys_do_not_meet,
    concurrent_callers_share_one_load,
    a_caller_that_leaves_takes_nothing_away,
    invalidated_is_never_served,
    a_load_racing_an_invalidation_is_not_kept,
    stale_is_served_within_grace_only,
    a_known_end_is_kept,
    who_comes_after_a_known_end_joins_no_load_from_before,
    what_is_loaded_is_as_old_as_the_question,
    errors_are_told_to_all_and_not_kept,
    a_hung_load_frees_its_key,
    a_panicking_load_frees_its_key,
    restarting_forgets_everything,
    absence_is_remembered_for_a_moment,
    what_has_gone_is_not_served_from_before,
    what_is_about_to_expire_is_refreshed_behind_its_readers,
);

const TAG: Tag = Tag::of("signals");
const SHARED: [(Tag, i64); 2] = [(TAG, 0), (Tag::of("other"), 0)];

/// The number of an event that nobody has applied yet.
fn next_event() -> i64 {
    static LAST: AtomicI64 = AtomicI64::new(0);
    LAST.fetch_add(1, Ordering::SeqCst) + 1
}

fn key(name: &str) -> CacheKey {
    CacheKey { route: "signals.latest", scope: Scope::Public, parameters: name.to_owned() }
}

fn policy() -> CachePolicy {
    CachePolicy { ttl: Duration::from_mins(1), grace: Duration::from_secs(30), tags: vec![TAG] }
}

/// A loader that counts, and answers "body N".
fn counting(count: &Arc<AtomicUsize>) -> Loader {
    let count = Arc::clone(count);
    Arc::new(move || {
        let n = count.fetch_add(1, Ordering::SeqCst) + 1;
        Box::pin(async move { Ok(body(&format!("body {n}"))) })
    })
}

fn body(text: &str) -> Loaded {
    Loaded { body: Bytes::from(text.to_owned()), headers: Vec::new(), expires_at: None }
}

async fn get(subject: &Subject, name: &str, load: &Loader) -> (String, CacheOutcome) {
    let got = subject.cache.get_or_load(key(name), &policy(), Arc::clone(load)).await.unwrap();
    (String::from_utf8(got.body.to_vec()).unwrap(), got.outcome)
}

async fn hits_after_one_load(subject: Subject) {
    let count = Arc::default();
    let load = counting(&count);
    assert_eq!(get(&subject, "a", &load).await, ("body 1".into(), CacheOutcome::Miss));
    for _ in 0..10 {
        assert_eq!(get(&subject, "a", &load).await, ("body 1".into(), CacheOutcome::Hit));
    }
    assert_eq!(count.load(Ordering::SeqCst), 1);
    let got = subject.cache.get_or_load(key("a"), &policy(), load).await.unwrap();
    assert!(got.etag.starts_with('"') && got.etag.ends_with('"') && got.etag.len() > 20);
}

async fn keys_do_not_meet(subject: Subject) {
    let scopes = [
        Scope::Public,
        Scope::Group("pro"),
        Scope::Principal("pro".into()),
        Scope::Principal("1".into()),
    ];
    for (n, scope) in scopes.iter().enumerate() {
        let text = format!("for {n}");
        let load: Loader = Arc::new(move || {
            let text = text.clone();
            Box::pin(async move { Ok(body(&text)) })
        });
        let key = CacheKey { scope: scope.clone(), ..key("a") };
        let got = subject.cache.get_or_load(key, &policy(), load).await.unwrap();
        assert_eq!(got.body, format!("for {n}"));
    }
}

/// A loader that waits until it is let go.
fn gated(count: &Arc<AtomicUsize>, gate: &Arc<Notify>, started: &Arc<Notify>) -> Loader {
    let (count, gate, started) = (Arc::clone(count), Arc::clone(gate), Arc::clone(started));
    Arc::new(move || {
        let n = count.fetch_add(1, Ordering::SeqCst) + 1;
        let (gate, started) = (Arc::clone(&gate), Arc::clone(&started));
        Box::pin(async move {
            started.notify_one();
            gate.notified().await;
            Ok(body(&format!("body {n}")))
        })
    })
}

async fn concurrent_callers_share_one_load(subject: Subject) {
    let (count, gate, started) = (Arc::default(), Arc::default(), Arc::default());
    let load = gated(&count, &gate, &started);
    let mut callers = Vec::new();
    for _ in 0..100 {
        let (cache, load) = (Arc::clone(&subject.cache), Arc::clone(&load));
        callers.push(tokio::spawn(async move {
            cache.get_or_load(key("a"), &policy(), load).await.unwrap()
        }));
    }
    started.notified().await;
    gate.notify_one();
    for caller in callers {
        assert_eq!(caller.await.unwrap().body, "body 1");
    }
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

async fn a_caller_that_leaves_takes_nothing_away(subject: Subject) {
    let (count, gate, started) = (Arc::default(), Arc::default(), Arc::default());
    let load = gated(&count, &gate, &started);
    let (cache, first_load) = (Arc::clone(&subject.cache), Arc::clone(&load));
    let leader =
        tokio::spawn(async move { cache.get_or_load(key("a"), &policy(), first_load).await });
    started.notified().await;
    let (cache, second_load) = (Arc::clone(&subject.cache), Arc::clone(&load));
    let other =
        tokio::spawn(
            async move { cache.get_or_load(key("a"), &policy(), second_load).await.unwrap() },
        );
    tokio::task::yield_now().await;
    leader.abort();
    gate.notify_one();
    assert_eq!(other.await.unwrap().body, "body 1");
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

async fn invalidated_is_never_served(subject: Subject) {
    let count = Arc::default();
    let load = counting(&count);
    get(&subject, "a", &load).await;
    subject.cache.invalidate(&[Tag::of("other")], next_event());
    assert_eq!(get(&subject, "a", &load).await.1, CacheOutcome::Hit);
    subject.cache.invalidate(&[TAG], next_event());
    assert_eq!(get(&subject, "a", &load).await, ("body 2".into(), CacheOutcome::Miss));
    // Not even when loading fails, within what would have been its grace.
    subject.cache.invalidate(&[TAG], next_event());
    let failing: Loader = Arc::new(|| Box::pin(async { Err(Error::unavailable("x", "down")) }));
    assert!(subject.cache.get_or_load(key("a"), &policy(), failing).await.is_err());
}

async fn a_load_racing_an_invalidation_is_not_kept(subject: Subject) {
    let (count, gate, started) = (Arc::default(), Arc::default(), Arc::<Notify>::default());
    let load = gated(&count, &gate, &started);
    let (cache, first) = (Arc::clone(&subject.cache), Arc::clone(&load));
    let early =
        tokio::spawn(async move { cache.get_or_load(key("a"), &policy(), first).await.unwrap() });
    started.notified().await;
    subject.cache.invalidate(&[TAG], next_event());
    // Who comes after the invalidation must not get what was read before it.
    let (cache, second) = (Arc::clone(&subject.cache), Arc::clone(&load));
    let late =
        tokio::spawn(async move { cache.get_or_load(key("a"), &policy(), second).await.unwrap() });
    started.notified().await;
    gate.notify_one();
    assert_eq!(early.await.unwrap().body, "body 1");
    gate.notify_one();
    assert_eq!(late.await.unwrap().body, "body 2");
    assert_eq!(get(&subject, "a", &load).await, ("body 2".into(), CacheOutcome::Hit));
}

async fn stale_is_served_within_grace_only(subject: Subject) {
    let count = Arc::default();
    let load = counting(&count);
    get(&subject, "a", &load).await;
    subject.clock.advance(Duration::from_secs(70));
    let failing: Loader = Arc::new(|| Box::pin(async { Err(Error::unavailable("x", "down")) }));
    for _ in 0..3 {
        assert_eq!(get(&subject, "a", &failing).await, ("body 1".into(), CacheOutcome::Stale));
    }
    // Serving a stale one refreshes it behind. The refresh that fails may still be under way, and
    // sharing it is right, so the working one is asked for until it was.
    Wait::unpromised("a refresh behind the readers takes as long as it takes")
        .until("it is fresh", async || get(&subject, "a", &load).await.1 == CacheOutcome::Hit)
        .await;
    assert_eq!(get(&subject, "a", &load).await.0, "body 2");
    subject.clock.advance(Duration::from_secs(91));
    assert!(subject.cache.get_or_load(key("a"), &policy(), failing).await.is_err());
}

async fn a_known_end_is_kept(subject: Subject) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let load: Loader = Arc::new(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        Box::pin(async {
            Ok(Loaded {
                body: Bytes::from_static(b"late"),
                headers: Vec::new(),
                expires_at: Some(Timestamp::from_seconds(1_010)),
            })
        })
    });
    get(&subject, "a", &load).await;
    subject.clock.advance(Duration::from_secs(9));
    assert_eq!(get(&subject, "a", &load).await.1, CacheOutcome::Hit);
    subject.clock.advance(Duration::from_secs(1));
    assert_eq!(get(&subject, "a", &load).await.1, CacheOutcome::Miss);
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

async fn who_comes_after_a_known_end_joins_no_load_from_before(subject: Subject) {
    let (count, gate, started) = (Arc::default(), Arc::default(), Arc::<Notify>::default());
    let plain = gated(&count, &gate, &started);
    let load: Loader = Arc::new(move || {
        let plain = plain();
        let end = Some(Timestamp::from_seconds(1_010));
        Box::pin(async move { plain.await.map(|loaded| Loaded { expires_at: end, ..loaded }) })
    });
    let get = || {
        let (cache, load) = (Arc::clone(&subject.cache), Arc::clone(&load));
        tokio::spawn(async move { cache.get_or_load(key("a"), &policy(), load).await.unwrap() })
    };
    let early = get();
    started.notified().await;
    let beside = get();
    tokio::task::yield_now().await;
    subject.clock.advance(Duration::from_secs(10));
    let late = get();
    tokio::task::yield_now().await;
    gate.notify_one();
    assert_eq!(early.await.unwrap().body, "body 1");
    assert_eq!(beside.await.unwrap().body, "body 1");
    gate.notify_one();
    assert_eq!(late.await.unwrap().body, "body 2");
}

async fn what_is_loaded_is_as_old_as_the_question(subject: Subject) {
    let (count, gate, started) = (Arc::default(), Arc::default(), Arc::<Notify>::default());
    let load = gated(&count, &gate, &started);
    let (cache, first) = (Arc::clone(&subject.cache), Arc::clone(&load));
    let early =
        tokio::spawn(async move { cache.get_or_load(key("a"), &policy(), first).await.unwrap() });
    started.notified().await;
    subject.clock.advance(Duration::from_secs(91));
    gate.notify_one();
    assert_eq!(early.await.unwrap().body, "body 1");
    // The next body must be asked for: the first one has been too old since before it came.
    gate.notify_one();
    assert_eq!(get(&subject, "a", &load).await, ("body 2".into(), CacheOutcome::Miss));
}

async fn errors_are_told_to_all_and_not_kept(subject: Subject) {
    let failing: Loader = Arc::new(|| Box::pin(async { Err(Error::unavailable("x", "down")) }));
    let mut calls = Vec::new();
    for _ in 0..5 {
        let (cache, failing) = (Arc::clone(&subject.cache), Arc::clone(&failing));
        calls.push(tokio::spawn(
            async move { cache.get_or_load(key("a"), &policy(), failing).await },
        ));
    }
    for call in calls {
        assert!(matches!(call.await.unwrap(), Err(Error::Unavailable { .. })));
    }
    let count = Arc::default();
    assert_eq!(get(&subject, "a", &counting(&count)).await.1, CacheOutcome::Miss);
}

async fn a_hung_load_frees_its_key(subject: Subject) {
    let hung: Loader = Arc::new(|| Box::pin(std::future::pending()));
    let result =
        timeout(Duration::from_secs(5), subject.cache.get_or_load(key("a"), &policy(), hung))
            .await
            .unwrap();
    assert!(matches!(result, Err(Error::Unavailable { .. })));
    let count = Arc::default();
    assert_eq!(get(&subject, "a", &counting(&count)).await.0, "body 1");
}

async fn a_panicking_load_frees_its_key(subject: Subject) {
    let armed = Arc::new(AtomicBool::new(true));
    let load: Loader = Arc::new(move || {
        let armed = Arc::clone(&armed);
        Box::pin(async move {
            assert!(!armed.swap(false, Ordering::SeqCst), "deliberate");
            Ok(body("calm"))
        })
    });
    let first = subject.cache.get_or_load(key("a"), &policy(), Arc::clone(&load)).await;
    assert!(matches!(first, Err(Error::Internal(_))));
    assert_eq!(get(&subject, "a", &load).await.0, "calm");
}

async fn restarting_forgets_everything(subject: Subject) {
    let count = Arc::default();
    let load = counting(&count);
    get(&subject, "a", &load).await;
    get(&subject, "b", &load).await;
    subject.cache.restart(&[(TAG, next_event())]);
    assert_eq!(get(&subject, "a", &load).await.1, CacheOutcome::Miss);
    assert_eq!(get(&subject, "b", &load).await.1, CacheOutcome::Miss);
}

async fn what_has_gone_is_not_served_from_before(subject: Subject) {
    let load = counting(&Arc::default());
    get(&subject, "a", &load).await;
    subject.clock.advance(Duration::from_secs(61));
    // Served stale once more, while the refresh finds out.
    let gone: Loader = Arc::new(|| Box::pin(async { Err(Error::NotFound("signal")) }));
    let policy = policy();
    let ask = || subject.cache.get_or_load(key("a"), &policy, Arc::clone(&gone));
    let found_out = async {
        while ask().await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(5), found_out).await.unwrap();
    assert!(matches!(ask().await, Err(Error::NotFound("signal"))));
    // Nor does it come back from another level once its absence is forgotten.
    subject.clock.advance(Duration::from_secs(2));
    assert!(matches!(ask().await, Err(Error::NotFound("signal"))));
}

async fn absence_is_remembered_for_a_moment(subject: Subject) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let absent: Loader = Arc::new(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        Box::pin(async { Err(Error::NotFound("signal")) })
    });
    let policy = policy();
    let ask = || subject.cache.get_or_load(key("a"), &policy, Arc::clone(&absent));
    for _ in 0..5 {
        assert!(matches!(ask().await, Err(Error::NotFound("signal"))));
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    subject.clock.advance(Duration::from_secs(1));
    assert!(ask().await.is_err());
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    // What came to exist is seen at once.
    subject.cache.invalidate(&[TAG], next_event());
    let count = Arc::default();
    assert_eq!(get(&subject, "a", &counting(&count)).await.0, "body 1");
}

async fn what_is_about_to_expire_is_refreshed_behind_its_readers(subject: Subject) {
    let count = Arc::default();
    let load = counting(&count);
    get(&subject, "a", &load).await;
    subject.clock.advance(Duration::from_secs(47));
    assert_eq!(get(&subject, "a", &load).await, ("body 1".into(), CacheOutcome::Hit));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(count.load(Ordering::SeqCst), 1, "less than four fifths of its TTL");
    subject.clock.advance(Duration::from_secs(2));
    let is_new = async || get(&subject, "a", &load).await == ("body 2".into(), CacheOutcome::Hit);
    Wait::unpromised("a refresh behind the readers takes as long as it takes")
        .until("the new body is served", is_new)
        .await;
    assert_eq!(count.load(Ordering::SeqCst), 2, "one refresh for all readers");
}

#[tokio::test]
async fn memory_is_bounded_in_bytes_and_entries() {
    let registry = prometheus::Registry::new();
    let metrics = alpine_infra::InfraMetrics::register(&registry).unwrap();
    let settings =
        CacheSettings { max_bytes: 1 << 20, max_entries: 500, max_body: 64 << 10, ..settings() };
    let clock = Arc::new(ManualClock::starting_at(Timestamp::from_seconds(1_000)));
    let cache = BodyCache::in_memory(settings, clock, metrics).unwrap();
    for n in 0..3_000_usize {
        let size = if n % 2 == 0 { 10 } else { 20_000 };
        let load: Loader = Arc::new(move || {
            Box::pin(async move {
                let mut noise = vec![0; size];
                getrandom::fill(&mut noise).unwrap();
                Ok(Loaded { body: noise.into(), headers: Vec::new(), expires_at: None })
            })
        });
        cache.get_or_load(key(&n.to_string()), &policy(), load).await.unwrap();
    }
    let gauge = |name: &str| {
        let family = registry.gather().into_iter().find(|f| f.name() == name).unwrap();
        family.get_metric()[0].get_gauge().get_value()
    };
    assert!(gauge("cache_bytes") <= f64::from(1_u32 << 20));
    assert!(gauge("cache_entries") <= 500.0);
    assert!(gauge("cache_entries") > 10.0);
}

/// Two instances over one Redis.
async fn pair(on: On) -> Option<[Subject; 2]> {
    let settings = on.settings()?;
    let clock = Arc::new(ManualClock::starting_at(Timestamp::from_seconds(1_000)));
    let mut pair = Vec::new();
    for _ in 0..2 {
        let redis = open(settings.clone()).await;
        let cache = BodyCache::with_redis(
            self::settings(),
            redis,
            ONE,
            Arc::<ManualClock>::clone(&clock),
            metrics(),
        );
        let cache = cache.unwrap();
        cache.restart(&SHARED);
        pair.push(Subject { cache: Arc::new(cache), clock: Arc::clone(&clock) });
    }
    pair.try_into().ok()
}

/// Asks until the other instance's entry has arrived in Redis, which happens behind its answer.
async fn get_from_redis(subject: &Subject, name: &str, wanted: &str) {
    let missing: Loader = Arc::new(|| Box::pin(async { Err(Error::unavailable("x", "down")) }));
    let ask =
        async || subject.cache.get_or_load(key(name), &policy(), Arc::clone(&missing)).await.ok();
    let got = Wait::unpromised("Redis is written behind the answer")
        .until_some("the entry is in Redis", ask)
        .await;
    assert_eq!((&got.body[..], got.outcome), (wanted.as_bytes(), CacheOutcome::Hit));
}

#[tokio::test]
async fn instances_share_entries_through_redis() {
    for on in On::ALL {
        let Some([a, b]) = pair(on).await else { continue };
        for name in ["x", "y", "z"] {
            let count = Arc::default();
            get(&a, name, &counting(&count)).await;
            get_from_redis(&b, name, "body 1").await;
            assert_eq!(count.load(Ordering::SeqCst), 1, "{on:?}");
        }
    }
}

#[tokio::test]
async fn what_one_instance_invalidates_no_other_finds_in_redis() {
    for on in On::ALL {
        let Some([a, b]) = pair(on).await else { continue };
        let count = Arc::default();
        let load = counting(&count);
        get(&a, "x", &load).await;
        get_from_redis(&b, "x", "body 1").await;
        let event = next_event();
        a.cache.invalidate(&[TAG], event);
        b.cache.invalidate(&[TAG], event);
        assert_eq!(get(&b, "x", &load).await, ("body 2".into(), CacheOutcome::Miss), "{on:?}");
    }
}

#[tokio::test]
async fn garbage_in_redis_is_a_miss() {
    let Some(settings) = shared_settings() else { return };
    let url = std::env::var("ALPINE_TEST_REDIS_URL").unwrap();
    let clock = Arc::new(ManualClock::starting_at(Timestamp::from_seconds(1_000)));
    let count = Arc::default();
    let load = counting(&count);
    let mut connection =
        redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap();
    let fresh = async |handle| {
        let clock = Arc::clone(&clock);
        let cache = BodyCache::with_redis(
            self::settings(),
            handle,
            ONE,
            Arc::<ManualClock>::clone(&clock),
            metrics(),
        )
        .unwrap();
        cache.restart(&SHARED);
        Subject { cache: Arc::new(cache), clock }
    };
    get(&fresh(open(settings.clone()).await).await, "x", &load).await;
    let pattern = format!("{}:*:cache:*:body", settings.key_prefix);
    let found = async || {
        let keys: Vec<String> =
            redis::cmd("KEYS").arg(&pattern).query_async(&mut connection).await.unwrap();
        (!keys.is_empty()).then_some(keys)
    };
    let keys = Wait::unpromised("Redis is written behind the answer")
        .until_some("the entry is in Redis", found)
        .await;
    assert_eq!(keys.len(), 1);
    () = redis::cmd("SETRANGE")
        .arg(&keys[0])
        .arg(120)
        .arg("garbage")
        .query_async(&mut connection)
        .await
        .unwrap();
    assert_eq!(get(&fresh(open(settings).await).await, "x", &load).await.0, "body 2");
}
