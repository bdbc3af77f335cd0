//! The contract of `RateLimiter`.

use std::{sync::Arc, time::Duration};

use alpine_domain::{
    Timestamp,
    ports::rate_limit::{Decision, RateLimiter, RatePolicy, Window},
    time::ManualClock,
};
use alpine_infra::{
    MonotonicClock,
    rate_limit::{MemoryRateLimiter, RedisRateLimiter},
};
use proptest::prelude::*;
use tokio::time::{Instant, sleep};

use crate::support::{MAX_CALLERS, On, metrics, open, shared_limits};

fn policy(windows: &[(u64, u32)]) -> RatePolicy {
    RatePolicy {
        name: "test",
        windows: windows
            .iter()
            .map(|(millis, limit)| Window { length: Duration::from_millis(*millis), limit: *limit })
            .collect(),
        is_coarse: false,
    }
}

fn memory() -> Arc<dyn RateLimiter> {
    Arc::new(MemoryRateLimiter::new(MAX_CALLERS, Arc::new(MonotonicClock::new()), metrics()))
}

async fn shared(on: On) -> Option<Arc<dyn RateLimiter>> {
    let redis = open(on.settings()?).await;
    Some(Arc::new(over(redis)))
}

fn over(redis: alpine_infra::redis::RedisHandle) -> RedisRateLimiter {
    let clock = Arc::new(MonotonicClock::new());
    RedisRateLimiter::new(shared_limits(1), redis, clock, metrics())
}

async fn a_refusal_that_is_known_is_told_without_counting(limiter: Arc<dyn RateLimiter>) {
    let policy = policy(&[(60_000, 3)]);
    for _ in 0..3 {
        for _ in 0..5 {
            assert_eq!(limiter.known_refusal(&policy, "asked"), None);
        }
        assert!(limiter.admit(&policy, "asked").await.allowed);
    }
    let refused = limiter.admit(&policy, "asked").await;
    assert!(!refused.allowed);
    let known = limiter.known_refusal(&policy, "asked").unwrap();
    assert_eq!((known.allowed, known.limit, known.remaining), (false, 3, 0));
    assert!(known.retry_after.is_some());
    assert_eq!(limiter.known_refusal(&policy, "another"), None);
}

macro_rules! contract {
    ($($name:ident),* $(,)?) => {
        mod on_memory {
            $(#[tokio::test]
            async fn $name() { super::$name(super::memory()).await; })*
        }
        contract!(@shared on_redis, Server, $($name),*);
        contract!(@shared on_sentinel, Sentinel, $($name),*);
        contract!(@shared on_cluster, Cluster, $($name),*);
    };
    (@shared $module:ident, $on:ident, $($name:ident),*) => {
        mod $module {
            $(#[tokio::test]
            async fn $name() {
                if let Some(subject) = super::shared(super::On::$on).await {
                    super::$name(subject).await;
                }
            })*
        }
    };
}

contract!(
    admits_the_limit_and_no_more,
    callers_and_policies_do_not_meet,
    a_refusal_debits_no_window,
    a_refusal_that_is_known_is_told_without_counting,
    parallel_callers_get_the_limit_exactly,
    room_comes_back,
);

async fn admits_the_limit_and_no_more(limiter: Arc<dyn RateLimiter>) {
    let policy = policy(&[(60_000, 5), (3_600_000, 100)]);
    for left in (0..5).rev() {
        let decision = limiter.admit(&policy, "a").await;
        assert!(decision.allowed);
        assert_eq!(decision.remaining, left);
        assert_eq!(decision.limit, 5);
        assert_eq!(decision.window, Duration::from_mins(1));
        assert!(decision.retry_after.is_none());
        assert!(decision.reset_after > Duration::from_secs(55));
        assert!(decision.reset_after <= Duration::from_secs(65));
    }
    let refused = limiter.admit(&policy, "a").await;
    assert!(!refused.allowed);
    assert_eq!((refused.limit, refused.remaining), (5, 0));
    let retry = refused.retry_after.unwrap();
    assert!(retry > Duration::from_secs(50) && retry <= Duration::from_secs(65), "{retry:?}");
}

async fn callers_and_policies_do_not_meet(limiter: Arc<dyn RateLimiter>) {
    let one = policy(&[(60_000, 1)]);
    let other = RatePolicy { name: "other", ..one.clone() };
    assert!(limiter.admit(&one, "a").await.allowed);
    assert!(limiter.admit(&one, "b").await.allowed);
    assert!(limiter.admit(&other, "a").await.allowed);
    assert!(!limiter.admit(&one, "a").await.allowed);
}

async fn a_refusal_debits_no_window(limiter: Arc<dyn RateLimiter>) {
    let both = policy(&[(300, 2), (60_000, 5)]);
    let mut admitted = 0;
    for _ in 0..20 {
        admitted += u32::from(limiter.admit(&both, "a").await.allowed);
    }
    assert_eq!(admitted, 2);
    // Had the 18 refusals counted, the long window would be full by now.
    sleep(Duration::from_millis(400)).await;
    let next = limiter.admit(&both, "a").await;
    assert!(next.allowed, "{next:?}");
}

async fn parallel_callers_get_the_limit_exactly(limiter: Arc<dyn RateLimiter>) {
    let policy = Arc::new(policy(&[(60_000, 50), (3_600_000, 60)]));
    let mut calls = Vec::new();
    for _ in 0..200 {
        let (limiter, policy) = (Arc::clone(&limiter), Arc::clone(&policy));
        calls.push(tokio::spawn(async move { limiter.admit(&policy, "a").await.allowed }));
    }
    let mut admitted = 0;
    for call in calls {
        admitted += u32::from(call.await.unwrap());
    }
    assert_eq!(admitted, 50);
}

async fn room_comes_back(limiter: Arc<dyn RateLimiter>) {
    let policy = policy(&[(240, 3)]);
    let mut sent_and_answered = Vec::new();
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(1_500) {
        let sent = Instant::now();
        if limiter.admit(&policy, "a").await.allowed {
            sent_and_answered.push((sent, Instant::now()));
        }
        sleep(Duration::from_millis(3)).await;
    }
    // At least most of what is allowed, and nowhere more: whatever was both sent and answered within
    // an interval of the window's length counts.
    assert!(sent_and_answered.len() >= 12, "{}", sent_and_answered.len());
    for (from, _) in &sent_and_answered {
        let until = *from + Duration::from_millis(240);
        let inside = sent_and_answered
            .iter()
            .filter(|(sent, answered)| sent >= from && *answered <= until)
            .count();
        assert!(inside <= 3, "{inside}");
    }
}

#[tokio::test]
async fn two_instances_share_one_limit() {
    for on in On::ALL {
        let Some(settings) = on.settings() else { continue };
        let a = over(open(settings.clone()).await);
        let b = over(open(settings).await);
        let policy = policy(&[(60_000, 7)]);
        // Several callers: on a cluster their keys are on different nodes.
        for caller in ["v", "w", "x", "y", "z"] {
            let mut admitted = 0;
            for _ in 0..7 {
                admitted += u32::from(a.admit(&policy, caller).await.allowed);
                admitted += u32::from(b.admit(&policy, caller).await.allowed);
            }
            assert_eq!(admitted, 7, "{on:?}");
        }
    }
}

/// A limiter in memory whose clock is the test's.
fn at_hand(max_callers: usize) -> (MemoryRateLimiter, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::starting_at(Timestamp::from_seconds(1_700_000_003)));
    let limiter = MemoryRateLimiter::new(max_callers, Arc::<ManualClock>::clone(&clock), metrics());
    (limiter, clock)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the pauses, no interval of a window's length holds more than its limit; and no
    /// request is refused while every window, its last sub-bucket counted whole, has room.
    #[test]
    fn no_interval_holds_more_than_the_limit(
        pauses in proptest::collection::vec(
            prop_oneof![Just(0_u64), 1_u64..2_000, 4_990..5_010_u64, 55_000..66_000_u64],
            1..400,
        ),
        minute in 1_u32..12,
        hour in 5_u32..40,
    ) {
        let policy = policy(&[(60_000, minute), (3_600_000, hour)]);
        let (limiter, clock) = at_hand(1_000);
        let mut now = 0_u64;
        let mut admitted: Vec<u64> = vec![];
        for pause in pauses {
            clock.advance(Duration::from_millis(pause));
            now += pause;
            let decision = block_on(limiter.admit(&policy, "a"));
            let within = |length: u64| {
                admitted.iter().filter(|at| now - **at < length).count()
            };
            if decision.allowed {
                admitted.push(now);
            } else {
                prop_assert!(
                    within(65_000) >= minute as usize || within(3_660_000) >= hour as usize
                );
                prop_assert!(decision.retry_after.unwrap() >= Duration::from_secs(1));
            }
        }
        for (length, limit) in [(60_000, minute), (3_600_000, hour)] {
            for from in &admitted {
                // Both ends included, the hardest case.
                let inside = admitted
                    .iter()
                    .filter(|at| *at >= from && **at <= from + length)
                    .count();
                prop_assert!(inside <= limit as usize);
            }
        }
    }

    #[test]
    fn after_retry_after_one_more_is_admitted(
        pauses in proptest::collection::vec(0_u64..9_000, 1..60),
    ) {
        let policy = policy(&[(60_000, 4), (3_600_000, 20)]);
        let (limiter, clock) = at_hand(1_000);
        for pause in pauses {
            clock.advance(Duration::from_millis(pause));
            let decision = block_on(limiter.admit(&policy, "a"));
            if let Some(retry_after) = decision.retry_after {
                clock.advance(retry_after);
                prop_assert!(block_on(limiter.admit(&policy, "a")).allowed);
            }
        }
    }
}

/// How many callers were removed to make room.
fn evicted(registry: &prometheus::Registry) -> f64 {
    let families = registry.gather();
    let family =
        families.iter().find(|family| family.name() == "rate_limit_evicted_total").unwrap();
    family.get_metric().iter().map(|metric| metric.get_counter().get_value()).sum()
}

#[tokio::test]
async fn a_flood_of_callers_neither_grows_memory_nor_forgets_anybody() {
    const STRANGERS: u32 = 50_000;
    let registry = prometheus::Registry::new();
    let metrics = alpine_infra::InfraMetrics::register(&registry).unwrap();
    let clock = Arc::new(ManualClock::starting_at(Timestamp::from_seconds(1_700_000_003)));
    let limiter = MemoryRateLimiter::new(1_600, Arc::<ManualClock>::clone(&clock), metrics);
    let policy = policy(&[(60_000, 20)]);
    for _ in 0..20 {
        assert!(limiter.admit(&policy, "hot").await.allowed);
    }
    let mut refused_strangers = 0;
    for n in 0..STRANGERS {
        clock.advance(Duration::from_micros(200));
        refused_strangers += u32::from(!limiter.admit(&policy, &n.to_string()).await.allowed);
    }
    // Whoever is neither held nor was removed does not exist, and the hot one was quiet longest.
    assert!(evicted(&registry) >= f64::from(STRANGERS - 1_600), "{}", evicted(&registry));
    // Ten seconds later it is refused all the same.
    assert!(!limiter.admit(&policy, "hot").await.allowed);
    // Its neighbours in the shared cell pay for that: one cell of four thousand.
    assert!(refused_strangers < 200, "{refused_strangers}");
    clock.advance(Duration::from_secs(66));
    assert!(limiter.admit(&policy, "hot").await.allowed);
}

/// The parts are 2 of 7 and, of a limit that three cannot share, 1.
#[tokio::test]
async fn one_of_several_instances_in_memory_admits_its_part() {
    let (limiter, clock) = at_hand(1_600);
    let limiter = limiter.one_of(3.try_into().unwrap());
    for (limit, part) in [(7, 2), (2, 1)] {
        let policy = policy(&[(60_000, limit)]);
        for _ in 0..part {
            assert_eq!(limiter.known_refusal(&policy, "a"), None, "of {limit}");
            assert!(limiter.admit(&policy, "a").await.allowed, "of {limit}");
        }
        let refused = limiter.admit(&policy, "a").await;
        assert_eq!((refused.allowed, refused.limit, refused.remaining), (false, part, 0));
        assert_eq!(limiter.known_refusal(&policy, "a"), Some(refused));
        clock.advance(Duration::from_mins(2));
    }
}

/// What counts is the latest time that a caller was seen at: neither does its count end earlier, nor is
/// it told to wait for as long as the clock went back.
#[tokio::test]
async fn a_clock_set_back_admits_nothing_extra_and_prolongs_no_refusal() {
    let clock = Arc::new(ManualClock::starting_at(Timestamp::from_seconds(10_000)));
    let limiter = MemoryRateLimiter::new(MAX_CALLERS, Arc::<ManualClock>::clone(&clock), metrics());
    let policy = policy(&[(60_000, 2)]);
    // Both count until the window and the sub-bucket that is partly outside of it have passed.
    let count = |remaining| Decision {
        allowed: true,
        limit: 2,
        window: Duration::from_mins(1),
        remaining,
        reset_after: Duration::from_secs(65),
        retry_after: None,
    };
    let refused =
        Decision { allowed: false, retry_after: Some(Duration::from_secs(65)), ..count(0) };
    assert_eq!(limiter.admit(&policy, "a").await, count(1));
    clock.set_back(Duration::from_mins(150));
    assert_eq!(limiter.admit(&policy, "a").await, count(0));
    assert_eq!(limiter.admit(&policy, "a").await, refused);
    clock.advance(Duration::from_mins(150) + Duration::from_secs(64));
    assert!(!limiter.admit(&policy, "a").await.allowed, "the later one has not ended");
    clock.advance(Duration::from_secs(1));
    assert_eq!(limiter.admit(&policy, "a").await, count(1));
}
