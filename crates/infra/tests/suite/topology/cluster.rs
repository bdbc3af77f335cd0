//! A node that dies, all that stand still, a slot that moves.

use std::time::Duration;

use alpine_domain::ports::health::Condition;
use alpine_infra::redis::RedisHandle;
use alpine_testing::{Redis, Wait, own_redis_cluster};
use sha2::{Digest as _, Sha256};
use tokio::time::sleep;

use super::{RIGHTS, instance, policy, set_user, settings, wakes};

/// Enough that every node holds several of them.
const CALLERS: u32 = 30;

fn caller(n: u32) -> String {
    format!("caller {n}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_node_delays_nobody_and_what_it_forgot_is_charged_again() {
    let Some(mut cluster) = own_redis_cluster() else { return };
    let settings = settings(&cluster.url());
    let (a, b) = (instance(settings.clone()).await, instance(settings).await);
    let policy = policy(20);
    for n in 0..CALLERS {
        assert_eq!(a.admit(&policy, &caller(n), 10).await, 10);
    }
    for node in &cluster.nodes {
        let keys: u64 = node.command(&["DBSIZE"]).unwrap().parse().unwrap();
        assert!(keys > 0, "the callers are on all nodes");
    }
    cluster.nodes[1].kill().unwrap();
    // Whoever's slots are there, or anywhere: all go on. The circuit stays open until every slot has
    // a master again.
    let mut known = [0; CALLERS as usize];
    let out_of_use = async || {
        if !a.redis.is_in_use() && !b.redis.is_in_use() {
            return true;
        }
        for n in 0..CALLERS {
            b.admit(&policy, &caller(n), 1).await;
            known[n as usize] += 1;
            a.admit(&policy, "somebody else", 1).await;
        }
        false
    };
    Wait::unpromised("a node is met when one of its slots is, or by the probe")
        .until("both have noticed", out_of_use)
        .await;
    sleep(Duration::from_millis(1_500)).await;
    assert!(!a.redis.is_in_use() && a.condition().await != Condition::Up);
    assert_eq!(a.admit(&policy, "new", 10).await, 10);

    cluster.nodes[1].restart().unwrap();
    cluster.wait_until_ok().unwrap();
    a.until_in_use().await;
    b.until_in_use().await;
    assert_eq!(a.condition().await, Condition::Up);
    // The instance that admitted them is not even asked, and the node that counted them is empty.
    for n in 0..CALLERS {
        let more = b.admit(&policy, &caller(n), 20).await;
        assert!(more <= 10, "{} was admitted {more} times more", caller(n));
    }
    wakes(&a, &b).await;
    wakes(&b, &a).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn debts_in_many_slots_are_settled_before_a_cluster_is_used_again() {
    let Some(mut cluster) = own_redis_cluster() else { return };
    let settings = settings(&cluster.url());
    let (a, b) = (instance(settings.clone()).await, instance(settings).await);
    let policy = policy(40);
    for node in &mut cluster.nodes {
        node.stop().unwrap();
    }
    a.until_away(&policy, "somebody else").await;
    for n in 0..CALLERS {
        // Its part, one of two.
        assert_eq!(a.admit(&policy, &caller(n), 30).await, 20);
    }
    for node in &mut cluster.nodes {
        node.resume().unwrap();
    }
    a.until_in_use().await;
    b.until_in_use().await;
    for n in 0..CALLERS {
        let more = b.admit(&policy, &caller(n), 40).await;
        assert!(more <= 20, "{} was admitted {more} times more", caller(n));
    }
    // Three nodes use a megabyte each.
    let measured = async || a.measured("redis_memory_usage_bytes") >= 3_000_000.0;
    Wait::unpromised("the background asks for it now and then")
        .until("the memory of all nodes is told", measured)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_moves_is_followed() {
    let Some(cluster) = own_redis_cluster() else { return };
    let settings = settings(&cluster.url());
    let prefix = settings.key_prefix.clone();
    let a = instance(settings).await;
    let policy = policy(10);
    assert_eq!(a.admit(&policy, "x", 4).await, 4);
    let caller = hex::encode(&Sha256::digest("x")[..16]);
    let pattern = format!("{prefix}:*:limit:test:{{{caller}}}");
    let keys = cluster.nodes.iter().map(|node| node.command(&["KEYS", &pattern]).unwrap());
    let key = keys.collect::<String>();
    let slot = cluster.nodes[0].command(&["CLUSTER", "KEYSLOT", &key]).unwrap();
    let has = |node: &&Redis| node.command(&["EXISTS", &key]).is_ok_and(|found| found == "1");
    let from = cluster.nodes.iter().find(has).expect("one of them has the caller");
    let to = cluster.nodes.iter().find(|node| node.port() != from.port()).unwrap();
    let id = |node: &Redis| node.command(&["CLUSTER", "MYID"]).unwrap();
    to.command(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &id(from)]).unwrap();
    from.command(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &id(to)]).unwrap();
    let port = to.port().to_string();
    from.command(&["MIGRATE", "127.0.0.1", &port, &key, "0", "1000"]).unwrap();
    // ASK
    let mut total = 4 + a.admit(&policy, "x", 2).await;
    for node in [to, from] {
        node.command(&["CLUSTER", "SETSLOT", &slot, "NODE", &id(to)]).unwrap();
    }
    // MOVED
    total += a.admit(&policy, "x", 20).await;
    assert_eq!(total, 10);
    assert_eq!(to.command(&["EXISTS", &key]).unwrap(), "1");
    assert!(a.redis.is_in_use());
    assert!(a.measured("rate_limit_fallbacks_total") < 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flushed_node_does_not_know_the_script_and_is_told() {
    let Some(cluster) = own_redis_cluster() else { return };
    let a = instance(settings(&cluster.url())).await;
    let policy = policy(10);
    for n in 0..CALLERS {
        assert_eq!(a.admit(&policy, &caller(n), 6).await, 6);
    }
    for node in &cluster.nodes {
        node.command(&["SCRIPT", "FLUSH"]).unwrap();
    }
    cluster.nodes[2].command(&["FLUSHALL"]).unwrap();
    for n in 0..CALLERS {
        assert_eq!(a.admit(&policy, &caller(n), 10).await, 4);
    }
    assert!(a.measured("rate_limit_fallbacks_total") < 1.0);
}

/// A user with the rights that the documentation of `alpine_infra::redis` lists, and no others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_may_ask_for_a_user() {
    let Some(cluster) = own_redis_cluster() else { return };
    for node in &cluster.nodes {
        let rights = format!("{RIGHTS} +cluster|slots +asking");
        set_user(node, &format!("alpine on >data&secret ~alpine-test:* {rights}"));
        set_user(node, "default off");
    }
    let url = |password: &str| cluster.url().replace("://", &format!("://alpine:{password}@"));
    let good = settings(&url("data%26secret"));
    let (a, b) = (instance(good.clone()).await, instance(good).await);
    for n in 0..CALLERS {
        assert_eq!(a.admit(&policy(3), &caller(n), 5).await, 3);
    }
    wakes(&a, &b).await;
    let bad = crate::support::identified(
        RedisHandle::open(settings(&url("other")), crate::support::metrics()).unwrap(),
    );
    assert!(!bad.wait_until_in_use(Duration::from_secs(1)).await);
}
