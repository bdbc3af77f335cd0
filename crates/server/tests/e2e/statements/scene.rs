//! Who asks, and what requests name.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use alpine_domain::{
    Timestamp,
    account::{Role, Secret, Tier},
};
use alpine_infra::payments::sign;
use alpine_testing::Wait;
use reqwest::Method;
use serde_json::{Value, json};

use super::rows;
use crate::{
    stripe::{
        fake::{FakeStripe, WEBHOOK_SECRET, object},
        paid_by,
    },
    support::{Answer, Backend, Client, Options, SignalBody, TestApp, execute, mailed_token},
    telegram::{
        self,
        fake::{FakeTelegram, SECRET},
    },
};

/// Accounts of those who ask, and of those who are named. Each has as many rows of its own as there are of everything.
const ACCOUNTS: &[(&str, Tier, Role)] = &[
    ("admin", Tier::Free, Role::Admin),
    ("reader", Tier::Elite, Role::User),
    ("keys", Tier::Elite, Role::User),
    ("payer", Tier::Free, Role::User),
    ("buyer", Tier::Free, Role::User),
    ("leaver", Tier::Free, Role::User),
    ("leaver-everywhere", Tier::Elite, Role::User),
    ("changer", Tier::Elite, Role::User),
    ("mover", Tier::Elite, Role::User),
    ("deleter", Tier::Elite, Role::User),
    ("forgetful", Tier::Elite, Role::User),
    ("linked", Tier::Free, Role::User),
    ("unconfirmed", Tier::Free, Role::User),
    ("promoted", Tier::Elite, Role::User),
    ("disabled", Tier::Elite, Role::User),
    ("factor-none", Tier::Free, Role::User),
    ("factor-begun", Tier::Free, Role::User),
    ("factor-tried", Tier::Free, Role::User),
    ("factor-renewed", Tier::Free, Role::User),
    ("factor-off", Tier::Free, Role::User),
    ("factor-asked", Tier::Free, Role::User),
];
/// Those whose second factor is on.
const WITH_FACTOR: [&str; 4] = ["factor-tried", "factor-renewed", "factor-off", "factor-asked"];
/// Those who make keys, or are told them, and therefore have few.
const WITHOUT_KEYS: [&str; 2] = ["keys", "admin"];

/// Seals what authenticators share.
const SEALING: &str = "5d2f81c09e7b4a6638f1d0c2e7a95b42aa17c3d8";

/// Signals of the batch that is asked for.
const LINES: usize = 10;

/// The running application with rows, everybody signed in, and what requests name by `<name>`.
pub struct Scene {
    pub app: TestApp,
    stripe: Option<FakeStripe>,
    clients: BTreeMap<&'static str, Client>,
    pub named: BTreeMap<String, String>,
}

fn address(name: &str) -> String {
    format!("{name}@example.com")
}

/// What an authenticator shows.
fn code(setup: &Value, app: &TestApp) -> String {
    let secret = totp_rs::Secret::try_from_base32(setup["secret"].as_str().unwrap()).unwrap();
    let totp = totp_rs::Builder::new().with_secret(secret).build().unwrap();
    totp.generate(u64::try_from(app.now().seconds()).unwrap()).to_string()
}

impl Scene {
    /// With `count` rows of everything.
    pub async fn with(backend: &Backend, count: usize) -> Self {
        let stripe = FakeStripe::start();
        let options = paid_by(&stripe).set("ALPINE__ACCOUNTS__CONFIRM_ADDRESSES", "always");
        let telegram = FakeTelegram::start();
        let settings = telegram::settings(&telegram);
        let options =
            settings.iter().fold(options, |options, (name, value)| options.set(name, value));
        let mut it = Self::beginning(backend, options, Some(stripe), count).await;
        it.factors().await;
        it.mails().await;
        it.pays().await;
        it.is_invited(&telegram).await;
        it.objects(count).await;
        it.stripe.iter().for_each(FakeStripe::expect_faultless);
        it
    }

    /// Where nothing is paid, and signing up is not confirmed.
    pub async fn in_development(backend: &Backend, count: usize) -> Self {
        let options = Options::default().set("ALPINE__BILLING__PROVIDER", "development");
        let mut it = Self::beginning(backend, options, None, count).await;
        let wish = json!({"tier": "pro"});
        let begun = it.client("buyer").post("subscriptions/upgrade", &wish).await.expect(200);
        let page = begun["checkout_url"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        it.name("checkout", &page);
        it
    }

    async fn beginning(
        backend: &Backend,
        options: Options,
        stripe: Option<FakeStripe>,
        count: usize,
    ) -> Self {
        let start = Timestamp::parse_rfc3339("2026-01-01T00:00:00Z").unwrap();
        let options = options
            .clock_at(start)
            .set("FRONTEND_URL", "https://www.example.com")
            .set("ALPINE__SECRETS__SECOND_FACTOR", SEALING)
            // Each answer is made anew, and no connection is looked at before it is used.
            .set("ALPINE__CACHE__MAX_BODY", "1B")
            .set("ALPINE__DATABASE__CHECK_AFTER_IDLE", "1h")
            .set("ALPINE__EVENTS__POLL_INTERVAL", "10ms")
            // Sums are made between two walks or in none.
            .set("ALPINE__RECORD__SEAL_INTERVAL", "24h");
        let app = TestApp::spawn_with(backend, options).await;
        let mut it = Self { app, stripe, clients: BTreeMap::new(), named: BTreeMap::new() };
        it.clients.insert("anybody", it.app.client());
        it.everybody_signs_in().await;
        it.signals(count).await;
        it.rows(count).await;
        it
    }

    pub fn client(&self, name: &str) -> &Client {
        self.clients.get(name).unwrap_or_else(|| panic!("nobody is called {name}"))
    }

    fn name(&mut self, name: &str, value: &(impl ToString + ?Sized)) {
        self.named.insert(format!("<{name}>"), value.to_string());
    }

    /// A text with what it names in it.
    pub fn told(&self, text: &str) -> String {
        self.named.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
    }

    async fn everybody_signs_in(&mut self) {
        let (anybody, core) = (self.app.client(), Arc::clone(&self.app.core));
        let accounts = &core.use_cases.accounts;
        for (name, tier, role) in ACCOUNTS {
            let email = address(name);
            accounts.create(&email, Client::PASSWORD, "Ada", *tier, *role).await.unwrap();
            let signed_in = anybody.sign_in(&email).await;
            self.clients.insert(name, anybody.with_token(&signed_in.access_token));
            self.name(&format!("user of {name}"), signed_in.user["id"].as_str().unwrap());
            self.name(&format!("refresh of {name}"), &signed_in.refresh_token);
        }
    }

    async fn signals(&mut self, count: usize) {
        let producer = self.app.client().with_key(&self.app.producer("argo").await);
        let lines = |name: &str, lines: usize| {
            let line = |n| SignalBody::new(&format!("{name}-{n}"), ["96", "70"][n % 2]).to_json();
            (0..lines).map(line).collect::<Vec<_>>().join("\n")
        };
        let batch = "external-signals/sync/batch";
        let stored = producer.post_text(batch, lines("S", count)).await.expect(200);
        assert_eq!(stored["stored"], count, "{stored}");
        rows::outcomes(&self.app).await;
        let one = SignalBody::new("open", "70").to_json();
        let stored = producer.post_text("external-signals/sync/signal", one).await.expect(201);
        self.name("signal", &stored["alpine_signal_id"]);
        self.name("line", &SignalBody::new("one more", "70").to_json());
        self.name("lines", &lines("T", LINES));
        self.clients.insert("producer", producer);
    }

    async fn rows(&mut self, count: usize) {
        rows::of_everybody(&self.app, count).await;
        // An administrator's address is known to be the own one.
        let email = address("promoted");
        execute(&self.app, format!("UPDATE users SET is_verified = TRUE WHERE email = '{email}'"))
            .await;
        for (n, (name, ..)) in ACCOUNTS.iter().enumerate() {
            let user = self.named[&format!("<user of {name}>")].clone();
            rows::of(&self.app, &user, n + 1, count).await;
            if !WITHOUT_KEYS.contains(name) {
                rows::keys_of(&self.app, &user, n + 1, count).await;
            }
        }
    }

    /// Second factors, begun and on, and what their owners are asked for.
    async fn factors(&mut self) {
        let begun = self.client("factor-begun").post("2fa/setup", &json!({})).await.expect(200);
        let mut on = Vec::new();
        for name in WITH_FACTOR {
            let setup = self.client(name).post("2fa/setup", &json!({})).await.expect(200);
            let body = json!({"password": Client::PASSWORD, "token": code(&setup, &self.app)});
            self.client(name).post("2fa/enable", &body).await.expect(200);
            on.push((name, setup));
        }
        // A code is taken once.
        self.app.advance(Duration::from_secs(30));
        self.name("code of factor-begun", &code(&begun, &self.app));
        for (name, setup) in on {
            self.name(&format!("code of {name}"), &code(&setup, &self.app));
        }
        let body = json!({"email": address("factor-asked"), "password": Client::PASSWORD});
        let asked = self.app.client().post("auth/login", &body).await.expect(200);
        self.name("challenge", asked["mfa_token"].as_str().unwrap());
    }

    /// What is mailed to those who ask for it.
    async fn mails(&mut self) {
        let anybody = self.app.client();
        let to = |name: &str| json!({"email": address(name)});
        anybody.post("auth/forgot-password", &to("forgetful")).await.expect(200);
        self.mailed("token of forgetful", "forgetful").await;
        anybody.post("auth/sign-in-link", &to("linked")).await.expect(200);
        self.mailed("token of linked", "linked").await;
        self.client("unconfirmed").post("auth/resend-verification", &json!({})).await.expect(200);
        self.mailed("token of unconfirmed", "unconfirmed").await;
        let body =
            json!({"email": address("new"), "password": Client::PASSWORD, "full_name": "New"});
        anybody.post("auth/signup", &body).await.expect(202);
        self.mailed("token of new", "new").await;
        let body = json!({"email": address("moved"), "current_password": Client::PASSWORD});
        self.client("mover").put("users/profile", &body).await.expect(202);
        self.mailed("token of moved", "moved").await;
    }

    /// Names the token that was mailed to `to`.
    async fn mailed(&mut self, name: &str, to: &str) {
        let header = format!("To: {}", address(to));
        let app = &self.app;
        let found = async || {
            let mails = app.mails();
            mails.iter().find(|mail| mail.contains(&header)).map(|mail| mailed_token(mail))
        };
        let token =
            Wait::unpromised("mail is sent by a job").until_some("a mail is sent", found).await;
        self.name(name, &token);
    }

    /// The payer has a subscription.
    async fn pays(&mut self) {
        let wish = json!({"tier": "starter"});
        let stripe = self.stripe.clone().unwrap();
        self.client("payer").post("subscriptions/upgrade", &wish).await.expect(200);
        let customer = {
            let books = stripe.books();
            books.objects["customers"][0]["id"].as_str().unwrap().to_owned()
        };
        stripe.pay(&customer, self.app.now().seconds(), 30);
        let event = object("subscription", json!({"id": "sub_1", "customer": customer}));
        let kind = "customer.subscription.created";
        self.signed(&stripe.event(kind, &event).1).await.expect(200);
        let it = &*self;
        Wait::unpromised("an event is a job")
            .until("the tier is given", async || {
                it.client("payer").get("subscriptions/plan").await.expect(200)["tier"] == "starter"
            })
            .await;
        let (_, event) = stripe.event("customer.subscription.updated", &event);
        self.named.insert("<event>".to_owned(), event);
    }

    /// Somebody follows the link to the channel.
    async fn is_invited(&mut self, telegram: &FakeTelegram) {
        let invite = async || {
            let asked = "users/channels/telegram/invite";
            let told = self.client("keys").post(asked, &json!({})).await.expect(200);
            told["link"].as_str().map(ToOwned::to_owned)
        };
        let link = Wait::unpromised("a link is made by a job").until_some("a link", invite).await;
        let update = telegram.follow(&link, 7);
        self.name("update", &update);
    }

    /// The answer to an event that Stripe signed.
    async fn signed(&self, event: &str) -> Answer {
        let header = sign(&Secret::new(WEBHOOK_SECRET), self.app.now(), event.as_bytes());
        let client = self.client("anybody");
        let request =
            client.request(Method::POST, "webhooks/stripe").header("stripe-signature", header);
        client.send(request.header("content-type", "application/json").body(event.to_owned())).await
    }

    /// What stands in paths and bodies.
    async fn objects(&mut self, count: usize) {
        let named = |body: &Value| body["id"].to_string().trim_matches('"').to_owned();
        let keys =
            self.client("keys").post("users/api-keys", &json!({"name": "spare"})).await.expect(201);
        let sessions = self.client("reader").get("users/sessions").await.expect(200);
        let told = self.client("reader").get("notifications?limit=100").await.expect(200);
        let ids: Vec<_> = told["items"].as_array().unwrap().iter().map(named).collect();
        assert!(ids.len() >= count.min(100), "{told}");
        let sessions = sessions["items"].as_array().unwrap();
        let other = sessions.iter().find(|session| session["current"] == false).unwrap();
        let other = named(other);
        self.name("key", &named(&keys));
        self.name("session", &other);
        self.name("notification", &ids[0]);
        self.name("notifications", &json!(ids));
        self.name("producer", &2);
        self.name("password", Client::PASSWORD);
    }

    /// Waits until the log is read to its end: what it says is forgotten when it is written, and once more when it is
    /// read, and whoever is asked in between looks it up once more.
    pub async fn settle(&self) {
        let head = self.app.core.stores.events.head().await.unwrap();
        let has_read = async || self.app.follow_state.borrow().position >= Some(head);
        Wait::unpromised("a busy machine decides").until("the log is read", has_read).await;
    }

    /// The answer to a request. A text is sent as JSON; an empty one is not sent.
    pub async fn ask(&self, by: &str, method: &Method, path: &str, text: &str) -> Answer {
        if by == "stripe" {
            return self.signed(text).await;
        }
        let is_telegram = by == "telegram";
        let client = self.client(if is_telegram { "anybody" } else { by });
        let mut request = client.request(method.clone(), path);
        if is_telegram {
            request = request.header("x-telegram-bot-api-secret-token", SECRET);
        }
        if text.is_empty() {
            return client.send(request).await;
        }
        client.send(request.header("content-type", "application/json").body(text.to_owned())).await
    }
}
