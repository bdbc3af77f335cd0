//! A new instance beside one that serves, on a log that is long: nobody is refused meanwhile.

use std::{net::SocketAddr, time::Duration};

use alpine_testing::{Wait, balancer::Balancer};

use crate::support::{Backend, Options, TestApp, backends};

const EVENTS: u32 = 100_000;
/// Longer than the new instance waits for one step of catching up.
const HELD: &str = "2.5";

fn address(app: &TestApp) -> SocketAddr {
    app.base.strip_prefix("http://").unwrap().parse().unwrap()
}

/// While the new instance cannot read the revoked sessions, it is not ready, and nobody is sent there. Then it
/// takes part, and the old one leaves.
#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_start_refuses_nobody_and_readiness_is_true() {
    let deployed = backends().into_iter().find(|it| matches!(it, Backend::PostgresRedis { .. }));
    let Some(backend) = deployed else { return };
    let options = Options::default().set("ALPINE__SHUTDOWN__DRAIN", "500ms");
    let first = TestApp::spawn_with(&backend, options).await;
    let token = first.client().sign_up("ada@example.com").await.access_token;
    let now = first.now().micros();
    first.sql(&format!(
        "INSERT INTO events (recorded_at, kind, payload) SELECT {now} - n, 'account_changed', \
         '{{\"kind\":\"account_changed\",\"user\":\"00000000-0000-7000-8000-000000000000\"}}' \
         FROM generate_series(1, {EVENTS}) AS n"
    ));
    let deployment = first.deployment();
    first.stop().await.unwrap();

    let old = deployment.start(0).await;
    let mut balancer = Balancer::start("/api/v1/signals/subscribed", &token, 4);
    balancer.add(address(&old));
    let traffic = Wait::unpromised("the balancer's clients ask as fast as the machine lets them");
    traffic.until("the old instance serves", async || balancer.served(address(&old)) > 50).await;

    let lock = format!("BEGIN; LOCK TABLE sessions; SELECT pg_sleep({HELD}); COMMIT");
    let locked = "SELECT count(*) FROM pg_locks WHERE relation = 'sessions'::regclass AND \
                  mode = 'AccessExclusiveLock' AND granted";
    let (holder, watched) = (deployment.clone(), deployment.clone());
    let held = tokio::task::spawn_blocking(move || holder.sql(&lock));
    Wait::unpromised("psql connects when it has started")
        .until("the table is held", async || watched.sql(locked).as_deref() == Some("1"))
        .await;
    let new = deployment.start(0).await;
    balancer.add(address(&new));
    let before = balancer.served(address(&old));
    let mut without_the_new_one = 0;
    while !held.is_finished() {
        if !balancer.is_ready(address(&new)) {
            without_the_new_one = balancer.served(address(&old)) - before;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    held.await.unwrap();
    let traffic =
        Wait::unpromised("the new instance reads the log first; nobody is refused meanwhile");
    traffic.until("both serve", async || balancer.served(address(&new)) > 50).await;
    old.stop().await.unwrap();
    let so_far = balancer.served(address(&new));
    traffic
        .until("the new one serves alone", async || balancer.served(address(&new)) > so_far + 50)
        .await;

    let report = balancer.finish().await;
    assert!(report.refused.is_empty(), "{report:?}");
    assert!(report.untrue.is_empty(), "{report:?}");
    assert!(without_the_new_one > 50, "it was ready after {without_the_new_one} requests");
}
