//! A Redis that answers and cannot be written is not in use, within seconds and with its cause shown;
//! and a name that is moved to another server is followed. Nothing here uses Redis between the checks:
//! the background probe finds out by itself.

use std::time::Duration;

use alpine_domain::ports::health::{Condition, Probe as _, Report};
use alpine_infra::redis::{RedisHandle, RedisProbe, RedisSettings};
use alpine_testing::{
    FaultProxy, Memory, Redis, Wait, own_redis, own_redis_cluster, own_redis_sentinel, redis_prefix,
};
use tokio::time::{Instant, sleep};

use crate::support::{identified, metrics};

/// The probe comes round every 300 ms here. The rest is for a busy machine and for a cluster's
/// reconnecting.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is wrong with a Redis is found out by the probe, which comes round every 300 ms here.
fn found_out(since: Instant) -> Wait {
    // The rest is for a busy machine, and for a cluster of which several nodes must be asked.
    let limit = Duration::from_secs(5);
    Wait::promised(limit, since, "\"out of use within seconds\": \"Circuit\" in ARCHITECTURE.md")
}

fn settings(url: &str) -> RedisSettings {
    let mut settings = RedisSettings::new(url).unwrap();
    settings.key_prefix = redis_prefix();
    settings.deadline = Duration::from_millis(250);
    settings.probe_interval = Duration::from_millis(50);
    settings.check_interval = Duration::from_millis(300);
    settings
}

fn open(url: &str) -> RedisHandle {
    identified(RedisHandle::open(settings(url), metrics()).unwrap())
}

async fn report(handle: &RedisHandle) -> Report {
    RedisProbe::new(Some(handle.clone())).probe().await
}

/// Waits until Redis is out of use for good: not while a failure is being examined.
async fn until_away(handle: &RedisHandle) -> Report {
    let away = async || {
        let report = report(handle).await;
        let is_examined = report.detail.as_deref().is_some_and(|text| text.contains("examined"));
        let is_away = !handle.is_in_use() && !is_examined && report.condition != Condition::Up;
        is_away.then_some(report)
    };
    found_out(Instant::now()).until_some("what cannot be written is out of use", away).await
}

/// Breaks `server`, sees Redis taken out of use with `cause` shown, mends it, sees it used again.
async fn is_left_while(
    handle: &RedisHandle,
    cause: &str,
    break_it: impl FnOnce(),
    mend_it: impl FnOnce(),
) {
    assert!(handle.wait_until_in_use(PATIENCE).await, "Redis is not used");
    assert_eq!(report(handle).await, Report { condition: Condition::Up, detail: None });
    break_it();
    let broken = until_away(handle).await;
    let expected = format!("{cause}; local fallbacks are used");
    assert_eq!(broken, Report { condition: Condition::Degraded, detail: Some(expected) });
    // It stays out of use: four rounds of the probe.
    for _ in 0..20 {
        assert!(!handle.is_in_use());
        sleep(Duration::from_millis(10)).await;
    }
    mend_it();
    assert!(handle.wait_until_in_use(PATIENCE).await, "Redis is not used again");
    assert_eq!(report(handle).await, Report { condition: Condition::Up, detail: None });
}

fn run(server: &Redis, command: &str) {
    let words: Vec<_> = command.split_whitespace().collect();
    server.command(&words).unwrap();
}

/// Limits the memory to 1 MB and fills it.
fn fill(server: &Redis) {
    run(server, "CONFIG SET maxmemory-policy noeviction");
    run(server, "CONFIG SET maxmemory 1mb");
    for n in 0..1_000 {
        let key = format!("filler:{n}");
        if server.command(&["SETRANGE", &key, "20000", "x"]).is_err() {
            return;
        }
    }
    panic!("1 MB is never full");
}

#[tokio::test]
async fn invariant_18_out_of_memory() {
    let Some(server) = own_redis(Memory::Lost) else { return };
    let handle = open(&server.url());
    is_left_while(
        &handle,
        "Redis refuses writes: out of memory",
        || fill(&server),
        || run(&server, "CONFIG SET maxmemory 0"),
    )
    .await;
}

#[tokio::test]
async fn invariant_18_a_server_that_became_a_replica() {
    let Some(server) = own_redis(Memory::Lost) else { return };
    let handle = open(&server.url());
    is_left_while(
        &handle,
        "Redis refuses writes: the server is a read-only replica",
        || run(&server, "REPLICAOF 127.0.0.1 1"),
        || run(&server, "REPLICAOF NO ONE"),
    )
    .await;
}

#[tokio::test]
async fn invariant_18_too_few_replicas() {
    let Some(server) = own_redis(Memory::Lost) else { return };
    let handle = open(&server.url());
    is_left_while(
        &handle,
        "Redis refuses writes: too few replicas",
        || run(&server, "CONFIG SET min-replicas-to-write 1"),
        || run(&server, "CONFIG SET min-replicas-to-write 0"),
    )
    .await;
}

/// Every command that Alpine writes with has to be allowed, not only `SET`.
#[tokio::test]
async fn invariant_18_a_user_who_may_not_write() {
    let Some(server) = own_redis(Memory::Lost) else { return };
    let handle = open(&server.url());
    for command in ["set", "hset", "hincrby", "xadd", "evalsha"] {
        is_left_while(
            &handle,
            "Redis refuses commands: its user lacks rights",
            || run(&server, &format!("ACL SETUSER default -{command}")),
            || run(&server, &format!("ACL SETUSER default +{command}")),
        )
        .await;
    }
}

#[tokio::test]
async fn invariant_18_a_full_master_behind_sentinels() {
    let Some(redis) = own_redis_sentinel() else { return };
    let handle = open(&redis.url());
    is_left_while(
        &handle,
        "Redis refuses writes: too few replicas",
        || run(&redis.servers[0], "CONFIG SET min-replicas-to-write 5"),
        || run(&redis.servers[0], "CONFIG SET min-replicas-to-write 0"),
    )
    .await;
}

#[tokio::test]
async fn invariant_18_one_full_master_of_a_cluster() {
    let Some(cluster) = own_redis_cluster() else { return };
    let handle = open(&cluster.url());
    is_left_while(
        &handle,
        "Redis refuses writes: out of memory",
        || {
            run(&cluster.nodes[1], "CONFIG SET maxmemory-policy noeviction");
            run(&cluster.nodes[1], "CONFIG SET maxmemory 1");
        },
        || run(&cluster.nodes[1], "CONFIG SET maxmemory 0"),
    )
    .await;
}

#[tokio::test]
async fn invariant_18_one_that_never_could_be_written_is_never_used() {
    let Some(server) = own_redis(Memory::Lost) else { return };
    run(&server, "CONFIG SET min-replicas-to-write 1");
    let handle = open(&server.url());
    let away = until_away_with(&handle, "too few replicas").await;
    assert_eq!(away.condition, Condition::Degraded);
    assert!(!handle.wait_until_in_use(Duration::from_millis(500)).await);
}

async fn until_away_with(handle: &RedisHandle, cause: &str) -> Report {
    let shown = async || {
        let report = report(handle).await;
        report.detail.as_deref().is_some_and(|text| text.contains(cause)).then_some(report)
    };
    found_out(Instant::now()).until_some("the cause is shown", shown).await
}

/// Both servers work and take writes, and the connection to the old one stays up.
#[tokio::test]
async fn invariant_18_a_name_that_was_moved_is_followed() {
    let Some(old) = own_redis(Memory::Lost) else { return };
    let Some(new) = own_redis(Memory::Lost) else { return };
    let proxy = FaultProxy::before(&old.url()).unwrap();
    let handle = open(&proxy.url(&old.url()).unwrap());
    assert!(handle.wait_until_in_use(PATIENCE).await);
    proxy.redirect(&new.url()).unwrap();
    let redirected = Instant::now();
    // The probe writes to the server in use.
    let is_written = async || new.command(&["DBSIZE"]).unwrap() != "0";
    found_out(redirected).until("the new server is used", is_written).await;
    assert!(handle.wait_until_in_use(PATIENCE).await);
    old.command(&["FLUSHALL"]).unwrap();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(old.command(&["DBSIZE"]).unwrap(), "0", "the old server is written to");
    assert!(handle.is_in_use());
}
