//! Clients that do everything at random, and break off at random.

mod by_hand;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use alpine_domain::signal::{
    HashForm, VerificationHash, canonical_text,
    hashed::{HashedFields, HashedValue},
};
use anyhow::{Context as _, Result, ensure};
use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::sleep};

use crate::instance::PRODUCER_KEY;

/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a client pauses between two requests at most, milliseconds.
const PAUSE: u64 = 60;
const PASSWORD: &str = "a quiet river at dawn";
/// Signals of its own that a client remembers, to close them.
const OPEN: usize = 1_000;

/// What was sent, and what was acknowledged of it.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) requests: u64,
    pub(super) broken_off: u64,
    /// Exports that were begun and not read on.
    pub(super) stopped: u64,
    /// Batches whose answer told another number of stored signals than were good.
    pub(super) untrue: u64,
    /// Requests that got no answer, although it was waited for.
    pub(super) missing: u64,
    pub(super) statuses: BTreeMap<u16, u64>,
    pub(super) users: u64,
    pub(super) sessions: u64,
    pub(super) signals: u64,
    pub(super) outcomes: u64,
    /// Sign-ins that may have opened a session, and were told of none.
    pub(super) unknown_sessions: u64,
    /// Bodies of signals that may have been stored.
    pub(super) unknown_signals: Vec<String>,
}

impl Tally {
    pub(super) fn status(&self, status: u16) -> u64 {
        self.statuses.get(&status).copied().unwrap_or(0)
    }
}

/// The instances, as clients see them.
#[derive(Clone)]
pub(super) struct Api {
    addresses: Arc<[SocketAddr]>,
    http: reqwest::Client,
}

impl Api {
    pub(super) fn new(addresses: Vec<SocketAddr>) -> Result<Self> {
        let http = reqwest::Client::builder()
            .timeout(PATIENCE)
            .pool_idle_timeout(Duration::from_secs(5))
            .build()?;
        Ok(Self { addresses: addresses.into(), http })
    }

    fn address(&self, random: u64) -> SocketAddr {
        let count = self.addresses.len() as u64;
        // The remainder is below the length.
        self.addresses[usize::try_from(random % count).unwrap_or(0)]
    }

    fn url(&self, random: u64, path: &str) -> String {
        format!("http://{}/api/v1/{path}", self.address(random))
    }

    /// Stores a signal, or finds that it is stored.
    ///
    /// # Errors
    /// With the answer, when it is refused.
    pub(super) async fn push(&self, body: &str) -> Result<()> {
        let url = self.url(0, "external-signals/sync/signal");
        let answer = as_producer(self.http.post(url), body.to_owned()).send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        let is_stored = status.is_success() || text.contains("/problems/duplicate-signal");
        ensure!(is_stored, "{body} is refused: {status} {text}");
        Ok(())
    }

    /// A whole number among the metrics of an instance.
    ///
    /// # Errors
    /// When it does not answer, or with no such metric.
    pub(super) async fn metric(&self, address: SocketAddr, name: &str) -> Result<u64> {
        let answer = self.http.get(format!("http://{address}/metrics")).send().await?;
        let text = answer.text().await?;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(value.with_context(|| format!("no {name}"))?.parse()?)
    }
}

fn as_producer(request: RequestBuilder, body: String) -> RequestBuilder {
    request.header("X-API-Key", PRODUCER_KEY).header("Content-Type", "application/json").body(body)
}

/// Numbers that look random (`SplitMix64`).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    fn one_of(&mut self, words: &[&'static str]) -> &'static str {
        let at = usize::try_from(self.below(words.len() as u64)).unwrap_or(0);
        words.get(at).copied().unwrap_or_default()
    }
}

/// One subscriber, who also has the producer's key.
pub(super) struct Client {
    api: Api,
    tally: Arc<Mutex<Tally>>,
    number: u64,
    random: Random,
    email: String,
    access: String,
    refresh: String,
    pushed: u64,
    open: Vec<String>,
    /// An export that is not read on, and since when.
    stopped: Option<(Instant, TcpStream)>,
}

impl Client {
    pub(super) async fn sign_up(api: Api, tally: Arc<Mutex<Tally>>, number: u64) -> Result<Self> {
        let email = format!("user-{number}@example.com");
        let body = json!({ "email": email, "password": PASSWORD, "full_name": "Somebody" });
        let answer = api.http.post(api.url(number, "auth/signup")).json(&body).send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        ensure!(status.is_success(), "{status}: {text}");
        let mut client = Self {
            api,
            tally,
            number,
            random: Random(number),
            email,
            access: String::new(),
            refresh: String::new(),
            pushed: 0,
            open: Vec::new(),
            stopped: None,
        };
        client.keep_tokens(&serde_json::from_str(&text)?).context("no tokens")?;
        client.tally().users += 1;
        client.tally().sessions += 1;
        Ok(client)
    }

    /// Sends one request after the other until `end`; gives itself back.
    pub(super) async fn run(mut self, seed: u64, end: Instant) -> Self {
        self.random = Random(seed ^ (self.number << 32));
        while Instant::now() < end {
            self.act().await;
            let pause = self.random.below(PAUSE);
            sleep(Duration::from_millis(pause)).await;
        }
        self
    }

    async fn act(&mut self) {
        match self.random.below(1_000) {
            0..450 => {
                let path = self.list();
                self.get(&path).await;
            }
            450..500 => {
                let path = self.export();
                self.get(&path).await;
            }
            500..550 => {
                let path = self.random.one_of(&[
                    "auth/me",
                    "symbols",
                    "performance/stats",
                    "payments/plans",
                ]);
                self.get(path).await;
            }
            550..650 => self.push().await,
            650..670 => self.push_batch().await,
            670..700 => self.report().await,
            700..730 => self.refresh().await,
            730..740 => {
                self.send(self.bearer(self.post("auth/logout"))).await;
                self.sign_in().await;
            }
            740..840 => self.send_nonsense().await,
            840..850 => self.stop_reading().await,
            _ => self.break_off().await,
        }
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn post(&self, path: &str) -> RequestBuilder {
        self.api.http.post(self.api.url(self.pushed ^ self.number, path))
    }

    fn bearer(&self, request: RequestBuilder) -> RequestBuilder {
        request.bearer_auth(&self.access)
    }

    /// Sends it and reads the answer to its end.
    async fn send(&self, request: RequestBuilder) -> Option<(StatusCode, Value)> {
        let answer = async {
            let answer = request.send().await?;
            let (status, body) = (answer.status(), answer.bytes().await?);
            reqwest::Result::Ok((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
        };
        let answer = answer.await.ok();
        let mut tally = self.tally();
        tally.requests += 1;
        match &answer {
            Some((status, _)) => *tally.statuses.entry(status.as_u16()).or_default() += 1,
            None => tally.missing += 1,
        }
        answer
    }

    async fn get(&mut self, path: &str) {
        let url = self.api.url(self.random.next(), path);
        self.send(self.bearer(self.api.http.get(url))).await;
    }

    /// A list with parameters that hardly anybody else asks for.
    fn list(&mut self) -> String {
        let symbol = self.symbol();
        let (limit, percent) = (1 + self.random.below(100), self.random.below(90));
        match self.random.below(5) {
            0 => "signals/latest".to_owned(),
            1 => format!("signals/latest?limit={limit}&symbol={symbol}"),
            2 => format!("signals/subscribed?limit={limit}&min_confidence={percent}"),
            3 => format!("signals/history?limit={limit}&days={}&symbol={symbol}", 1 + percent),
            _ => format!("signals/live?limit={limit}"),
        }
    }

    fn export(&mut self) -> String {
        let format = self.random.one_of(&["csv", "ndjson", "json"]);
        format!("signals/export?format={format}&days={}", 1 + self.random.below(30))
    }

    fn symbol(&mut self) -> String {
        format!("SYM{}", self.random.below(40))
    }

    /// A new signal's id and body.
    fn signal(&mut self) -> (String, String) {
        self.pushed += 1;
        let id = format!("SOAK-{}-{}", self.number, self.pushed);
        let symbol = self.symbol();
        let price = format!("{}.5", 10 + self.random.below(500));
        let confidence = format!("{}.25", 50 + self.random.below(49));
        let (action, at) = (self.random.one_of(&["BUY", "SELL"]), "2025-01-15T10:30:00+00:00");
        let fields = HashedFields([
            ("action", HashedValue::Text(action)),
            ("confidence", HashedValue::Number(&confidence)),
            ("entry_price", HashedValue::Number(&price)),
            ("signal_id", HashedValue::Text(&id)),
            ("stop_price", HashedValue::Missing),
            ("strategy", HashedValue::Text("soak")),
            ("symbol", HashedValue::Text(&symbol)),
            ("target_price", HashedValue::Missing),
            ("timestamp", HashedValue::Text(at)),
        ]);
        let hash = VerificationHash::of(&canonical_text(&fields, HashForm::Full));
        let body = format!(
            r#"{{"signal_id": "{id}", "symbol": "{symbol}", "action": "{action}", "entry_price": {price}, "target_price": null, "stop_price": null, "confidence": {confidence}, "strategy": "soak", "timestamp": "{at}", "sha256": "{}"}}"#,
            hash.as_str()
        );
        (id, body)
    }

    async fn push(&mut self) {
        let (id, body) = self.signal();
        let request = as_producer(self.post("external-signals/sync/signal"), body.clone());
        match self.send(request).await {
            Some((status, _)) if status.is_success() => {
                self.tally().signals += 1;
                if self.open.len() < OPEN {
                    self.open.push(id);
                }
            }
            _ => self.tally().unknown_signals.push(body),
        }
    }

    async fn report(&mut self) {
        let Some(id) = self.open.pop() else { return };
        let at = "2025-01-16T10:30:00+00:00";
        let body =
            json!({ "signal_id": id, "exit_price": 100.5, "exit_timestamp": at }).to_string();
        // What was asked in vain is asked again: the same report is stored once.
        for _ in 0..10 {
            let request = as_producer(self.post("external-signals/sync/outcome"), body.clone());
            if let Some((status, _)) = self.send(request).await
                && status.is_success()
            {
                self.tally().outcomes += 1;
                return;
            }
            sleep(Duration::from_secs(1)).await;
        }
    }

    async fn refresh(&mut self) {
        let body = json!({ "refresh_token": self.refresh });
        let answer = self.send(self.post("auth/refresh").json(&body)).await;
        let is_kept = answer.is_some_and(|(_, body)| self.keep_tokens(&body).is_some());
        if !is_kept {
            self.sign_in().await;
        }
    }

    async fn sign_in(&mut self) {
        let body = json!({ "email": self.email, "password": PASSWORD });
        match self.send(self.post("auth/login").json(&body)).await {
            Some((status, body)) if status.is_success() => {
                self.tally().sessions += 1;
                let _ = self.keep_tokens(&body);
            }
            _ => self.tally().unknown_sessions += 1,
        }
    }

    fn keep_tokens(&mut self, body: &Value) -> Option<()> {
        let access = body["access_token"].as_str()?.to_owned();
        body["refresh_token"].as_str()?.clone_into(&mut self.refresh);
        self.access = access;
        Some(())
    }

    async fn send_nonsense(&mut self) {
        let bearer = self.random.next().to_string();
        let request = match self.random.below(5) {
            0 => as_producer(
                self.post("external-signals/sync/signal"),
                "{\"signal_id\": ".to_owned(),
            ),
            1 => as_producer(self.post("external-signals/sync/batch"), "{}\n".repeat(200)),
            2 => self.post("auth/login").json(&json!({ "email": "nobody", "password": 1 })),
            3 => self.api.http.get(self.api.url(0, "signals/latest?limit=-1&limit=x")),
            _ => self.api.http.get(self.api.url(0, "signals/live")).bearer_auth(bearer),
        };
        self.send(request).await;
    }

    async fn push_batch(&mut self) {
        let (text, good) = self.batch();
        let request = as_producer(self.post("external-signals/sync/batch"), text);
        match self.send(request).await {
            Some((status, body)) if status.is_success() => {
                let stored = good.len() as u64;
                let mut tally = self.tally();
                tally.signals += stored;
                tally.untrue += u64::from(body["stored"] != stored);
            }
            _ => self.tally().unknown_signals.extend(good),
        }
    }

    /// Some signals in one body, every other time with lines between them that are refused; the good ones.
    fn batch(&mut self) -> (String, Vec<String>) {
        let good: Vec<String> = (0..=self.random.below(20)).map(|_| self.signal().1).collect();
        if self.random.below(2) == 0 {
            return (good.join("\n"), good);
        }
        let wrong = good[0].replace("\"action\": \"", "\"action\": \"NO ");
        let spoiled = good.iter().map(|line| format!("{line}\n{{}}\n{wrong}\nno JSON\n"));
        (spoiled.collect(), good)
    }
}
