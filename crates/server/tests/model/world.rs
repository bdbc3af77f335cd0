//! The real application beside the model: what happens, happens to both, and they must answer the same.

use std::{sync::Arc, time::Duration};

use alpine_domain::{
    Timestamp,
    account::{Role, Tier},
    page::Cursor,
    signal::SignalId,
    time::ManualClock,
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    alpine::{
        Account, Alpine, Answer, Credential, Draft, ENTRY, HORIZONS, MAX_KEYS, Producer, Report,
        SHORT_LIVED, Wanted, email,
    },
    operations::{By, Operation, Question, RoughDraft, What},
    support::{Backend, Client, Options, SignalBody, TestApp},
};

/// Accounts at most: each costs a hash.
const ACCOUNTS: usize = 5;
/// Within this time another instance knows of what happened.
const PROMISED: Duration = Duration::from_secs(2);
/// One whose signals are real, and one that simulates.
const PRODUCERS: usize = 2;

/// Both, and what clients of the real one keep.
pub(crate) struct World {
    model: Alpine,
    clock: Arc<ManualClock>,
    /// Connections to all instances: making a client takes longer than most answers.
    client: Client,
    apps: Vec<TestApp>,
    /// The log's end, and where it was after the newest operation of each instance that wrote.
    head: i64,
    heads: Vec<i64>,
    /// Access and refresh tokens of each session.
    tokens: Vec<(Vec<String>, Vec<String>)>,
    /// Id and secret of each API key.
    keys: Vec<(String, String)>,
    producers: Vec<String>,
    /// Who asked last, and what.
    last: Option<(Credential, Question)>,
}

impl World {
    /// An Alpine with some accounts and producers, on so many instances.
    pub(crate) async fn start(backend: &Backend, instances: usize) -> Self {
        let now = Timestamp::from_seconds(1_767_225_600);
        let hours = |n: usize| format!("{}h", HORIZONS[n].as_secs() / 3_600);
        let options = Options::default()
            .clock_at(now)
            // Expiry happens when it is said, and not beside it.
            .set("ALPINE__SIGNALS__EXPIRY_INTERVAL", "1d")
            .set(&format!("ALPINE__SIGNALS__EXPIRES_AFTER_BY_STRATEGY__{SHORT_LIVED}"), &hours(0))
            .set("ALPINE__SIGNALS__EXPIRES_AFTER", &hours(1))
            .set("ALPINE__SIGNALS__LIVE_WITHIN", &"24h")
            .set("ALPINE__ACCOUNTS__MAX_API_KEYS__FREE", &MAX_KEYS)
            .set("ALPINE__ACCOUNTS__MAX_API_KEYS__STARTER", &MAX_KEYS)
            .set("ALPINE__ACCOUNTS__MAX_API_KEYS__PRO", &MAX_KEYS)
            .set("ALPINE__ACCOUNTS__MAX_API_KEYS__ELITE", &MAX_KEYS)
            // What falls out of the last days may stay in a cached answer: for less than any `Wait` takes.
            .set("ALPINE__CACHE_TTL__PERFORMANCE", "1m")
            .set("ALPINE__CACHE_TTL__GRACE", "0s");
        let app = TestApp::spawn_with(backend, options).await;
        let clock = app.clock.clone().expect("a clock");
        let mut apps = vec![app];
        for _ in 1..instances {
            apps.push(apps[0].sibling().await);
        }
        let model = Alpine {
            now,
            accounts: Vec::new(),
            sessions: Vec::new(),
            keys: Vec::new(),
            producers: Vec::new(),
            signals: Vec::new(),
        };
        let mut world = Self {
            model,
            clock,
            client: apps[0].client(),
            head: 0,
            heads: vec![0; apps.len()],
            apps,
            tokens: Vec::new(),
            keys: Vec::new(),
            producers: Vec::new(),
            last: None,
        };
        for n in 0..PRODUCERS {
            let is_simulated = n == 1;
            let (name, core) = (format!("p{n}"), &world.apps[0].core);
            let made = core.use_cases.producers.create(&name, is_simulated).await;
            let (_, key) = made.expect("a producer");
            world.producers.push(key.reveal().to_owned());
            world.model.producers.push(Producer { is_simulated, is_disabled: false });
        }
        world
    }

    /// Lets it happen to both.
    ///
    /// # Errors
    /// When they answer in different ways.
    pub(crate) async fn happen(&mut self, operation: &Operation) -> Result<(), String> {
        let on = operation.on % self.apps.len();
        self.follow(on).await?;
        let answers = self.both(on, &operation.what).await;
        let head = self.apps[on].core.stores.events.head().await.expect("the log's head");
        if head > self.head {
            (self.head, self.heads[on]) = (head, head);
        }
        // What was answered last, and may be remembered, is asked again after every change.
        let answers = match self.last {
            Some((by, question)) if is_kept(&answers) => self.ask(on, by, question).await,
            _ => answers,
        };
        if is_kept(&answers) {
            return Ok(());
        }
        let (promised, told) = answers;
        let at = self.model.now;
        Err(format!(
            "{operation:?} at {at}, then {:?}\npromised {} {:#}\ntold     {} {:#}",
            self.last, promised.0, promised.1, told.0, told.1
        ))
    }

    /// Waits until the instance knows what happened on the others. What happened on itself it knows at once.
    async fn follow(&mut self, on: usize) -> Result<(), String> {
        let others = self.heads.iter().enumerate().filter(|(other, _)| *other != on);
        let newest = others.map(|(_, head)| *head).max();
        let follow_state = &mut self.apps[on].follow_state;
        let known = follow_state.wait_for(|state| state.position >= newest);
        let known = tokio::time::timeout(PROMISED, known).await;
        known.map(drop).map_err(|_| format!("instance {on} did not follow within {PROMISED:?}"))
    }

    async fn both(&mut self, on: usize, what: &What) -> (Answer, Answer) {
        const DONE: Answer = (200, Value::Null);
        let core = Arc::clone(&self.apps[on].core);
        match what {
            What::Wait { minutes } => {
                let span = Duration::from_secs(u64::from(*minutes) * 60);
                self.clock.advance(span);
                self.model.now = self.model.now.later(span);
                (DONE, DONE)
            }
            What::SignUp => self.sign_up(on).await,
            What::SignIn { account, password_is_right } => {
                self.sign_in(on, *account, *password_is_right).await
            }
            What::Refresh { session, older } => self.refresh(on, *session, *older).await,
            What::SignOut(by) => {
                let by = self.credential(*by);
                let promised = self.model.sign_out(by);
                (only(promised), self.post(on, by, "auth/logout", &json!({})).await)
            }
            What::SignOutEverywhere(by, and_keys) => {
                let by = self.credential(*by);
                let promised = self.model.sign_out_everywhere(by, *and_keys);
                let body = json!({"api_keys": and_keys});
                (only(promised), self.post(on, by, "auth/logout-all", &body).await)
            }
            What::SignOutEverybody => {
                self.model.sign_out_everybody();
                core.use_cases.accounts.sign_out_everybody().await.expect("everybody signed out");
                (DONE, DONE)
            }
            What::Grant { account, tier, role } => {
                let Some(account) = place(*account, &self.model.accounts) else {
                    return (DONE, DONE);
                };
                let email = email(account).parse().expect("an address");
                let found = core.stores.accounts.credentials(&email).await.expect("an account");
                let (found, _) = found.expect("the account");
                let granted = core.use_cases.accounts.set_tier_and_role(&found, *tier, *role).await;
                granted.expect("it is granted");
                self.model.accounts[account] = Account { tier: *tier, role: *role };
                (DONE, DONE)
            }
            What::MakeKey { by, days } => self.make_key(on, *by, *days).await,
            What::RevokeKey { by, key } => {
                let Some(key) = recent(*key, &self.keys) else { return (DONE, DONE) };
                let by = self.credential(*by);
                let promised = self.model.revoke_key(by, key);
                let path = format!("users/api-keys/{}", self.keys[key].0);
                (only(promised), self.send(on, by, Method::DELETE, &path).await)
            }
            What::DisableProducer(producer) => {
                let producer = producer % PRODUCERS;
                let all = core.use_cases.producers.list().await.expect("producers");
                let name = format!("p{producer}");
                let it = all.iter().find(|it| it.name.as_str() == name).expect("the producer");
                core.use_cases.producers.disable(it.id).await.expect("it is disabled");
                self.model.producers[producer].is_disabled = true;
                (DONE, DONE)
            }
            What::Post { producer, draft } => {
                let draft = self.finished(draft);
                self.submit(on, producer % PRODUCERS, self.model.signals.len(), draft).await
            }
            What::PostAgain { producer, signal, is_changed } => {
                let Some(signal) = place(*signal, &self.model.signals) else {
                    return (DONE, DONE);
                };
                let signal = self.model.signals[signal].clone();
                let mut draft = signal.draft;
                draft.has_limits ^= is_changed;
                self.submit(on, producer % PRODUCERS, signal.external, draft).await
            }
            What::Report { by_another, signal, exit, minutes, status } => {
                let Some(signal) = place(*signal, &self.model.signals) else {
                    return (DONE, DONE);
                };
                let signal = &self.model.signals[signal];
                let producer = (signal.producer + usize::from(*by_another)) % PRODUCERS;
                let at = signal.draft.signalled_at.micros() + minutes * 60_000_000;
                let report =
                    Report { exit: *exit, at: Timestamp::from_micros(at), status: *status };
                self.report(on, producer, signal.external, report).await
            }
            What::Expire => {
                let promised = self.model.expire();
                let (told, _) = core.use_cases.expiry.run_once().await.expect("expiry");
                ((200, json!(promised)), (200, json!(told)))
            }
            What::Ask { by, question, other, condition } => {
                self.ask_twice(on, *by, *question, question.with(*other, *condition)).await
            }
            What::Restart => {
                let deployment = self.apps[on].deployment();
                self.apps.remove(on).stop().await.expect("it stops");
                self.apps.insert(on, deployment.start(0).await);
                (DONE, DONE)
            }
        }
    }

    async fn sign_up(&mut self, on: usize) -> (Answer, Answer) {
        let account = self.model.accounts.len();
        if account == ACCOUNTS {
            return Box::pin(self.sign_in(on, account, true)).await;
        }
        self.model.accounts.push(Account { tier: Tier::Free, role: Role::User });
        self.model.sign_in(account, true);
        let body = json!({
            "email": email(account), "password": Client::PASSWORD, "full_name": "Somebody",
        });
        let told = self.post(on, Credential::Nothing, "auth/signup", &body).await;
        self.keep_tokens(self.tokens.len(), &told.1);
        (only(201), told)
    }

    async fn sign_in(&mut self, on: usize, account: usize, is_right: bool) -> (Answer, Answer) {
        let Some(account) = place(account, &self.model.accounts) else {
            return Box::pin(self.sign_up(on)).await;
        };
        let promised = self.model.sign_in(account, is_right);
        let password = if is_right { Client::PASSWORD } else { "not the password" };
        let body = json!({"email": email(account), "password": password});
        let told = self.post(on, Credential::Nothing, "auth/login", &body).await;
        self.keep_tokens(self.tokens.len(), &told.1);
        (only(promised), told)
    }

    async fn refresh(&mut self, on: usize, session: usize, older: usize) -> (Answer, Answer) {
        let Some(session) = recent(session, &self.tokens) else { return (only(200), only(200)) };
        let token = (self.model.sessions[session].refresh - 1).saturating_sub(older);
        let promised = self.model.refresh(session, token);
        let body = json!({"refresh_token": self.tokens[session].1[token]});
        let told = self.post(on, Credential::Nothing, "auth/refresh", &body).await;
        self.keep_tokens(session, &told.1);
        (only(promised), told)
    }

    /// Keeps the tokens of an answer, if it has any.
    fn keep_tokens(&mut self, session: usize, answer: &Value) {
        let text = |key: &str| answer[key].as_str().map(str::to_owned);
        let (Some(access), Some(refresh)) = (text("access_token"), text("refresh_token")) else {
            return;
        };
        if session == self.tokens.len() {
            self.tokens.push((Vec::new(), Vec::new()));
        }
        let (accesses, refreshes) = &mut self.tokens[session];
        accesses.push(access);
        // Sent again, a used token gives the same one.
        if refreshes.last() != Some(&refresh) {
            refreshes.push(refresh);
        }
    }

    async fn make_key(&mut self, on: usize, by: By, days: Option<u32>) -> (Answer, Answer) {
        let by = self.credential(by);
        let promised = self.model.make_key(by, days);
        let ends = days
            .map(|days| self.model.now.later(Duration::from_secs(u64::from(days) * 24 * 60 * 60)));
        let body = json!({"name": "a program", "expires_at": ends});
        let told = self.post(on, by, "users/api-keys", &body).await;
        let text = |key: &str| told.1[key].as_str().map(str::to_owned);
        self.keys.extend(text("id").zip(text("key")));
        (only(promised), told)
    }

    fn finished(&self, draft: &RoughDraft) -> Draft {
        let RoughDraft { symbol, action, confidence, strategy, has_limits, minutes } = *draft;
        let signalled_at = self.model.now.earlier(Duration::from_secs(u64::from(minutes) * 60));
        Draft { symbol, action, confidence, strategy, has_limits, signalled_at }
    }

    async fn submit(
        &mut self,
        on: usize,
        producer: usize,
        external: usize,
        draft: Draft,
    ) -> (Answer, Answer) {
        let promised = self.model.post(producer, external, &draft);
        let told = self.produce(on, producer, "signal", body_of(external, &draft)).await;
        if promised == 201 {
            let signal = self.model.signals.last_mut().expect("the signal");
            signal.id = told.1["alpine_signal_id"].as_i64().unwrap_or_default();
        }
        (only(promised), told)
    }

    async fn report(
        &mut self,
        on: usize,
        producer: usize,
        external: usize,
        report: Report,
    ) -> (Answer, Answer) {
        let promised = self.model.report(producer, external, report);
        let body = json!({
            "signal_id": external_id(external), "exit_price": report.exit,
            "exit_timestamp": report.at, "status": report.status,
        });
        let told = self.produce(on, producer, "outcome", body.to_string()).await;
        (promised, told)
    }

    /// Asks one question and then another; what went wrong first.
    async fn ask_twice(
        &mut self,
        on: usize,
        by: By,
        first: Question,
        second: Option<Question>,
    ) -> (Answer, Answer) {
        let by = self.credential(by);
        self.last = Some((by, first));
        let answers = self.ask(on, by, first).await;
        match second {
            Some(second) if is_kept(&answers) => self.ask(on, by, second).await,
            _ => answers,
        }
    }

    async fn ask(&mut self, on: usize, by: Credential, question: Question) -> (Answer, Answer) {
        let model = &self.model;
        let (promised, path) = match question {
            Question::Profile => (model.profile(by), "auth/me".to_owned()),
            Question::Latest(wanted) => {
                let Wanted { limit, premium_only, symbol, .. } = wanted;
                let wanted = Wanted { limit, premium_only, symbol, ..Wanted::default() };
                (model.latest(by, &wanted), self.path("signals/latest", &wanted))
            }
            Question::Live(Wanted { limit, .. }) => {
                let wanted = Wanted { limit, ..Wanted::default() };
                (model.live(by, &wanted), self.path("signals/live", &wanted))
            }
            Question::Subscribed(wanted) => {
                let after = wanted.after.and_then(|after| place(after, &model.signals));
                let wanted = Wanted {
                    after,
                    days: None,
                    status: None,
                    strategy: None,
                    late: false,
                    record: None,
                    ..wanted
                };
                (model.subscribed(by, &wanted), self.path("signals/subscribed", &wanted))
            }
            Question::History(Wanted { limit, days, symbol, status, .. }) => {
                let days = Some(days.unwrap_or(30));
                let wanted = Wanted { limit, symbol, days, status, ..Wanted::default() };
                (model.history(by, &wanted), self.path("signals/history", &wanted))
            }
            Question::Export(Wanted { days, .. }) => {
                let wanted = Wanted { days: Some(days.unwrap_or(30)), ..Wanted::default() };
                let path = self.path("signals/export?format=json", &wanted);
                (model.export(by, &wanted), path)
            }
            Question::Find(signal) => {
                let Some(signal) = place(signal, &model.signals) else {
                    return (only(200), only(200));
                };
                let path = format!("signals/{}", model.signals[signal].id);
                (model.find(by, signal), path)
            }
            Question::Statistics(Wanted { symbol, strategy, days, late, record, .. }) => {
                let wanted = Wanted { symbol, strategy, days, late, record, ..Wanted::default() };
                (model.statistics(by, &wanted), self.path("performance/stats", &wanted))
            }
            Question::Curve(Wanted { symbol, strategy, days, late, record, .. }) => {
                let wanted = Wanted { symbol, strategy, days, late, record, ..Wanted::default() };
                (model.curve(by, &wanted), self.path("performance/equity-curve", &wanted))
            }
            Question::Symbols(Wanted { record, .. }) => {
                let wanted = Wanted { record, ..Wanted::default() };
                (model.symbols(by, &wanted), self.path("symbols", &wanted))
            }
        };
        (promised, self.send(on, by, Method::GET, &path).await)
    }

    /// The path with what is wanted beside the defaults.
    fn path(&self, path: &str, wanted: &Wanted) -> String {
        let mut query = Vec::new();
        let mut add = |key: &str, value: Option<String>| {
            query.extend(value.map(|value| format!("{key}={value}")));
        };
        let cursor = wanted.after.map(|after| {
            let signal = &self.model.signals[after];
            Cursor { created_at: signal.accepted_at, id: SignalId::new(signal.id) }
        });
        add("limit", (wanted.limit > 0).then(|| wanted.limit.to_string()));
        add("offset", (wanted.offset > 0).then(|| wanted.offset.to_string()));
        add("cursor", cursor.map(|cursor| cursor.to_string()));
        add("premium_only", wanted.premium_only.then(|| "true".to_owned()));
        add("symbol", wanted.symbol.map(str::to_owned));
        add("action", wanted.action.map(|action| action.to_string()));
        add("min_confidence", wanted.min_confidence.map(|percent| percent.to_string()));
        add("strategy", wanted.strategy.map(str::to_owned));
        add("days", wanted.days.map(|days| days.to_string()));
        add("status", wanted.status.map(|status| status.to_string()));
        add("late", wanted.late.then(|| "include".to_owned()));
        add("record", wanted.record.map(|record| record.to_string()));
        let joint = if path.contains('?') { '&' } else { '?' };
        format!("{path}{joint}{}", query.join("&"))
    }

    fn credential(&self, by: By) -> Credential {
        match by {
            By::Nobody => Credential::Nothing,
            By::Token { session, older } => {
                let Some(session) = recent(session, &self.tokens) else {
                    return Credential::Nothing;
                };
                let newest = self.model.sessions[session].access.len() - 1;
                Credential::Token(session, newest.saturating_sub(older))
            }
            By::Key(key) => recent(key, &self.keys).map_or(Credential::Nothing, Credential::Key),
        }
    }

    fn client(&self, on: usize, by: Credential) -> Client {
        let client = self.client.at(&self.apps[on].base);
        match by {
            Credential::Nothing => client,
            Credential::Token(session, token) => client.with_token(&self.tokens[session].0[token]),
            Credential::Key(key) => client.with_key(&self.keys[key].1),
        }
    }

    async fn send(&self, on: usize, by: Credential, method: Method, path: &str) -> Answer {
        let client = self.client(on, by);
        read(&client.send(client.request(method, path)).await)
    }

    async fn post(&self, on: usize, by: Credential, path: &str, body: &Value) -> Answer {
        read(&self.client(on, by).post(path, body).await)
    }

    async fn produce(&self, on: usize, producer: usize, what: &str, body: String) -> Answer {
        let client = self.client(on, Credential::Nothing).with_key(&self.producers[producer]);
        read(&client.post_text(&format!("external-signals/sync/{what}"), body).await)
    }
}

fn only(status: u16) -> Answer {
    (status, Value::Null)
}

fn read(answer: &crate::support::Answer) -> Answer {
    (answer.status.as_u16(), serde_json::from_str(&answer.text).unwrap_or_default())
}

/// The place that `n` stands for; none in an empty list.
fn place<T>(n: usize, list: &[T]) -> Option<usize> {
    n.checked_rem(list.len())
}

/// One of the last three places: what is done to a session or key and what it does then should often meet.
fn recent<T>(n: usize, list: &[T]) -> Option<usize> {
    n.checked_rem(list.len().min(3)).map(|n| list.len() - 1 - n)
}

fn external_id(external: usize) -> String {
    format!("SIG-{external}")
}

fn body_of(external: usize, draft: &Draft) -> String {
    let limit = |gain: i64| {
        let sign = if draft.action == alpine_domain::signal::Action::Buy { 1 } else { -1 };
        draft.has_limits.then(|| (ENTRY + sign * gain).to_string())
    };
    SignalBody {
        symbol: draft.symbol.to_owned(),
        action: draft.action.to_string(),
        entry_price: ENTRY.to_string(),
        target_price: limit(10),
        stop_price: limit(-10),
        strategy: draft.strategy.to_owned(),
        timestamp: draft.signalled_at.to_string(),
        ..SignalBody::new(&external_id(external), &draft.confidence.to_string())
    }
    .to_json()
}

/// Whether what was told is what was promised.
fn is_kept((promised, told): &(Answer, Answer)) -> bool {
    promised.0 == told.0 && (promised.1.is_null() || holds(&promised.1, &told.1))
}

/// Whether an answer holds what is promised. A member that is not there counts as null, and 5 as 5.0.
fn holds(promised: &Value, told: &Value) -> bool {
    match (promised, told) {
        (Value::Object(promised), told) => {
            told.is_object() && promised.iter().all(|(key, value)| holds(value, &told[key]))
        }
        (Value::Array(promised), Value::Array(told)) => {
            promised.len() == told.len() && promised.iter().zip(told).all(|(a, b)| holds(a, b))
        }
        (Value::Number(promised), Value::Number(told)) => promised.as_f64() == told.as_f64(),
        _ => promised == told,
    }
}
