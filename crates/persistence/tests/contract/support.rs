//! A database for one test, and things to put into it.

use std::{
    ops::Deref,
    process,
    sync::{
        Arc, Weak,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use alpine_domain::{
    Timestamp,
    account::{
        Account, AddressDigest, NewAccount, NewSession, Refreshed, Role, Rotation, SessionId, Tier,
        UserId,
    },
    event::CommitHandler,
    producer::Producer,
    signal::{
        Accepted, NewOutcome, NewSignal, Origin, SignalId, SignalReader, SignalStore,
        VerificationHash,
    },
    statistics::StatisticsStore,
    use_cases::Stores,
};
use alpine_memory::Memory;
use alpine_persistence::{Database, DatabaseSettings, Migrator, Signals};
use diesel::{Connection as _, PgConnection, connection::SimpleConnection as _};

/// One test on one back end.
macro_rules! tests_on {
    ($bed:expr; $($name:ident),*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            if let Some(bed) = $bed {
                super::$name(bed.into()).await;
            }
        })*
    };
}
pub(crate) use tests_on;

/// Runs each named test on both databases.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            crate::support::tests_on!(Some(crate::support::DatabaseBed::sqlite()); $($name),+);
        }
        mod postgres {
            crate::support::tests_on!(crate::support::DatabaseBed::postgres(); $($name),+);
        }
    };
}
pub(crate) use on_both;

/// Runs each named test on both databases and in memory; those after `databases` on the databases alone.
macro_rules! on_every {
    ($($name:ident),+ $(,)? $(; databases: $($own:ident),+ $(,)?)?) => {
        crate::support::on_both!($($name,)+ $($($own),+)?);
        mod memory {
            crate::support::tests_on!(Some(crate::support::Bed::memory()); $($name),+);
        }
    };
}
pub(crate) use on_every;

/// Takes signals in, reads them and sums them up.
pub(crate) trait SignalStores: SignalStore + SignalReader + StatisticsStore {}

impl<T: SignalStore + SignalReader + StatisticsStore> SignalStores for T {}

/// What only the operator of a store can do.
enum Operator {
    Database(Database),
    Memory(Memory),
}

/// Every store of an empty back end.
pub(crate) struct Bed {
    /// Stands behind three of the stores.
    pub(crate) signals: Arc<dyn SignalStores>,
    stores: Stores,
    operator: Operator,
    _place: Option<TestDatabase>,
}

/// Each store under its own name: `bed.accounts`.
impl Deref for Bed {
    type Target = Stores;

    fn deref(&self) -> &Stores {
        &self.stores
    }
}

/// A migrated database and every store on it.
pub(crate) struct DatabaseBed {
    pub(crate) settings: DatabaseSettings,
    pub(crate) database: Database,
    pub(crate) registry: prometheus::Registry,
    bed: Bed,
}

impl Deref for DatabaseBed {
    type Target = Bed;

    fn deref(&self) -> &Bed {
        &self.bed
    }
}

impl From<DatabaseBed> for Bed {
    fn from(bed: DatabaseBed) -> Self {
        bed.bed
    }
}

/// Where a test's database lives; gone when dropped.
pub(crate) enum TestDatabase {
    Folder(#[expect(dead_code, reason = "dropping it removes the folder")] tempfile::TempDir),
    Server { admin_url: String, name: String },
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if let Self::Server { admin_url, name } = self {
            let dropped = PgConnection::establish(admin_url).map(|mut admin| {
                admin.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
            });
            if !matches!(dropped, Ok(Ok(()))) {
                eprintln!("database {name} was left behind");
            }
        }
    }
}

/// The throw-away server, if there is one. Nothing is skipped silently where it matters.
pub(crate) fn postgres_url() -> Option<String> {
    // As the crate does before its own first connection: a test must not crash when it ends.
    openssl_sys::init();
    let url = std::env::var("ALPINE_TEST_POSTGRES_URL").ok();
    if url.is_none() {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "ALPINE_TEST_POSTGRES_URL must be set: a superuser's URL of a throw-away server"
        );
        eprintln!("skipped: ALPINE_TEST_POSTGRES_URL is not set");
    }
    url
}

/// An empty file's settings.
pub(crate) fn empty_sqlite() -> (DatabaseSettings, TestDatabase) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("data").join("alpine.db");
    let settings = DatabaseSettings::new(format!("sqlite:{}", file.display()));
    (settings, TestDatabase::Folder(folder))
}

/// An empty database's settings.
pub(crate) fn empty_postgres() -> Option<(DatabaseSettings, TestDatabase)> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let admin_url = postgres_url()?;
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("alpine_contract_{}_{number}", process::id());
    PgConnection::establish(&admin_url)
        .unwrap()
        .batch_execute(&format!("CREATE DATABASE {name}"))
        .unwrap();
    let (server, _) = admin_url.rsplit_once('/').unwrap();
    let settings = DatabaseSettings::new(format!("{server}/{name}"));
    Some((settings, TestDatabase::Server { admin_url, name }))
}

impl DatabaseBed {
    pub(crate) fn sqlite() -> Self {
        let (settings, place) = empty_sqlite();
        Self::on(settings, place)
    }

    pub(crate) fn postgres() -> Option<Self> {
        empty_postgres().map(|(settings, place)| Self::on(settings, place))
    }

    fn on(settings: DatabaseSettings, place: TestDatabase) -> Self {
        Migrator::connect(&settings).unwrap().run().unwrap();
        let registry = prometheus::Registry::new();
        let database = Database::open(settings.clone(), &registry).unwrap();
        let bed = Bed {
            signals: Arc::new(Signals::new(database.clone())),
            stores: alpine_persistence::stores(&database),
            operator: Operator::Database(database.clone()),
            _place: Some(place),
        };
        Self { settings, database, registry, bed }
    }

    pub(crate) fn is_postgres(&self) -> bool {
        self.settings.url.starts_with("postgres")
    }

    /// A second pool on the same database, with other settings: another instance.
    pub(crate) fn another(&self, change: impl FnOnce(&mut DatabaseSettings)) -> Database {
        let mut settings = self.settings.clone();
        change(&mut settings);
        Database::open(settings, &prometheus::Registry::new()).unwrap()
    }

    /// Runs a statement as an operator with a shell would.
    pub(crate) async fn execute(&self, sql: &str) -> Result<(), String> {
        let sql = sql.to_owned();
        let done = self.database.write("test", move |unit| Ok(unit.conn.batch_execute(&sql)?));
        done.await.map_err(|error| format!("{error:?}"))
    }

    /// From now on the database refuses signals with this id.
    pub(crate) async fn refuse_signals_named(&self, external_id: &str) {
        let sql = if self.is_postgres() {
            format!("ALTER TABLE signals ADD CHECK (external_id <> '{external_id}')")
        } else {
            format!(
                "CREATE TRIGGER refusing BEFORE INSERT ON signals WHEN NEW.external_id = '{external_id}' \
                 BEGIN SELECT RAISE(ABORT, 'refused by the test'); END"
            )
        };
        self.execute(&sql).await.unwrap();
    }
}

impl Bed {
    pub(crate) fn memory() -> Self {
        let memory = Memory::new();
        Self {
            signals: Arc::new(memory.clone()),
            stores: memory.stores(),
            operator: Operator::Memory(memory),
            _place: None,
        }
    }

    /// Disables an account.
    pub(crate) async fn disable(&self, user: UserId) {
        match &self.operator {
            Operator::Database(database) => change_user(database, user, "is_active = false").await,
            Operator::Memory(memory) => memory.set_active(user, false),
        }
    }

    /// Enables an account.
    pub(crate) async fn enable(&self, user: UserId) {
        match &self.operator {
            Operator::Database(database) => change_user(database, user, "is_active = true").await,
            Operator::Memory(memory) => memory.set_active(user, true),
        }
    }

    /// Takes the address of an account for confirmed.
    pub(crate) async fn verify(&self, user: UserId) {
        match &self.operator {
            Operator::Database(database) => change_user(database, user, "is_verified = true").await,
            Operator::Memory(memory) => memory.set_verified(user, true),
        }
    }

    /// From now on the handler is told of what is committed.
    pub(crate) fn tell(&self, handler: Weak<dyn CommitHandler>) {
        match &self.operator {
            Operator::Database(database) => database.tell(handler),
            Operator::Memory(memory) => memory.tell(handler),
        }
    }

    pub(crate) async fn producer(&self) -> Producer {
        let name = "argo".parse().unwrap();
        self.producers.ensure(&name, "key of argo", false, at(0)).await.unwrap()
    }

    /// Stores signals; all must be new.
    pub(crate) async fn store(&self, signals: Vec<NewSignal>) -> Vec<SignalId> {
        let accepted = self.signals.accept(signals).await.unwrap();
        accepted
            .into_iter()
            .map(|accepted| match accepted {
                Accepted::Stored(id) => id,
                other => panic!("not stored: {other:?}"),
            })
            .collect()
    }

    pub(crate) async fn user(&self, email: &str) -> Account {
        self.accounts.create(new_account(email)).await.unwrap()
    }

    pub(crate) async fn session(&self, user: UserId, refresh_hash: &str) -> SessionId {
        self.session_from(user, refresh_hash, None).await
    }

    pub(crate) async fn session_from(
        &self,
        user: UserId,
        refresh_hash: &str,
        address: Option<AddressDigest>,
    ) -> SessionId {
        let id = SessionId::generate(at(0), random());
        let state = self.accounts.state(user).await.unwrap().unwrap();
        let session = NewSession {
            id,
            user,
            generation: state.generation,
            address,
            refresh_hash: refresh_hash.to_owned(),
            created_at: at(0),
            expires_at: at(1_000),
        };
        self.accounts.open_session(session).await.unwrap();
        id
    }

    /// Presents a refresh token that may not be sent again.
    pub(crate) async fn rotate(
        &self,
        presented: &str,
        next: &str,
        now: Timestamp,
        denied_until: Timestamp,
    ) -> Refreshed {
        let rotation = rotation(presented, next, now, denied_until);
        self.accounts.rotate_refresh(rotation).await.unwrap()
    }

    /// The kinds of all logged events, in order.
    pub(crate) async fn kinds(&self) -> Vec<String> {
        let rows = self.events.read_after(0, 100_000).await.unwrap();
        rows.into_iter().map(|row| row.kind).collect()
    }
}

async fn change_user(database: &Database, user: UserId, change: &str) {
    let sql = format!("UPDATE users SET {change} WHERE id = '{user}'");
    database.write("test", move |unit| Ok(unit.conn.batch_execute(&sql)?)).await.unwrap();
}

/// Ten bytes that differ from call to call.
pub(crate) fn random() -> [u8; 10] {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let mut bytes = [0; 10];
    bytes[..4].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    bytes
}

/// `seconds` after the tests' beginning of time.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_736_937_000 + seconds)
}

pub(crate) fn rotation(
    presented: &str,
    next: &str,
    now: Timestamp,
    denied_until: Timestamp,
) -> Rotation {
    let (presented, next) = (presented.to_owned(), next.to_owned());
    Rotation { presented, next, repeat: None, now, denied_until }
}

pub(crate) fn new_account(email: &str) -> NewAccount {
    NewAccount {
        id: UserId::generate(at(0), random()),
        email: email.parse().unwrap(),
        full_name: "Ada Lovelace".parse().unwrap(),
        password_hash: "hash".to_owned(),
        tier: Tier::Free,
        role: Role::User,
        created_at: at(0),
        welcome: None,
    }
}

/// A signal, accepted `seconds` after the beginning.
pub(crate) fn signal(producer: &Producer, external_id: &str, seconds: i64) -> NewSignal {
    let hash = VerificationHash::of(external_id);
    NewSignal {
        producer: producer.id,
        producer_name: producer.name.clone(),
        is_simulated: producer.is_simulated,
        origin: Origin::of_signal(
            producer.is_simulated,
            at(0),
            at(seconds),
            Origin::EARLIER_LIVE_WITHIN,
        ),
        external_id: external_id.parse().unwrap(),
        symbol: "AAPL".parse().unwrap(),
        action: "BUY".parse().unwrap(),
        entry_price: "100.00".parse().unwrap(),
        target_price: Some("1.1e2".parse().unwrap()),
        stop_price: None,
        confidence: "87.50".parse().unwrap(),
        strategy: Some("momentum".parse().unwrap()),
        asset_type: "stock".parse().unwrap(),
        data_source: None,
        reasoning: Some("because 🚀".to_owned()),
        regime: None,
        consensus_agreement: Some("0.750".to_owned()),
        sources_count: Some(i64::MAX),
        timestamp: "2025-01-15T05:30:00.0-05:00".to_owned(),
        signalled_at: at(0),
        hash: hash.clone(),
        content_hash: hash,
        created_at: at(seconds),
    }
}

/// A report that a signal ended at this price.
pub(crate) fn outcome(signal: &NewSignal, price: &str, seconds: i64) -> NewOutcome {
    NewOutcome {
        producer: signal.producer,
        external_id: signal.external_id.clone(),
        exit_price: price.parse().unwrap(),
        exit_timestamp: at(seconds).to_string(),
        exited_at: at(seconds),
        status: None,
        recorded_at: at(seconds),
    }
}

/// Holds the connection, as slow work inside a unit would.
pub(crate) fn dawdle(span: Duration) {
    std::thread::sleep(span);
}
