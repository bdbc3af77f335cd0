//! Steady traffic through a load balancer that sends only to instances whose readiness says that they
//! are ready, and what became of it.

use std::{
    io::{Error, ErrorKind, Result},
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::{sleep, timeout},
};

/// How often readiness is asked for.
const CHECK_INTERVAL: Duration = Duration::from_millis(20);
/// An answer that takes longer counts as none.
const DEADLINE: Duration = Duration::from_secs(10);

/// A balancer with traffic of its own. Dropping it ends the traffic.
pub struct Balancer {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
}

/// What became of the traffic.
#[derive(Debug, Default)]
pub struct Report {
    /// Requests that were sent through the balancer.
    pub requests: u64,
    /// Those that were not answered with 200, one text each.
    pub refused: Vec<String>,
    /// Each time that an instance said that it is ready, and refused a request sent right afterwards.
    pub untrue: Vec<String>,
}

struct Shared {
    path: String,
    token: String,
    instances: Mutex<Vec<Arc<Instance>>>,
    turn: AtomicUsize,
    requests: AtomicU64,
    report: Mutex<Report>,
    is_over: AtomicBool,
}

struct Instance {
    address: SocketAddr,
    is_ready: AtomicBool,
    served: AtomicU64,
}

impl Balancer {
    /// Sends GET requests for `path` with an access token, `senders` at a time, as soon as there is an
    /// instance that is ready. Must be called on a Tokio runtime.
    pub fn start(path: &str, token: &str, senders: usize) -> Self {
        let shared = Arc::new(Shared {
            path: path.to_owned(),
            token: token.to_owned(),
            instances: Mutex::default(),
            turn: AtomicUsize::new(0),
            requests: AtomicU64::new(0),
            report: Mutex::default(),
            is_over: AtomicBool::new(false),
        });
        let mut tasks = JoinSet::new();
        for _ in 0..senders {
            tasks.spawn(send(Arc::clone(&shared)));
        }
        Self { shared, tasks }
    }

    /// Asks one more instance for its readiness from now on.
    pub fn add(&mut self, address: SocketAddr) {
        let instance = Arc::new(Instance {
            address,
            is_ready: AtomicBool::new(false),
            served: AtomicU64::new(0),
        });
        lock(&self.shared.instances).push(Arc::clone(&instance));
        self.tasks.spawn(check(Arc::clone(&self.shared), instance));
    }

    /// Whether the instance said that it is ready when it was asked last.
    pub fn is_ready(&self, address: SocketAddr) -> bool {
        self.find(address).is_some_and(|instance| instance.is_ready.load(Ordering::SeqCst))
    }

    /// Requests that the instance has answered with 200.
    pub fn served(&self, address: SocketAddr) -> u64 {
        self.find(address).map_or(0, |instance| instance.served.load(Ordering::SeqCst))
    }

    fn find(&self, address: SocketAddr) -> Option<Arc<Instance>> {
        lock(&self.shared.instances).iter().find(|instance| instance.address == address).cloned()
    }

    /// Ends the traffic once what is under way was answered.
    pub async fn finish(mut self) -> Report {
        self.shared.is_over.store(true, Ordering::SeqCst);
        while self.tasks.join_next().await.is_some() {}
        let requests = self.shared.requests.load(Ordering::SeqCst);
        Report { requests, ..std::mem::take(&mut *lock(&self.shared.report)) }
    }
}

/// A panic elsewhere leaves nothing half done here.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sends one request after the other to whoever is ready, in turn.
async fn send(shared: Arc<Shared>) {
    while !shared.is_over.load(Ordering::SeqCst) {
        let ready: Vec<Arc<Instance>> = lock(&shared.instances)
            .iter()
            .filter(|instance| instance.is_ready.load(Ordering::SeqCst))
            .cloned()
            .collect();
        let turn = shared.turn.fetch_add(1, Ordering::SeqCst);
        let Some(instance) = ready.get(turn % ready.len().max(1)) else {
            if shared.requests.load(Ordering::SeqCst) > 0 {
                lock(&shared.report).refused.push("no instance is ready".to_owned());
            }
            sleep(CHECK_INTERVAL).await;
            continue;
        };
        shared.requests.fetch_add(1, Ordering::SeqCst);
        match get(instance.address, &shared.path, Some(&shared.token)).await {
            Ok(200) => {
                instance.served.fetch_add(1, Ordering::SeqCst);
            }
            other => lock(&shared.report).refused.push(format!("{}: {other:?}", instance.address)),
        }
        // Steady, not as much as the machine can do.
        sleep(Duration::from_millis(2)).await;
    }
}

/// Asks for readiness again and again, and looks whether it is true.
async fn check(shared: Arc<Shared>, instance: Arc<Instance>) {
    while !shared.is_over.load(Ordering::SeqCst) {
        let says_ready = matches!(get(instance.address, "/health/readiness", None).await, Ok(200));
        let was_ready = instance.is_ready.swap(says_ready, Ordering::SeqCst);
        if says_ready && !was_ready {
            let answer = get(instance.address, &shared.path, Some(&shared.token)).await;
            if !matches!(answer, Ok(200)) {
                lock(&shared.report).untrue.push(format!("{}: {answer:?}", instance.address));
            }
        }
        sleep(CHECK_INTERVAL).await;
    }
}

/// The status of one answer, on a connection of its own.
async fn get(address: SocketAddr, path: &str, token: Option<&str>) -> Result<u16> {
    let credential =
        token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
    let head =
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{credential}Connection: close\r\n\r\n");
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(head.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        let status = answer.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok());
        status
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| Error::new(ErrorKind::InvalidData, "no status"))
    };
    timeout(DEADLINE, exchange).await.unwrap_or_else(|late| Err(late.into()))
}
