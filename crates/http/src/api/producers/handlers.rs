//! What producers push in. Bodies go to the use case as they came: the hash covers their very digits.

use actix_web::{
    HttpResponse,
    http::{
        StatusCode,
        header::{HeaderValue, LOCATION, RETRY_AFTER},
    },
};
use alpine_domain::{account::Caller, producer::Producer};

use super::views::{BatchView, OutcomeView, StoredView, SyncHealth};
use crate::{
    context::Context,
    extract::body::MediaType,
    problem::{Challenge, Problem, Result},
};

fn producer(context: &Context) -> Result<&Producer> {
    match &context.caller {
        Caller::Producer(producer) => Ok(producer),
        _ => Err(Problem::unauthenticated(
            Challenge::ProducerKey,
            "send the producer's key in X-API-Key",
        )),
    }
}

/// `POST external-signals/sync/signal`.
pub(crate) async fn submit(mut context: Context) -> Result<HttpResponse> {
    let (_, body) = context.body(&[MediaType::Json]).await?;
    let services = &context.state.services;
    let submitted = services.use_cases.intake.submit(producer(&context)?, &body).await?;
    let id = submitted.id.get();
    let view = StoredView {
        status: "success",
        message: "Signal stored successfully",
        signal_id: id,
        alpine_signal_id: id,
        external_signal_id: submitted.external_id.as_str(),
    };
    let mut answer = context.answer(StatusCode::CREATED, &view)?;
    if let Ok(location) = HeaderValue::try_from(format!("/api/v1/signals/{id}")) {
        answer.headers_mut().insert(LOCATION, location);
    }
    Ok(answer)
}

/// `POST external-signals/sync/batch`: good lines are stored, bad ones told by line and field.
pub(crate) async fn submit_batch(mut context: Context) -> Result<HttpResponse> {
    let (_, body) = context.body(&[MediaType::Lines, MediaType::Json]).await?;
    let services = &context.state.services;
    let results = services
        .use_cases
        .intake
        .submit_batch(producer(&context)?, &body, context.state.settings.http.body_limit)
        .await?;
    let view = BatchView::new(&results);
    context.ok(&view)
}

/// `POST external-signals/sync/outcome`.
pub(crate) async fn report_outcome(mut context: Context) -> Result<HttpResponse> {
    let (_, body) = context.body(&[MediaType::Json]).await?;
    let services = &context.state.services;
    let (signal, is_new) =
        services.use_cases.intake.report_outcome(producer(&context)?, &body).await?;
    context.ok(&OutcomeView::new(&signal, is_new))
}

/// `GET external-signals/sync/health`.
pub(crate) async fn health(context: Context) -> Result<HttpResponse> {
    let report = context.state.health.check().await;
    let answer = SyncHealth {
        status: report.status.as_str(),
        service: "Alpine Analytics - External Signal Sync",
        endpoint: "/api/v1/external-signals/sync/signal",
    };
    let mut answer = context.answer(report.status.http(), &answer)?;
    if !report.status.http().is_success() {
        answer.headers_mut().insert(RETRY_AFTER, 1.into());
    }
    Ok(answer)
}
