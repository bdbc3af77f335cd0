//! Invariants 6, 7 and 10: what the cache serves, to whom, and how often it loads.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use alpine_domain::{
    Timestamp,
    account::{Role, Tier},
};
use serde_json::Value;
use tokio::time::sleep;

use super::{
    cluster::{Cluster, State, measured},
    watch::{Seeded, within_delta},
};
use crate::support::{Answer, Client, Options, SignalBody, TestApp};

/// Its price tells which it is.
async fn publish(producer: &Client, n: u64, confidence: &str) {
    let mut body = SignalBody::new(&format!("signal-{n}"), confidence);
    body.entry_price = n.to_string();
    producer.post_text("external-signals/sync/signal", body.to_json()).await.expect(201);
}

async fn producer(app: &TestApp) -> Client {
    app.client().with_key(&app.producer("argo").await)
}

/// The newest signal in an answer; 0 if there is none.
fn newest(answer: &Answer) -> u64 {
    let body = answer.expect(200);
    let prices = body.as_array().unwrap().iter().filter_map(|row| row["entry_price"].as_f64());
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small and whole")]
    prices.map(|price| price as u64).max().unwrap_or(0)
}

const LATEST: &str = "signals/latest?limit=3";

fn at_once() -> Options {
    Options::default().set("ALPINE__VISIBILITY__ANONYMOUS__DELAY", "0s")
}

/// With Redis only its wake-up can be that fast: the poll is turned down. Without it, the poll.
#[tokio::test(flavor = "multi_thread")]
async fn invariant_06_a_new_signal_shows_on_every_instance_in_time() {
    let slow_poll = at_once()
        .set("ALPINE__EVENTS__POLL_INTERVAL", "1m")
        .set("ALPINE__EVENTS__MAX_STALENESS", "2m");
    let with = time_to_show(slow_poll, State::Up, 11).await;
    let without = time_to_show(at_once(), State::Killed, 3).await;
    let (Some(with), Some(without)) = (with, without) else { return };
    eprintln!("with Redis after {with:?}, without after {without:?}");
    // All but one: a busy machine may do something else for a moment.
    assert!(with[with.len() - 2] < Duration::from_millis(100), "{with:?}");
    assert!(without.iter().all(|time| *time < Duration::from_millis(1_200)), "{without:?}");
}

/// How long signals did not show on every instance, in rising order.
async fn time_to_show(options: Options, state: State, rounds: u64) -> Option<Vec<Duration>> {
    let mut cluster = Cluster::start(3, options).await?;
    let producer = producer(&cluster.apps[0]).await;
    cluster.enter(state).await;
    let mut times = Vec::new();
    for n in 1..=rounds {
        publish(&producer, n, "70").await;
        let accepted = Instant::now();
        let mut longest = Duration::ZERO;
        for app in &cluster.apps {
            let client = app.client();
            let shows = async || newest(&client.get(LATEST).await) == n;
            longest = longest.max(within_delta(accepted).until("the signal shows", shows).await);
        }
        times.push(longest);
    }
    times.sort_unstable();
    Some(times)
}

/// Follows how far an instance has come: the number of the newest signal whose event it has applied.
async fn follow(app: &TestApp, events: &Mutex<Vec<u64>>, applied: &AtomicU64) {
    let position = measured(app, "event_log_position", "").await;
    let n = events.lock().unwrap().iter().filter(|event| **event <= position).count();
    applied.fetch_max(n as u64, Ordering::SeqCst);
}

/// Readers everywhere, without a pause, while signals come in and Redis fails in every way.
#[tokio::test(flavor = "multi_thread")]
async fn invariant_06_no_read_that_starts_after_a_change_was_applied_returns_an_older_body() {
    let Some(mut cluster) = Cluster::start(3, at_once()).await else { return };
    let producer = producer(&cluster.apps[0]).await;
    let core = Arc::clone(&cluster.apps[0].core);
    let stop = Arc::new(AtomicBool::new(false));
    // The number in the log of each signal's event; there is one writer.
    let events = Mutex::new(Vec::new());
    let applied: Vec<_> = cluster.apps.iter().map(|_| Arc::new(AtomicU64::new(0))).collect();
    let mut readers = Vec::new();
    for (app, applied) in cluster.apps.iter().zip(&applied) {
        for n in 0..4 {
            let (client, applied, stop) = (app.client(), Arc::clone(applied), Arc::clone(&stop));
            // Some share an entry, some have one of their own.
            let path = format!("signals/latest?limit={}", 3 + n / 2);
            readers.push(tokio::spawn(async move {
                let mut reads = 0_u32;
                while !stop.load(Ordering::SeqCst) {
                    let known = applied.load(Ordering::SeqCst);
                    let seen = newest(&client.get(&path).await);
                    assert!(seen >= known, "read {seen} after {known} had been applied");
                    reads += 1;
                    sleep(Duration::from_millis(2)).await;
                }
                reads
            }));
        }
    }
    let mut n = 0;
    for state in State::ALL {
        cluster.enter(state).await;
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(700) {
            n += 1;
            publish(&producer, n, "70").await;
            // Who has accepted it has applied it.
            applied[0].fetch_max(n, Ordering::SeqCst);
            let event = core.stores.events.head().await.unwrap();
            events.lock().unwrap().push(u64::try_from(event).unwrap());
            for (app, applied) in cluster.apps.iter().zip(&applied) {
                follow(app, &events, applied).await;
            }
        }
    }
    let last = Instant::now();
    for (app, applied) in cluster.apps.iter().zip(&applied) {
        let all = async || {
            follow(app, &events, applied).await;
            applied.load(Ordering::SeqCst) == n
        };
        within_delta(last).until("every instance has applied the last signal", all).await;
    }
    stop.store(true, Ordering::SeqCst);
    let mut reads = 0;
    for reader in readers {
        reads += reader.await.unwrap();
    }
    eprintln!("{n} signals, {reads} reads");
    assert!(reads > 200, "{reads}");
}

/// Answers to so many readers who ask at once, spread over the instances.
async fn ask_at_once(cluster: &Cluster, readers: usize) -> Vec<String> {
    let clients: Vec<Client> = cluster.apps.iter().map(TestApp::client).collect();
    let asking: Vec<_> = (0..readers)
        .map(|n| {
            let client = clients[n % clients.len()].clone();
            tokio::spawn(async move {
                let answer = client.get(LATEST).await;
                answer.expect(200);
                answer.text
            })
        })
        .collect();
    let mut answers = Vec::new();
    for one in asking {
        answers.push(one.await.unwrap());
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_07_a_thousand_readers_of_an_expired_key_cause_one_load() {
    let options = at_once()
        .set("ALPINE__CACHE_TTL__SIGNALS", "60s")
        .set("ALPINE__CACHE_TTL__GRACE", "60s")
        .set("ALPINE__REDIS__DEADLINE", "5s")
        .clock_at(Timestamp::parse_rfc3339("2026-01-01T00:00:00Z").unwrap());
    let Some(mut cluster) = Cluster::start(3, options).await else { return };
    publish(&producer(&cluster.apps[0]).await, 1, "70").await;
    let published = Instant::now();
    for app in &cluster.apps {
        let client = app.client();
        let shows = async || newest(&client.get(LATEST).await) == 1;
        within_delta(published).until("the signal shows", shows).await;
    }
    // An invalidation during the burst would rightly cause further loads.
    cluster.until_the_log_is_applied().await;
    let loads = async |cluster: &Cluster| {
        cluster.total("db_query_duration_seconds_count", "\"signal_list\"").await
    };
    for (state, allowed) in [(State::Up, 1), (State::Flushed, 1), (State::Killed, 3)] {
        cluster.enter(state).await;
        if state == State::Killed {
            cluster.until_redis_is(false).await;
        }
        // Past its grace: everybody has to wait.
        cluster.apps[0].advance(Duration::from_secs(121));
        let before = loads(&cluster).await;
        let answers = ask_at_once(&cluster, 1_000).await;
        let caused = loads(&cluster).await - before;
        let suspicions = cluster.total("redis_suspicions_total", "").await;
        eprintln!("{state:?}: {caused} loads, {suspicions} suspicions");
        assert!(answers.iter().all(|answer| *answer == answers[0]));
        assert!((1..=allowed).contains(&caused), "{caused} loads with Redis {state:?}");
    }
}

/// What each reader may see, from the contract: nothing of this confidence or above.
type Reader = (Option<(Tier, Role)>, &'static str, f64);
const READERS: [Reader; 6] = [
    (None, "anonymous", 85.0),
    (Some((Tier::Free, Role::User)), "free", 85.0),
    (Some((Tier::Starter, Role::User)), "starter", 85.0),
    (Some((Tier::Pro, Role::User)), "pro", 95.0),
    (Some((Tier::Elite, Role::User)), "elite", 101.0),
    (Some((Tier::Free, Role::Admin)), "admin", 101.0),
];

/// Everybody reads the same paths at once, while entries come and go and Redis with them.
#[tokio::test(flavor = "multi_thread")]
async fn invariant_10_nobody_receives_a_body_made_for_another_scope() {
    let options = at_once().set("ALPINE__VISIBILITY__FREE__DELAY", "0s");
    let Some(mut cluster) = Cluster::start(2, options).await else { return };
    let producer = producer(&cluster.apps[0]).await;
    for (n, confidence) in (1..).zip(["60", "84.9", "85", "94.9", "95", "99"]) {
        publish(&producer, n, confidence).await;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let mut readers = Vec::new();
    for (account, name, below) in READERS {
        for (n, app) in (0_u64..).zip(&cluster.apps) {
            let mut client = app.client();
            let email = format!("{name}-{n}@example.com");
            if let Some((tier, role)) = account {
                let accounts = &app.core.use_cases.accounts;
                accounts.create(&email, Client::PASSWORD, "Ada", tier, role).await.unwrap();
                client = client.with_token(&client.sign_in(&email).await.access_token);
            }
            let stop = Arc::clone(&stop);
            readers.push(tokio::spawn(async move {
                let mut random = Seeded::new(n);
                let mut highest = 0.0_f64;
                while !stop.load(Ordering::SeqCst) {
                    let live = account.is_some() && random.below(2) == 0;
                    if account.is_some() && random.below(4) == 0 {
                        let me = client.get("auth/me").await.expect(200);
                        assert_eq!(me["email"], email.as_str());
                    }
                    let path = if live { "signals/live" } else { "signals/latest?limit=20" };
                    let body = client.get(path).await.expect(200);
                    if live {
                        assert_eq!(body["user_tier"], name, "{path} as {name}");
                    }
                    let rows = if live { &body["signals"] } else { &body };
                    let top = confidences(rows).fold(0.0, f64::max);
                    assert!(top < below, "{name} was shown a signal of {top} percent");
                    highest = highest.max(top);
                    sleep(Duration::from_millis(random.below(8))).await;
                }
                (name, highest)
            }));
        }
    }
    for (n, state) in (100..).zip(State::ALL) {
        cluster.enter(state).await;
        // New generations: every entry is loaded anew, by whoever comes first.
        publish(&producer, n, "50").await;
        sleep(Duration::from_millis(300)).await;
    }
    stop.store(true, Ordering::SeqCst);
    for reader in readers {
        let (name, highest) = reader.await.unwrap();
        let expected = match name {
            "pro" => 94.9,
            "elite" | "admin" => 99.0,
            _ => 84.9,
        };
        assert!((highest - expected).abs() < 0.01, "{name} saw up to {highest} percent");
    }
}

fn confidences(rows: &Value) -> impl Iterator<Item = f64> {
    rows.as_array().unwrap().iter().map(|row| row["confidence"].as_f64().unwrap())
}
