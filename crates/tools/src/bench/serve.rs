//! The server of one variant, in a process of its own: its memory, its threads and its log are not
//! shared with what it is compared to, nor with the load.

use std::{
    io::Write as _,
    net::SocketAddr,
    path::PathBuf,
    rc::Rc,
    sync::{Arc, OnceLock},
    time::Duration,
};

use actix_web::{App, HttpResponse, HttpServer, web};
use alpine_http::{Handler, Route, routes};
use alpine_server::{
    application::{Application, Core, MoreRoutes, Ports},
    logging,
};
use anyhow::{Context as _, Result};
use bytes::Bytes;
use prometheus::Registry;
use redis::aio::ConnectionManager;

use super::variant::Variant;
use crate::fixture;

/// Far beyond the 25 ms of the application: on a busy machine a round trip may take longer, and here every
/// answer must be 200.
const REDIS_DEADLINE: Duration = Duration::from_secs(2);

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The server to run
    variant: Variant,
    /// The folder with its database
    #[arg(long)]
    folder: PathBuf,
    #[arg(long)]
    workers: usize,
    /// The body that the bare handler sends
    #[arg(long)]
    body: Option<PathBuf>,
    /// The Redis that the third variant waits for
    #[arg(long)]
    redis: Option<String>,
}

/// Serves; says on standard output where.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let served = if arguments.variant == Variant::Bare {
        runtime.block_on(serve_bare(arguments))
    } else {
        let config = fixture::config(&arguments.folder, arguments.workers)?;
        let logging = logging::start(&config)?;
        runtime.block_on(serve_application(arguments, &config, &logging))
    };
    runtime.shutdown_timeout(Duration::from_secs(1));
    served
}

fn announce(address: SocketAddr) -> Result<()> {
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{address}")?;
    Ok(stdout.flush()?)
}

/// Returns once our parent has closed the pipe, or is gone.
async fn until_told() {
    let wait = || std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    // A pipe that cannot be read means the same.
    let _ = tokio::task::spawn_blocking(wait).await;
}

/// The least that actix-web can do: no middleware, no look-up, one header besides its own.
async fn serve_bare(arguments: &Arguments) -> Result<()> {
    let path = arguments.body.as_ref().context("--body is missing")?;
    let body = Bytes::from(std::fs::read(path)?);
    let server = HttpServer::new(move || {
        let body = body.clone();
        App::new().route(
            Variant::Bare.path(),
            web::get().to(move || {
                let answer = HttpResponse::Ok().content_type("application/json").body(body.clone());
                std::future::ready(answer)
            }),
        )
    })
    .workers(arguments.workers)
    .tcp_nodelay(true)
    .disable_signals()
    .bind("127.0.0.1:0")?;
    let address = *server.addrs().first().context("nothing is bound")?;
    let server = server.run();
    let handle = server.handle();
    let running = tokio::spawn(server);
    announce(address)?;
    until_told().await;
    handle.stop(false).await;
    Ok(running.await??)
}

async fn serve_application(
    arguments: &Arguments,
    config: &alpine_server::config::Config,
    logging: &logging::Logging,
) -> Result<()> {
    let registry = Registry::new();
    logging.register(&registry)?;
    let more_routes: MoreRoutes = match arguments.variant {
        Variant::Redis => {
            let url = arguments.redis.as_deref().context("--redis is missing")?;
            let connection = ConnectionManager::new(redis::Client::open(url)?).await?;
            let _ = REDIS.set(connection);
            with_redis
        }
        Variant::Uncached => without_cache,
        Variant::Bare | Variant::Cached => |_| Vec::new(),
    };
    let application =
        Application::build_with(config, &Ports::default(), more_routes, registry).await?;
    let stop = application.stop_handle();
    announce(application.address())?;
    let running = tokio::spawn(application.run());
    until_told().await;
    stop.force();
    running.await?
}

/// What answers `signals/latest`.
fn latest() -> Option<Route> {
    routes::table(&alpine_http::HttpSettings::default())
        .into_iter()
        .find(|route| route.endpoint.name == "latest_signals")
}

/// The same route under another path, with another handler around its own.
fn around(variant: Variant, wrap: impl Fn(Handler) -> Handler) -> Vec<Route> {
    let path = variant.path().strip_prefix("/api/v1/").unwrap_or_default();
    let wrapped = |Route { mut endpoint, handler }: Route| {
        (endpoint.path, endpoint.name) = (path, variant.name());
        Route { endpoint, handler: wrap(handler) }
    };
    latest().map(wrapped).into_iter().collect()
}

static REDIS: OnceLock<ConnectionManager> = OnceLock::new();

fn with_redis(_: &Arc<Core>) -> Vec<Route> {
    around(Variant::Redis, |inner| {
        Rc::new(move |context| {
            let inner = Rc::clone(&inner);
            Box::pin(async move {
                ask_redis().await.map_err(alpine_domain::Error::internal)?;
                inner(context).await
            })
        })
    })
}

async fn ask_redis() -> Result<(), redis::RedisError> {
    let Some(mut connection) = REDIS.get().cloned() else {
        return Ok(());
    };
    let ping = redis::cmd("PING");
    let answer = ping.query_async::<()>(&mut connection);
    match tokio::time::timeout(REDIS_DEADLINE, answer).await {
        Ok(answer) => answer,
        Err(_) => Err((redis::ErrorKind::Io, "no answer in time").into()),
    }
}

fn without_cache(_: &Arc<Core>) -> Vec<Route> {
    around(Variant::Uncached, crate::uncached::uncached())
}
