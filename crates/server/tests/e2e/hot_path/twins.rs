//! Invariant 16 over time: two servers that differ by what is hidden tell late readers the same.
//!
//! Both begin with the same database and go by the same clock. On one of them signals of every tier
//! are published, closed and expire, all within the delay; on the other nothing happens. Every GET
//! route of the table that late readers may call is asked again and again, with whatever its
//! description allows in the query, so that a new route or parameter is covered by itself.

use std::{fmt, sync::Arc, time::Duration};

use alpine_domain::{
    Timestamp,
    account::{Role, Tier},
    time::ManualClock,
};
use proptest::{
    prelude::*,
    test_runner::{Config, TestCaseError, TestRunner},
};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::leaks::paths;
use crate::{
    alpine::Alpine,
    support::{Backend, Client, Deployment, Options, SignalBody, TestApp, Told, backends},
};

/// How late both readers are.
const DELAY: Duration = Duration::from_mins(15);
/// A strategy whose signals expire after ten seconds.
const BRIEF: &str = "brief";
const SYMBOLS: [&str; 4] = ["AAPL", "SPY", "BTC-USD", "NONE"];
/// Below the line of the late readers, on it, and above that of the others.
const CONFIDENCES: [&str; 4] = ["60", "84.99", "85", "97"];

/// Something that late readers must not learn of.
#[derive(Debug, Clone)]
enum Hidden {
    Publish {
        confidence: usize,
        symbol: usize,
        is_brief: bool,
    },
    /// Closes one of the signals that were there from the beginning.
    EndShown(usize),
    /// Closes one of those that were published by these means.
    EndOwn(usize),
    Expire,
}

/// What happens at one instant, what is asked then, and for how many seconds nothing happens.
#[derive(Debug, Clone)]
struct Step {
    hidden: Vec<Hidden>,
    choices: u64,
    pause: u64,
}

fn schedule() -> impl Strategy<Value = Vec<Step>> {
    let hidden = prop_oneof![
        4 => (0..CONFIDENCES.len(), 0..SYMBOLS.len(), any::<bool>()).prop_map(
            |(confidence, symbol, is_brief)| Hidden::Publish { confidence, symbol, is_brief }
        ),
        2 => any::<usize>().prop_map(Hidden::EndShown),
        2 => any::<usize>().prop_map(Hidden::EndOwn),
        1 => Just(Hidden::Expire),
    ];
    let step = (prop::collection::vec(hidden, 0..4), any::<u64>(), 1_u64..150)
        .prop_map(|(hidden, choices, pause)| Step { hidden, choices, pause });
    prop::collection::vec(step, 1..5)
}

/// The database from which both twins begin, and who reads.
struct Beginning {
    deployment: Deployment,
    at: Timestamp,
    key: String,
    free: String,
    /// The producer's ids of signals that late readers know of, or soon will.
    shown: Vec<String>,
    /// The number of the first of them.
    first: String,
}

impl Beginning {
    /// Some of what is there is older than the delay, and some comes into sight while twins run.
    async fn on(backend: &Backend) -> Self {
        let options = Options::default()
            .set("ALPINE__CACHE__JITTER", "0")
            .set("ALPINE__ACCOUNTS__ACCESS_TTL", "2h")
            .set("ALPINE__SIGNALS__EXPIRES_AFTER_BY_STRATEGY__BRIEF", "10s");
        let alpine = Alpine::start(backend, options).await;
        let mut shown = Vec::new();
        let mut first = String::new();
        for (number, minutes) in [0, 1, 20, 30, 5, 3, 2].into_iter().enumerate() {
            alpine.clock.advance(Duration::from_mins(minutes));
            let id = format!("shown-{number}");
            let symbol = SYMBOLS[number % 3].to_owned();
            let body = SignalBody { symbol, ..SignalBody::new(&id, CONFIDENCES[number % 3]) };
            let number =
                alpine.ingest(&body.to_json()).await.expect(201)["alpine_signal_id"].to_string();
            if first.is_empty() {
                first = number.trim_matches('"').to_owned();
            }
            shown.push(id);
            if shown.len() > 2 {
                let oldest = shown.remove(1);
                let body = outcome(&oldest);
                alpine.post_as_producer("external-signals/sync/outcome", body).await.expect(200);
            }
        }
        alpine.clock.advance(Duration::from_mins(1));
        let free = alpine.token_of(Tier::Free, Role::User).await;
        let (at, deployment) = (alpine.app.now(), alpine.app.deployment());
        let key = alpine.producer_key.clone();
        alpine.app.stop().await.unwrap();
        Self { deployment, at, key, free, shown, first }
    }

    async fn twin(&self, clock: &Arc<ManualClock>) -> TestApp {
        self.deployment.copy(clock.clone()).start(0).await
    }
}

fn outcome(id: &str) -> String {
    json!({ "signal_id": id, "exit_price": 180, "exit_timestamp": "2025-02-01T00:00:00Z" })
        .to_string()
}

/// A request, as it is shown when the twins differ.
#[derive(Clone)]
struct Request {
    path: String,
    gzip: bool,
    known: Option<String>,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GET {}, gzip: {}, If-None-Match: {:?}", self.path, self.gzip, self.known)
    }
}

impl Request {
    fn plain(path: String) -> Self {
        Self { path, gzip: false, known: None }
    }

    async fn send(&self, client: &Client) -> Told {
        let mut request = client.request(Method::GET, &self.path);
        if self.gzip {
            request = request.header("Accept-Encoding", "gzip");
        }
        if let Some(etag) = &self.known {
            request = request.header("If-None-Match", etag);
        }
        client.send(request).await.told()
    }
}

/// A value for a parameter, as the description of the API allows it; `None` leaves it out.
fn value(parameter: &Value, choice: u64, cursor: Option<&str>) -> Option<String> {
    let (name, schema) = (parameter["name"].as_str()?, &parameter["schema"]);
    let pick = |length: usize| usize::try_from(choice / 3).unwrap_or(0) % length;
    if choice.is_multiple_of(3) {
        return None;
    }
    if let Some(words) = schema["enum"].as_array() {
        return words[pick(words.len())].as_str().map(str::to_owned);
    }
    let bound = |key: &str, default: f64| schema[key].as_f64().unwrap_or(default);
    let kinds = schema["type"].to_string();
    if kinds.contains("integer") || kinds.contains("number") {
        let (least, most) = (bound("minimum", 0.0), bound("maximum", 100.0));
        let some = least + f64::from(u32::try_from(choice % 13).unwrap_or(0));
        return Some([least, some.min(most), most][pick(3)].to_string());
    }
    if kinds.contains("boolean") {
        return Some(choice.is_multiple_of(2).to_string());
    }
    match name {
        "symbol" => Some(SYMBOLS[pick(SYMBOLS.len())].to_owned()),
        "strategy" => Some([BRIEF, "weighted_consensus_v6"][pick(2)].to_owned()),
        "period" => Some(format!("{}d", pick(40))),
        "cursor" => cursor.map(str::to_owned),
        // Before the beginning, among what is shown from it on, and later.
        "since" | "until" | "updated_after" => {
            let at = ["2025-12-31T00:00:00Z", "2026-01-01T00:21:00Z", "2026-01-01T00:58:00Z"];
            Some(at[pick(3)].to_owned())
        }
        "from" | "to" => Some(["2025-12-31", "2026-01-01", "2026-01-02"][pick(3)].to_owned()),
        "producer" => Some(["argo", "nobody"][pick(2)].to_owned()),
        "after" => Some(["1", "4503599627370495"][pick(2)].to_owned()),
        other => panic!("say here what stands for the parameter {other}: {parameter}"),
    }
}

/// A pair of servers, and a reader of both.
struct Reader {
    name: &'static str,
    with: Client,
    without: Client,
    cursor: Option<String>,
}

impl Reader {
    /// Asks both for the same and says what they answer.
    async fn ask(&self, request: &Request) -> Result<Told, TestCaseError> {
        let (told, expected) = (request.send(&self.with).await, request.send(&self.without).await);
        prop_assert_eq!(&told, &expected, "{} is told apart by {:?}", self.name, request);
        prop_assert!(told.0 < 500, "{request:?}: {told:?}");
        Ok(told)
    }

    /// One route: as it is, in each coding, revalidated, and with something in its query.
    async fn ask_all_forms(&self, path: &str, query: &str) -> Result<(), TestCaseError> {
        for path in [path.to_owned(), format!("{path}{query}")] {
            let plain = Request::plain(path);
            let (_, headers, _) = self.ask(&plain).await?;
            let etag = headers.iter().find(|(name, _)| name == "etag").map(|(_, value)| value);
            self.ask(&Request { gzip: true, ..plain.clone() }).await?;
            if let Some(etag) = etag {
                let known = Request { known: Some(etag.clone()), ..plain };
                let (status, ..) = self.ask(&known).await?;
                prop_assert_eq!(status, 304, "{:?}", known);
            }
        }
        Ok(())
    }
}

fn query(description: &Value, path: &str, choices: u64, cursor: Option<&str>) -> String {
    let template = description["paths"].as_object().into_iter().flatten().find(|(known, _)| {
        let (mut known, mut path) = (known.split('/'), path.split('/'));
        known.by_ref().zip(path.by_ref()).all(|(a, b)| a == b || a.starts_with('{'))
            && known.next().is_none()
            && path.next().is_none()
    });
    let parameters = template.map(|(_, item)| item["get"]["parameters"].clone());
    let parameters = parameters.as_ref().and_then(Value::as_array).cloned().unwrap_or_default();
    let mut pairs = Vec::new();
    let in_query = parameters.iter().filter(|parameter| parameter["in"] == "query");
    for (number, parameter) in in_query.enumerate() {
        let choice = choices.rotate_left(7 * u32::try_from(number).unwrap_or(0)) % 1_000_003;
        if let Some(value) = value(parameter, choice, cursor) {
            let name = parameter["name"].as_str().unwrap_or_default();
            pairs.push(format!("{name}={value}"));
        }
    }
    if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
}

struct Twins<'a> {
    beginning: &'a Beginning,
    with: TestApp,
    without: TestApp,
    readers: [Reader; 2],
    description: Value,
    published: Vec<(String, String)>,
    clock: Arc<ManualClock>,
}

impl<'a> Twins<'a> {
    async fn start(beginning: &'a Beginning) -> Self {
        let clock = Arc::new(ManualClock::starting_at(beginning.at));
        let (with, without) = (beginning.twin(&clock).await, beginning.twin(&clock).await);
        let reader = |name, token: Option<&str>| {
            let of = |app: &TestApp| match token {
                Some(token) => app.client().with_token(token),
                None => app.client(),
            };
            Reader { name, with: of(&with), without: of(&without), cursor: None }
        };
        let readers = [reader("anonymous", None), reader("free", Some(&beginning.free))];
        let description = with.client().get("/openapi.json").await.expect(200);
        Self { beginning, with, without, readers, description, published: Vec::new(), clock }
    }

    async fn happen(&mut self, hidden: &Hidden) {
        let producer = self.with.client().with_key(&self.beginning.key);
        let close = async |id: &str| {
            producer.post_text("external-signals/sync/outcome", outcome(id)).await;
        };
        match hidden {
            Hidden::Publish { confidence, symbol, is_brief } => {
                let id = format!("hidden-{}", self.published.len());
                let mut body = SignalBody {
                    symbol: SYMBOLS[*symbol].to_owned(),
                    ..SignalBody::new(&id, CONFIDENCES[*confidence])
                };
                if *is_brief {
                    BRIEF.clone_into(&mut body.strategy);
                }
                let path = "external-signals/sync/signal";
                let answer = producer.post_text(path, body.to_json()).await.expect(201);
                let number = answer["alpine_signal_id"].to_string().trim_matches('"').to_owned();
                self.published.push((id, number));
            }
            Hidden::EndShown(choice) => {
                let shown = &self.beginning.shown;
                close(&shown[choice % shown.len()]).await;
            }
            Hidden::EndOwn(choice) => {
                if let Some(last) = self.published.len().checked_sub(1) {
                    let id = self.published[choice % (last + 1)].0.clone();
                    close(&id).await;
                }
            }
            Hidden::Expire => {
                self.with.core.use_cases.expiry.run_once().await.unwrap();
            }
        }
    }

    /// Every route, by every reader.
    async fn compare(&mut self, choices: u64) -> Result<(), TestCaseError> {
        for reader in &mut self.readers {
            let is_anonymous = reader.name == "anonymous";
            for (number, path) in paths(is_anonymous, &self.beginning.first).iter().enumerate() {
                let choices = choices.rotate_right(u32::try_from(number).unwrap_or(0));
                let query = query(&self.description, path, choices, reader.cursor.as_deref());
                reader.ask_all_forms(path, &query).await?;
            }
            if is_anonymous {
                continue;
            }
            // Numbers that only who knows of the signal can know of lead nowhere.
            for (_, number) in &self.published {
                let path = format!("/api/v1/signals/{number}");
                let (status, ..) = reader.ask(&Request::plain(path)).await?;
                prop_assert_eq!(status, 404);
            }
            let page =
                reader.ask(&Request::plain("/api/v1/signals/subscribed?limit=1".into())).await?;
            prop_assert_eq!(page.0, 200);
            let page: Value = serde_json::from_str(&page.2).unwrap();
            reader.cursor = page["next_cursor"].as_str().map(str::to_owned);
        }
        Ok(())
    }
}

async fn check(beginning: &Beginning, schedule: &[Step]) -> Result<(), TestCaseError> {
    let mut twins = Twins::start(beginning).await;
    let mut passed = Duration::ZERO;
    // The first one concerns every late reader once its time has come.
    twins.compare(1).await?;
    twins.happen(&Hidden::Publish { confidence: 0, symbol: 0, is_brief: false }).await;
    twins.happen(&Hidden::EndShown(0)).await;
    for step in schedule {
        for hidden in &step.hidden {
            twins.happen(hidden).await;
        }
        twins.compare(step.choices).await?;
        let pause = Duration::from_secs(step.pause);
        twins.clock.advance(pause);
        passed += pause;
        twins.compare(step.choices).await?;
    }
    // Shortly before the first release: what is loaded now must not be kept for less time.
    for left in [40, 6, 1] {
        let until = DELAY.saturating_sub(Duration::from_secs(left));
        twins.clock.advance(until.saturating_sub(passed));
        passed = until;
        twins.compare(7).await?;
    }
    // Then it is told: the twins do differ.
    twins.clock.advance(Duration::from_secs(1));
    let history = Request::plain("/api/v1/signals/history?limit=100".into());
    let reader = &twins.readers[1];
    let (told, other) = (history.send(&reader.with).await, history.send(&reader.without).await);
    prop_assert_ne!(told, other, "nothing ever came into sight");
    twins.with.stop().await.unwrap();
    twins.without.stop().await.unwrap();
    Ok(())
}

fn twins_tell_the_same(backend: &Backend, cases: u32) {
    let runtime = Runtime::new().unwrap();
    let beginning = runtime.block_on(Beginning::on(backend));
    // A failure prints the whole schedule, made as short as these tries allow.
    let config =
        Config { cases, max_shrink_iters: 24, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config)
        .run(&schedule(), |schedule| runtime.block_on(check(&beginning, &schedule)));
    if let Err(error) = result {
        panic!("{error}");
    }
}

#[test]
fn invariant_16_twins_that_differ_by_what_is_hidden_tell_the_same_on_sqlite() {
    twins_tell_the_same(&Backend::SqliteMemory, 4);
}

#[test]
fn invariant_16_twins_that_differ_by_what_is_hidden_tell_the_same_on_postgres_and_redis() {
    if let Some(backend) = backends().into_iter().find(|backend| *backend != Backend::SqliteMemory)
    {
        twins_tell_the_same(&backend, 2);
    }
}
