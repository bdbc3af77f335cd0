//! Invariant 14: who a client is, behind proxies.

use super::cluster::{Cluster, State};
use crate::support::{Options, TestApp};

/// Asks as many times, as the client that these hops tell of; says how many were let in.
async fn admitted(app: &TestApp, times: usize, forwarded: impl Fn(usize) -> String) -> usize {
    let client = app.client();
    let mut admitted = 0;
    for n in 0..times {
        let request = client.request(reqwest::Method::GET, "signals/latest");
        let request = request.header("X-Forwarded-For", forwarded(n));
        match client.send(request).await.status.as_u16() {
            200 => admitted += 1,
            429 => {}
            other => panic!("{other}"),
        }
    }
    admitted
}

fn four_each() -> Options {
    Options::default()
        .set("ALPINE__RATE_LIMITS__ENABLED", "true")
        .set("ALPINE__RATE_LIMITS__ANONYMOUS__PER_MINUTE", "4")
}

/// With Redis there is one count; without it each of the two instances admits its half.
#[tokio::test(flavor = "multi_thread")]
async fn invariant_14_the_rightmost_hop_that_no_proxy_of_ours_is_counts() {
    let options = four_each().set("ALPINE__HTTP__TRUSTED_PROXIES", "127.0.0.1,10.0.0.0/8");
    let Some(mut cluster) = Cluster::start(2, options).await else { return };
    for (n, state) in State::ALL.into_iter().enumerate() {
        cluster.enter(state).await;
        // Somebody else finds out what has become of Redis, so that the counts below are exact.
        for app in &cluster.apps {
            admitted(app, 1, |_| format!("192.0.2.{n}")).await;
        }
        let is_away = matches!(state, State::Killed | State::Stopped | State::BlackHoled);
        cluster.until_redis_is(!is_away).await;
        let total = async |forwarded: &dyn Fn(usize) -> String| {
            let mut total = 0;
            for app in &cluster.apps {
                total += admitted(app, 5, forwarded).await;
            }
            total
        };
        // Whatever a client writes in front of what the proxies add.
        let forged = total(&|i| format!("203.0.113.{i}, 198.51.100.{n}, 10.1.2.3")).await;
        assert_eq!(forged, 4, "{state:?}");
        let plain = total(&|_| format!("198.51.100.{n}")).await;
        assert_eq!(plain, 0, "{state:?}: it is the same client");
        // An IPv6 customer has a whole /64.
        let network = total(&|i| format!("[2001:db8:{n}:2:{i}::{i}]:443")).await;
        assert_eq!(network, 4, "{state:?}");
        let neighbour = total(&|_| format!("2001:db8:{n}:3::1")).await;
        assert_eq!(neighbour, 4, "{state:?}: the next network is another client");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_14_nothing_is_believed_of_a_peer_that_is_no_proxy_of_ours() {
    let options = four_each().set("ALPINE__HTTP__TRUSTED_PROXIES", "10.0.0.0/8");
    let Some(cluster) = Cluster::start(1, options).await else { return };
    assert_eq!(admitted(&cluster.apps[0], 12, |i| format!("203.0.113.{i}")).await, 4);
}
