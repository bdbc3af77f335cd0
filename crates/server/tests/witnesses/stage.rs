//! One running application with what its witnesses ask for.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use alpine_domain::{
    Timestamp,
    account::{Role, Tier},
    jobs::{Job, NewJob},
    time::ManualClock,
};
use alpine_testing::{FaultProxy, Memory, Redis, own_redis};
use diesel::connection::SimpleConnection as _;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::{sleep, timeout},
};

use crate::support::{Backend, Client, Options, SignalBody, TestApp, backends};

/// How long a witness waits for what the changed setting brings about. What the default brings about comes
/// later than that, or never.
pub const PATIENCE: Duration = Duration::from_secs(4);

/// On a busy machine nobody is refused for that, unless it is what a witness is about.
const PATIENT: &[(&str, &str, &str)] = &[
    ("database.checkout_timeout", "ALPINE__DATABASE__CHECKOUT_TIMEOUT", "3s"),
    ("events.catch_up_deadline", "ALPINE__EVENTS__CATCH_UP_DEADLINE", "10s"),
];

/// What the application stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// SQLite and everything else in memory, at the machine's clock.
    Sqlite,
    /// The same at a clock that the witness moves.
    MovedClock,
    /// PostgreSQL, without Redis.
    Postgres,
    /// SQLite and a Redis behind a proxy.
    Redis,
}

/// The application, and the folder and proxy that only it uses.
pub struct Stage {
    pub key: String,
    pub app: TestApp,
    pub proxy: Option<FaultProxy>,
    pub redis: Option<Redis>,
    pub folder: tempfile::TempDir,
}

impl Stage {
    /// Starts with these settings; `None` on a machine without the server that it needs.
    pub async fn start(key: &str, on: On, settings: &[(String, String)]) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut options = Options::default();
        for (setting, name, value) in PATIENT {
            if key != *setting {
                options = options.set(name, *value);
            }
        }
        let mut back_end = Backend::SqliteMemory;
        let (mut redis, mut proxy) = (None, None);
        match on {
            On::Sqlite => {}
            On::MovedClock => {
                let start = Timestamp::parse_rfc3339("2026-01-01T00:00:00Z").unwrap();
                options.clock = Some(Arc::new(ManualClock::starting_at(start)));
            }
            On::Postgres => {
                back_end = backends().into_iter().nth(1)?;
                options = options.set("REDIS_URL", "");
            }
            On::Redis => {
                redis = Some(own_redis(Memory::Lost)?);
                proxy = redis.as_ref().map(|redis| FaultProxy::before(&redis.url()).unwrap());
            }
        }
        let url = redis.as_ref().map(|redis| proxy.as_ref().unwrap().url(&redis.url()).unwrap());
        for (name, value) in settings {
            let name = format!("ALPINE__{}", name.to_uppercase().replace('.', "__"));
            let value = value.replace("{folder}", folder.path().to_str().unwrap());
            let value = value.replace("{redis}", url.as_deref().unwrap_or_default());
            options = options.set(&name, &value);
        }
        let app = TestApp::spawn_with(&back_end, options).await;
        // What is stored is loaded once after the start, and that empties the cache. On a busy machine it
        // would come in the middle of what a witness does.
        let is_loaded = async || app.follow_state.borrow().position.is_some();
        assert!(within(PATIENCE, is_loaded).await, "what is stored is loaded");
        Some(Self { key: key.to_owned(), app, proxy, redis, folder })
    }

    /// The last but one part of the key: the reader, or the policy, that it is about.
    pub fn subject(&self) -> &str {
        self.key.rsplit('.').nth(1).unwrap()
    }

    /// The last part of the key.
    pub fn field(&self) -> &str {
        self.key.rsplit('.').next().unwrap()
    }

    pub async fn get(&self, path: &str) -> Value {
        self.app.client().get(path).await.expect(200)
    }

    /// A client of a new account of this tier and role.
    pub async fn member(&self, email: &str, tier: Tier, role: Role) -> Client {
        let accounts = &self.app.core.use_cases.accounts;
        accounts.create(email, Client::PASSWORD, "Ada", tier, role).await.unwrap();
        let signed_in = self.app.client().sign_in(email).await;
        self.app.client().with_token(&signed_in.access_token)
    }

    pub async fn admin(&self) -> Client {
        self.member("admin@example.com", Tier::Free, Role::Admin).await
    }

    pub async fn elite(&self) -> Client {
        self.member("elite@example.com", Tier::Elite, Role::User).await
    }

    /// A client with the key of a new producer.
    pub async fn producer(&self) -> Client {
        self.app.client().with_key(&self.app.producer("argo").await)
    }

    /// Stores signals of these confidences; their ids are made of `name` and their places.
    pub async fn publish(&self, producer: &Client, name: &str, confidences: &[&str]) {
        let signal = |(n, confidence): (usize, &&str)| {
            let mut body = SignalBody::new(&format!("{name}-{n}"), confidence);
            name.clone_into(&mut body.strategy);
            body.to_json()
        };
        let lines: Vec<_> = confidences.iter().enumerate().map(signal).collect();
        let stored =
            producer.post_text("external-signals/sync/batch", lines.join("\n")).await.expect(200);
        assert_eq!(stored["stored"], confidences.len(), "{stored}");
    }

    /// Adds something to do that is due so much later.
    pub async fn job(&self, later: Duration) {
        let now = self.app.now();
        let job = NewJob::new(Job::Check, now).due(now.later(later));
        assert!(self.app.core.stores.jobs.add(job).await.unwrap().is_some());
    }

    /// Adds something to do that cannot be read, and so fails when it is claimed.
    pub async fn broken_job(&self) {
        let broken = |unit: &mut alpine_persistence::Unit<'_>| {
            unit.conn.batch_execute(
                "INSERT INTO jobs (kind, payload, created_at, due_at) VALUES ('check', '', 0, 0)",
            )?;
            Ok(())
        };
        self.app.core.database.write("break", broken).await.unwrap();
    }

    /// The sum of a metric over the series that contain `label`; 0 if there is none.
    pub async fn metric(&self, name: &str, label: &str) -> f64 {
        let text = self.app.client().get("/metrics").await.text;
        sum_of(&text, name, label)
    }

    /// Waits until a metric is at least `wanted`, for [`PATIENCE`] at most; whether it came to that.
    pub async fn comes_to(&self, name: &str, label: &str, wanted: f64) -> bool {
        within(PATIENCE, async || self.metric(name, label).await >= wanted).await
    }

    /// The header of an answer to a page of another origin that asks what it may do.
    pub async fn preflight(&self, origin: &str, header: &str, answer: &str) -> String {
        let request = self.app.client().request(reqwest::Method::OPTIONS, "signals/latest");
        let request = request
            .header("Origin", origin)
            .header("Access-Control-Request-Method", "GET")
            .header("Access-Control-Request-Headers", header);
        self.app.client().send(request).await.header(answer).to_owned()
    }

    /// A connection from `address`, which takes little at once, with `text` sent.
    pub async fn connect(&self, address: &str, text: &str) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(8 * 1024).unwrap();
        socket.bind(format!("{address}:0").parse().unwrap()).unwrap();
        let to = self.app.base.strip_prefix("http://").unwrap().parse().unwrap();
        let mut stream = socket.connect(to).await.unwrap();
        // A connection that was refused may be gone already.
        let _gone = stream.write_all(text.as_bytes()).await;
        stream
    }

    /// What comes on a connection until it is closed, for [`PATIENCE`] at most; `None`: it is open still.
    pub async fn until_closed(mut stream: TcpStream) -> Option<String> {
        let mut bytes = Vec::new();
        let ended = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
        ended.ok().map(|_| String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// The sum of a metric in the text of `/metrics`, over the series that contain `label`; 0 if there is none.
pub fn sum_of(text: &str, name: &str, label: &str) -> f64 {
    let of_it = |line: &&str| {
        let rest = line.strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with(['{', ' '])) && line.contains(label)
    };
    let values = text.lines().filter(of_it).map(|line| line.rsplit(' ').next().unwrap());
    // The sum of nothing is -0, which would be shown.
    values.map(|value| value.parse::<f64>().unwrap()).fold(0.0, |sum, value| sum + value)
}

/// Waits until `holds`, for `patience` at most; whether it came to that.
pub async fn within(patience: Duration, holds: impl AsyncFn() -> bool) -> bool {
    let started = Instant::now();
    loop {
        if holds().await {
            return true;
        }
        if started.elapsed() > patience {
            return false;
        }
        sleep(Duration::from_millis(20)).await;
    }
}
