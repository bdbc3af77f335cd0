//! Invariants 2, 3 and 9: how much is admitted, counted by the clients.

use std::time::{Duration, Instant, SystemTime};

use alpine_domain::account::Tier;
use tokio::time::sleep;

use super::{
    cluster::{Cluster, State},
    watch::{Log, Seeded, Seen, most_within},
};
use crate::support::{Client, Options};

const CLIENTS: usize = 64;

/// Windows that a test has time for, and these limits for a caller of the tier pro.
fn windows(minute: Duration, per_minute: usize, hour: Duration, per_hour: usize) -> Options {
    Options::default()
        .set("ALPINE__RATE_LIMITS__ENABLED", "true")
        .set("ALPINE__RATE_LIMITS__MINUTE", &format!("{}ms", minute.as_millis()))
        .set("ALPINE__RATE_LIMITS__HOUR", &format!("{}ms", hour.as_millis()))
        .set("ALPINE__RATE_LIMITS__PRO__PER_MINUTE", &per_minute)
        .set("ALPINE__RATE_LIMITS__PRO__PER_HOUR", &per_hour)
        // Not what is counted here.
        .set("ALPINE__RATE_LIMITS__ADDRESS__PER_MINUTE", "1000000")
        .set("ALPINE__REDIS__DEADLINE", "5s")
}

/// A client of one caller for each of many users of it, spread over the instances.
async fn clients(cluster: &Cluster) -> Vec<Client> {
    let token = cluster.account("busy@example.com", Tier::Pro).await.access_token;
    let apps = cluster.apps.iter().cycle();
    apps.take(CLIENTS).map(|app| app.client().with_token(&token)).collect()
}

/// Sends bursts around the edges of windows and of their sub-buckets, by the server's clock, which is
/// this machine's. Some come just before an edge, some just after it, some at once.
async fn assail(client: Client, log: Log, seed: u64, window: Duration, until: Instant) {
    let mut random = Seeded::new(seed);
    while Instant::now() < until {
        for _ in 0..=random.below(5) {
            log.get(&client, "auth/me").await;
        }
        let edge = if random.below(3) == 0 { window } else { window / 12 };
        let edge = u64::try_from(edge.as_micros()).unwrap();
        let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let to_edge = edge - u64::try_from(clock.as_micros()).unwrap() % edge;
        // Up to 10 ms before it, or up to 10 ms after it.
        let pause = (to_edge + random.below(20_000)).saturating_sub(10_000);
        let left = until.saturating_duration_since(Instant::now());
        sleep(Duration::from_micros(pause).min(left)).await;
    }
}

async fn assail_all(clients: &[Client], log: &Log, window: Duration, until: Instant) {
    let running: Vec<_> = (0_u64..)
        .zip(clients)
        .map(|(seed, client)| {
            tokio::spawn(assail(client.clone(), log.clone(), seed, window, until))
        })
        .collect();
    for client in running {
        client.await.unwrap();
    }
}

fn admitted(log: &Log) -> Vec<Seen> {
    let all = log.all();
    let odd = all.iter().find(|seen| ![200, 429].contains(&seen.status));
    assert!(odd.is_none(), "{odd:?}");
    log.of(200)
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_02_no_interval_holds_more_than_the_limit_and_no_clock_changes_that() {
    const MINUTE: Duration = Duration::from_secs(2);
    const HOUR: Duration = Duration::from_secs(5);
    const PER_MINUTE: usize = 120;
    const PER_HOUR: usize = 240;
    let options = windows(MINUTE, PER_MINUTE, HOUR, PER_HOUR);
    let Some(cluster) = Cluster::on_hosts(&[-5, 0, 5], options).await else { return };
    let clients = clients(&cluster).await;
    let log = Log::default();
    // One after the other, the earliest host first: were it its clock that counts, the next one would
    // find an empty window.
    for client in &clients[..cluster.apps.len()] {
        for _ in 0..=PER_MINUTE {
            log.get(client, "auth/me").await;
        }
    }
    assail_all(&clients, &log, MINUTE, Instant::now() + Duration::from_secs(8)).await;

    let admitted = admitted(&log);
    let in_minute = most_within(&admitted, MINUTE);
    let in_hour = most_within(&admitted, HOUR);
    eprintln!(
        "{} requests, {} admitted; at most {in_minute} of {PER_MINUTE} and {in_hour} of {PER_HOUR}",
        log.all().len(),
        admitted.len(),
    );
    assert!(in_minute <= PER_MINUTE, "{in_minute} within {MINUTE:?}");
    assert!(in_hour <= PER_HOUR, "{in_hour} within {HOUR:?}");
    assert!(in_minute * 10 >= PER_MINUTE * 9, "only {in_minute} within {MINUTE:?}");
    assert!(in_hour * 10 >= PER_HOUR * 9, "only {in_hour} within {HOUR:?}");
    assert!(log.all().len() > admitted.len() * 2, "the adversary asked for much more");
    assert!(cluster.total("rate_limit_fallbacks_total", "").await == 0, "Redis was there");
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_02_without_redis_all_instances_together_admit_no_more_than_the_limit() {
    const MINUTE: Duration = Duration::from_secs(2);
    const LIMIT: usize = 60;
    let options = windows(MINUTE, LIMIT, Duration::from_mins(1), 10_000)
        .set("ALPINE__REDIS__DEADLINE", "300ms");
    let Some(mut cluster) = Cluster::on_hosts(&[0, -5, 5], options).await else { return };
    let clients = clients(&cluster).await;
    cluster.enter(State::Killed).await;
    cluster.until_redis_is(false).await;
    let log = Log::default();
    assail_all(&clients, &log, MINUTE, Instant::now() + Duration::from_secs(4)).await;
    let most = most_within(&admitted(&log), MINUTE);
    eprintln!("at most {most} of {LIMIT}");
    assert!(most <= LIMIT, "{most} within {MINUTE:?}");
    assert!(most * 10 >= LIMIT * 9, "only {most} within {MINUTE:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_03_a_denial_in_one_window_debits_none() {
    const MINUTE: Duration = Duration::from_secs(1);
    let options = windows(MINUTE, 4, Duration::from_mins(1), 10);
    let Some(cluster) = Cluster::start(3, options).await else { return };
    let clients = clients(&cluster).await;
    let mut by_window = Vec::new();
    for _ in 0..4 {
        let log = Log::default();
        for client in &clients {
            log.get(client, "auth/me").await;
        }
        by_window.push(admitted(&log).len());
        // The sub-bucket that is partly outside counts as well.
        sleep(MINUTE + MINUTE / 6).await;
    }
    // Sixty refusals in each of the first windows have cost the long one nothing.
    assert_eq!(by_window, [4, 4, 2, 0]);
}

/// While a Redis dies and comes back empty, or loses everything at once, under load.
#[tokio::test(flavor = "multi_thread")]
async fn invariant_09_crossing_an_outage_admits_less_than_one_extra_limit() {
    const MINUTE: Duration = Duration::from_secs(3);
    const LIMIT: usize = 90;
    let options = windows(MINUTE, LIMIT, Duration::from_mins(1), 10_000)
        .set("ALPINE__REDIS__DEADLINE", "300ms");
    let Some(mut cluster) = Cluster::start(3, options).await else { return };
    let clients = clients(&cluster).await;
    let log = Log::default();
    let until = Instant::now() + Duration::from_secs(9);
    let load = tokio::spawn({
        let log = log.clone();
        async move { assail_all(&clients, &log, MINUTE, until).await }
    });
    for state in [State::Up, State::Killed, State::Up, State::Flushed, State::RestartedEmpty] {
        cluster.enter(state).await;
        sleep(Duration::from_millis(900)).await;
    }
    load.await.unwrap();
    let most = most_within(&admitted(&log), MINUTE);
    eprintln!("at most {most} with a limit of {LIMIT}");
    assert!(most < 2 * LIMIT, "{most} within {MINUTE:?}");
    assert!(cluster.total("rate_limit_fallbacks_total", "").await > 0, "there was an outage");
}
