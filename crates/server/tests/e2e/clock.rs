//! Clocks that step, under load: nothing ends that should not, nobody is refused, order holds.

use std::{
    fmt,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use alpine_domain::{
    Clock, Result, Timestamp,
    account::{Role, Tier},
    page::Slice,
    ports::database_clock::{DatabaseClock, DatabaseTime},
    signal::{ExpiryEnd, Intake, SignalQuery},
    time::{ManualClock, SystemClock},
};
use alpine_infra::MonotonicClock;
use alpine_server::application::TimeSource;
use alpine_testing::Wait;
use async_trait::async_trait;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::{task::JoinHandle, time::sleep};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use crate::{
    alpine::Alpine,
    support::{Backend, Client, Options, SignalBody, SignedIn, TestApp, backends},
};

const MINUTE: i64 = 60;
const DAY: i64 = 86_400;
/// `clock.settle` here.
const SETTLE: Duration = Duration::from_secs(1);

/// A clock that is right until it is set to be wrong by some seconds.
#[derive(Default)]
struct Stepping(AtomicI64);

impl Stepping {
    fn step_to(&self, seconds: i64) {
        self.0.store(seconds, Ordering::SeqCst);
    }
}

impl Clock for Stepping {
    fn now(&self) -> Timestamp {
        let seconds = self.0.load(Ordering::SeqCst);
        Timestamp::from_micros(SystemClock.now().micros() + seconds * 1_000_000)
    }
}

#[async_trait]
impl DatabaseClock for Stepping {
    async fn read(&self, ours: &Arc<dyn Clock>) -> Result<DatabaseTime> {
        Ok(DatabaseTime { before: ours.now(), shown: self.now(), after: ours.now() })
    }
}

/// A host whose wall clock steps, and its database's with it or not.
#[derive(Clone)]
struct Host {
    backend: Backend,
    is_databases_too: bool,
    wall: Arc<Stepping>,
}

impl Host {
    /// SQLite, which goes by the wall clock; PostgreSQL with a right clock; PostgreSQL on the same host.
    fn all() -> Vec<Self> {
        let host = |backend: &Backend, is_databases_too| Self {
            backend: backend.clone(),
            is_databases_too,
            wall: Arc::default(),
        };
        let mut all = Vec::new();
        for backend in backends() {
            all.push(host(&backend, false));
            if backend != Backend::SqliteMemory {
                all.push(host(&backend, true));
            }
        }
        all
    }

    /// Whether the time in use goes by what steps here.
    fn is_reference(&self) -> bool {
        self.is_databases_too || self.backend == Backend::SqliteMemory
    }

    async fn start(&self, hold: &str) -> TestApp {
        let database = self.is_databases_too.then(|| self.wall.clone() as Arc<dyn DatabaseClock>);
        let steady = Arc::new(MonotonicClock::new());
        let time = TimeSource::Compared { wall: self.wall.clone(), steady, database };
        let options = Options { time: Some(time), ..Options::default() }
            .set("ALPINE__CLOCK__HOLD", hold)
            .set("ALPINE__CLOCK__SETTLE", "1s")
            .set("ALPINE__SIGNALS__EXPIRY_INTERVAL", "1s")
            .set("ALPINE__BLACKLIST__CAPACITY", "1")
            // Late readers see something within the test.
            .set("ALPINE__VISIBILITY__ANONYMOUS__DELAY", "1s");
        TestApp::spawn_with(&self.backend, options).await
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whose = if self.is_databases_too { "and its database's" } else { "alone" };
        write!(f, "{:?}, the machine's clock {whose}", self.backend)
    }
}

/// Clients who ask without a pause, until they are stopped. Each panics at the first answer that is wrong.
struct Load {
    stop: Arc<AtomicBool>,
    producer: JoinHandle<Vec<String>>,
    others: Vec<JoinHandle<()>>,
}

impl Load {
    /// On `apps` in turn.
    async fn start(apps: &[&TestApp]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let app = apps[0];
        let bases: Vec<String> = apps.iter().map(|app| app.base.clone()).collect();
        let (producer, key) = app.core.use_cases.producers.create("argo", false).await.unwrap();
        // One that late readers see by any of the clocks.
        let earlier = app.now().earlier(Duration::from_mins(10));
        let earlier = Arc::new(ManualClock::starting_at(earlier));
        // Its time is written, whatever time it is.
        let live_within = app.config.signals.live_within;
        let intake = Intake::new(app.core.stores.signals.clone(), earlier, live_within);
        let first = SignalBody::new("SIG-first", "72.5").to_json();
        let id = intake.submit(&producer, first.as_bytes()).await.unwrap().id.to_string();
        let producer = app.client().with_key(key.reveal());
        let signed_in = elite(app, "elite@example.com").await;
        app.client().sign_up("ada@example.com").await;
        let others = vec![
            tokio::spawn(renew(stop.clone(), bases.clone(), app.client())),
            tokio::spawn(read(
                stop.clone(),
                bases.clone(),
                app.client().with_token(&signed_in.access_token),
            )),
            tokio::spawn(read(stop.clone(), bases.clone(), app.client())),
        ];
        let reader = app.client().with_token(&signed_in.access_token);
        let producer = tokio::spawn(push(stop.clone(), bases, producer, reader, id));
        Self { stop, producer, others }
    }

    /// Ends it; the signals that were pushed, in order.
    async fn end(self) -> Vec<String> {
        self.stop.store(true, Ordering::SeqCst);
        for client in self.others {
            client.await.expect("no answer was wrong");
        }
        self.producer.await.expect("no signal was refused")
    }
}

async fn elite(app: &TestApp, email: &str) -> SignedIn {
    let (tier, role) = (Tier::Elite, Role::User);
    let accounts = &app.core.use_cases.accounts;
    accounts.create(email, Client::PASSWORD, "Ada", tier, role).await.unwrap();
    app.client().sign_in(email).await
}

async fn pushed(producer: &Client, body: String) -> String {
    let stored = producer.post_text("external-signals/sync/signal", body).await.expect(201);
    stored["alpine_signal_id"].to_string().trim_matches('"').to_owned()
}

/// Pushes one signal after the other, each of which a reader without delay sees at once; says their ids.
async fn push(
    stop: Arc<AtomicBool>,
    bases: Vec<String>,
    producer: Client,
    reader: Client,
    first: String,
) -> Vec<String> {
    let mut ids = vec![first];
    while !stop.load(Ordering::SeqCst) {
        let number = ids.len();
        let base = &bases[number % bases.len()];
        let body = SignalBody::new(&format!("SIG-{number}"), "72.5").to_json();
        let id = pushed(&producer.at(base), body).await;
        let latest = reader.at(base).get("signals/latest?limit=1").await.expect(200);
        assert_eq!(latest[0]["id"], id.as_str(), "it is not in sight: {latest}");
        ids.push(id);
        sleep(Duration::from_millis(20)).await;
    }
    ids
}

/// Reads the open signals, which are never none.
async fn read(stop: Arc<AtomicBool>, bases: Vec<String>, client: Client) {
    for base in bases.iter().cycle() {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        let latest = client.at(base).get("signals/latest?limit=3").await.expect(200);
        assert!(!latest.as_array().unwrap().is_empty(), "`latest` is empty");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Signs in, uses the token at once, renews it, uses that one; on one instance after the other.
async fn renew(stop: Arc<AtomicBool>, bases: Vec<String>, client: Client) {
    for (turn, base) in bases.iter().cycle().enumerate() {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        let elsewhere = &bases[(turn + 1) % bases.len()];
        let signed_in = client.at(base).sign_in("ada@example.com").await;
        let token = client.at(elsewhere).with_token(&signed_in.access_token);
        token.get("auth/me").await.expect(200);
        let body = json!({ "refresh_token": signed_in.refresh_token });
        let renewed = client.at(elsewhere).post("auth/refresh", &body).await.expect(200);
        let token = client.at(base).with_token(renewed["access_token"].as_str().unwrap());
        token.get("auth/me").await.expect(200);
        sleep(Duration::from_millis(100)).await;
    }
}

/// Everything that was pushed is open, in the order in which it was pushed.
async fn assert_open_and_in_order(app: &TestApp, pushed: &[String]) {
    let all = SignalQuery::all(Timestamp::MAX);
    let slice = Slice::first(u32::try_from(pushed.len()).unwrap() + 1);
    let mut stored = app.core.stores.signal_reader.list(&all, slice).await.unwrap();
    stored.reverse();
    assert!(stored.iter().all(|signal| signal.outcome.is_none()), "a signal has ended");
    let ids: Vec<String> = stored.iter().map(|signal| signal.id.to_string()).collect();
    assert_eq!(ids, pushed);
    assert!(stored.is_sorted_by_key(|signal| signal.content.created_at));
    assert!(pushed.len() > 10, "there was load: {}", pushed.len());
}

/// The clocks are compared once a second, and what follows from that is seen or passed on within another
/// one; two more for a machine that is busy with this load.
const NOTICED: Duration = Duration::from_secs(4);

/// For what follows, after `since`, from clocks that stand as they do for `hold`.
fn once_held(hold: Duration, since: Instant) -> Wait {
    Wait::promised(hold + NOTICED, since, "the chapter \"Time\" of ARCHITECTURE.md")
}

/// How the check of the clocks stands on `/health`, which is 200 in any case.
async fn health(app: &TestApp) -> Value {
    let health = app.client().get("/health").await.expect(200);
    health["details"]["clock"].clone()
}

/// A metric, to the nearest whole number.
async fn metric(app: &TestApp, name: &str) -> i64 {
    let text = app.client().get("/metrics").await.text;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let value: Option<f64> = value.and_then(|value| value.parse().ok());
    let value = value.unwrap_or_else(|| panic!("{name} in {text}"));
    format!("{value:.0}").parse().unwrap()
}

async fn until_agreed(app: &TestApp) {
    let agreed = async || app.core.ports.agreed_time.agreed_now().is_some();
    once_held(SETTLE, Instant::now()).until("the clocks agree", agreed).await;
}

/// By how many seconds the time in use is wrong, rounded.
fn wrong_by(app: &TestApp) -> i64 {
    let micros = app.now().micros() - SystemClock.now().micros();
    (micros + 500_000).div_euclid(1_000_000)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_steps_for_seconds_changes_nothing() {
    let warnings = Warnings::collected();
    join_all(Host::all().into_iter().map(steps_for_seconds)).await;
    assert!(warnings.any("the clocks differ from the time in use"));
    assert!(warnings.any("no signal expires while the clocks do not agree"));
}

async fn steps_for_seconds(host: Host) {
    let app = host.start("1m").await;
    let load = Load::start(&[&app]).await;
    let expiry = &app.core.use_cases.expiry;
    for (step, seconds) in [(5 * MINUTE, 3), (-5 * MINUTE, 3), (31 * DAY, 7)] {
        until_agreed(&app).await;
        assert_eq!(expiry.run_once().await.unwrap(), (0, ExpiryEnd::Done));
        let stepped = Instant::now();
        host.wall.step_to(step);
        for second in 0..seconds {
            let run = expiry.run_once().await.unwrap();
            assert_eq!(run, (0, ExpiryEnd::ClocksDiffer), "{host:?}, second {second}");
            assert_eq!(wrong_by(&app), 0, "{host:?}, second {second}");
            sleep(Duration::from_secs(1)).await;
        }
        let seen = metric(&app, "clock_difference_seconds{source=\"wall\"}").await;
        assert!((seen - step).abs() <= 1, "{host:?}: {seen}");
        assert_eq!(metric(&app, "clock_agreed").await, 0, "{host:?}");
        once_held(Duration::ZERO, stepped)
            .until("health says so", async || health(&app).await["status"] == "degraded")
            .await;
        let stepped_back = Instant::now();
        host.wall.step_to(0);
        // It says so until they have agreed for long enough to end things.
        once_held(SETTLE, stepped_back)
            .until("health is well", async || health(&app).await["status"] == "healthy")
            .await;
    }
    assert_eq!(metric(&app, "clock_steps_total").await, 0, "{host:?}");
    until_agreed(&app).await;
    assert_eq!(expiry.run_once().await.unwrap(), (0, ExpiryEnd::Done));
    assert_open_and_in_order(&app, &load.end().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_difference_that_holds_is_followed_where_it_is_the_reference() {
    join_all(Host::all().into_iter().map(differs_for_long)).await;
}

async fn differs_for_long(host: Host) {
    const HOLD: Duration = Duration::from_secs(2);
    let app = host.start("2s").await;
    let load = Load::start(&[&app]).await;
    until_agreed(&app).await;
    let mut tokens = Vec::new();
    for step in [5 * MINUTE, 0, -5 * MINUTE, 0] {
        let stepped = Instant::now();
        host.wall.step_to(step);
        if host.is_reference() {
            let followed = async || wrong_by(&app) == step;
            once_held(HOLD, stepped).until("it is followed", followed).await;
            until_agreed(&app).await;
        } else {
            sleep(Duration::from_secs(4)).await;
            assert_eq!(wrong_by(&app), 0);
            let agreed = app.core.ports.agreed_time.agreed_now();
            assert_eq!(agreed.is_some(), step == 0);
        }
        // Those that were issued before a step are good after it, in their future or not.
        tokens.push(app.client().sign_in("elite@example.com").await.access_token);
        for token in &tokens {
            app.client().with_token(token).get("auth/me").await.expect(200);
        }
    }
    let steps = if host.is_reference() { 4 } else { 0 };
    assert_eq!(metric(&app, "clock_steps_total").await, steps, "{host:?}");
    // Load goes on for a moment by the last of them.
    sleep(Duration::from_secs(1)).await;
    assert_open_and_in_order(&app, &load.end().await).await;
}

/// The blacklist holds one session here, and forgets one whose time is over when the next one comes.
#[tokio::test(flavor = "multi_thread")]
async fn who_signed_out_stays_out_when_the_clock_is_set_back() {
    for host in Host::all().into_iter().filter(Host::is_reference) {
        let app = host.start("1s").await;
        let sign_out = async |email: &str| {
            let signed_in = app.client().sign_up(email).await;
            let client = app.client().with_token(&signed_in.access_token);
            client.post("auth/logout", &json!({})).await.expect(200);
            client
        };
        let first = sign_out("first@example.com").await;
        assert_eq!(first.get("auth/me").await.status, 401);
        let stepped = Instant::now();
        host.wall.step_to(20 * MINUTE);
        let followed = async || wrong_by(&app) == 20 * MINUTE;
        once_held(Duration::from_secs(1), stepped).until("it is followed", followed).await;
        sign_out("second@example.com").await;
        host.wall.step_to(0);
        let mut seen = Vec::new();
        while wrong_by(&app) != 0 {
            seen.push(first.get("auth/me").await.status.as_u16());
        }
        for _ in 0..50 {
            seen.push(first.get("auth/me").await.status.as_u16());
        }
        // 503: there is one more revocation than the list holds, and unknown ones may be that one.
        assert!(seen.iter().all(|status| matches!(status, 401 | 503)), "{host:?}: {seen:?}");
    }
}

/// Signed out where the time in use is a second behind that of the instance that issued the token.
#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_outlives_a_token_that_another_clock_issued() {
    Alpine::on_every_back_end(async |alpine| {
        let ada = alpine.app.client().sign_up("ada@example.com").await;
        let client = alpine.app.client().with_token(&ada.access_token);
        let second = Duration::from_secs(1);
        alpine.clock.set_back(second);
        client.post("auth/logout", &json!({})).await.expect(200);
        let life = alpine.app.config.accounts.access_ttl;
        alpine.clock.advance(life + second / 2);
        assert_eq!(client.get("auth/me").await.status, 401);
        let last = alpine.app.core.stores.events.read_after(0, 100).await.unwrap();
        assert!(last.iter().any(|event| event.kind == "session_revoked"), "{last:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_on_hosts_two_minutes_apart_show_one_time() {
    for backend in backends().into_iter().filter(|backend| *backend != Backend::SqliteMemory) {
        let options = Options::default()
            .set("ALPINE__CLOCK__SETTLE", "1s")
            .set("ALPINE__VISIBILITY__ANONYMOUS__DELAY", "1s");
        let right = TestApp::spawn_with(&backend, options).await;
        let (ahead, behind) =
            (right.deployment().start(120).await, right.deployment().start(-120).await);
        for app in [&right, &ahead, &behind] {
            assert_eq!(wrong_by(app), 0);
        }
        let load = Load::start(&[&ahead, &right, &behind]).await;
        sleep(Duration::from_secs(6)).await;
        let pushed = load.end().await;
        for (app, status) in [(&right, "healthy"), (&ahead, "degraded"), (&behind, "degraded")] {
            assert_open_and_in_order(app, &pushed).await;
            assert_eq!(health(app).await["status"], status);
        }
        until_agreed(&right).await;
        let run = ahead.core.use_cases.expiry.run_once().await.unwrap();
        assert_eq!(run, (0, ExpiryEnd::ClocksDiffer));
        let seen = metric(&ahead, "clock_difference_seconds{source=\"wall\"}").await;
        assert!((seen - 120).abs() <= 1, "{seen}");
    }
}

/// The warnings that this process logs.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl Warnings {
    /// From now on. No other test of this binary sets a subscriber for the process.
    fn collected() -> Self {
        static COLLECTED: OnceLock<Warnings> = OnceLock::new();
        let collect = || {
            let warnings = Self::default();
            let subscriber = tracing_subscriber::registry().with(warnings.clone());
            tracing::subscriber::set_global_default(subscriber).unwrap();
            warnings
        };
        COLLECTED.get_or_init(collect).clone()
    }

    fn any(&self, part: &str) -> bool {
        self.0.lock().unwrap().iter().any(|warning| warning.contains(part))
    }
}

impl<S: Subscriber> Layer<S> for Warnings {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() == Level::WARN {
            let mut message = Message(String::new());
            event.record(&mut message);
            self.0.lock().unwrap().push(message.0);
        }
    }
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}
