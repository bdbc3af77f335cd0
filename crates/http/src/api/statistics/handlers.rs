//! The public record: statistics over every closed signal that is released to the reader, nothing of an
//! open one.

use actix_web::HttpResponse;
use alpine_domain::{event::tags, ports::cache::CachePolicy, statistics::PerformanceRequest};

use super::{
    parameters,
    views::{EquityCurveView, StatisticsView, SymbolsView},
};
use crate::{cached::loaded, context::Context, problem::Result};

pub(super) fn policy(context: &Context) -> CachePolicy {
    context.cache_policy(
        context.state.settings.cache.performance,
        [tags::performance(context.viewer())],
    )
}

fn request(context: &Context) -> Result<(PerformanceRequest, String)> {
    let (values, key) = context.parameters(&parameters::performance())?;
    Ok((parameters::request(values)?, key))
}

/// `GET performance/stats`.
pub(crate) async fn statistics(context: Context) -> Result<HttpResponse> {
    let (request, key) = request(&context)?;
    context
        .cached_for_group(policy(&context), key, request, |services, viewer, request| async move {
            let told = services.use_cases.performance.statistics(viewer, &request).await?;
            loaded(&StatisticsView::new(told.answer, &request), told.expires_at)
        })
        .await
}

/// `GET performance/equity-curve`.
pub(crate) async fn equity_curve(context: Context) -> Result<HttpResponse> {
    let ((values, points), key) = context.parameters(&parameters::curve())?;
    let request = (parameters::request(values)?, points);
    context
        .cached_for_group(policy(&context), key, request, |services, viewer, request| async move {
            let (request, points) = request;
            let performance = &services.use_cases.performance;
            let told = performance.equity_curve(viewer, &request, points).await?;
            loaded(&EquityCurveView::new(told.answer, &request), told.expires_at)
        })
        .await
}

/// `GET symbols`.
pub(crate) async fn symbols(context: Context) -> Result<HttpResponse> {
    let (record, key) = context.parameters(&parameters::symbols())?;
    context
        .cached_for_group(policy(&context), key, record, |services, viewer, record| async move {
            let told = services.use_cases.performance.symbols(viewer, record).await?;
            loaded(&SymbolsView::new(&told.answer), told.expires_at)
        })
        .await
}

/// `GET performance/definitions`: the page that defines every figure.
pub(crate) async fn definitions(_: Context) -> Result<HttpResponse> {
    let page = include_str!("../../../../../docs/record.md");
    Ok(HttpResponse::Ok().content_type("text/markdown; charset=utf-8").body(page))
}
