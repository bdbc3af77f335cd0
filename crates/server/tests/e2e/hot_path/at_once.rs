//! Invariant 15: what a 2xx said is true, on the instance that said it, for every request sent
//! afterwards; on the others within Δ.
//!
//! The instance that answers gets no help: its follower reads the log every five minutes, and a wake-up
//! of its own does not reach it. Beside the changes, readers keep asking, so that loads and look-ups
//! are under way while something changes.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use alpine_domain::{
    account::{Account, NewSession, Role, Secret, SessionId, Tier, digest},
    event::Event,
};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{
    cluster::{Cluster, State},
    watch::within_delta,
};
use crate::support::{Answer, Backend, Client, Options, SignalBody, TestApp};

/// Changes of each kind on each back end; `ALPINE_TEST_ROUNDS=1000` makes more of them.
static ROUNDS: LazyLock<usize> = LazyLock::new(|| {
    let asked = std::env::var("ALPINE_TEST_ROUNDS").ok();
    asked.map_or(100, |rounds| rounds.parse().expect("ALPINE_TEST_ROUNDS is a number"))
});

#[tokio::test(flavor = "multi_thread")]
async fn invariant_15_what_a_2xx_said_is_true_at_once_on_sqlite() {
    let app = TestApp::spawn_with(&Backend::SqliteMemory, unaided()).await;
    Box::pin(every_change(&app)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_15_what_a_2xx_said_is_true_at_once_with_redis() {
    Box::pin(with_redis(State::Up)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_15_what_a_2xx_said_is_true_at_once_with_a_stopped_redis() {
    Box::pin(with_redis(State::Stopped)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_15_what_a_2xx_said_is_true_at_once_without_redis() {
    Box::pin(with_redis(State::Killed)).await;
}

/// From the first moment of the state on: while Redis is still believed to be there, too.
async fn with_redis(state: State) {
    let Some(mut cluster) = Cluster::start(1, unaided()).await else { return };
    cluster.enter(state).await;
    Box::pin(every_change(&cluster.apps[0])).await;
}

/// With the follower as it is by default. Each kind of change is made on the first instance, and the
/// second one asked until it answers the new way.
#[tokio::test(flavor = "multi_thread")]
async fn invariant_15_what_a_2xx_said_is_true_on_another_instance_in_time() {
    let Some(mut cluster) = Cluster::start(2, Options::default()).await else { return };
    for (n, state) in [State::Up, State::Stopped, State::Killed].into_iter().enumerate() {
        cluster.enter(state).await;
        elsewhere_in_time(&cluster.apps[0], &cluster.apps[1], n).await;
    }
}

async fn elsewhere_in_time(here: &TestApp, there: &TestApp, n: usize) {
    let before = here.core.stores.events.head().await.unwrap();
    let elite = User::create(here, &format!("elite-{n}@example.com"), Tier::Elite).await;
    let [client, ended, all_ended] = [
        elite.client().await,
        elite.client().await,
        User::create(here, &format!("all-{n}@example.com"), Tier::Pro).await.client().await,
    ];
    let made = client.post("users/api-keys", &json!({"name": "bot"})).await.expect(201);
    let pro = User::create(here, &format!("pro-{n}@example.com"), Tier::Pro).await;
    let promoted = pro.client().await;
    let key = |name: &str| Secret::new(format!("the {name} key of a producer, number {n}"));
    let (name, old, new) = (format!("producer-{n}"), key("old"), key("new"));
    here.core.use_cases.producers.ensure(&name, &old, false).await.unwrap();
    let producer = here.client().with_key(new.reveal());
    let (posted, closed) = (1_000 + n, 2_000 + n);
    here.client()
        .with_key(old.reveal())
        .post_text("external-signals/sync/signal", priced(closed, "momentum"))
        .await
        .expect(201);

    // What the other instance says before: it remembers all of it from here on.
    let program = there.client().with_key(made["key"].as_str().unwrap());
    let on = |client: &Client| client.at(&there.base);
    let (reader, ended_there, all_ended_there, promoted_there) =
        (on(&client), on(&ended), on(&all_ended), on(&promoted));
    let old_producer = there.client().with_key(old.reveal());
    let asks_key = async || program.get("signals/subscribed").await.status.as_u16();
    let asks_ended = async || ended_there.get("auth/me").await.status.as_u16();
    let asks_all_ended = async || all_ended_there.get("auth/me").await.status.as_u16();
    let asks_promoted = async || {
        let me = promoted_there.get("auth/me").await.expect(200);
        u16::from(me["tier"] == "elite")
    };
    let asks_producer = async || {
        old_producer.post("external-signals/sync/signal", &json!({})).await.status.as_u16()
    };
    let asks_name = async || {
        let me = reader.get("auth/me").await.expect(200);
        u16::from(me["full_name"] == format!("Ada {n}"))
    };
    let asks_list = async || {
        let list = reader.get("signals/latest?limit=5").await.expect(200);
        let rows = list.as_array().unwrap();
        let shows = |number: usize| u16::from(rows.iter().any(|row| row["entry_price"] == number));
        10 * shows(posted) + shows(closed)
    };
    within_delta(Instant::now())
        .until("the first signal shows", async || asks_list().await == 1)
        .await;
    for _ in 0..2 {
        assert_eq!((asks_key().await, asks_ended().await, asks_all_ended().await), (200, 200, 200));
        assert_eq!((asks_promoted().await, asks_producer().await, asks_name().await), (0, 422, 0));
    }

    client.delete(&format!("users/api-keys/{}", made["id"].as_str().unwrap())).await.expect(200);
    ended.post("auth/logout", &json!({})).await.expect(200);
    all_ended.post("auth/logout-all", &json!({})).await.expect(200);
    client.put("users/profile", &json!({"full_name": format!("Ada {n}")})).await.expect(200);
    here.core
        .use_cases
        .accounts
        .set_tier_and_role(&pro.account, Tier::Elite, Role::User)
        .await
        .unwrap();
    here.core.use_cases.producers.ensure(&name, &new, false).await.unwrap();
    producer
        .post_text("external-signals/sync/signal", priced(posted, "momentum"))
        .await
        .expect(201);
    report(&producer, closed).await;
    let since = Instant::now();
    let new = within_delta(since);
    let late = tokio::join!(
        new.until("the API key is refused", async || asks_key().await == 401),
        new.until("the session is refused", async || asks_ended().await == 401),
        new.until("all sessions are refused", async || asks_all_ended().await == 401),
        new.until("the promoted account has its tier", async || asks_promoted().await == 1),
        new.until("the producer's key is refused", async || asks_producer().await == 401),
        new.until("the name shows", async || asks_name().await == 1),
        new.until("one signal shows and one has gone", async || asks_list().await == 10),
    );
    // After the others, since a signal that closes makes the same lists out of date.
    let late_outcome = late_outcome_elsewhere(here, &producer, &reader, 3_000 + n).await;
    // Nobody is signed in after that.
    here.core.use_cases.accounts.sign_out_everybody().await.unwrap();
    let refused = async || reader.get("auth/me").await.status == 401;
    let everybody =
        within_delta(Instant::now()).until("the last session is refused", refused).await;
    eprintln!("the old way up to {late:?}, {late_outcome:?} and {everybody:?} later");
    every_case_was_told(here, before).await;
}

/// A signal; the price tells which one it is.
fn priced(number: usize, strategy: &str) -> String {
    let (entry_price, strategy) = (number.to_string(), strategy.to_owned());
    SignalBody { entry_price, strategy, ..SignalBody::new(&number.to_string(), "80") }.to_json()
}

/// Reports the outcome of such a signal: a gain of 1.
async fn report(producer: &Client, number: usize) {
    let outcome = json!({
        "signal_id": number.to_string(), "exit_price": number + 1,
        "exit_timestamp": "2025-02-01T00:00:00Z",
    });
    producer.post("external-signals/sync/outcome", &outcome).await.expect(200);
}

/// A signal that expired, and its outcome afterwards, which the reader on another instance sees in time.
async fn late_outcome_elsewhere(
    here: &TestApp,
    producer: &Client,
    reader: &Client,
    number: usize,
) -> Duration {
    let body = priced(number, "fleeting");
    producer.post_text("external-signals/sync/signal", body).await.expect(201);
    assert_eq!(expire_fleeting(here).await, 1);
    let exit_price = async || {
        let list = reader.get("signals/history?limit=5").await.expect(200);
        let row = list.as_array().unwrap().iter().find(|row| row["entry_price"] == number)?;
        Some((row["status"].clone(), row["late_outcome"]["exit_price"].clone()))
    };
    let before = Some((json!("expired"), json!(null)));
    within_delta(Instant::now())
        .until("the signal has expired", async || exit_price().await == before)
        .await;
    report(producer, number).await;
    let after = Some((json!("expired"), json!(number + 1)));
    within_delta(Instant::now())
        .until("the late outcome shows", async || exit_price().await == after)
        .await
}

/// What [`elsewhere_in_time`] changes and asks the other instance for, by the names of the cases.
const ELSEWHERE: [&str; 10] = [
    "api_keys",
    "sessions",
    "all_sessions_of_a_user",
    "tiers_and_roles",
    "producers",
    "profiles",
    "signals",
    "signals: its outcome",
    "late_outcomes",
    "everybodys_sessions",
];

/// Every event has its case elsewhere, too, and the log holds all of them after this position.
async fn every_case_was_told(app: &TestApp, position: i64) {
    let cases = cases_after(app, position).await;
    assert_eq!(cases.len(), CASES, "{cases:?}");
    let wanted: BTreeSet<&str> = cases.iter().flat_map(|case| case.split(", ")).collect();
    assert_eq!(ELSEWHERE.into_iter().collect::<BTreeSet<_>>(), wanted);
}

/// Ends every open signal of the strategy `fleeting`; says how many.
async fn expire_fleeting(app: &TestApp) -> usize {
    let years = Duration::from_hours(100_000);
    let horizons = [("fleeting".parse().unwrap(), Duration::ZERO)];
    let store = &app.core.stores.signals;
    store.expire(app.now(), years, &horizons, 9).await.unwrap().len()
}

fn unaided() -> Options {
    Options::default()
        .set("ALPINE__EVENTS__POLL_INTERVAL", "5m")
        .set("ALPINE__EVENTS__MAX_STALENESS", "10m")
}

async fn every_change(app: &TestApp) {
    let started = Instant::now();
    let elite = User::create(app, "reader@example.com", Tier::Elite).await;
    let readers = Readers::start(&[
        (elite.client().await, "signals/latest?limit=5"),
        (elite.client().await, "auth/me"),
        (app.client(), "performance/stats"),
    ]);
    tokio::join!(
        api_keys(app),
        sessions(app),
        all_sessions_of_a_user(app),
        tiers_and_roles(app),
        profiles(app),
        producers(app),
        signals(app, elite.client().await),
    );
    late_outcomes(app, elite.client().await).await;
    everybodys_sessions(app).await;
    every_event_has_its_case(app).await;
    eprintln!(
        "{} changes of each kind and {} reads in {:?}",
        *ROUNDS,
        readers.stop().await,
        started.elapsed()
    );
}

macro_rules! cases {
    ($($event:pat => $case:literal,)+) => {
        /// The case that writes the event and reads what it changes. A new event does not compile without
        /// one.
        const fn case(event: &Event) -> &'static str {
            match event { $($event => $case,)+ }
        }

        const CASES: usize = [$($case),+].len();
    };
}

cases! {
    Event::ApiKeysChanged => "api_keys",
    Event::SessionRevoked { .. } => "sessions",
    Event::AccountChanged { .. } => "all_sessions_of_a_user, tiers_and_roles, profiles",
    Event::ProducersChanged => "producers",
    Event::SignalPublished { .. } => "signals",
    Event::SignalClosed { .. } => "signals: its outcome",
    Event::LateOutcomeRecorded { .. } => "late_outcomes",
    Event::EverybodySignedOut => "everybodys_sessions",
}

/// The log holds every event that [`case`] names.
async fn every_event_has_its_case(app: &TestApp) {
    let cases = cases_after(app, 0).await;
    assert_eq!(cases.len(), CASES, "{cases:?}");
}

/// The cases of the events that the log holds after this one.
async fn cases_after(app: &TestApp, mut position: i64) -> BTreeSet<&'static str> {
    let mut cases = BTreeSet::new();
    loop {
        let rows = app.core.stores.events.read_after(position, 1_000).await.unwrap();
        let Some(last) = rows.last() else { return cases };
        position = last.seq;
        let events = rows.iter().map(|row| Event::from_payload(&row.payload).unwrap());
        cases.extend(events.map(|event| case(&event)));
    }
}

/// The status and the kind of problem of a refusal.
#[track_caller]
fn assert_refused(answer: &Answer, status: u16, problem: &str) {
    let body = answer.expect(status);
    assert_eq!((&body["type"], &body["status"]), (&json!(problem), &json!(status)), "{body}");
}

async fn api_keys(app: &TestApp) {
    let client = User::create(app, "keys@example.com", Tier::Elite).await.client().await;
    for _ in 0..*ROUNDS {
        let made = client.post("users/api-keys", &json!({"name": "bot"})).await.expect(201);
        let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
        let program = app.client().with_key(key);
        program.get("signals/subscribed").await.expect(200);
        client.delete(&format!("users/api-keys/{id}")).await.expect(200);
        let refused = program.get("signals/subscribed").await;
        assert_refused(&refused, 401, "/problems/unauthenticated");
    }
}

async fn sessions(app: &TestApp) {
    let user = User::create(app, "sessions@example.com", Tier::Pro).await;
    let kept = user.client().await;
    for _ in 0..*ROUNDS {
        let ended = user.client().await;
        ended.get("auth/me").await.expect(200);
        ended.post("auth/logout", &json!({})).await.expect(200);
        assert_refused(&ended.get("auth/me").await, 401, "/problems/unauthenticated");
        kept.get("auth/me").await.expect(200);
    }
}

async fn all_sessions_of_a_user(app: &TestApp) {
    let user = User::create(app, "all-sessions@example.com", Tier::Pro).await;
    let mut next = user.client().await;
    for _ in 0..*ROUNDS {
        let (one, other) = (next, user.client().await);
        for session in [&one, &other] {
            session.get("auth/me").await.expect(200);
        }
        one.post("auth/logout-all", &json!({})).await.expect(200);
        for session in [&one, &other] {
            assert_refused(&session.get("auth/me").await, 401, "/problems/unauthenticated");
        }
        next = user.client().await;
        next.get("auth/me").await.expect(200);
    }
}

/// No route does this: the use case returns instead of a 2xx.
async fn everybodys_sessions(app: &TestApp) {
    let user = User::create(app, "everybody@example.com", Tier::Pro).await;
    for _ in 0..*ROUNDS {
        let client = user.client().await;
        client.get("auth/me").await.expect(200);
        app.core.use_cases.accounts.sign_out_everybody().await.unwrap();
        assert_refused(&client.get("auth/me").await, 401, "/problems/unauthenticated");
    }
}

/// No route does this either. Both what is shown of the account and what it may do follow.
async fn tiers_and_roles(app: &TestApp) {
    let user = User::create(app, "tiers@example.com", Tier::Free).await;
    let client = user.client().await;
    let standings = [
        (Tier::Elite, Role::User, 403),
        (Tier::Pro, Role::User, 403),
        (Tier::Pro, Role::Admin, 200),
        (Tier::Free, Role::User, 403),
    ];
    for (tier, role, roles) in standings.into_iter().cycle().take(*ROUNDS) {
        app.core.use_cases.accounts.set_tier_and_role(&user.account, tier, role).await.unwrap();
        let me = client.get("auth/me").await.expect(200);
        assert_eq!((&me["tier"], &me["role"]), (&json!(tier.as_str()), &json!(role.as_str())));
        client.get("roles").await.expect(roles);
    }
}

async fn profiles(app: &TestApp) {
    let client = User::create(app, "profiles@example.com", Tier::Pro).await.client().await;
    for n in 0..*ROUNDS {
        let name = format!("Ada {n}");
        client.put("users/profile", &json!({"full_name": name})).await.expect(200);
        for path in ["users/profile", "auth/me"] {
            assert_eq!(client.get(path).await.expect(200)["full_name"], json!(name), "{path}");
        }
    }
}

/// What is sent is refused for what it says, once it is known who sends it.
async fn producers(app: &TestApp) {
    const PATH: &str = "external-signals/sync/signal";
    let ensure = async |key: &str| {
        app.core.use_cases.producers.ensure("keys", &Secret::new(key), false).await.unwrap().id
    };
    let key = |n: usize| format!("a key of a producer, number {n:08}");
    ensure(&key(0)).await;
    let mut old = app.client().with_key(&key(0));
    for n in 1..=*ROUNDS {
        old.post(PATH, &json!({})).await.expect(422);
        let id = ensure(&key(n)).await;
        let new = app.client().with_key(&key(n));
        assert_refused(&old.post(PATH, &json!({})).await, 401, "/problems/unauthenticated");
        new.post(PATH, &json!({})).await.expect(422);
        if n % 2 == 0 {
            app.core.use_cases.producers.disable(id).await.unwrap();
            assert_refused(&new.post(PATH, &json!({})).await, 401, "/problems/unauthenticated");
            ensure(&key(n + *ROUNDS)).await;
        }
        old = app.client().with_key(&key(if n % 2 == 0 { n + *ROUNDS } else { n }));
    }
}

/// Three kinds: one signal, a batch of them, an outcome. The price tells which signal it is.
async fn signals(app: &TestApp, reader: Client) {
    let producer = app.client().with_key(&app.producer("argo").await);
    let latest = async || {
        let list = reader.get("signals/latest?limit=5").await.expect(200);
        let prices = list.as_array().unwrap().iter().map(|row| row["entry_price"].as_f64());
        prices.map(|price| format!("{}", price.unwrap())).collect::<Vec<_>>()
    };
    let signal = |n: usize| {
        SignalBody { entry_price: n.to_string(), ..SignalBody::new(&format!("S-{n}"), "80") }
            .to_json()
    };
    for n in 1..=*ROUNDS {
        let [one, two, three] = [n * 3, n * 3 + 1, n * 3 + 2];
        let posted =
            producer.post_text("external-signals/sync/signal", signal(one)).await.expect(201);
        assert_eq!(latest().await.first(), Some(&one.to_string()));

        let lines = format!("{}\n{}\n", signal(two), signal(three));
        let stored = producer.post_text("external-signals/sync/batch", lines).await.expect(200);
        assert_eq!(stored["stored"], 2, "{stored}");
        assert_eq!(latest().await[..3], [three, two, one].map(|n| n.to_string()));

        let outcome = json!({
            "signal_id": format!("S-{one}"), "exit_price": one + 1,
            "exit_timestamp": "2025-02-01T00:00:00Z",
        });
        producer.post("external-signals/sync/outcome", &outcome).await.expect(200);
        assert_eq!(latest().await[..2], [three, two].map(|n| n.to_string()));
        assert!(!latest().await.contains(&one.to_string()));
        let stats = reader.get("performance/stats?record=all").await.expect(200);
        assert_eq!(stats["total_trades"], json!(n), "{stats}");
        let path = format!("signals/{}", posted["signal_id"]);
        assert_ne!(reader.get(&path).await.expect(200)["status"], "open");
    }
}

/// Each signal expires as soon as it is there, without anybody waiting for its horizon.
async fn late_outcomes(app: &TestApp, reader: Client) {
    let producer = app.client().with_key(&app.producer("zeus").await);
    let stats = async |path: &str| reader.get(path).await.expect(200);
    for n in 1..=*ROUNDS {
        let id = format!("F-{n}");
        let body = SignalBody::new(&id, "80");
        let body = SignalBody { strategy: "fleeting".to_owned(), ..body }.to_json();
        producer.post_text("external-signals/sync/signal", body).await.expect(201);
        assert_eq!(expire_fleeting(app).await, 1);
        let newest = async || reader.get("signals/history?limit=1").await.expect(200)[0].clone();
        let expired = newest().await;
        assert_eq!(
            (&expired["status"], &expired["late_outcome"]),
            (&json!("expired"), &json!(null))
        );
        let in_time = stats("performance/stats?record=all").await;
        assert_eq!(in_time["expired"], json!(n), "{in_time}");

        let outcome = json!({
            "signal_id": id, "exit_price": 1_000 + n, "exit_timestamp": "2025-02-01T00:00:00Z",
        });
        let told = producer.post("external-signals/sync/outcome", &outcome).await.expect(200);
        assert_eq!(told["result"], "late", "{told}");
        let late = newest().await;
        assert_eq!(late["late_outcome"]["exit_price"], json!(1_000 + n), "{late}");
        assert_eq!(
            stats("performance/stats?record=all&late=include").await["late_trades"],
            json!(n)
        );
        assert_eq!(stats("performance/stats?record=all").await, in_time);
    }
}

/// An account whose sessions cost no hashing.
struct User<'a> {
    app: &'a TestApp,
    account: Account,
}

impl<'a> User<'a> {
    async fn create(app: &'a TestApp, email: &str, tier: Tier) -> Self {
        let made = app
            .core
            .use_cases
            .accounts
            .create(email, Client::PASSWORD, "Ada", tier, Role::User)
            .await;
        Self { app, account: made.unwrap() }
    }

    /// A client with a new session of this account.
    async fn client(&self) -> Client {
        let Self { app, account } = self;
        let mut random = [0; 32];
        app.core.ports.randomness.fill(&mut random);
        let refresh = hex::encode(random);
        let (now, [.., id]) = (app.now(), [[0; 10], random[..10].try_into().unwrap()]);
        let state = app.core.stores.accounts.state(account.id).await.unwrap().unwrap();
        let session = NewSession {
            id: SessionId::generate(now, id),
            user: account.id,
            generation: state.generation,
            address: None,
            refresh_hash: digest(&refresh),
            created_at: now,
            expires_at: now.later(Duration::from_hours(1)),
        };
        app.core.stores.accounts.open_session(session).await.unwrap();
        let body = json!({"refresh_token": refresh});
        let opened: Value = app.client().post("auth/refresh", &body).await.expect(200);
        app.client().with_token(opened["access_token"].as_str().unwrap())
    }
}

/// Clients that read one path each, over and over.
struct Readers {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<usize>>,
}

impl Readers {
    fn start(paths: &[(Client, &'static str)]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let read = |(client, path): &(Client, &'static str)| {
            let (client, path, stop) = (client.clone(), *path, Arc::clone(&stop));
            tokio::spawn(async move {
                let mut reads = 0;
                while !stop.load(Ordering::SeqCst) {
                    client.get(path).await;
                    reads += 1;
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                reads
            })
        };
        let tasks = paths.iter().map(read).collect();
        Self { stop, tasks }
    }

    async fn stop(self) -> usize {
        self.stop.store(true, Ordering::SeqCst);
        let mut reads = 0;
        for task in self.tasks {
            reads += task.await.unwrap();
        }
        reads
    }
}
