//! How the service is doing. Liveness looks at nothing shared; the rest looks at the probes, at most
//! once a second however often it is asked.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::{
    HttpResponse,
    http::{StatusCode, header::RETRY_AFTER},
    rt::time::timeout,
};
use alpine_domain::ports::health::{Condition, Probe, Report};
use futures_util::{future::join_all, lock::Mutex};
use prometheus::Encoder as _;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    context::Context,
    problem::{self, Problem, Result},
};

/// How long a report is passed on before the probes are asked again.
const KEPT: Duration = Duration::from_secs(1);

/// How the whole is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    /// Everything works.
    Healthy,
    /// The job is done, in a lesser way.
    Degraded,
    /// Something essential is away.
    Unhealthy,
}

impl Status {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
        }
    }

    pub(crate) const fn http(self) -> StatusCode {
        match self {
            Self::Healthy | Self::Degraded => StatusCode::OK,
            Self::Unhealthy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// How one part is doing.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Check {
    /// `healthy`, `degraded`, `unhealthy` or `not_configured`.
    status: &'static str,
    /// Whether the service cannot do its job without it.
    essential: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// What the probes said.
#[derive(Debug, Clone)]
pub(crate) struct Overview {
    pub(crate) status: Status,
    checks: BTreeMap<&'static str, Check>,
}

/// The probes, asked one round at a time.
pub(crate) struct Health {
    probes: Vec<Arc<dyn Probe>>,
    probe_timeout: Duration,
    started: Instant,
    last: Mutex<Option<(Instant, Overview)>>,
}

impl Health {
    pub(crate) fn new(probes: Vec<Arc<dyn Probe>>, probe_timeout: Duration) -> Self {
        Self { probes, probe_timeout, started: Instant::now(), last: Mutex::new(None) }
    }

    /// What the probes say, or said within the last second. Concurrent callers share one round.
    pub(crate) async fn check(&self) -> Overview {
        let mut last = self.last.lock().await;
        if let Some((at, overview)) = last.as_ref()
            && at.elapsed() < KEPT
        {
            return overview.clone();
        }
        let reports = join_all(self.probes.iter().map(|probe| self.ask(probe.as_ref()))).await;
        let overview = summarise(reports);
        *last = Some((Instant::now(), overview.clone()));
        overview
    }

    async fn ask(&self, probe: &dyn Probe) -> (&'static str, bool, Report) {
        let report = timeout(self.probe_timeout, probe.probe()).await.unwrap_or_else(|_| Report {
            condition: Condition::Down,
            detail: Some("did not answer in time".to_owned()),
        });
        (probe.name(), probe.is_essential(), report)
    }
}

fn summarise(reports: Vec<(&'static str, bool, Report)>) -> Overview {
    let mut status = Status::Healthy;
    let mut checks = BTreeMap::new();
    for (name, essential, report) in reports {
        let word = match report.condition {
            Condition::Up => "healthy",
            Condition::Down => "unhealthy",
            Condition::Degraded => "degraded",
            Condition::NotConfigured => "not_configured",
        };
        match (report.condition, essential) {
            (Condition::Down, true) => status = Status::Unhealthy,
            (Condition::Down | Condition::Degraded, _) if status == Status::Healthy => {
                status = Status::Degraded;
            }
            _ => {}
        }
        checks.insert(name, Check { status: word, essential, detail: report.detail });
    }
    Overview { status, checks }
}

/// How the service is doing.
#[derive(Serialize, ToSchema)]
#[schema(as = Health)]
pub(crate) struct HealthView<'a> {
    status: Status,
    service: &'a str,
    version: &'a str,
    uptime_seconds: u64,
    /// Of each part: `database`, `redis` and others.
    checks: &'a BTreeMap<&'static str, Check>,
}

/// `GET /health`.
pub(crate) async fn health(context: Context) -> Result<HttpResponse> {
    let health = &context.state.health;
    let overview = health.check().await;
    let settings = &context.state.settings;
    let view = HealthView {
        status: overview.status,
        service: settings.service,
        version: settings.version,
        uptime_seconds: health.started.elapsed().as_secs(),
        checks: &overview.checks,
    };
    let mut answer = context.answer(overview.status.http(), &view)?;
    if overview.status == Status::Unhealthy {
        answer.headers_mut().insert(RETRY_AFTER, 1.into());
    }
    Ok(answer)
}

/// A word on how a process is doing.
#[derive(Serialize, ToSchema)]
pub(crate) struct StatusView {
    status: &'static str,
}

/// `GET /health/liveness`: the process answers, whatever else is away.
pub(crate) async fn liveness(context: Context) -> Result<HttpResponse> {
    context.ok(&StatusView { status: "alive" })
}

/// `GET /health/readiness`: everything essential is there and shutdown has not begun.
pub(crate) async fn readiness(context: Context) -> Result<HttpResponse> {
    let unready = |what| {
        Err(Problem::from(alpine_domain::Error::Unavailable {
            what,
            retry_after: Duration::from_secs(1),
            source: None,
        }))
    };
    if context.state.is_draining() {
        return unready("the service is shutting down and");
    }
    if context.state.health.check().await.status == Status::Unhealthy {
        return unready("something essential");
    }
    context.ok(&StatusView { status: "ready" })
}

/// `GET /metrics`, in the Prometheus text format.
pub(crate) async fn metrics(context: Context) -> Result<HttpResponse> {
    let encoder = prometheus::TextEncoder::new();
    let mut text = Vec::new();
    encoder
        .encode(&context.state.registry.gather(), &mut text)
        .map_err(alpine_domain::Error::internal)?;
    Ok(HttpResponse::Ok().content_type(prometheus::TEXT_FORMAT).body(text))
}

/// `GET /problems/{kind}`: what a problem's `type` leads to.
pub(crate) async fn problem_kind(context: Context) -> Result<HttpResponse> {
    let slug = context.segment("kind");
    let kind = problem::KINDS.iter().find(|kind| kind.slug == slug);
    let kind = kind.ok_or_else(|| crate::context::not_found("kind of problem"))?;
    context.ok(kind)
}
