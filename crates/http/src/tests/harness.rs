//! One application over fakes, and short words to talk to it.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize},
};

use actix_web::{
    body::to_bytes,
    http::{Method, StatusCode, header::HeaderMap},
    test::{TestRequest, init_service, try_call_service},
    web,
};
use alpine_domain::{
    Timestamp,
    account::{
        Account, AccountPorts, AccountSettings, AccountStates, Accounts, Authenticator, Role,
        Secret, SessionId, Tier, UserId,
    },
    ports::health::Condition,
    signal::{Catalogue, Intake, VisibilityPolicy},
    statistics::Performance,
    time::ManualClock,
};
use bytes::Bytes;
use serde_json::Value;

use super::{
    fakes::{Blacklist, Cache, Counting, Limiter, Part, Plain, Switch},
    stores::Store,
};
use crate::{AppState, HttpSettings, Route, Services, routes};

pub(super) struct World {
    pub(super) state: web::Data<AppState>,
    pub(super) store: Arc<Store>,
    pub(super) cache: Arc<Cache>,
    pub(super) limiter: Arc<Limiter>,
    pub(super) fresh: Arc<Switch>,
    pub(super) database: Arc<Part>,
    pub(super) redis: Arc<Part>,
    pub(super) clock: Arc<ManualClock>,
}

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
    let store = Arc::new(Store::default());
    let cache = Arc::new(Cache::default());
    let limiter = Arc::new(Limiter::default());
    let fresh = Arc::new(Switch(AtomicBool::new(true)));
    let (database, redis) = (part("database", true), part("redis", false));
    let states = Arc::new(AccountStates::new(store.clone(), 100));
    let blacklist = Arc::new(Blacklist::default());
    let randomness = Arc::new(Counting::default());
    let ports = AccountPorts {
        store: store.clone(),
        api_keys: store.clone(),
        hasher: Arc::new(Plain),
        tokens: Arc::new(Plain),
        clock: clock.clone(),
        randomness: randomness.clone(),
    };
    let account_settings = AccountSettings::default();
    let policy = VisibilityPolicy::default();
    let services = Services {
        accounts: Arc::new(Accounts::new(ports, account_settings, Secret::new("key of addresses"))),
        authenticator: Arc::new(Authenticator::new(
            Arc::new(Plain),
            blacklist,
            states,
            store.clone(),
            store.clone(),
            clock.clone(),
        )),
        intake: Arc::new(Intake::new(store.clone(), clock.clone())),
        catalogue: Arc::new(Catalogue::new(store.clone(), clock.clone(), policy.clone())),
        performance: Arc::new(Performance::new(store.clone(), clock.clone(), policy)),
        limiter: limiter.clone(),
        cache: cache.clone(),
        freshness: fresh.clone(),
        clock: clock.clone(),
        randomness,
        probes: vec![database.clone(), redis.clone()],
    };
    let state = AppState::new(services, settings, prometheus::Registry::new()).unwrap();
    let state = web::Data::new(state);
    World { state, store, cache, limiter, fresh, database, redis, clock }
}

impl World {
    /// An account, and an access token of it.
    pub(super) fn token(&self, tier: Tier, role: Role) -> String {
        let mut accounts = self.store.accounts.lock().unwrap();
        let number = u8::try_from(accounts.len()).unwrap();
        let at = super::fakes::now(&*self.clock);
        let id = UserId::generate(at, [number; 10]);
        let session = SessionId::generate(at, [number + 100; 10]);
        let account = Account {
            id,
            email: format!("user{number}@example.com").parse().unwrap(),
            full_name: "Ada".parse().unwrap(),
            tier,
            role,
            is_active: true,
            is_verified: false,
            generation: 0,
            created_at: at,
            updated_at: at,
        };
        accounts.push((account, "a quiet river at dawn".to_owned()));
        format!("{id}.{session}.0")
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
