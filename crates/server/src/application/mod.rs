//! The one composition root: `main`, the end-to-end tests and `xtask` build the very same thing.

mod adapters;
mod channels;
mod core;
mod denials;
mod expiry;
mod jobs;
mod payments;
mod ports;
mod record;
mod retention;
mod settings;
mod tasks;
mod usage;

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use actix_web::{
    dev::{Server, ServerHandle},
    web,
};
use alpine_domain::{ports::health::Probe, retention::LogRetention};
use alpine_http::{AppState, Freshness, Route, Services, routes};
use alpine_infra::{
    events::{FollowState, Follower},
    redis::RedisProbe,
};
use alpine_persistence::DatabaseProbe;
use anyhow::Context as _;
use async_trait::async_trait;
use prometheus::Registry;
use tokio::sync::watch;

pub(crate) use self::core::explain;
pub(crate) use self::settings::database as database_settings;
pub use self::{
    core::Core,
    ports::{Ports, TimeSource},
    tasks::BackgroundTask,
};
use self::{
    expiry::ExpiryMetrics,
    jobs::{JobMetrics, Worker},
    record::RecordMetrics,
    retention::RetentionMetrics,
    tasks::Tasks,
};
use crate::{
    config::{Config, PaymentsBy},
    connections::{self, Counters, Port},
};

/// Routes besides those of the table, for extensions that live outside of this workspace. Called once for
/// every worker.
pub type MoreRoutes = fn(&Arc<Core>) -> Vec<Route>;

/// How the application is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Stop {
    No,
    Gracefully,
    AtOnce,
}

/// Asks a running application to end. Clones ask the same one.
#[derive(Debug, Clone)]
pub struct StopHandle(watch::Sender<Stop>);

impl StopHandle {
    /// Readiness says no; after the drain no connection is accepted; requests under way end, for the
    /// grace period at most; then background tasks end.
    pub fn stop(&self) {
        self.0.send_if_modified(|stop| {
            let first = *stop == Stop::No;
            if first {
                *stop = Stop::Gracefully;
            }
            first
        });
    }

    /// Ends at once; requests under way are cut off.
    pub fn force(&self) {
        self.0.send_replace(Stop::AtOnce);
    }
}

/// A bound, migrated, wired application that is about to serve.
pub struct Application {
    address: SocketAddr,
    metrics_address: Option<SocketAddr>,
    server: Server,
    metrics_server: Option<Server>,
    state: web::Data<AppState>,
    core: Arc<Core>,
    tasks: Tasks,
    follower: Arc<Follower>,
    drain: Duration,
    stop: StopHandle,
}

impl Application {
    /// Builds with the machine's own clock and generator. Must be called on a Tokio runtime.
    ///
    /// # Errors
    /// A taken port, a database that cannot be opened or migrated, a setting that an adapter refuses.
    pub async fn build(config: &Config) -> anyhow::Result<Self> {
        Self::build_with(config, &Ports::default(), |_| Vec::new(), Registry::new()).await
    }

    /// Builds with another clock or generator, more routes, or another registry of metrics: tests move
    /// time, `main` adds its own metrics.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub async fn build_with(
        config: &Config,
        ports: &Ports,
        more_routes: MoreRoutes,
        registry: Registry,
    ) -> anyhow::Result<Self> {
        // The port comes first: a second start must not touch what the first one serves.
        let listener = bind(config.http.bind, config.http.backlog, "http.bind")?;
        let metrics_listener = config
            .metrics_address()
            .map(|address| bind(address, 64, "metrics.bind"))
            .transpose()?;
        if config.database.url.trim().is_empty() {
            crate::config::make_private_folder(&config.data_dir)?;
        }
        let core = Arc::new(Core::wire(config, ports, &registry)?);
        core.prepare_schema(config).await?;
        core.ensure_producers(config).await?;

        let follower = Arc::new(Follower::start(
            config.events,
            core.stores.events.clone(),
            core.bus.clone(),
            core.use_cases.memory.clone(),
            core.infra_metrics.clone(),
        ));
        let surface = settings::http(config);
        alpine_http::check_limits(&more_routes(&core), &surface).map_err(anyhow::Error::msg)?;
        let metrics = registry.clone();
        let state = AppState::new(services(&core, &follower), surface, registry)?;
        let state = web::Data::new(state);
        let address = listener.local_addr()?;
        let metrics_address = metrics_listener.as_ref().map(TcpListener::local_addr).transpose()?;
        let counters = Counters::register(&metrics)?;
        let server = serve_api(config, &counters, listener, &state, &core, more_routes)?;
        let metrics_server = metrics_listener
            .map(|listener| serve_metrics(config, &counters, listener, &state))
            .transpose()?;
        let tasks = background(config, &core, &follower, &metrics)?;
        Ok(Self {
            address,
            metrics_address,
            server,
            metrics_server,
            state,
            core,
            tasks,
            follower,
            drain: config.shutdown.drain,
            stop: StopHandle(watch::Sender::new(Stop::No)),
        })
    }

    /// Where the API is served; with port 0 configured, the port that was given.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the metrics are served, when not beside the API.
    pub const fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_address
    }

    /// What the surface is built from, for fuzz targets that send requests without sockets.
    #[cfg(fuzzing)]
    pub fn state(&self) -> web::Data<AppState> {
        self.state.clone()
    }

    /// The use cases behind the surface.
    pub const fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// How far this instance has come in the event log.
    pub fn follow_state(&self) -> watch::Receiver<FollowState> {
        self.follower.watch()
    }

    /// Asks this application to end, once it runs.
    pub fn stop_handle(&self) -> StopHandle {
        self.stop.clone()
    }

    /// Runs `work` in the background until it ends or the application does.
    pub fn spawn(&mut self, task: BackgroundTask, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task, work);
    }

    /// What runs in the background.
    pub fn background_tasks(&self) -> &[BackgroundTask] {
        self.tasks.begun()
    }

    /// Serves until it is asked to stop.
    ///
    /// # Errors
    /// When a server ends by itself.
    pub async fn run(self) -> anyhow::Result<()> {
        let mut asked = self.stop.0.subscribe();
        let handles: Vec<ServerHandle> =
            std::iter::once(&self.server).chain(&self.metrics_server).map(Server::handle).collect();
        let api = tokio::spawn(self.server);
        let metrics = self.metrics_server.map(tokio::spawn);
        let served = async move {
            api.await??;
            if let Some(metrics) = metrics {
                metrics.await??;
            }
            anyhow::Ok(())
        };
        tokio::pin!(served);

        let ended = tokio::select! {
            result = &mut served => Some(result),
            () = asked_to(&mut asked, Stop::Gracefully) => None,
        };
        let result = if let Some(result) = ended {
            result.and(Err(anyhow::anyhow!("the server ended by itself")))
        } else {
            tracing::info!("shutting down: not ready any more");
            self.state.start_draining();
            let gracefully = drained(&mut asked, self.drain).await;
            tracing::info!(gracefully, "shutting down: no new connections");
            tokio::select! {
                () = stop_all(&handles, gracefully) => {}
                () = asked_to(&mut asked, Stop::AtOnce), if gracefully => {
                    stop_all(&handles, false).await;
                }
            }
            served.await
        };
        self.tasks.stop(Duration::from_secs(5)).await;
        drop(self.follower);
        tracing::info!("stopped");
        result
    }
}

/// Returns once it was asked to stop this way or a harder one. The sender lives as long as the
/// application, so the channel does not close before.
async fn asked_to(asked: &mut watch::Receiver<Stop>, way: Stop) {
    let _closed = asked.wait_for(|stop| *stop >= way).await.is_err();
}

/// Waits for the drain; false when it was cut short by force.
async fn drained(asked: &mut watch::Receiver<Stop>, drain: Duration) -> bool {
    tokio::time::timeout(drain, asked_to(asked, Stop::AtOnce)).await.is_err()
}

async fn stop_all(handles: &[ServerHandle], gracefully: bool) {
    for handle in handles {
        handle.stop(gracefully).await;
    }
}

/// Binds with a backlog of its own.
fn bind(address: SocketAddr, backlog: u32, key: &str) -> anyhow::Result<TcpListener> {
    let listen = || -> std::io::Result<TcpListener> {
        let socket = if address.is_ipv4() {
            tokio::net::TcpSocket::new_v4()?
        } else {
            tokio::net::TcpSocket::new_v6()?
        };
        #[cfg(unix)]
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(backlog)?.into_std()
    };
    listen().with_context(|| {
        format!(
            "cannot listen on {address} (`{key}`); if something else does, stop it, or choose another \
             port with ALPINE__{}",
            key.to_uppercase().replace('.', "__")
        )
    })
}

fn services(core: &Arc<Core>, follower: &Arc<Follower>) -> Services {
    let mut probes: Vec<Arc<dyn Probe>> = vec![
        Arc::new(DatabaseProbe::new(core.database.clone())),
        follower.clone(),
        Arc::new(RedisProbe::new(core.redis.clone())),
    ];
    probes.extend(core.disciplined.clone().map(|clock| clock as Arc<dyn Probe>));
    Services {
        use_cases: core.use_cases.clone(),
        limiter: core.limiter.clone(),
        cache: core.ports.cache.clone(),
        freshness: Arc::new(LogFreshness(follower.clone())),
        clock: core.ports.clock.clone(),
        randomness: core.ports.randomness.clone(),
        probes,
    }
}

fn serve_api(
    config: &Config,
    counters: &Counters,
    listener: TcpListener,
    state: &web::Data<AppState>,
    core: &Arc<Core>,
    more_routes: MoreRoutes,
) -> anyhow::Result<Server> {
    let (state, core) = (state.clone(), core.clone());
    let port = Port::api(config);
    connections::serve(port, &config.http, counters, listener, move || {
        let mut table = routes::table(&state.settings);
        table.extend(more_routes(&core));
        alpine_http::build(state.clone(), table)
    })
}

fn serve_metrics(
    config: &Config,
    counters: &Counters,
    listener: TcpListener,
    state: &web::Data<AppState>,
) -> anyhow::Result<Server> {
    let state = state.clone();
    connections::serve(Port::metrics(config), &config.http, counters, listener, move || {
        alpine_http::build(state.clone(), routes::metrics_table())
    })
}

/// # Errors
/// When a metric of a task is registered already.
fn background(
    config: &Config,
    core: &Arc<Core>,
    follower: &Arc<Follower>,
    registry: &Registry,
) -> anyhow::Result<Tasks> {
    let mut tasks = Tasks::new();
    let (shared, expiry_metrics) = (core.clone(), Arc::new(ExpiryMetrics::register(registry)?));
    tasks.every(BackgroundTask::Expiry, config.signals.expiry_interval, move || {
        let (core, metrics) = (shared.clone(), expiry_metrics.clone());
        async move { expiry::run(&core.use_cases.expiry, &metrics).await }
    });
    let sums = core.use_cases.sums.clone();
    let record_metrics = Arc::new(RecordMetrics::register(registry)?);
    tasks.every(BackgroundTask::RecordSums, config.record.seal_interval, move || {
        let (sums, metrics) = (sums.clone(), record_metrics.clone());
        async move { record::run(&sums, &metrics).await }
    });
    let (shared, counted) = (core.clone(), Arc::new(RetentionMetrics::register(registry)?));
    let metrics = counted.clone();
    tasks.every(BackgroundTask::Retention, config.retention.interval, move || {
        let (core, metrics) = (shared.clone(), metrics.clone());
        async move { retention::run(&core.use_cases.retention, &metrics).await }
    });
    let (kept, max_rows) = (config.events.retention, config.retention.max_rows_per_run);
    let (log, time) = (core.stores.events.clone(), core.ports.agreed_time.clone());
    let log = Arc::new(LogRetention::new(log, time, kept, max_rows));
    // Rows live a little longer than promised, never shorter.
    let often = (kept / 24).min(Duration::from_hours(1));
    tasks.every(BackgroundTask::EventRetention, often, move || {
        let (log, metrics) = (log.clone(), counted.clone());
        async move { retention::run(&*log, &metrics).await }
    });
    let denials = core.use_cases.denials.clone();
    tasks.spawn_until_stopped(BackgroundTask::Denials, |stopped| denials::run(denials, stopped));
    if config.payments() != PaymentsBy::Nobody {
        let payments = core.use_cases.payments.clone();
        tasks.every(BackgroundTask::PaymentsDue, config.billing.recheck_interval, move || {
            let payments = payments.clone();
            async move { payments.recheck().await.map(|_| ()) }
        });
        let payments = core.use_cases.payments.clone();
        tasks.every(BackgroundTask::PaymentsSweep, config.billing.sweep_interval, move || {
            let payments = payments.clone();
            async move { payments.begin_sweep().await }
        });
    }
    let digests = core.use_cases.digests.clone();
    tasks.every(BackgroundTask::Digests, config.jobs.interval, move || {
        let digests = digests.clone();
        async move { digests.add_due().await.map(|_| ()) }
    });
    let channels = core.use_cases.channels.clone();
    tasks.every(BackgroundTask::Channels, config.channels.recheck_interval, move || {
        let channels = channels.clone();
        async move { channels.recheck().await.map(|_| ()) }
    });
    let usage = core.use_cases.usage.clone();
    tasks.spawn_until_stopped(BackgroundTask::Usage, |stopped| usage::run(usage, stopped));
    let worker = Worker {
        store: core.stores.jobs.clone(),
        runner: core.use_cases.jobs.clone(),
        clock: core.ports.clock.clone(),
        randomness: core.ports.randomness.clone(),
        settings: config.jobs,
        metrics: JobMetrics::register(registry)?,
        added: core.jobs_added.clone(),
    };
    tasks.spawn_until_stopped(BackgroundTask::Jobs, |stopped| worker.run(stopped));
    if let Some(clock) = core.disciplined.clone() {
        let follower = follower.clone();
        tasks.every(BackgroundTask::Clock, Duration::from_secs(1), move || {
            let (clock, follower) = (clock.clone(), follower.clone());
            async move {
                clock.compare(|| follower.start_anew()).await;
                Ok::<_, std::convert::Infallible>(())
            }
        });
    }
    let follower = follower.clone();
    tasks.every(BackgroundTask::FreshnessGauge, Duration::from_secs(5), move || {
        follower.measure();
        std::future::ready(Ok::<_, std::convert::Infallible>(()))
    });
    Ok(tasks)
}

/// The event log's follower as the surface asks for it.
struct LogFreshness(Arc<Follower>);

#[async_trait]
impl Freshness for LogFreshness {
    fn is_fresh(&self) -> bool {
        self.0.is_fresh()
    }

    async fn catch_up(&self) -> alpine_domain::Result<()> {
        self.0.ensure_fresh().await
    }
}
