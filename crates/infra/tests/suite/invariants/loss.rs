//! Invariant 9: a Redis that forgets or was away un-revokes nothing and admits less than one extra
//! limit.

use std::time::Duration;

use alpine_domain::ports::rate_limit::RateLimiter;
use alpine_testing::{FaultProxy, Memory, Wait, own_redis};

use super::{admitted, limiter, measured, measured_limiter, policy, registered, settings_for};
use crate::support::open;

#[tokio::test]
async fn invariant_09_an_unseen_flushall_is_noticed_by_the_next_call() {
    let Some(redis) = own_redis(Memory::Lost) else { return };
    let settings = settings_for(&redis.url());
    let a = limiter(open(settings.clone()).await, 2, 0);
    let b = limiter(open(settings).await, 2, 0);
    let policy = policy(&[(60_000, 100), (3_600_000, 5_000)]);
    let mut total = admitted(&a, &policy, 50).await + admitted(&b, &policy, 45).await;
    assert_eq!(total, 95);
    redis.command(&["FLUSHALL"]).unwrap();
    // Each instance's first call tells what it had admitted; the connection noticed nothing.
    for _ in 0..100 {
        total += admitted(&a, &policy, 1).await + admitted(&b, &policy, 1).await;
    }
    assert!(total <= 100, "{total}");
}

#[tokio::test]
async fn invariant_09_crossing_a_restart_admits_less_than_one_extra_limit() {
    let Some(mut redis) = own_redis(Memory::Lost) else { return };
    let settings = settings_for(&redis.url());
    let handles = [open(settings.clone()).await, open(settings).await];
    let (a, b) = (limiter(handles[0].clone(), 2, 0), limiter(handles[1].clone(), 2, 0));
    let policy = policy(&[(60_000, 100)]);
    let mut total = admitted(&a, &policy, 60).await + admitted(&b, &policy, 100).await;
    // A lease that was not used up may take its part.
    assert!((95..=100).contains(&total), "{total}");
    redis.kill().unwrap();
    for instance in [&a, &b] {
        total += admitted(instance, &policy, 100).await;
    }
    assert!(total <= 150, "{total}");
    redis.restart().unwrap();
    for handle in &handles {
        assert!(handle.wait_until_in_use(Duration::from_secs(10)).await);
    }
    for instance in [&b, &a] {
        total += admitted(instance, &policy, 100).await;
    }
    assert!(total < 200, "{total}");
    // Both have told what they know, so nothing was gained by the empty start.
    assert!(total <= 150, "{total}");
}

/// Some answers come in time, some too late, of which nobody knows whether they were counted.
#[tokio::test]
async fn invariant_09_a_redis_that_answers_around_its_deadline_admits_less_than_one_extra_limit() {
    const LIMIT: u32 = 60;
    let Some(redis) = own_redis(Memory::Lost) else { return };
    let proxy = FaultProxy::before(&redis.url()).unwrap();
    let mut settings = settings_for(&proxy.url(&redis.url()).unwrap());
    settings.deadline = Duration::from_millis(40);
    let (registry, metrics) = registered();
    let handles = [open(settings.clone()).await, open(settings).await];
    let a = limiter(handles[0].clone(), 2, 0);
    let b = measured_limiter(handles[1].clone(), 2, 0, metrics);
    // Longer than the test: all of it is one interval.
    let policy = policy(&[(60_000, LIMIT)]);
    let mut total = admitted(&a, &policy, 70).await;
    assert_eq!(total, LIMIT, "nothing is left");
    let decided = |source| measured(&registry, "rate_limit_requests_total", source);
    // From beyond the deadline to before it and back.
    for delay in [70, 44, 36, 10, 44, 70, 36, 1] {
        let delay = Duration::from_millis(delay);
        proxy.delay(delay / 2, delay / 2);
        for instance in [&b, &a] {
            total += admitted(instance, &policy, 40).await;
        }
        if delay < Duration::from_millis(30) {
            assert!(handles[1].wait_until_in_use(Duration::from_secs(10)).await);
        }
    }
    assert!(b.admit(&policy, "another").await.allowed);
    eprintln!("{total} admitted of {LIMIT}");
    assert!(decided("fallback") > 0.0 && decided("shared") > 0.0, "it was away and there");
    assert!(total > LIMIT, "what was left to decide was decided here: {total}");
    assert!(total < 2 * LIMIT, "{total}");
}

#[tokio::test]
async fn invariant_09_what_was_admitted_during_an_outage_is_charged_before_redis_is_used_again() {
    let Some(mut redis) = own_redis(Memory::Lost) else { return };
    let settings = settings_for(&redis.url());
    let handles = [open(settings.clone()).await, open(settings).await];
    let (a, b) = (limiter(handles[0].clone(), 1, 0), limiter(handles[1].clone(), 1, 0));
    let policy = policy(&[(60_000, 20)]);
    redis.stop().unwrap();
    assert_eq!(admitted(&a, &policy, 12).await, 12);
    redis.resume().unwrap();
    Wait::unpromised("Redis is used again once it has answered several times")
        .until("both use it", async || {
            handles.iter().all(alpine_infra::redis::RedisHandle::is_in_use)
        })
        .await;
    // The instance that admitted them is not even asked.
    let admitted = admitted(&b, &policy, 30).await;
    assert!(admitted <= 8, "{admitted}");
    assert!(b.admit(&policy, "another").await.allowed);
}
