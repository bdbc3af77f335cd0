//! Between the listener and HTTP: how many connections an address has, and how fast each must read.

mod pace;
mod per_address;

use std::{
    fmt,
    future::ready,
    io,
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use actix_http::{
    HttpService, Protocol, Request, Response, body::MessageBody, error::DispatchError,
};
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt as _, fn_service, map_config,
};
use actix_web::{
    body::BoxBody,
    dev::{AppConfig, Server},
    rt::net::TcpStream,
};
use alpine_http::HttpSection;
use ipnet::IpNet;
use prometheus::{IntCounter, Registry, register_int_counter_with_registry};

use self::{
    pace::{Pace, Paced},
    per_address::PerAddress,
};
use crate::config::Config;

/// Bytes that wait in the operating system for a client to read on, besides those under way. Without a
/// bound it takes megabytes, and says nothing of a slow client's progress.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNSENT: u32 = 32 * 1024;

/// What is counted of the connections of all ports.
#[derive(Clone)]
pub(crate) struct Counters {
    refused: IntCounter,
    disconnected: IntCounter,
}

impl Counters {
    /// Registers `http_connections_refused_total` and `http_slow_readers_disconnected_total`.
    ///
    /// # Errors
    /// When a metric is registered already.
    pub(crate) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        Ok(Self {
            refused: register_int_counter_with_registry!(
                "http_connections_refused_total",
                "Connections closed at once, because their address had as many open as it may.",
                registry
            )?,
            disconnected: register_int_counter_with_registry!(
                "http_slow_readers_disconnected_total",
                "Connections closed because the client read its answer too slowly or not at all.",
                registry
            )?,
        })
    }
}

/// What differs from port to port. Deadlines and pace are the same on each.
pub(crate) struct Port {
    /// Its name in the log.
    name: &'static str,
    workers: usize,
    /// Connections at most, over all workers.
    max_connections: usize,
    max_connections_per_address: usize,
    /// Who connects for many clients.
    proxies: Vec<IpNet>,
    /// How long requests under way may take to end at shutdown.
    grace: Duration,
}

impl Port {
    /// The port of the API.
    pub(crate) fn api(config: &Config) -> Self {
        let http = &config.http;
        let workers = match http.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            given => given,
        };
        Self {
            name: "api",
            workers,
            max_connections: http.max_connections,
            max_connections_per_address: http.max_connections_per_address,
            proxies: http.trusted_proxies.clone(),
            grace: config.shutdown.grace,
        }
    }

    /// The port of the metrics: few ask there, and one address does not take all of it.
    pub(crate) fn metrics(config: &Config) -> Self {
        Self {
            name: "metrics",
            workers: 1,
            max_connections: 64,
            max_connections_per_address: config.http.max_connections_per_address.min(32),
            proxies: Vec::new(),
            grace: Duration::from_secs(1),
        }
    }
}

/// What every new connection passes.
#[derive(Clone)]
struct Admission {
    per_address: PerAddress,
    pace: Pace,
    counters: Counters,
}

impl Admission {
    fn new(http: &HttpSection, at_most: usize, proxies: Vec<IpNet>, counters: Counters) -> Self {
        Self {
            per_address: PerAddress::new(at_most, proxies),
            pace: Pace {
                window: http.send_window,
                bytes: (http.send_floor as u64).saturating_mul(http.send_window.as_secs()),
            },
            counters,
        }
    }

    fn admit(
        &self,
        stream: TcpStream,
    ) -> Result<(Paced, Protocol, Option<SocketAddr>), DispatchError> {
        let peer = stream.peer_addr()?;
        let Ok(counted) = self.per_address.admit(peer.ip()) else {
            self.counters.refused.inc();
            return Err(io::Error::from(io::ErrorKind::QuotaExceeded).into());
        };
        // Answers are written whole: holding back the last segment could only delay it.
        stream.set_nodelay(true)?;
        let stream = Paced::new(stream, self.pace, self.counters.disconnected.clone(), counted);
        Ok((stream, Protocol::Http1, Some(peer)))
    }
}

/// Serves what `app` builds on `port`, once for each of its workers.
///
/// # Errors
/// When the listener cannot be used.
pub(crate) fn serve<I, S, B>(
    port: Port,
    http: &HttpSection,
    counters: &Counters,
    listener: TcpListener,
    app: impl Fn() -> I + Send + Clone + 'static,
) -> anyhow::Result<Server>
where
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<Response<BoxBody>> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    S::Service: 'static,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    let Port { name, workers, max_connections, max_connections_per_address, proxies, grace } = port;
    let admission = Admission::new(http, max_connections_per_address, proxies, counters.clone());
    // Connections inherit it.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    socket2::SockRef::from(&listener).set_tcp_notsent_lowat(UNSENT)?;
    let (keep_alive, head_timeout) = (http.keep_alive, http.request_head_timeout);
    let builder = Server::build()
        .workers(workers)
        .max_concurrent_connections(max_connections.div_ceil(workers))
        .shutdown_timeout(grace.as_secs())
        .disable_signals();
    let stopping = builder.graceful_shutdown_signal();
    let server = builder.listen(name, listener, move || {
        let (admission, stopping) = (admission.clone(), stopping.clone());
        let http = HttpService::build()
            // Without it idle connections would use up the grace period.
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .keep_alive(keep_alive)
            .client_request_timeout(head_timeout)
            .client_disconnect_timeout(Duration::from_secs(1))
            .finish(map_config(app(), |()| AppConfig::default()));
        fn_service(move |stream: TcpStream| ready(admission.admit(stream))).and_then(http)
    })?;
    Ok(server.run())
}
