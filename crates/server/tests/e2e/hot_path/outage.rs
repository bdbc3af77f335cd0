//! Invariants 1 and 8: what Redis costs while it works, and while it does not.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use alpine_domain::account::Tier;
use alpine_testing::Wait;
use tokio::{task::JoinHandle, time::sleep};

use super::{
    cluster::{Cluster, State},
    watch::{Log, Seen},
};
use crate::support::{Client, Options};

const PATHS: [&str; 3] = ["signals/latest", "signals/subscribed", "auth/me"];

fn limited() -> Options {
    Options::default()
        .set("ALPINE__RATE_LIMITS__ENABLED", "true")
        .set("ALPINE__RATE_LIMITS__ELITE__PER_MINUTE", "100000")
        .set("ALPINE__RATE_LIMITS__ELITE__PER_HOUR", "1000000")
        .set("ALPINE__RATE_LIMITS__ADDRESS__PER_MINUTE", "1000000")
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_01_a_request_costs_at_most_one_command_and_a_busy_caller_s_a_fraction() {
    const REQUESTS: u32 = 400;
    let Some(cluster) = Cluster::start(2, limited()).await else { return };
    let busy = cluster.account("busy@example.com", Tier::Elite).await.access_token;
    let calm = cluster.account("calm@example.com", Tier::Elite).await.access_token;
    let ask = async |token: &str, pause: Duration| {
        for n in 0..REQUESTS {
            let app = &cluster.apps[n as usize / 2 % 2];
            let path = PATHS[n as usize % PATHS.len()];
            app.client().with_token(token).get(path).await.expect(200);
            sleep(pause).await;
        }
    };
    ask(&busy, Duration::ZERO).await;
    let before = cluster.commands();
    ask(&busy, Duration::ZERO).await;
    let commands = cluster.commands() - before;
    eprintln!("{REQUESTS} requests of a busy caller cost {commands} commands");
    assert!(commands <= u64::from(REQUESTS / 4), "{commands} commands for {REQUESTS} requests");

    // The caller is new; the address is not.
    let before = cluster.commands();
    for n in 0..20 {
        cluster.apps[n % 2].client().with_token(&calm).get(PATHS[0]).await.expect(200);
        sleep(Duration::from_millis(60)).await;
    }
    let commands = cluster.commands() - before;
    eprintln!("20 requests of a calm caller cost {commands} commands");
    assert!(commands <= 20, "{commands} commands for 20 requests");
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_01_a_first_request_of_a_new_caller_costs_one_command() {
    let options = limited()
        .set("ALPINE__RATE_LIMITS__ADDRESS__PER_MINUTE", "1200")
        .set("ALPINE__HTTP__TRUSTED_PROXIES", "127.0.0.1");
    let Some(cluster) = Cluster::start(2, options).await else { return };
    let mut tokens = Vec::new();
    for n in 0..10 {
        let email = format!("calm-{n}@example.com");
        tokens.push(cluster.account(&email, Tier::Elite).await.access_token);
    }
    let before = cluster.commands();
    for (n, token) in tokens.iter().enumerate() {
        let client = cluster.apps[n % 2].client().with_token(token);
        let request = client.request(reqwest::Method::GET, "auth/me");
        client.send(request.header("X-Forwarded-For", format!("198.51.100.{n}"))).await.expect(200);
    }
    let commands = cluster.commands() - before;
    eprintln!(
        "{} callers, each from an address of its own, cost {commands} commands",
        tokens.len()
    );
    assert!(commands <= 10, "{commands} commands");
    // Routes that go by the address alone are counted coarsely: each instance admits its own part unasked.
    let before = cluster.commands();
    for n in 0..20 {
        let client = cluster.apps[n % 2].client();
        let request = client.request(reqwest::Method::GET, "/problems/not-found");
        client.send(request.header("X-Forwarded-For", format!("203.0.113.{n}"))).await.expect(200);
    }
    let commands = cluster.commands() - before;
    // Some are the background's; one for each request would be twenty.
    assert!(commands < 10, "{commands} commands for 20 strangers");
}

/// Clients that ask without a pause until they are told to stop.
struct Load {
    log: Log,
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    fn begin(cluster: &Cluster, token: &str) -> Self {
        let (log, stop) = (Log::default(), Arc::new(AtomicBool::new(false)));
        let clients = (0..12)
            .map(|n| {
                let client: Client =
                    cluster.apps[n % cluster.apps.len()].client().with_token(token);
                let (log, stop) = (log.clone(), Arc::clone(&stop));
                tokio::spawn(async move {
                    for path in PATHS.iter().cycle() {
                        if stop.load(Ordering::SeqCst) {
                            return;
                        }
                        log.get(&client, path).await;
                        sleep(Duration::from_millis(5)).await;
                    }
                })
            })
            .collect();
        Self { log, stop, clients }
    }

    async fn end(self) -> Log {
        self.stop.store(true, Ordering::SeqCst);
        for client in self.clients {
            client.await.unwrap();
        }
        self.log
    }
}

/// The deadline is long enough to be told from the noise of a busy machine. Every request under this load
/// asks Redis at least once, so that a wait would show.
#[tokio::test(flavor = "multi_thread")]
async fn invariant_08_a_silent_redis_delays_nobody_by_more_than_one_deadline_and_then_nobody() {
    const DEADLINE: Duration = Duration::from_millis(400);
    const NOISE: Duration = Duration::from_millis(300);
    let options = limited()
        .set("ALPINE__REDIS__DEADLINE", &format!("{}ms", DEADLINE.as_millis()))
        // One request at a time is what each client has; leases would hide the waits.
        .set("ALPINE__RATE_LIMITS__ADDRESS__PER_MINUTE", "19000");
    let Some(mut cluster) = Cluster::start(2, options).await else { return };
    let token = cluster.account("busy@example.com", Tier::Elite).await.access_token;
    for state in [State::Stopped, State::BlackHoled] {
        cluster.enter(State::Up).await;
        let opening = Load::begin(&cluster, &token);
        sleep(Duration::from_millis(500)).await;
        cluster.enter(state).await;
        // A few failed looks, each for a deadline, and what comes after.
        sleep(DEADLINE * 7).await;
        let opening = opening.end().await.all();
        assert!(opening.iter().all(|seen| seen.status == 200), "no request fails: {opening:?}");
        let longest = opening.iter().map(Seen::took).max().unwrap();
        eprintln!("{state:?}: the longest of {} requests took {longest:?}", opening.len());
        assert!(longest < DEADLINE + NOISE, "{longest:?}");

        cluster.until_redis_is(false).await;
        let failures = cluster.total("redis_failures_total", "").await;
        let open = Load::begin(&cluster, &token);
        sleep(Duration::from_secs(1)).await;
        let open = open.end().await.all();
        assert!(open.iter().all(|seen| seen.status == 200), "no request fails: {open:?}");
        let waited = open.iter().filter(|seen| seen.took() >= DEADLINE).count();
        assert!(waited * 20 <= open.len(), "{waited} of {} have waited", open.len());
        assert_eq!(cluster.total("redis_failures_total", "").await, failures, "nobody asked");
    }

    is_healthy_again(&mut cluster).await;
    assert!(cluster.total("redis_transitions_total", "up").await >= 6);
}

/// The same at the deadline that is in force by default. What the machine itself does to requests is
/// measured in the same run, while Redis answers.
#[tokio::test(flavor = "multi_thread")]
async fn invariant_08_a_stopped_redis_adds_no_more_than_25_milliseconds() {
    const DEADLINE: Duration = Duration::from_millis(25);
    let options = limited()
        .set("ALPINE__REDIS__DEADLINE", "25ms")
        .set("ALPINE__RATE_LIMITS__ADDRESS__PER_MINUTE", "19000");
    let Some(mut cluster) = Cluster::start(2, options).await else { return };
    let token = cluster.account("busy@example.com", Tier::Elite).await.access_token;
    let during = async |cluster: &mut Cluster, state: Option<State>| {
        let load = Load::begin(cluster, &token);
        sleep(Duration::from_millis(700)).await;
        if let Some(state) = state {
            cluster.enter(state).await;
        }
        sleep(Duration::from_millis(700)).await;
        let seen = load.end().await.all();
        assert!(seen.iter().all(|seen| seen.status == 200), "no request fails: {seen:?}");
        let mut times: Vec<Duration> = seen.iter().map(Seen::took).collect();
        times.sort_unstable();
        eprintln!("{state:?}: {} requests, the longest {:?}", times.len(), times[times.len() - 1]);
        times
    };
    let longest = |times: &[Duration]| times[times.len() - 1];
    let usual = during(&mut cluster, None).await;
    let opening = during(&mut cluster, Some(State::Stopped)).await;
    assert!(longest(&opening) < DEADLINE + longest(&usual) * 2, "{:?}", longest(&opening));

    cluster.until_redis_is(false).await;
    let failures = cluster.total("redis_failures_total", "").await;
    let open = during(&mut cluster, None).await;
    assert_eq!(cluster.total("redis_failures_total", "").await, failures, "nobody asked");
    let waited = open.iter().filter(|took| **took >= DEADLINE).count();
    let usually = usual.iter().filter(|took| **took >= DEADLINE).count();
    assert!(waited <= usually + open.len() / 50, "{waited} of {} have waited", open.len());
    is_healthy_again(&mut cluster).await;
}

/// By itself, once Redis answers.
async fn is_healthy_again(cluster: &mut Cluster) {
    cluster.enter(State::Up).await;
    for app in &cluster.apps {
        let healthy = async || app.client().get("/health").await.json()["status"] == "healthy";
        Wait::unpromised("Redis is used again once it has answered several times")
            .until("health says healthy", healthy)
            .await;
    }
}
