//! One of the two databases, and the application on it.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use alpine_domain::{
    Timestamp,
    account::{AccountPorts, Accounts, AddressDigest, Secret, SignedIn},
    ports::secrets::{HashPriority, PasswordCheck, PasswordHasher},
    producer::Producer,
};
use alpine_http::{Route, routes};
use alpine_server::{
    application::{Application, Core, Ports, StopHandle},
    config::Config,
};
use anyhow::{Context as _, Result, ensure};
use async_trait::async_trait;
use prometheus::Registry;
use tokio::task::JoinHandle;

use super::seed::{self, KEY_USER, Origin, Sizes};
use crate::{fixture, loader::Loader};

/// Where copies of the table's routes stand that ask the database each time.
pub(super) const UNCACHED: &str = "/api/v1/uncached/";
/// Everybody's password.
pub(super) const PASSWORD: &str = "a quiet river at dawn";
/// Whom nobody but the readers of lists is: of the tier without bounds.
pub(super) const READER: i64 = 19;
/// A start that takes longer has failed.
const START_DEADLINE: Duration = Duration::from_mins(1);

/// A database of one age, with an instance of the application.
pub(super) struct Side {
    pub(super) name: &'static str,
    pub(super) config: Config,
    pub(super) sizes: Sizes,
    /// The newest instant of what was there at the beginning.
    pub(super) seeded_at: Timestamp,
    pub(super) producer: Producer,
    pub(super) core: Arc<Core>,
    /// Sign-ins without hashing: what is left is what the database does.
    pub(super) accounts: Accounts,
    pub(super) address: AddressDigest,
    pub(super) http: reqwest::Client,
    /// Access tokens of a reader without bounds and of the user with many ended keys.
    pub(super) reader: String,
    pub(super) key_user: String,
    instance: Instance,
    turns: AtomicI64,
    pruned: AtomicI64,
    sessions_deleted: AtomicI64,
    reported: AtomicI64,
}

impl Side {
    /// Makes the schema, fills it and starts the application.
    pub(super) async fn make(
        name: &'static str,
        folder: &Path,
        url: Option<String>,
        sizes: Sizes,
    ) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let mut config = fixture::config(folder, 1)?;
        config.database.url = url.unwrap_or_default();
        // Each operation is asked for often, and nothing runs beside it.
        config.rate_limits.enabled = false;
        config.http.max_exports_per_account = 1_000;
        config.signals.expiry_interval = Duration::from_hours(24);
        let core = Core::wire(&config, &Ports::default(), &Registry::new())?;
        core.prepare_schema(&config).await?;
        let (producer, _) = core.use_cases.producers.create("age", false).await?;
        let password_hash = core.ports.hasher.hash(PASSWORD, HashPriority::Known).await?;
        let address = core.use_cases.accounts.address_digest("192.0.2.7")?;
        let seeded_at = core.ports.clock.now();
        drop(core);

        let database = config.database_url().reveal().to_owned();
        let (from, id) = (address.clone(), producer.id.get());
        let filled = tokio::task::spawn_blocking(move || {
            let origin = Origin {
                now: seeded_at,
                password_hash: &password_hash,
                address: &from,
                producer: id,
            };
            seed::fill(&mut Loader::connect(&database)?, &sizes, &origin, name)
        });
        filled.await??;
        Self::start(name, config, sizes, seeded_at, producer, address).await
    }

    async fn start(
        name: &'static str,
        config: Config,
        sizes: Sizes,
        seeded_at: Timestamp,
        producer: Producer,
        address: AddressDigest,
    ) -> Result<Self> {
        let http = reqwest::Client::builder().timeout(Duration::from_mins(2)).build()?;
        let instance = Instance::start(&config).await?;
        instance.until_ready(&http).await?;
        let core = Arc::clone(&instance.core);
        let accounts = without_hashing(&core, &config)?;
        let mut side = Self {
            name,
            config,
            sizes,
            seeded_at,
            producer,
            core,
            accounts,
            address,
            http,
            reader: String::new(),
            key_user: String::new(),
            instance,
            turns: AtomicI64::new(0),
            pruned: AtomicI64::new(0),
            sessions_deleted: AtomicI64::new(0),
            reported: AtomicI64::new(0),
        };
        side.reader = String::from(side.sign_in(READER).await?.access_token.reveal());
        side.key_user = String::from(side.sign_in(KEY_USER).await?.access_token.reveal());
        Ok(side)
    }

    /// Signs a user in as `POST auth/login` does, but for the hashing.
    pub(super) async fn sign_in(&self, user: i64) -> Result<SignedIn> {
        self.sign_in_by(&self.accounts, user).await
    }

    /// Signs a user in with these use cases, and their hasher.
    pub(super) async fn sign_in_by(&self, accounts: &Accounts, user: i64) -> Result<SignedIn> {
        let email = seed::email(user);
        let priority = accounts.knows(&self.address, &email).await?;
        Ok(accounts.sign_in(Some(&self.address), priority, &email, PASSWORD).await?)
    }

    /// Another number each time, from 1.
    pub(super) fn turn(&self) -> i64 {
        self.turns.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// How many events were pruned before.
    pub(super) fn pruned(&self) -> i64 {
        self.pruned.load(Ordering::Relaxed)
    }

    /// Counts events that were pruned.
    pub(super) fn note_pruned(&self, events: i64) {
        self.pruned.fetch_add(events, Ordering::Relaxed);
    }

    /// How many sessions were deleted before.
    pub(super) fn sessions_deleted(&self) -> i64 {
        self.sessions_deleted.load(Ordering::Relaxed)
    }

    /// Counts sessions that were deleted.
    pub(super) fn note_sessions_deleted(&self, sessions: i64) {
        self.sessions_deleted.fetch_add(sessions, Ordering::Relaxed);
    }

    /// How many outcomes were reported before; counts one more.
    pub(super) fn reported(&self) -> i64 {
        self.reported.fetch_add(1, Ordering::Relaxed)
    }

    /// Another user each time, spread over all of them, but none with a part of its own.
    pub(super) fn another_user(&self) -> i64 {
        100 + (self.turn() * 7_919) % (self.sizes.users - 100)
    }

    /// A request for a path that begins with a slash.
    pub(super) fn get(&self, path: &str, token: Option<&str>) -> reqwest::RequestBuilder {
        let request = self.http.get(format!("http://{}{path}", self.instance.address));
        match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// # Errors
    /// When Alpine left out a row that it could not read.
    pub(super) async fn expect_all_readable(&self) -> Result<()> {
        let metrics = self.get("/metrics", None).send().await?.error_for_status()?.text().await?;
        let unreadable =
            |line: &&str| line.starts_with("db_unreadable_rows_total") && !line.ends_with(" 0");
        let found: Vec<&str> = metrics.lines().filter(unreadable).collect();
        ensure!(found.is_empty(), "rows that cannot be read: {}", found.join(", "));
        Ok(())
    }

    /// Where the application listens.
    pub(super) const fn address(&self) -> SocketAddr {
        self.instance.address
    }

    /// Ends the application.
    pub(super) async fn stop(self) -> Result<()> {
        self.instance.stop().await
    }
}

/// A running application.
pub(super) struct Instance {
    pub(super) address: SocketAddr,
    core: Arc<Core>,
    started: Instant,
    stop: StopHandle,
    running: JoinHandle<Result<()>>,
}

impl Instance {
    /// Starts one; returns before it is ready.
    pub(super) async fn start(config: &Config) -> Result<Self> {
        let started = Instant::now();
        let application =
            Application::build_with(config, &Ports::default(), uncached_routes, Registry::new())
                .await?;
        let (address, core) = (application.address(), Arc::clone(application.core()));
        let stop = application.stop_handle();
        let running = tokio::spawn(application.run());
        Ok(Self { address, core, started, stop, running })
    }

    /// Waits until it says that it is ready; says how long that took from the first line on.
    pub(super) async fn until_ready(&self, http: &reqwest::Client) -> Result<Duration> {
        let readiness = format!("http://{}/health/readiness", self.address);
        while !http.get(&readiness).send().await?.status().is_success() {
            ensure!(self.started.elapsed() < START_DEADLINE, "not ready after {START_DEADLINE:?}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(self.started.elapsed())
    }

    pub(super) async fn stop(self) -> Result<()> {
        self.stop.force();
        self.running.await?
    }
}

/// Every route that reads, once more under another path and without the cache.
fn uncached_routes(_: &Arc<Core>) -> Vec<Route> {
    let wrap = crate::uncached::uncached();
    let reads = routes::table(&alpine_http::HttpSettings::default())
        .into_iter()
        .filter(|route| route.endpoint.doc.is_some() && route.endpoint.method == "GET");
    reads
        .map(|Route { mut endpoint, handler }| {
            // As many as there are routes, once for each worker of a measurement.
            endpoint.path = Box::leak(format!("uncached/{}", endpoint.path).into_boxed_str());
            endpoint.name = Box::leak(format!("uncached_{}", endpoint.name).into_boxed_str());
            Route { endpoint, handler: wrap(handler) }
        })
        .collect()
}

/// The use cases around accounts with a hasher that believes each password.
fn without_hashing(core: &Core, config: &Config) -> Result<Accounts> {
    let ports = AccountPorts {
        store: core.stores.accounts.clone(),
        sign_ups: core.stores.sign_ups.clone(),
        address_changes: core.stores.address_changes.clone(),
        deletions: core.stores.deletions.clone(),
        api_keys: core.stores.api_keys.clone(),
        second_factors: core.stores.second_factors.clone(),
        sealing: core.ports.sealing.clone(),
        hasher: Arc::new(NoHashing),
        tokens: core.ports.tokens.clone(),
        clock: core.ports.clock.clone(),
        randomness: core.ports.randomness.clone(),
        denials: core.use_cases.denials.clone(),
    };
    let key: Secret = config.secrets.jwt.clone().context("`secrets.jwt` is missing")?;
    Ok(Accounts::new(ports, config.accounts.clone(), key))
}

/// Takes each password for the right one, at once.
struct NoHashing;

#[async_trait]
impl PasswordHasher for NoHashing {
    async fn hash(&self, _: &str, _: HashPriority) -> alpine_domain::Result<String> {
        Err(alpine_domain::Error::internal("nobody signs up here"))
    }

    async fn check(
        &self,
        _: &str,
        hash: Option<&str>,
        _: HashPriority,
    ) -> alpine_domain::Result<PasswordCheck> {
        Ok(hash.map_or(PasswordCheck::Wrong, |_| PasswordCheck::Right))
    }
}
