//! Starts the real application in this process, on every combination of back ends, and talks to it
//! over real sockets.
//!
//! A test takes a [`Backend`] from [`backends`] and spawns a [`TestApp`] on it: a database of its own, a
//! Redis prefix of its own, free ports, a clock that the test moves if it wants to.
#![allow(dead_code, reason = "each test binary uses a part of the harness")]
#![expect(clippy::expect_used, reason = "a test that cannot be set up must panic, saying why")]

mod client;
pub mod process;
mod producer;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use alpine_domain::{
    Clock, Timestamp,
    time::{ManualClock, SystemClock},
};
use alpine_infra::{MonotonicClock, events::FollowState};
use alpine_server::{
    application::{Application, BackgroundTask, Core, MoreRoutes, Ports, StopHandle, TimeSource},
    config::{Config, Sources, keep_generated_secrets, load},
};
use diesel::RunQueryDsl as _;
use prometheus::Registry;
use tokio::{sync::watch, task::JoinHandle};

#[allow(unused_imports, reason = "each test binary uses a part of the harness")]
pub use client::{Answer, Client, SignedIn, Told};
pub use producer::SignalBody;

use alpine_testing::{TestDatabase, postgres_url, redis_prefix, redis_url};

/// A secret that passes the rules; tests sign nothing of value.
pub const SECRET: &str = "e2e0b1c2d3f405162738495a6b7c8d9eafb0c1d2";

/// What the application stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backend {
    /// The embedded default.
    SqliteMemory,
    /// A deployment; with the URL of a Redis that other tests use as well.
    PostgresRedis {
        /// That URL.
        redis: String,
    },
}

/// Every back end that this machine offers. Without servers the second one is left out with a message,
/// but never in continuous integration.
pub fn backends() -> Vec<Backend> {
    let mut all = vec![Backend::SqliteMemory];
    if let (Some(_), Some(redis)) = (postgres_url(), redis_url()) {
        all.push(Backend::PostgresRedis { redis });
    }
    all
}

/// What a test wants different from the defaults.
#[derive(Default)]
pub struct Options {
    /// Settings by environment name, `ALPINE__VISIBILITY__FREE__DELAY` for example.
    pub settings: Vec<(String, String)>,
    /// A clock that stands still until the test moves it.
    pub clock: Option<Arc<ManualClock>>,
    /// Clocks of the test's own, if it asks for no clock that stands still.
    pub time: Option<TimeSource>,
    /// By how many seconds the host's clocks are wrong.
    pub skew: i64,
    /// Routes besides those of the table, of every instance.
    pub more_routes: Option<MoreRoutes>,
    /// Changes settings beyond what their rules allow, for what would take a test hours.
    pub adjust: Option<fn(&mut Config)>,
}

impl Options {
    /// With one more setting.
    #[must_use]
    pub fn set(mut self, name: &str, value: &(impl ToString + ?Sized)) -> Self {
        self.settings.push((name.to_owned(), value.to_string()));
        self
    }

    /// With a clock that starts at `start`; the application's [`TestApp::clock`] moves it.
    #[must_use]
    pub fn clock_at(mut self, start: Timestamp) -> Self {
        self.clock = Some(Arc::new(ManualClock::starting_at(start)));
        self
    }
}

/// The token in a mail: 64 hexadecimal digits behind `token=`, in both of its forms.
pub fn mailed_token(mail: &str) -> String {
    let joined = mail.replace("=\r\n", "").replace("=3D", "=");
    joined.split_once("?token=").expect("a link").1[..64].to_owned()
}

/// Runs a statement that the use cases have no call for.
pub async fn execute(app: &TestApp, statement: String) {
    let write = move |unit: &mut alpine_persistence::Unit<'_>| {
        diesel::sql_query(statement.clone()).execute(unit.conn)?;
        Ok(())
    };
    app.core.database.write("test", write).await.expect("a good statement");
}

/// A host's clock that is wrong by some seconds.
struct Skewed<C>(C, i64);

impl<C: Clock> Clock for Skewed<C> {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.now().micros() + self.1 * 1_000_000)
    }
}

/// What instances of one application have in common. The database lives as long as it does.
#[derive(Clone)]
pub struct Deployment {
    folder: Arc<tempfile::TempDir>,
    database: Option<Arc<TestDatabase>>,
    settings: Vec<(String, String)>,
    clock: Option<Arc<ManualClock>>,
    time: Option<TimeSource>,
    more_routes: Option<MoreRoutes>,
    adjust: Option<fn(&mut Config)>,
}

/// The running application. Dropping it stops it; the last one to go drops the database.
pub struct TestApp {
    /// Where it listens, without a path: `http://127.0.0.1:PORT`.
    pub base: String,
    /// The use cases behind the surface, for what no route does.
    pub core: Arc<Core>,
    /// The settings in force.
    pub config: Config,
    /// How far this instance has come in the event log.
    pub follow_state: watch::Receiver<FollowState>,
    /// The clock, if the test asked for one.
    pub clock: Option<Arc<ManualClock>>,
    /// What runs in the background.
    pub tasks: Vec<BackgroundTask>,
    stop: StopHandle,
    running: Option<JoinHandle<anyhow::Result<()>>>,
    deployment: Deployment,
}

impl TestApp {
    /// Starts with the defaults.
    pub async fn spawn(backend: &Backend) -> Self {
        Self::spawn_with(backend, Options::default()).await
    }

    /// Starts with some settings changed.
    pub async fn spawn_with(backend: &Backend, options: Options) -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        let database = match backend {
            Backend::SqliteMemory => None,
            Backend::PostgresRedis { .. } => TestDatabase::create().map(Arc::new),
        };
        let database_url = database.as_ref().map_or_else(
            || format!("sqlite:{}", folder.path().join("alpine.db").display()),
            |database| database.url().to_owned(),
        );
        let mut settings = vec![
            ("ALPINE__HTTP__BIND".to_owned(), "127.0.0.1:0".to_owned()),
            ("ALPINE__DATA_DIR".to_owned(), folder.path().display().to_string()),
            ("ALPINE__SHUTDOWN__DRAIN".to_owned(), "0s".to_owned()),
            ("ALPINE__SHUTDOWN__GRACE".to_owned(), "2s".to_owned()),
            // Every test is one address, and the limits have tests of their own.
            ("ALPINE__RATE_LIMITS__ENABLED".to_owned(), "false".to_owned()),
            ("DATABASE_URL".to_owned(), database_url),
            ("JWT_SECRET".to_owned(), SECRET.to_owned()),
        ];
        if let Backend::PostgresRedis { redis } = backend {
            settings.push(("REDIS_URL".to_owned(), redis.clone()));
            let prefix = redis_prefix().trim_end_matches(':').to_owned();
            settings.push(("ALPINE__REDIS__KEY_PREFIX".to_owned(), prefix));
        }
        let Options { settings: changed, clock, time, skew, more_routes, adjust } = options;
        settings.extend(changed);
        let deployment =
            Deployment { folder, database, settings, clock, time, more_routes, adjust };
        deployment.start(skew).await
    }

    /// Another instance on the same database and Redis, with the same settings and clock.
    pub async fn sibling(&self) -> Self {
        self.deployment.start(0).await
    }

    /// What further instances are started from, also when this one has stopped.
    pub fn deployment(&self) -> Deployment {
        self.deployment.clone()
    }

    /// A client that nobody has signed in to.
    pub fn client(&self) -> Client {
        Client::new(&self.base)
    }

    /// The instant that the application takes for now.
    pub fn now(&self) -> Timestamp {
        self.core.ports.clock.now()
    }

    /// Moves the clock; only with [`Options::clock_at`].
    pub fn advance(&self, span: Duration) {
        self.clock.as_ref().expect("the test asked for a clock").advance(span);
    }

    /// Makes a producer; its key.
    pub async fn producer(&self, name: &str) -> String {
        let (_, key) = self.core.use_cases.producers.create(name, false).await.expect("a producer");
        key.reveal().to_owned()
    }

    /// Runs SQL on the PostgreSQL database and returns its rows as text; `None` on SQLite.
    pub fn sql(&self, statement: &str) -> Option<String> {
        self.deployment.sql(statement)
    }

    /// What `alpine migrate` works with, on this application's database.
    pub fn migrator(&self) -> alpine_persistence::Migrator {
        alpine_persistence::Migrator::connect(&self.config.database).expect("the database is there")
    }

    /// A file in the application's data directory.
    pub fn data_path(&self, name: &str) -> PathBuf {
        self.deployment.folder.path().join(name)
    }

    /// The mails in the outbox, in the order in which they were sent.
    pub fn mails(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.data_path("outbox")).into_iter().flatten();
        let paths = entries.map(|entry| entry.expect("an entry of the outbox").path());
        // What is not finished has another name.
        let mut mails: Vec<PathBuf> =
            paths.filter(|path| path.extension().is_some_and(|end| end == "eml")).collect();
        mails.sort();
        let text = |path| std::fs::read_to_string(path).expect("a mail");
        mails.into_iter().map(text).collect()
    }

    /// Begins an orderly stop and does not wait for it.
    pub fn begin_to_stop(&self) {
        self.stop.stop();
    }

    /// Stops in order and says how that went.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.stop.stop();
        self.running.take().expect("it runs").await?
    }
}

impl Deployment {
    /// Runs SQL on the PostgreSQL database and returns its rows as text; `None` on SQLite.
    pub fn sql(&self, statement: &str) -> Option<String> {
        self.database.as_ref().map(|database| database.execute(statement))
    }

    /// The same with one setting changed, by its environment variable.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same deployment on a copy of its database and under a Redis prefix of its own, by another
    /// clock. No instance may run meanwhile.
    pub fn copy(&self, clock: Arc<ManualClock>) -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        for entry in std::fs::read_dir(self.folder.path()).expect("the data directory") {
            let entry = entry.expect("an entry of the data directory");
            if entry.file_type().is_ok_and(|kind| kind.is_file()) {
                std::fs::copy(entry.path(), folder.path().join(entry.file_name())).expect("a copy");
            }
        }
        let database = self.database.as_ref().map(|database| Arc::new(database.copy()));
        let database_url = database.as_ref().map_or_else(
            || format!("sqlite:{}", folder.path().join("alpine.db").display()),
            |database| database.url().to_owned(),
        );
        let prefix = redis_prefix().trim_end_matches(':').to_owned();
        let copied = Self { folder, database, clock: Some(clock), ..self.clone() };
        let data = copied.folder.path().display().to_string();
        copied
            .with("DATABASE_URL", &database_url)
            .with("ALPINE__DATA_DIR", &data)
            .with("ALPINE__REDIS__KEY_PREFIX", &prefix)
    }

    /// Starts an instance on a host whose clocks are wrong by `skew` seconds.
    pub async fn start(&self, skew: i64) -> TestApp {
        let mut loaded = load(&Sources {
            environment: BTreeMap::from_iter(self.settings.clone()),
            ..Sources::default()
        })
        .expect("the test's settings are good");
        keep_generated_secrets(&mut loaded.config, &mut loaded.layers).expect("secrets");
        // Signals of tests have written times, some of them of long ago, whatever time it is.
        if !self.settings.iter().any(|(name, _)| name == "ALPINE__SIGNALS__LIVE_WITHIN") {
            loaded.config.signals.live_within = Duration::from_hours(24 * 36_500);
        }
        if let Some(adjust) = self.adjust {
            adjust(&mut loaded.config);
        }
        let mut ports = Ports::default();
        if let Some(clock) = &self.clock {
            ports.time = TimeSource::Manual(clock.clone());
        } else if let Some(time) = &self.time {
            ports.time = time.clone();
        } else if skew != 0 {
            let wall = Arc::new(Skewed(SystemClock, skew));
            let steady = Arc::new(Skewed(MonotonicClock::new(), skew));
            ports.time = TimeSource::Compared { wall, steady, database: None };
        }
        let more_routes = self.more_routes.unwrap_or(|_| Vec::new());
        let application =
            Application::build_with(&loaded.config, &ports, more_routes, Registry::new())
                .await
                .expect("the application starts");
        TestApp {
            base: format!("http://{}", application.address()),
            core: application.core().clone(),
            config: loaded.config,
            follow_state: application.follow_state(),
            clock: self.clock.clone(),
            tasks: application.background_tasks().to_vec(),
            stop: application.stop_handle(),
            running: Some(tokio::spawn(application.run())),
            deployment: self.clone(),
        }
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.stop.force();
    }
}
