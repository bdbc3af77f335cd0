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

/// What every new connection passes.
#[derive(Clone)]
struct Gate {
    per_address: PerAddress,
    pace: Pace,
    refused: IntCounter,
    disconnected: IntCounter,
}

impl Gate {
    fn new(config: &Config, registry: &Registry) -> Result<Self, prometheus::Error> {
        let http = &config.http;
        Ok(Self {
            per_address: PerAddress::new(
                http.max_connections_per_address,
                http.trusted_proxies.clone(),
            ),
            pace: Pace {
                window: http.send_window,
                bytes: (http.send_floor as u64).saturating_mul(http.send_window.as_secs()),
            },
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

    fn admit(
        &self,
        stream: TcpStream,
    ) -> Result<(Paced, Protocol, Option<SocketAddr>), DispatchError> {
        let peer = stream.peer_addr()?;
        let Ok(place) = self.per_address.admit(peer.ip()) else {
            self.refused.inc();
            return Err(io::Error::from(io::ErrorKind::QuotaExceeded).into());
        };
        // Answers are written whole: holding back the last segment could only delay it.
        stream.set_nodelay(true)?;
        let stream = Paced::new(stream, self.pace, self.disconnected.clone(), place);
        Ok((stream, Protocol::Http1, Some(peer)))
    }
}

/// Serves what `app` builds, once for each worker.
///
/// # Errors
/// When a metric is registered already, or the listener cannot be used.
pub(crate) fn serve<I, S, B>(
    config: &Config,
    registry: &Registry,
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
    let gate = Gate::new(config, registry)?;
    // Connections inherit it.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    socket2::SockRef::from(&listener).set_tcp_notsent_lowat(UNSENT)?;
    let http = &config.http;
    let workers = match http.workers {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        given => given,
    };
    let (keep_alive, head_timeout) = (http.keep_alive, http.request_head_timeout);
    let builder = Server::build()
        .workers(workers)
        .max_concurrent_connections(http.max_connections.div_ceil(workers))
        .shutdown_timeout(config.shutdown.grace.as_secs())
        .disable_signals();
    let stopping = builder.graceful_shutdown_signal();
    let server = builder.listen("api", listener, move || {
        let (gate, stopping) = (gate.clone(), stopping.clone());
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
        fn_service(move |stream: TcpStream| ready(gate.admit(stream))).and_then(http)
    })?;
    Ok(server.run())
}
