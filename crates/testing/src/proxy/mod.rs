//! A TCP proxy on a free loopback port whose faults are switched while it runs.
//!
//! A fault holds from the moment the call returns, for connections that exist and for those that
//! come. The proxy never invents what TCP rules out: bytes that it has swallowed never go missing in
//! the middle of a connection that lives on, so that a desynchronised client is the client's error.

mod connection;
mod counters;
mod fault;
mod listener;

use std::{
    net::{SocketAddr, ToSocketAddrs as _},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use tokio::sync::{oneshot, watch};
use url::Url;

use counters::Counters;
use fault::{Fault, State};

/// How long a fault may take until it holds.
const APPLY_TIMEOUT: Duration = Duration::from_secs(5);

/// Stands before a server and passes on what comes, until it is told to fail.
///
/// At most 1,024 connections are open at once; more wait to be accepted. Dropping it resets them.
pub struct FaultProxy {
    address: SocketAddr,
    state: watch::Sender<State>,
    counters: Arc<Counters>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl FaultProxy {
    /// Starts one before `target`, on a port of its own, on one thread of its own.
    pub fn start(target: SocketAddr) -> Result<Self> {
        let (state, states) = watch::channel(State::new(target));
        let counters = Arc::new(Counters::default());
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let port = {
            let _inside = runtime.enter();
            listener::ReservedPort::reserve()?
        };
        let address = port.address();
        let context = connection::Context { state: states, counters: Arc::clone(&counters) };
        let thread = std::thread::Builder::new().name("fault-proxy".into()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = stopped => {}
                    result = listener::run(port, context) => {
                        // The caller sees a closed port; this says why.
                        if let Err(error) = result {
                            eprintln!("the fault proxy on {address} has ended: {error}");
                        }
                    }
                }
            });
        })?;
        let proxy = Self { address, state, counters, stop: Some(stop), thread: Some(thread) };
        proxy.pass();
        Ok(proxy)
    }

    /// Starts one before the server that a `redis://` or `postgres://` URL names.
    pub fn before(url: &str) -> Result<Self> {
        Self::start(address_of(url)?)
    }

    /// New connections go to the server that `url` names, as when a name or an address is moved to
    /// another server. Existing connections stay with the old one.
    pub fn redirect(&self, url: &str) -> Result<()> {
        let target = address_of(url)?;
        self.state.send_modify(|state| state.redirect(target));
        self.wait_for_listener();
        Ok(())
    }

    /// Where to connect instead of the target.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same URL, by way of the proxy. A host of `localhost` stays, for certificates that name it.
    pub fn url(&self, original: &str) -> Result<String> {
        let mut url = Url::parse(original).with_context(|| format!("{original} is no URL"))?;
        if url.host_str() != Some("localhost") {
            url.set_host(Some(&self.address.ip().to_string()))?;
        }
        url.set_port(Some(self.address.port())).ok().context("the URL takes no port")?;
        Ok(url.into())
    }

    /// No fault (any more). Connections of which a black hole swallowed bytes are reset.
    pub fn pass(&self) {
        self.set(Fault::Pass);
    }

    /// Every byte arrives this much later; the rate stays.
    pub fn delay(&self, to_server: Duration, to_client: Duration) {
        self.set(Fault::Delay { to_server, to_client });
    }

    /// Each direction of each connection carries at most this many bytes per second (0 counts as 1).
    pub fn throttle(&self, bytes_per_second: u32) {
        self.set(Fault::Throttle { bytes_per_second: bytes_per_second.max(1) });
    }

    /// Resets (RST) all connections there are, once; new ones are served by the fault that is set.
    /// They are closed when this returns.
    pub fn cut(&self) {
        let mut old = None;
        self.state.send_modify(|state| old = Some(state.begin_epoch()));
        self.wait_for_listener();
        // One is ours; each connection of that epoch holds another.
        wait_until("cut", || old.as_ref().is_none_or(|old| Arc::strong_count(old) == 1));
    }

    /// Each connection passes on `bytes` more bytes of the server's answers, then ends (FIN after
    /// the last byte, so that the client sees exactly half an answer). Stays set for new connections.
    pub fn cut_after_bytes(&self, bytes: u64) {
        self.set(Fault::CutAfter { bytes });
    }

    /// Connections are accepted and live, but nothing comes out on either side, not even their end.
    pub fn black_hole(&self) {
        self.set(Fault::BlackHole);
    }

    /// New connections are refused by the system; the port stays reserved. Existing ones go on: call
    /// [`cut`](Self::cut) as well for a server that has died.
    pub fn refuse(&self) {
        self.set(Fault::Refuse);
    }

    /// What has gone through so far.
    pub fn traffic(&self) -> Traffic {
        let read = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
        Traffic {
            accepted: read(&self.counters.accepted),
            open: read(&self.counters.open),
            bytes_to_server: read(&self.counters.to_server),
            bytes_to_client: read(&self.counters.to_client),
            bytes_swallowed: read(&self.counters.swallowed),
        }
    }

    fn set(&self, fault: Fault) {
        self.state.send_modify(|state| state.set(fault));
        self.wait_for_listener();
    }

    fn wait_for_listener(&self) {
        let wanted = self.state.borrow().changes();
        wait_until("changed", || self.counters.applied.load(Ordering::SeqCst) >= wanted);
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            eprintln!("the fault proxy on {} has panicked, see above", self.address);
        }
    }
}

/// Counts since the start of a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic {
    /// Connections accepted so far.
    pub accepted: u64,
    /// Connections open now.
    pub open: u64,
    /// Bytes delivered to the server.
    pub bytes_to_server: u64,
    /// Bytes delivered to clients.
    pub bytes_to_client: u64,
    /// Bytes lost in the black hole, of both directions.
    pub bytes_swallowed: u64,
}

/// # Panics
/// A fault that does not take hold would let a test pass that proves nothing.
fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < APPLY_TIMEOUT, "the fault proxy has not {what} in time");
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// The IPv4 address of the server that a `redis://` or `postgres://` URL names.
fn address_of(url: &str) -> Result<SocketAddr> {
    let parsed = Url::parse(url).with_context(|| format!("{url} is no URL"))?;
    let host = parsed.host_str().with_context(|| format!("{url} names no host"))?;
    let port = parsed.port().unwrap_or(match parsed.scheme() {
        "redis" | "rediss" => 6379,
        _ => 5432,
    });
    (host, port)
        .to_socket_addrs()
        .with_context(|| format!("cannot resolve {host}"))?
        .find(SocketAddr::is_ipv4)
        .with_context(|| format!("{host} has no IPv4 address"))
}
