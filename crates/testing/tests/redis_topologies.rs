//! The cluster serves every slot and survives a restart of a node; the Sentinel finds a successor.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up must panic")]

use std::net::TcpStream;

use alpine_testing::{Wait, own_redis_cluster, own_redis_sentinel};

#[test]
fn a_cluster_serves_every_slot_and_its_nodes_come_back() {
    let Some(mut cluster) = own_redis_cluster() else { return };
    let url = cluster.url();
    let ports: Vec<_> = cluster.nodes.iter().map(alpine_testing::Redis::port).collect();
    assert!(ports.iter().all(|port| url.contains(&port.to_string())), "{url}");
    // Slot 12182, the last third; the others say where it is.
    assert_eq!(cluster.nodes[2].command(&["SET", "foo", "value"]).unwrap(), "OK");
    let moved = cluster.nodes[0].command(&["GET", "foo"]).unwrap_err();
    assert!(format!("{moved:#}").contains(&format!("MOVED 12182 127.0.0.1:{}", ports[2])));

    cluster.nodes[2].kill().unwrap();
    Wait::unpromised("the nodes agree among themselves that one is away")
        .until_blocking("the others notice", || cluster.nodes[0].command(&["GET", "bar"]).is_err());
    cluster.nodes[2].restart().unwrap();
    cluster.wait_until_ok().unwrap();
    assert_eq!(cluster.nodes[2].command(&["GET", "foo"]).unwrap(), "", "it comes back empty");
    drop(cluster);
    assert!(ports.iter().all(|port| TcpStream::connect(("127.0.0.1", *port)).is_err()));
}

#[test]
fn a_sentinel_makes_the_replica_the_master_when_that_dies() {
    let Some(mut redis) = own_redis_sentinel() else { return };
    let ports = [redis.servers[0].port(), redis.servers[1].port(), redis.sentinel.port()];
    assert_eq!(redis.master().unwrap(), ports[0]);
    assert!(redis.servers[1].command(&["SET", "key", "value"]).is_err(), "a replica is read-only");
    assert_eq!(redis.servers[0].command(&["SET", "key", "value"]).unwrap(), "OK");
    Wait::unpromised("Redis replicates behind its answers").until_blocking("replication", || {
        redis.servers[1].command(&["GET", "key"]).is_ok_and(|value| value == "value")
    });
    redis.servers[0].kill().unwrap();
    redis.wait_for_another_master_than(ports[0]).unwrap();
    assert_eq!(redis.master().unwrap(), ports[1]);
    assert_eq!(redis.servers[1].command(&["SET", "key", "other"]).unwrap(), "OK");
    drop(redis);
    assert!(ports.iter().all(|port| TcpStream::connect(("127.0.0.1", *port)).is_err()));
}
