//! Invariant 8: while the circuit opens, one deadline is added at most, and nothing after that.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use alpine_domain::ports::{
    health::{Condition, Probe as _},
    rate_limit::RateLimiter as _,
};
use alpine_infra::redis::{RedisHandle, RedisProbe};
use alpine_testing::{FaultProxy, Memory, Wait, own_redis};
use tokio::time::timeout;

use super::{limiter, measured, policy, registered, settings_for};

const DEADLINE: Duration = Duration::from_millis(100);
/// A busy machine may add as much.
const SLACK: Duration = Duration::from_millis(150);

#[derive(Debug, Clone, Copy)]
enum Fault {
    Stopped,
    BlackHole,
    Slow,
    Killed,
}

async fn survives(fault: Fault) {
    let Some(mut redis) = own_redis(Memory::Lost) else { return };
    let proxy = FaultProxy::before(&redis.url()).unwrap();
    let mut settings = settings_for(&proxy.url(&redis.url()).unwrap());
    settings.deadline = DEADLINE;
    let (registry, metrics) = registered();
    let handle = crate::support::identified(RedisHandle::open(settings, metrics).unwrap());
    assert!(handle.wait_until_in_use(Duration::from_secs(10)).await);
    let limiter = Arc::new(limiter(handle.clone(), 1, 0));
    let policy = policy(&[(60_000, 100_000)]);
    assert!(limiter.admit(&policy, "warm").await.allowed);

    match fault {
        Fault::Stopped => redis.stop().unwrap(),
        Fault::BlackHole => proxy.black_hole(),
        Fault::Slow => proxy.delay(Duration::from_millis(300), Duration::ZERO),
        Fault::Killed => redis.kill().unwrap(),
    }
    let mut together = Vec::new();
    for n in 0..50 {
        let (limiter, policy) = (Arc::clone(&limiter), policy.clone());
        together.push(tokio::spawn(async move {
            let started = Instant::now();
            assert!(limiter.admit(&policy, &format!("at once {n}")).await.allowed);
            started.elapsed()
        }));
    }
    for request in together {
        let took = timeout(Duration::from_secs(10), request).await.unwrap().unwrap();
        assert!(took < DEADLINE + SLACK, "{fault:?}: {took:?} while the circuit opened");
    }
    // None of these waits for Redis, whether the probe has made up its mind or not.
    let started = Instant::now();
    for n in 0..200 {
        assert!(limiter.admit(&policy, &format!("later {n}")).await.allowed);
    }
    assert!(started.elapsed() < SLACK, "{fault:?}: {:?} afterwards", started.elapsed());
    Wait::unpromised("the probe makes up its mind after several looks; nobody waits for it")
        .until("the circuit is open for good", async || {
            measured(&registry, "redis_transitions_total", "down") >= 1.0
        })
        .await;
    assert!((measured(&registry, "redis_breaker_state", "") - 2.0).abs() < f64::EPSILON);
    assert_ne!(RedisProbe::new(Some(handle.clone())).probe().await.condition, Condition::Up);

    match fault {
        Fault::Stopped => redis.resume().unwrap(),
        Fault::BlackHole | Fault::Slow => proxy.pass(),
        Fault::Killed => redis.restart().unwrap(),
    }
    // It closes by itself: nobody asked.
    assert!(handle.wait_until_in_use(Duration::from_secs(5)).await, "{fault:?}");
    assert_eq!(RedisProbe::new(Some(handle)).probe().await.condition, Condition::Up);
    assert!((measured(&registry, "redis_transitions_total", "down") - 1.0).abs() < f64::EPSILON);
    assert!(measured(&registry, "redis_breaker_state", "").abs() < f64::EPSILON);
}

#[tokio::test]
async fn invariant_08_nobody_waits_for_a_stopped_redis() {
    survives(Fault::Stopped).await;
}

#[tokio::test]
async fn invariant_08_nobody_waits_for_a_redis_that_is_cut_off() {
    survives(Fault::BlackHole).await;
}

#[tokio::test]
async fn invariant_08_nobody_waits_for_a_slow_redis() {
    survives(Fault::Slow).await;
}

#[tokio::test]
async fn invariant_08_nobody_waits_for_a_killed_redis() {
    survives(Fault::Killed).await;
}

#[tokio::test]
async fn invariant_08_one_hiccup_is_no_outage() {
    let Some(mut redis) = own_redis(Memory::Lost) else { return };
    let mut settings = settings_for(&redis.url());
    settings.deadline = DEADLINE;
    let (registry, metrics) = registered();
    let handle = crate::support::identified(RedisHandle::open(settings, metrics).unwrap());
    assert!(handle.wait_until_in_use(Duration::from_secs(10)).await);
    let limiter = limiter(handle.clone(), 1, 0);
    redis.stop().unwrap();
    assert!(limiter.admit(&policy(&[(60_000, 100)]), "x").await.allowed);
    assert!(!handle.is_in_use());
    redis.resume().unwrap();
    assert!(handle.wait_until_in_use(Duration::from_secs(5)).await);
    assert!(measured(&registry, "redis_suspicions_total", "") >= 1.0);
    assert!(measured(&registry, "redis_transitions_total", "down").abs() < f64::EPSILON);
}
