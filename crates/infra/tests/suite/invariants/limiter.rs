//! Invariants 1 to 3: few commands, never more than the limit, denials that debit nothing.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use alpine_domain::ports::rate_limit::{RateLimiter, RatePolicy};
use alpine_testing::{Memory, Redis, own_redis};
use tokio::time::sleep;

use super::{admitted, limiter, policy, settings_for};
use crate::support::{free_port, metrics, open};

/// Commands of clients that the server has run so far.
fn commands(redis: &Redis) -> u64 {
    let stats = redis.command(&["INFO", "commandstats"]).unwrap();
    let calls = |line: &str| {
        let (name, rest) = line.split_once(":calls=")?;
        let counts = matches!(name, "cmdstat_evalsha" | "cmdstat_eval");
        let calls: u64 = rest.split(',').next()?.parse().ok()?;
        counts.then_some(calls)
    };
    stats.lines().filter_map(calls).sum()
}

#[tokio::test]
async fn invariant_01_a_request_costs_at_most_one_command_and_with_leases_a_fraction() {
    let Some(redis) = own_redis(Memory::Lost) else { return };
    let one = limiter(open(settings_for(&redis.url())).await, 1, 0);
    let busy = policy(&[(60_000, 6_000)]);
    let before = commands(&redis);
    assert_eq!(admitted(&one, &busy, 2_000).await, 2_000);
    let asked = commands(&redis) - before;
    assert!(asked <= 500, "{asked} commands for 2,000 requests");

    // Whoever asks slowly costs one command a request, and whoever is refused none.
    let slow = RatePolicy { name: "slow", ..policy(&[(60_000, 10)]) };
    let before = commands(&redis);
    assert_eq!(admitted(&one, &slow, 10).await, 10);
    assert_eq!(commands(&redis) - before, 10);
    assert_eq!(admitted(&one, &slow, 1_000).await, 0);
    assert_eq!(commands(&redis) - before, 10);
    // Nor on an instance that has admitted nothing itself, from the second request on.
    let other = limiter(open(settings_for(&redis.url())).await, 1, 0);
    assert_eq!(admitted(&other, &slow, 10).await, 10, "another prefix, another limit");
}

#[tokio::test]
async fn invariant_01_a_refusal_by_redis_is_remembered() {
    let Some(redis) = own_redis(Memory::Lost) else { return };
    let settings = settings_for(&redis.url());
    let a = limiter(open(settings.clone()).await, 2, 0);
    let b = limiter(open(settings).await, 2, 0);
    let few = policy(&[(60_000, 10)]);
    assert_eq!(admitted(&a, &few, 10).await, 10);
    let before = commands(&redis);
    assert_eq!(admitted(&b, &few, 500).await, 0);
    assert_eq!(commands(&redis) - before, 1);
}

#[tokio::test]
async fn invariant_01_a_coarse_policy_costs_nothing_until_somebody_asks_much() {
    let Some(redis) = own_redis(Memory::Lost) else { return };
    let settings = settings_for(&redis.url());
    let coarse = RatePolicy { is_coarse: true, ..policy(&[(60_000, 120)]) };
    let mut instances = Vec::new();
    for _ in 0..3 {
        instances.push(limiter(open(settings.clone()).await, 3, 0));
    }
    let before = commands(&redis);
    for instance in &instances {
        assert_eq!(admitted(instance, &coarse, 2).await, 2);
    }
    assert_eq!(commands(&redis) - before, 0);
    // Beyond its own part each request is counted, and together they get the limit and no more.
    let mut total = 6;
    for instance in &instances {
        total += admitted(instance, &coarse, 200).await;
    }
    assert!(commands(&redis) > before);
    assert_eq!(total, 120);
}

#[derive(Debug, Clone, Copy)]
struct Admission {
    sent: Instant,
    answered: Instant,
}

type Log = Arc<Mutex<Vec<Admission>>>;

async fn ask(limiter: &dyn RateLimiter, policy: &RatePolicy, log: &Log) -> bool {
    let sent = Instant::now();
    let allowed = limiter.admit(policy, "caller").await.allowed;
    if allowed {
        log.lock().unwrap().push(Admission { sent, answered: Instant::now() });
    }
    allowed
}

/// The most admissions that were both sent and answered within any interval of `length`.
fn most_within(log: &Log, length: Duration) -> usize {
    let mut log = log.lock().unwrap().clone();
    log.sort_by_key(|admission| admission.sent);
    let within = |from: &Admission| {
        let end = from.sent + length;
        log.iter().filter(|a| a.sent >= from.sent && a.answered <= end).count()
    };
    log.iter().map(within).max().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invariant_02_admissions_never_exceed_the_limit_whatever_the_hosts_clocks_say() {
    never_more_than_the_limit(policy(&[(600, 60), (1_800, 150)])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invariant_02_what_instances_admit_unasked_is_part_of_the_limit() {
    let fine = policy(&[(600, 60), (1_800, 150)]);
    never_more_than_the_limit(RatePolicy { is_coarse: true, ..fine }).await;
}

/// Three instances under `policy`, which admits 60 in 600 ms and 150 in 1.8 s.
async fn never_more_than_the_limit(policy: RatePolicy) {
    const LENGTH: Duration = Duration::from_millis(600);
    let Some(redis) = own_redis(Memory::Lost) else { return };
    let settings = settings_for(&redis.url());
    let log = Log::default();
    // The first fills the window, the last, whose host is ahead by ten seconds, comes right after.
    let mut instances = Vec::new();
    for skew in [-5, 0, 5] {
        instances.push(Arc::new(limiter(open(settings.clone()).await, 3, skew)));
    }
    for instance in &instances {
        for _ in 0..70 {
            ask(&**instance, &policy, &log).await;
        }
    }
    // Then all at once, in bursts around the windows' edges.
    let began = Instant::now();
    let mut clients = Vec::new();
    for n in 0..24_u64 {
        let at = usize::try_from(n).unwrap() % 3;
        let (instance, policy) = (Arc::clone(&instances[at]), policy.clone());
        let log = Arc::clone(&log);
        clients.push(tokio::spawn(async move {
            let mut state = n * 0x9E37_79B9 + 12_345;
            while began.elapsed() < Duration::from_secs(4) {
                for _ in 0..6 {
                    ask(&*instance, &policy, &log).await;
                }
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                sleep(Duration::from_millis(1 + (state >> 33) % 53)).await;
            }
        }));
    }
    for client in clients {
        client.await.unwrap();
    }
    assert!(most_within(&log, LENGTH) <= 60, "{}", most_within(&log, LENGTH));
    let long = most_within(&log, LENGTH * 3);
    assert!(long <= 150, "{long}");
    // And what is allowed can be used: sub-buckets and leases take their part, no more.
    assert!(log.lock().unwrap().len() >= 250, "{}", log.lock().unwrap().len());
    assert!(long >= 135, "{long}");
}

/// Waits until the server's clock stands at `phase` (0 to 1) of a step.
async fn wait_for_phase(redis: &Redis, step: Duration, phase: f64) {
    // TIME answers with an array; a script answers with a number.
    let now = "local t = redis.call('TIME') return t[1] * 1000000 + t[2]";
    let now: u128 = redis.command(&["EVAL", now, "0"]).unwrap().parse().unwrap();
    let wanted = step.mul_f64(phase).as_micros();
    let step = step.as_micros();
    let wait = (wanted + step - now % step) % step;
    sleep(Duration::from_micros(u64::try_from(wait).unwrap())).await;
}

#[tokio::test]
async fn invariant_02_a_sub_bucket_that_is_partly_outside_the_window_counts() {
    const STEP: Duration = Duration::from_millis(100);
    let Some(redis) = own_redis(Memory::Lost) else { return };
    let settings = settings_for(&redis.url());
    let a = limiter(open(settings.clone()).await, 2, 0);
    let b = limiter(open(settings).await, 2, 0);
    let policy = policy(&[(1_200, 10)]);
    let log = Log::default();
    wait_for_phase(&redis, STEP, 0.8).await;
    for _ in 0..10 {
        assert!(ask(&a, &policy, &log).await);
    }
    let until = Instant::now() + Duration::from_millis(1_500);
    while Instant::now() < until {
        ask(&b, &policy, &log).await;
        sleep(Duration::from_millis(1)).await;
    }
    assert!(log.lock().unwrap().len() > 10, "room comes back");
    assert!(most_within(&log, STEP * 12) <= 10, "{}", most_within(&log, STEP * 12));
}

/// Spends what was leased, and one request more.
async fn ask_until_it_asks_redis(
    redis: &Redis,
    limiter: &dyn RateLimiter,
    policy: &RatePolicy,
    log: &Log,
) {
    let before = commands(redis);
    for _ in 0..200 {
        ask(limiter, policy, log).await;
        if commands(redis) > before {
            return;
        }
    }
    panic!("nothing was asked for; is the machine so busy that Redis counts as away?");
}

#[tokio::test]
async fn invariant_02_a_lease_spent_at_its_last_moment_still_counts() {
    const STEP: Duration = Duration::from_millis(200);
    const LENGTH: Duration = Duration::from_millis(2_400);
    let Some(redis) = own_redis(Memory::Lost) else { return };
    let settings = settings_for(&redis.url());
    let policy = policy(&[(2_400, 400)]);
    let a = limiter(open(settings.clone()).await, 1, 0);
    let b = limiter(open(settings).await, 1, 0);
    let log = Log::default();
    wait_for_phase(&redis, STEP, 0.3).await;
    // A pace that earns a lease, which is taken towards the end of a sub-bucket.
    for _ in 0..60 {
        ask(&a, &policy, &log).await;
    }
    wait_for_phase(&redis, STEP, 0.8).await;
    ask_until_it_asks_redis(&redis, &a, &policy, &log).await;
    // It is used late, in the next sub-bucket, and the rest of the limit right after.
    wait_for_phase(&redis, STEP, 0.6).await;
    let before = commands(&redis);
    for _ in 0..12 {
        assert!(ask(&a, &policy, &log).await);
    }
    let is_leased = commands(&redis) == before;
    while ask(&b, &policy, &log).await {}
    let until = Instant::now() + LENGTH + STEP * 2;
    while Instant::now() < until {
        // As soon as there is room, all of it.
        while ask(&b, &policy, &log).await {}
        sleep(Duration::from_millis(1)).await;
    }
    assert!(is_leased, "the machine was too slow for the lease to live until it was used");
    assert!(log.lock().unwrap().len() > 400, "room comes back");
    assert!(most_within(&log, LENGTH) <= 400, "{}", most_within(&log, LENGTH));
}

#[tokio::test]
async fn invariant_02_without_redis_each_instance_admits_its_part() {
    let settings = settings_for(&format!("redis://127.0.0.1:{}/", free_port()));
    let policy = policy(&[(60_000, 30)]);
    let mut total = 0;
    for _ in 0..3 {
        let redis = crate::support::identified(
            alpine_infra::redis::RedisHandle::open(settings.clone(), metrics()).unwrap(),
        );
        total += admitted(&limiter(redis, 3, 0), &policy, 50).await;
    }
    assert_eq!(total, 30);
}

#[tokio::test]
async fn invariant_03_a_denial_in_one_window_debits_none() {
    let Some(redis) = own_redis(Memory::Lost) else { return };
    let settings = settings_for(&redis.url());
    let both = policy(&[(1_200, 2), (60_000, 5)]);
    // Refused on many instances, of which none remembers another's refusal.
    let mut total = 0;
    for _ in 0..8 {
        let fresh = limiter(open(settings.clone()).await, 1, 0);
        total += admitted(&fresh, &both, 2).await;
    }
    assert_eq!(total, 2);
    sleep(Duration::from_millis(1_400)).await;
    let fresh = limiter(open(settings.clone()).await, 1, 0);
    assert_eq!(admitted(&fresh, &both, 5).await, 2, "refusals have filled the long window");
    sleep(Duration::from_millis(1_400)).await;
    let fresh = limiter(open(settings).await, 1, 0);
    assert_eq!(admitted(&fresh, &both, 5).await, 1);
}
