//! One application over SQLite, and short words to talk to it.
//!
//! What Redis would be there for, and what is slow on purpose, is a fake.

use std::{
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use actix_web::{
    body::to_bytes,
    http::{Method, StatusCode, header::HeaderMap},
    test::{TestRequest, init_service, try_call_service},
    web,
};
use alpine_domain::{
    Clock as _, Timestamp,
    account::{
        AccountSettings, ApiKey, ApiKeyId, NewAccount, NewApiKey, NewSession, Role, Scope, Scopes,
        Secret, SessionId, Tier, UserId, digest,
    },
    billing::BillingSettings,
    channel::{ChannelSettings, Places},
    event::CommitHandler,
    ports::{channels::Platform, health::Condition},
    producer::ProducerId,
    retention::RetentionSettings,
    signal::{
        Accepted, Action, ExpirySettings, NewSignal, Origin, SignalId, VerificationHash,
        VisibilityPolicy,
    },
    statistics::RecordSettings,
    time::ManualClock,
    use_cases::{Ports, Settings, Stores, UseCases},
};
use alpine_persistence::{Database, DatabaseSettings, Migrator, stores};
use bytes::Bytes;
use serde_json::Value;
use tempfile::TempDir;

use super::fakes::{Blacklist, Cache, Counting, Fading, Limiter, Part, Plain, Switch};
use crate::{AppState, HttpSettings, Route, Services, routes};

pub(super) struct World {
    pub(super) state: web::Data<AppState>,
    pub(super) stores: Stores,
    pub(super) reader: Arc<Fading>,
    pub(super) cache: Arc<Cache>,
    pub(super) limiter: Arc<Limiter>,
    pub(super) fresh: Arc<Switch>,
    pub(super) database: Arc<Part>,
    pub(super) redis: Arc<Part>,
    pub(super) clock: Arc<ManualClock>,
    accounts: AtomicU8,
    _folder: TempDir,
}

pub(super) const USER_KEY: &str = "alp_u_0123456789abcdef";
pub(super) const PRODUCER_KEY: &str = "argo-key-0123456789abcdef";
const PASSWORD: &str = "a quiet river at dawn";

pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{:?}", self.body))
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// A header that may stand in several lines.
    pub(super) fn all(&self, name: &str) -> String {
        let lines: Vec<_> = self.headers.get_all(name).map(|v| v.to_str().unwrap()).collect();
        lines.join(", ")
    }
}

fn part(name: &'static str, essential: bool) -> Arc<Part> {
    let condition = Mutex::new(Condition::Up);
    Arc::new(Part { name, essential, condition, asked: AtomicUsize::new(0) })
}

pub(super) fn world() -> World {
    world_with(HttpSettings::default())
}

pub(super) fn world_with(settings: HttpSettings) -> World {
    let start = Timestamp::parse_rfc3339("2025-01-15T12:00:00Z").unwrap();
    let clock = Arc::new(ManualClock::starting_at(start));
    let folder = tempfile::tempdir().unwrap();
    let place = DatabaseSettings::new(format!("sqlite:{}", folder.path().join("db").display()));
    Migrator::connect(&place).unwrap().run().unwrap();
    let registry = prometheus::Registry::new();
    let database = Database::open(place, &registry).unwrap();
    let mut stores = stores(&database);
    let reader = stores.signal_reader.clone();
    let reader = Arc::new(Fading { reader, lists_left: AtomicUsize::new(usize::MAX) });
    stores.signal_reader = reader.clone();
    let cache = Arc::new(Cache::default());
    let limiter = Arc::new(Limiter::default());
    let fresh = Arc::new(Switch(AtomicBool::new(true)));
    let (database_part, redis) = (part("database", true), part("redis", false));
    let randomness = Arc::new(Counting::default());
    let ports = Ports {
        hasher: Arc::new(Plain),
        tokens: Arc::new(Plain),
        blacklist: Arc::new(Blacklist::default()),
        cache: cache.clone(),
        clock: clock.clone(),
        agreed_time: clock.clone(),
        randomness: randomness.clone(),
        mailer: Arc::new(Plain),
        payments: None,
        channels: vec![Arc::new(Plain)],
        sealing: Arc::new(Plain),
    };
    let decided = Settings {
        accounts: AccountSettings::default(),
        address_key: Secret::new("key of addresses"),
        visibility: VisibilityPolicy::default(),
        expiry: ExpirySettings::default(),
        record: RecordSettings::default(),
        retention: RetentionSettings::default(),
        website: None,
        billing: BillingSettings::default(),
        channels: ChannelSettings {
            places: [(Platform::Telegram, Places([(Tier::Pro, "room".to_owned())].into()))].into(),
            invite_ttl: Duration::from_hours(1),
        },
    };
    let use_cases = Arc::new(UseCases::new(&stores, &ports, decided));
    let handler: Weak<dyn CommitHandler> = Arc::downgrade(&use_cases.memory) as _;
    database.tell(handler);
    let services = Services {
        use_cases,
        limiter: limiter.clone(),
        cache: cache.clone(),
        freshness: fresh.clone(),
        clock: clock.clone(),
        randomness,
        probes: vec![database_part.clone(), redis.clone()],
    };
    let state = web::Data::new(AppState::new(services, settings, registry).unwrap());
    let world = World {
        state,
        stores,
        reader,
        cache,
        limiter,
        fresh,
        database: database_part,
        redis,
        clock,
        accounts: AtomicU8::new(0),
        _folder: folder,
    };
    world.prepare();
    world
}

/// Waits where a test cannot: on a thread with a runtime of its own.
pub(super) fn wait<T: Send>(work: impl Future<Output = T> + Send) -> T {
    thread::scope(|scope| {
        scope.spawn(|| actix_web::rt::System::new().block_on(work)).join().unwrap()
    })
}

impl World {
    /// Serves every route on a port of loopback until the handle stops it.
    pub(super) fn listen(&self) -> (std::net::SocketAddr, actix_web::dev::ServerHandle) {
        let state = self.state.clone();
        let server = actix_web::HttpServer::new(move || {
            crate::build(state.clone(), crate::routes::table(&state.settings))
        });
        let server = server.workers(1).disable_signals().bind(("127.0.0.1", 0)).unwrap();
        let address = server.addrs()[0];
        let running = server.run();
        let handle = running.handle();
        actix_web::rt::spawn(running);
        (address, handle)
    }

    /// A producer with [`PRODUCER_KEY`] and a user with [`USER_KEY`].
    fn prepare(&self) {
        let at = self.clock.now();
        let owner = self.account("keys@example.com", [200; 10], Tier::Elite, Role::User);
        let key = ApiKey {
            id: ApiKeyId::generate(at, [201; 10]),
            owner,
            name: "a script".parse().unwrap(),
            prefix: "alp_u_0123".to_owned(),
            scopes: Scopes::UNNAMED,
            created_at: at,
            expires_at: None,
        };
        let key = NewApiKey { key, key_hash: digest(USER_KEY), generation: 0 };
        let name = "argo".parse().unwrap();
        wait(async {
            self.stores.api_keys.create(key, 1).await.unwrap();
            self.stores.producers.ensure(&name, &digest(PRODUCER_KEY), false, at).await.unwrap();
        });
    }

    /// The key of a user's program with this scope alone.
    pub(super) fn key_with(&self, scope: Scope) -> String {
        let at = self.clock.now();
        let number = 210 + scope as u8;
        let email = format!("{scope}@example.com");
        let owner = self.account(&email, [number; 10], Tier::Elite, Role::User);
        let secret = format!("alp_u_{scope}");
        let key = ApiKey {
            id: ApiKeyId::generate(at, [number; 10]),
            owner,
            name: "a script".parse().unwrap(),
            prefix: "alp_u_0123".to_owned(),
            scopes: Scopes::from_stored(scope.as_str()),
            created_at: at,
            expires_at: None,
        };
        let key = NewApiKey { key, key_hash: digest(&secret), generation: 0 };
        wait(self.stores.api_keys.create(key, 1)).unwrap();
        secret
    }

    fn account(&self, email: &str, random: [u8; 10], tier: Tier, role: Role) -> UserId {
        let created_at = self.clock.now();
        let id = UserId::generate(created_at, random);
        let account = NewAccount {
            id,
            email: email.parse().unwrap(),
            full_name: "Ada".parse().unwrap(),
            password_hash: PASSWORD.to_owned(),
            tier,
            role,
            created_at,
            welcome: None,
        };
        wait(self.stores.accounts.create(account)).unwrap();
        id
    }

    /// An account, and an access token of it.
    pub(super) fn token(&self, tier: Tier, role: Role) -> String {
        let number = self.accounts.fetch_add(1, Ordering::SeqCst);
        let email = format!("user{number}@example.com");
        let id = self.account(&email, [number; 10], tier, role);
        let session = SessionId::generate(self.clock.now(), [number + 100; 10]);
        format!("{id}.{session}.0")
    }

    /// Records the session of a token.
    pub(super) async fn open_session(&self, token: &str) {
        let session = token.split('.').nth(1).unwrap().parse().unwrap();
        self.record(token, session, self.clock.now()).await;
    }

    /// Records another session of the same user, which is older by a minute.
    pub(super) async fn open_another_session(&self, token: &str) {
        let at = self.clock.now().earlier(Duration::from_mins(1));
        self.record(token, SessionId::generate(at, [200; 10]), at).await;
    }

    async fn record(&self, token: &str, id: SessionId, created_at: Timestamp) {
        let session = NewSession {
            id,
            user: token.split('.').next().unwrap().parse().unwrap(),
            generation: 0,
            address: None,
            refresh_hash: id.to_string(),
            created_at,
            expires_at: created_at.later(Duration::from_hours(24)),
        };
        self.stores.accounts.open_session(session).await.unwrap();
    }

    /// So many signals of the same content; their ids, the oldest first.
    pub(super) fn signals(&self, count: usize) -> Vec<SignalId> {
        let at = self.clock.now();
        let signals = (1..=count).map(|number| signal(number, at)).collect();
        let accepted = wait(self.stores.signals.accept(signals)).unwrap();
        let stored = accepted.into_iter().map(|accepted| match accepted {
            Accepted::Stored(id) => id,
            other => panic!("not stored: {other:?}"),
        });
        stored.collect()
    }

    pub(super) async fn send(&self, request: TestRequest) -> Answer {
        self.send_to(routes::table(&self.state.settings), request).await
    }

    /// Sends to an application of another table.
    pub(super) async fn send_to(&self, table: Vec<Route>, request: TestRequest) -> Answer {
        let app = init_service(crate::build(self.state.clone(), table)).await;
        let peer = "192.0.2.7:4711".parse().unwrap();
        let response = try_call_service(&app, request.peer_addr(peer).to_request()).await.unwrap();
        Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: to_bytes(response.into_body()).await.unwrap_or_default(),
        }
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.send(TestRequest::get().uri(path)).await
    }

    pub(super) async fn get_as(&self, token: &str, path: &str) -> Answer {
        self.send(get(path).insert_header(bearer(token))).await
    }

    pub(super) async fn post(&self, path: &str, json: &str) -> Answer {
        self.send(post(path, json)).await
    }
}

pub(super) fn get(path: &str) -> TestRequest {
    TestRequest::get().uri(path)
}

pub(super) fn post(path: &str, json: &str) -> TestRequest {
    TestRequest::post()
        .uri(path)
        .insert_header(("content-type", "application/json"))
        .set_payload(json.to_owned())
}

pub(super) fn bearer(token: &str) -> (&'static str, String) {
    ("authorization", format!("Bearer {token}"))
}

pub(super) fn request(method: &Method, path: &str) -> TestRequest {
    TestRequest::default().method(method.clone()).uri(path)
}

#[track_caller]
pub(super) fn assert_problem(answer: &Answer, status: StatusCode, slug: &str) {
    assert_eq!(answer.status, status.as_u16(), "{:?}", answer.body);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    let document = answer.json();
    assert_eq!(document["type"], format!("/problems/{slug}"));
    assert_eq!(document["status"], status.as_u16());
    assert_eq!(document["request_id"], answer.header("x-request-id"));
    for key in ["title", "detail", "instance", "error", "message", "path"] {
        assert!(document[key].is_string(), "{key}");
    }
    assert!(document["errors"].is_array());
}

pub(super) fn signal(number: usize, at: Timestamp) -> NewSignal {
    let hash: VerificationHash = "a".repeat(64).parse().unwrap();
    NewSignal {
        producer: ProducerId::new(1),
        producer_name: "argo".parse().unwrap(),
        is_simulated: false,
        origin: Origin::Live,
        external_id: format!("SIG-{number}").parse().unwrap(),
        symbol: "AAPL".parse().unwrap(),
        action: Action::Buy,
        entry_price: "175.50".parse().unwrap(),
        target_price: Some("1e+16".parse().unwrap()),
        stop_price: None,
        confidence: "80.50".parse().unwrap(),
        strategy: Some("weighted_consensus_v6".parse().unwrap()),
        asset_type: "stock".parse().unwrap(),
        data_source: None,
        reasoning: None,
        regime: None,
        consensus_agreement: None,
        sources_count: None,
        timestamp: "2025-01-15T10:30:00+00:00".to_owned(),
        signalled_at: at,
        hash: hash.clone(),
        content_hash: hash,
        created_at: at,
    }
}
