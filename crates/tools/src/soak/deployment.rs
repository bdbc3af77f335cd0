//! Instances over one database, what was acknowledged of it, and what is found in the end.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use alpine_persistence::{DatabaseSettings, Migrator};
use alpine_testing::servers::{Postgres, Redis};
use anyhow::{Context as _, Result};
use redis::AsyncCommands as _;
use tokio::{runtime::Runtime, task::JoinHandle};

use super::{
    traffic::{Api, Client, Tally},
    verdict::Verdict,
};
use crate::instance::{Instance, Usage};

const MIB: u64 = 1 << 20;
/// What an instance may use of memory at any time, bytes.
const MEMORY: u64 = 150 * MIB;
/// Bytes of bodies in Redis: few, so that the traffic reaches the bound.
const BODIES: u64 = 4 * MIB;
/// The database on the throw-away server.
const DATABASE: &str = "alpine_soak";
/// `database.pool_max`, connections of an instance.
const POOL: u64 = 30;
/// What may be open or run in the end besides what was at the start: the pool's connections, which are opened
/// when they are needed, two or three descriptors each on SQLite, and the threads that use them.
const GROWTH: u64 = POOL + 10;

/// One database with its instances.
pub(super) struct Deployment {
    name: &'static str,
    database: DatabaseSettings,
    instances: Vec<Instance>,
    start: Vec<Usage>,
    most: Vec<Usage>,
    tally: Arc<Mutex<Tally>>,
    api: Api,
    clients: Vec<Client>,
    running: Vec<JoinHandle<Client>>,
    _folder: tempfile::TempDir,
}

/// Who stops reading is disconnected within the soak.
fn send_window() -> [(&'static str, String); 1] {
    [("ALPINE__HTTP__SEND_WINDOW", "3s".to_owned())]
}

impl Deployment {
    /// One instance without anything else.
    pub(super) fn on_sqlite() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let instance = Instance::start(folder.path(), &send_window())?;
        let url = format!("sqlite:{}", folder.path().join("alpine.db").display());
        Self::of("SQLite", DatabaseSettings::new(url), vec![instance], folder)
    }

    /// Two instances that share a database and Redis.
    pub(super) fn on_postgres(postgres: &Postgres, redis: &Redis) -> Result<Self> {
        postgres.execute(&format!("CREATE DATABASE {DATABASE}"))?;
        let admin = postgres.url();
        let (server, _) = admin.rsplit_once('/').context("no database in the URL")?;
        let url = format!("{server}/{DATABASE}");
        let folder = tempfile::tempdir()?;
        let settings = [
            ("DATABASE_URL", url.clone()),
            ("REDIS_URL", redis.url()),
            ("ALPINE__INSTANCES", "2".to_owned()),
            ("ALPINE__CACHE__REDIS_BYTES", format!("{BODIES}B")),
        ];
        let settings = [&settings[..], &send_window()].concat();
        let start = |name| Instance::start(&folder.path().join(name), &settings);
        let instances = vec![start("one")?, start("two")?];
        Self::of("PostgreSQL", DatabaseSettings::new(url), instances, folder)
    }

    fn of(
        name: &'static str,
        database: DatabaseSettings,
        instances: Vec<Instance>,
        folder: tempfile::TempDir,
    ) -> Result<Self> {
        Ok(Self {
            name,
            database,
            start: Vec::new(),
            most: vec![Usage::default(); instances.len()],
            api: Api::new(instances.iter().map(|instance| instance.address).collect())?,
            instances,
            tally: Arc::default(),
            clients: Vec::new(),
            running: Vec::new(),
            _folder: folder,
        })
    }

    /// Makes so many clients, each with an account.
    pub(super) async fn sign_up(&mut self, clients: u64) -> Result<()> {
        for number in 0..clients {
            let client = Client::sign_up(self.api.clone(), Arc::clone(&self.tally), number).await?;
            self.clients.push(client);
        }
        Ok(())
    }

    /// Measures what is used before the traffic.
    pub(super) fn note_start(&mut self) -> Result<()> {
        self.start = self.usage()?;
        Ok(())
    }

    /// Lets the clients go.
    pub(super) fn begin(&mut self, runtime: &Runtime, seed: u64, end: Instant) {
        let run = |client: Client| runtime.spawn(client.run(seed, end));
        self.running = self.clients.drain(..).map(run).collect();
    }

    fn usage(&self) -> Result<Vec<Usage>> {
        self.instances.iter().map(Instance::usage).collect()
    }

    fn tally(&self) -> std::sync::MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Measures, and says in a line.
    pub(super) fn sample(&mut self) -> Result<String> {
        let usage = self.usage()?;
        self.most = self.most.iter().zip(&usage).map(|(most, now)| most.max(*now)).collect();
        let each = usage.iter().map(|Usage { memory, descriptors, threads }| {
            format!("{} MB {descriptors} descriptors {threads} threads", memory / MIB)
        });
        let each = each.collect::<Vec<_>>().join(" | ");
        let tally = self.tally();
        Ok(format!(
            "{:10} {each}; {} requests, {} broken off, {:?}",
            self.name, tally.requests, tally.broken_off, tally.statuses
        ))
    }

    /// Waits for the clients, and finds out what became of the signals of which that is unknown.
    pub(super) async fn settle(&mut self, verdict: &mut Verdict) -> Result<()> {
        for client in std::mem::take(&mut self.running) {
            // With the connection on which it does not read.
            self.clients.push(client.await?);
        }
        let unknown = std::mem::take(&mut self.tally().unknown_signals);
        for body in unknown {
            self.api.push(&body).await?;
            self.tally().signals += 1;
        }
        let tally = self.tally();
        verdict.at_most(&format!("{}: answers 500", self.name), tally.status(500), 0);
        // A busy machine may keep a request from its connection for a second.
        let few = tally.requests / 100;
        verdict.at_most(&format!("{}: answers 503", self.name), tally.status(503), few);
        verdict.at_most(&format!("{}: answers missing", self.name), tally.missing, few);
        verdict.at_most(&format!("{}: untrue answers", self.name), tally.untrue, 0);
        Ok(())
    }

    /// Compares what is left with what should be.
    pub(super) async fn judge(&mut self, verdict: &mut Verdict) -> Result<()> {
        println!("      {}", self.sample()?);
        let now = self.usage()?;
        for (n, ((start, most), now)) in self.start.iter().zip(&self.most).zip(&now).enumerate() {
            let what = |figure: &str| format!("{} {}: {figure}", self.name, n + 1);
            verdict.at_most(&what("bytes of memory, most"), most.memory, MEMORY);
            verdict.at_most(&what("descriptors"), now.descriptors, start.descriptors + GROWTH);
            verdict.at_most(&what("threads"), now.threads, start.threads + GROWTH);
        }
        self.judge_exports(verdict).await?;
        let rows = Migrator::connect(&self.database)?.count_rows()?;
        self.judge_rows(&rows, verdict);
        Ok(())
    }

    /// Who stopped reading was disconnected, and nothing of it is under way.
    async fn judge_exports(&self, verdict: &mut Verdict) -> Result<()> {
        let (mut open, mut disconnected) = (0, 0);
        for instance in &self.instances {
            open += self.api.metric(instance.address, "http_exports_open").await?;
            let name = "http_slow_readers_disconnected_total";
            disconnected += self.api.metric(instance.address, name).await?;
        }
        verdict.at_most(&format!("{}: exports under way", self.name), open, 0);
        // The clients still hold their connections. Early files fit into buffers, and end.
        let (what, most) = (format!("{}: stopped readers", self.name), self.tally().stopped);
        verdict.at_most(&what, disconnected, most);
        Ok(())
    }

    fn judge_rows(&self, rows: &BTreeMap<String, i64>, verdict: &mut Verdict) {
        let tally = self.tally();
        for (table, least, unknown) in [
            ("users", tally.users, 0),
            ("sessions", tally.sessions, tally.unknown_sessions),
            ("signals", tally.signals, 0),
            ("outcomes", tally.outcomes, 0),
            ("late_outcomes", 0, 0),
            ("api_keys", 0, 0),
            // A sign-in from a place that the account did not know is told.
            ("notifications", 0, tally.sessions + tally.unknown_sessions),
        ] {
            let found = rows.get(table).and_then(|rows| u64::try_from(*rows).ok());
            let what = format!("{}: rows of {table}", self.name);
            verdict.between(&what, found.unwrap_or(u64::MAX), least, least + unknown);
        }
    }
}

/// What is left of connections.
pub(super) fn judge_postgres(postgres: &Postgres, verdict: &mut Verdict) -> Result<()> {
    let count = |condition: &str| -> Result<u64> {
        let sql = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = '{DATABASE}' AND {condition}"
        );
        Ok(postgres.execute(&sql)?.trim().parse()?)
    };
    verdict.at_most("PostgreSQL: transactions left idle", count("state LIKE 'idle in%'")?, 0);
    verdict.at_most("PostgreSQL: statements that still run", count("state = 'active'")?, 0);
    verdict.at_most("PostgreSQL: connections", count("true")?, 2 * (POOL + 1));
    Ok(())
}

/// What is left of keys.
pub(super) async fn judge_redis(redis: &Redis, verdict: &mut Verdict) -> Result<()> {
    let mut connection =
        redis::Client::open(redis.url())?.get_multiplexed_async_connection().await?;
    let keys: Vec<String> = connection.keys("*").await?;
    let (mut endless, mut bodies, mut bytes) = (0, 0, 0);
    for key in &keys {
        let left: i64 = connection.pttl(key).await?;
        // The stream of wake-ups and the loss marker; -2: it has just gone.
        if left == -1 && !key.ends_with(":wake") && !key.contains(":limit:memory") {
            println!("      without an end: {key}");
            endless += 1;
        }
        if key.ends_with(":body") {
            bodies += 1;
            let size = redis::cmd("MEMORY").arg("USAGE").arg(key).to_owned();
            bytes += size.query_async::<Option<u64>>(&mut connection).await?.unwrap_or(0);
        }
    }
    println!("      {} keys, {bodies} of them bodies of {bytes} bytes", keys.len());
    verdict.at_most("Redis: keys without an end", endless, 0);
    // None would mean that nothing was shared, and so nothing tried.
    verdict.between("Redis: bytes of bodies", bytes, 1, BODIES);
    Ok(())
}
