//! One running application with a clock, a producer and accounts of every tier at hand.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use alpine_domain::{
    Timestamp,
    account::{Role, Tier},
    jobs::JobState,
    time::ManualClock,
};
use alpine_testing::Wait;
use serde_json::Value;

use crate::support::{Answer, Backend, Client, Options, SignedIn, TestApp, backends};

pub const ARGO_SIGNALS: &str = include_str!("../../../domain/tests/data/argo-signals.jsonl");
pub const ARGO_OUTCOMES: &str = include_str!("../../../domain/tests/data/argo-outcomes.jsonl");
pub const ARGO_METRICS: &str = include_str!("../../../domain/tests/data/argo-metrics.json");
pub const EDGE_SIGNALS: &str = include_str!("../../../domain/tests/data/edge-signals.jsonl");
pub const MALFORMED_SIGNALS: &str =
    include_str!("../../../domain/tests/data/malformed-signals.jsonl");

/// The bodies in a file of cases, each to the letter.
pub fn bodies(cases: &str) -> impl Iterator<Item = String> {
    #[derive(serde::Deserialize)]
    struct Case {
        body: Box<serde_json::value::RawValue>,
    }
    cases.lines().map(|line| serde_json::from_str::<Case>(line).unwrap().body.get().to_owned())
}

/// What `/health` says of Redis, from `since` on.
pub fn health_tells(since: Instant) -> Wait {
    // `redis.check_interval`, a second for which a report is passed on, and one more for a busy machine.
    const LIMIT: Duration = Duration::from_secs(7);
    Wait::promised(
        LIMIT,
        since,
        "Redis is checked every 5 s: `redis.check_interval` of config/default.toml",
    )
}

pub struct Alpine {
    pub app: TestApp,
    pub clock: Arc<ManualClock>,
    pub producer_key: String,
    anybody: Client,
    producer: Client,
}

impl Alpine {
    /// Runs `test` on SQLite with memory, then on PostgreSQL with Redis.
    pub async fn on_every_back_end(test: impl AsyncFn(Self)) {
        Self::with(Options::default, test).await;
    }

    /// The same with settings of the test's own.
    pub async fn with(options: impl Fn() -> Options, test: impl AsyncFn(Self)) {
        for backend in backends() {
            eprintln!("on {backend:?}");
            test(Self::start(&backend, options()).await).await;
        }
    }

    pub async fn start(backend: &Backend, options: Options) -> Self {
        let start = Timestamp::parse_rfc3339("2026-01-01T00:00:00Z").unwrap();
        let app = TestApp::spawn_with(backend, options.clock_at(start)).await;
        let key = app.producer("argo").await;
        let clock = app.clock.clone().expect("the clock that was asked for");
        let anybody = app.client();
        Self { producer: anybody.with_key(&key), producer_key: key, anybody, clock, app }
    }

    /// A client with this token, or of nobody in particular.
    pub fn as_holder(&self, token: Option<&str>) -> Client {
        token.map_or_else(|| self.anybody.clone(), |token| self.anybody.with_token(token))
    }

    pub async fn get(&self, path: &str, token: Option<&str>) -> Answer {
        self.as_holder(token).get(path).await
    }

    pub async fn json(&self, path: &str, token: Option<&str>) -> Value {
        self.get(path, token).await.expect(200)
    }

    pub async fn post(&self, path: &str, body: &Value, token: Option<&str>) -> Answer {
        self.as_holder(token).post(path, body).await
    }

    pub async fn post_form(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        let request = self.anybody.request(reqwest::Method::POST, path).form(form);
        self.anybody.send(request).await
    }

    pub async fn post_as_producer(&self, path: &str, body: impl Into<String>) -> Answer {
        self.producer.post_text(path, body).await
    }

    pub async fn ingest(&self, body: &str) -> Answer {
        self.post_as_producer("external-signals/sync/signal", body).await
    }

    /// Signs in to an account of this tier and role, which is made when it is first asked for.
    pub async fn sign_in_as(&self, tier: Tier, role: Role) -> SignedIn {
        let email = format!("{tier}-{role}@example.com");
        let made = self
            .app
            .core
            .use_cases
            .accounts
            .create(&email, Client::PASSWORD, "Ada", tier, role)
            .await;
        if let Err(error) = made {
            assert!(matches!(error, alpine_domain::Error::Conflict(_)), "{error}");
        }
        self.anybody.sign_in(&email).await
    }

    pub async fn token_of(&self, tier: Tier, role: Role) -> String {
        self.sign_in_as(tier, role).await.access_token
    }

    /// Waits until what jobs were under way came to is kept: one that is held is due again when its lease ends, in more than a
    /// minute, and one that is to be tried again sooner.
    pub async fn until_no_job_is_under_way(&self) {
        let soon = self.app.now().later(Duration::from_secs(30));
        let jobs = &self.app.core.stores.jobs;
        Wait::unpromised("what a job came to is written as soon as the machine lets it")
            .until("no job is under way", async || {
                let pending = jobs.list(JobState::Pending, 100, 0).await.unwrap();
                pending.iter().all(|job| job.due_at <= soon && job.attempts > 0)
            })
            .await;
    }

    pub async fn admin_token(&self) -> String {
        self.token_of(Tier::Free, Role::Admin).await
    }
}
