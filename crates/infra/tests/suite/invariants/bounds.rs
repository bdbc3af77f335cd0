//! Invariant 12: memory stays bounded under floods of distinct keys, callers and tokens. The counts
//! are scaled down with the bounds: a hundred times as many as fit.

use std::{sync::Arc, time::Duration};

use alpine_domain::{
    Clock as _, Error, Timestamp,
    ports::{
        blacklist::TokenBlacklist as _,
        cache::{CacheKey, CachePolicy, Loaded, Loader, ResponseCache as _, Scope, Tag},
        rate_limit::RateLimiter as _,
    },
    time::{ManualClock, SystemClock},
};
use alpine_infra::{
    blacklist::{BlacklistSettings, MemoryBlacklist},
    cache::{BodyCache, CacheSettings},
    rate_limit::MemoryRateLimiter,
};

use super::{measured, policy, registered};

#[tokio::test]
async fn invariant_12_the_cache_stays_within_its_bytes_and_entries() {
    let (registry, metrics) = registered();
    let settings = CacheSettings {
        max_bytes: 1 << 20,
        max_entries: 1_000,
        max_body: 64 << 10,
        ..CacheSettings::default()
    };
    let cache = BodyCache::in_memory(settings, Arc::new(SystemClock), metrics).unwrap();
    let policy = CachePolicy {
        ttl: Duration::from_mins(1),
        grace: Duration::ZERO,
        tags: vec![Tag::of("signals")],
    };
    let load: Loader = Arc::new(|| {
        Box::pin(async {
            Ok(Loaded { body: vec![b'x'; 900].into(), headers: Vec::new(), expires_at: None })
        })
    });
    let missing: Loader = Arc::new(|| Box::pin(async { Err(Error::NotFound("signal")) }));
    for n in 0..100_000 {
        let key = CacheKey { route: "r", scope: Scope::Public, parameters: n.to_string() };
        let load = if n % 2 == 0 { &load } else { &missing };
        let _ = cache.get_or_load(key, &policy, Arc::clone(load)).await;
        if n % 1_000 == 0 {
            assert!(measured(&registry, "cache_bytes", "") <= f64::from(1_u32 << 20));
            assert!(measured(&registry, "cache_entries", "") <= 1_000.0);
        }
    }
    assert!(measured(&registry, "cache_entries", "") > 100.0);
}

#[tokio::test]
async fn invariant_12_the_limiter_counts_a_bounded_number_of_callers() {
    const CALLERS: u32 = 50_000;
    let (registry, metrics) = registered();
    let clock = Arc::new(ManualClock::starting_at(Timestamp::from_seconds(1_000)));
    let limiter = MemoryRateLimiter::new(500, clock, metrics);
    let policy = policy(&[(60_000, 20)]);
    for n in 0..CALLERS {
        limiter.admit(&policy, &n.to_string()).await;
    }
    // Whoever is neither held nor was evicted does not exist.
    let evicted = measured(&registry, "rate_limit_evicted_total", "");
    assert!(evicted >= f64::from(CALLERS - 500 - 16), "{evicted}");
}

#[tokio::test]
async fn invariant_12_the_blacklist_is_bounded_and_refuses_to_guess_beyond() {
    let (_, metrics) = registered();
    let list =
        MemoryBlacklist::new(BlacklistSettings { capacity: 500 }, Arc::new(SystemClock), metrics);
    let until = SystemClock.now().later(Duration::from_mins(15));
    for n in 0..50_000 {
        list.deny_now(&n.to_string(), until);
    }
    assert_eq!(list.len(), 500);
    for n in (0..50_000).step_by(97) {
        assert!(!matches!(list.is_denied(&n.to_string()).await, Ok(false)), "{n} got in");
    }
}
