//! A master that dies, one that is demoted, one that only we still believe in.

use std::time::Duration;

use alpine_domain::ports::health::Condition;
use alpine_infra::redis::{RedisHandle, RedisSettings};
use alpine_testing::{Redis, SentinelRedis, Wait, own_redis_sentinel};
use tokio::time::sleep;

use super::{PATIENCE, RIGHTS, instance, policy, set_user, settings, wakes};

/// Makes the second server the master without the Sentinel's doing, which then does not know any.
fn promote_the_second(redis: &SentinelRedis) {
    redis.sentinel.command(&["SENTINEL", "REMOVE", "mymaster"]).unwrap();
    redis.servers[1].command(&["REPLICAOF", "NO", "ONE"]).unwrap();
}

/// Tells the Sentinel that the second server is the master.
fn tell_of_the_second(redis: &SentinelRedis) {
    let port = redis.servers[1].port().to_string();
    redis.sentinel.command(&["SENTINEL", "MONITOR", "mymaster", "127.0.0.1", &port, "1"]).unwrap();
}

/// How soon depends on when the Sentinels decide; nobody waits for it meanwhile.
fn by_sentinel() -> Wait {
    Wait::unpromised("an outage lasts as long as the Sentinels take")
}

fn number_of_keys(server: &Redis) -> u64 {
    server.command(&["DBSIZE"]).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_master_is_replaced_and_nobody_fails_meanwhile() {
    let Some(mut redis) = own_redis_sentinel() else { return };
    let settings = settings(&redis.url());
    let (a, b) = (instance(settings.clone()).await, instance(settings).await);
    let policy = policy(100);
    a.deny("before");
    let mut total = a.admit(&policy, "x", 30).await + b.admit(&policy, "x", 30).await;
    assert_eq!(total, 60);
    assert_eq!(a.condition().await, Condition::Up);

    let port = redis.servers[0].port();
    redis.servers[0].kill().unwrap();
    total += a.until_away(&policy, "x").await + b.until_away(&policy, "x").await;
    // From here on until the Sentinel has decided, and beyond, everything goes on.
    let is_followed = async || {
        if a.redis.is_in_use() && b.redis.is_in_use() {
            return true;
        }
        total += a.admit(&policy, "x", 1).await + b.admit(&policy, "x", 1).await;
        a.deny("during");
        assert!(a.denies("before").await && a.denies("during").await && !a.denies("never").await);
        false
    };
    by_sentinel().until("the new master is used", is_followed).await;
    assert_ne!(redis.master().unwrap(), port);
    assert_eq!(a.condition().await, Condition::Up);
    total += a.admit(&policy, "x", 60).await + b.admit(&policy, "x", 60).await;
    // What a dying master had not passed on is charged again by who knows of it.
    assert!((95..=105).contains(&total), "{total}");
    wakes(&a, &b).await;
    wakes(&b, &a).await;
    // The old master comes back as a replica and is nobody's concern.
    redis.servers[0].restart().unwrap();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(a.condition().await, Condition::Up);
    assert_eq!(a.admit(&policy, "x", 5).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ordered_failover_is_followed() {
    let Some(redis) = own_redis_sentinel() else { return };
    let settings = settings(&redis.url());
    let (a, b) = (instance(settings.clone()).await, instance(settings).await);
    let policy = policy(20);
    let mut total = a.admit(&policy, "x", 6).await;
    redis.fail_over().unwrap();
    // It knows by itself, in the background, although nobody uses it.
    let is_read = async || {
        !redis.servers[1].command(&["INFO", "clients"]).unwrap().contains("blocked_clients:0")
    };
    by_sentinel().until("a reader waits at the new master", is_read).await;
    a.until_in_use().await;
    b.until_in_use().await;
    total += a.admit(&policy, "x", 20).await + b.admit(&policy, "x", 20).await;
    assert!((18..=21).contains(&total), "{total}");
    wakes(&a, &b).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demoted_master_is_left_at_the_first_refused_write() {
    let Some(redis) = own_redis_sentinel() else { return };
    let mut settings = settings(&redis.url());
    // So the background look does not get there first.
    settings.check_interval = Duration::from_hours(1);
    let a = instance(settings).await;
    let policy = policy(20);
    assert_eq!(a.admit(&policy, "x", 4).await, 4);

    promote_the_second(&redis);
    let second = redis.servers[1].port().to_string();
    redis.servers[0].command(&["REPLICAOF", "127.0.0.1", &second]).unwrap();
    // It answers, promptly, and refuses to write.
    let mut total = 4 + a.until_away(&policy, "x").await;
    sleep(Duration::from_millis(700)).await;
    assert!(!a.redis.is_in_use(), "a replica must not be used");
    assert_ne!(a.condition().await, Condition::Up);

    tell_of_the_second(&redis);
    a.until_in_use().await;
    total += a.admit(&policy, "x", 30).await;
    assert_eq!(total, 20);
    assert!(number_of_keys(&redis.servers[1]) > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demoted_master_is_noticed_although_nobody_writes() {
    let Some(redis) = own_redis_sentinel() else { return };
    let handle = crate::support::identified(
        RedisHandle::open(settings(&redis.url()), crate::support::metrics()).unwrap(),
    );
    assert!(handle.wait_until_in_use(PATIENCE).await);
    promote_the_second(&redis);
    let second = redis.servers[1].port().to_string();
    redis.servers[0].command(&["REPLICAOF", "127.0.0.1", &second]).unwrap();
    by_sentinel().until("the replica is left", async || !handle.is_in_use()).await;
    tell_of_the_second(&redis);
    assert!(handle.wait_until_in_use(PATIENCE).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_its_sentinel_left_is_left_too() {
    let Some(redis) = own_redis_sentinel() else { return };
    let settings = settings(&redis.url());
    let (a, b) = (instance(settings.clone()).await, instance(settings.clone()).await);
    wakes(&a, &b).await;
    // Cut off from the Sentinel and the other server, not from us: it takes itself for the master.
    promote_the_second(&redis);
    tell_of_the_second(&redis);
    let role = redis.servers[0].command(&["ROLE"]).unwrap();
    assert!(role.starts_with("master"), "{role}");
    let before = number_of_keys(&redis.servers[1]);
    let mut n = 0;
    let uses_the_second = async || {
        if number_of_keys(&redis.servers[1]) > before {
            return true;
        }
        n += 1;
        assert_eq!(a.admit(&policy(20), &format!("caller {n}"), 1).await, 1);
        false
    };
    by_sentinel().until("the new master is used", uses_the_second).await;
    // Who waits for wake-ups has left it as well, though nothing broke.
    let fresh = instance(settings).await;
    wakes(&fresh, &a).await;
    wakes(&fresh, &b).await;
}

/// Users with the rights that the documentation of `alpine_infra::redis` lists, and no others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_and_sentinels_have_users_of_their_own() {
    let Some(redis) = own_redis_sentinel() else { return };
    for server in &redis.servers {
        set_user(server, &format!("alpine on >data&secret ~alpine-test:* {RIGHTS} +role +select"));
    }
    set_user(&redis.sentinel, "watch on >watch/secret +role +sentinel|masters");
    set_user(&redis.sentinel, "default off");
    let url = |data: &str, watch: &str| {
        let url = redis.url().replace("://", &format!("://alpine:{data}@"));
        let own = format!("sentinel_username=watch&sentinel_password={watch}");
        let settings = settings(&format!("{url}/1?{own}"));
        assert!(!format!("{settings:?}").contains("secret"), "{settings:?}");
        settings
    };
    let good = url("data%26secret", "watch%2Fsecret");
    let (a, b) = (instance(good.clone()).await, instance(good).await);
    assert_eq!(a.admit(&policy(3), "x", 5).await, 3);
    wakes(&a, &b).await;
    for (data, watch) in [("data%26secret", "other"), ("other", "watch%2Fsecret")] {
        let bad: RedisSettings = url(data, watch);
        let bad =
            crate::support::identified(RedisHandle::open(bad, crate::support::metrics()).unwrap());
        assert!(!bad.wait_until_in_use(Duration::from_secs(1)).await);
    }
}
