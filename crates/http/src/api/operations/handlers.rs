//! How the service is doing. Liveness looks at nothing shared; the rest looks at the probes, at most
//! once a second however often it is asked.

use std::time::Duration;

use actix_web::{HttpResponse, http::header::RETRY_AFTER};
use prometheus::Encoder as _;

use super::views::{HealthView, StatusView};
use crate::{
    context::Context,
    health::Status,
    problem::{Kind, Problem, Result},
};

/// `GET /health`.
pub(crate) async fn health(context: Context) -> Result<HttpResponse> {
    let health = &context.state.health;
    let overview = health.check(&*context.state.services.clock).await;
    let view = HealthView {
        status: overview.status,
        service: "alpine",
        version: env!("CARGO_PKG_VERSION"),
        uptime_seconds: health.uptime().as_secs(),
        checks: &overview.checks,
        details: &overview.details,
    };
    let mut answer = context.answer(overview.status.http(), &view)?;
    if overview.status == Status::Unhealthy {
        answer.headers_mut().insert(RETRY_AFTER, 1.into());
    }
    Ok(answer)
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
    if context.state.health.check(&*context.state.services.clock).await.status == Status::Unhealthy
    {
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
    context.ok(context.segment::<&Kind>("kind", "kind of problem")?)
}
