//! The public record: statistics over every closed signal, nothing of an open one.

use actix_web::HttpResponse;
use alpine_domain::{
    event::tags,
    ports::cache::{CachePolicy, Scope},
    statistics::PerformanceRequest,
};

use super::{
    parameters,
    views::{EquityCurveView, StatisticsView, SymbolsView},
};
use crate::{cached::loaded, context::Context, problem::Result};

fn policy(context: &Context) -> CachePolicy {
    context.cache_policy(context.state.settings.cache.performance, [tags::PERFORMANCE])
}

fn request(context: &Context) -> Result<(PerformanceRequest, String)> {
    let ((symbol, strategy, days), key) = context.parameters(&parameters::performance())?;
    Ok((PerformanceRequest { symbol, strategy, days }, key))
}

/// `GET performance/stats`.
pub(crate) async fn statistics(context: Context) -> Result<HttpResponse> {
    let (request, key) = request(&context)?;
    context
        .cached(policy(&context), Scope::Public, key, request, |services, request| async move {
            let statistics = services.performance.statistics(&request).await?;
            loaded(&StatisticsView::from(statistics), None)
        })
        .await
}

/// `GET performance/equity-curve`.
pub(crate) async fn equity_curve(context: Context) -> Result<HttpResponse> {
    let (request, key) = request(&context)?;
    context
        .cached(policy(&context), Scope::Public, key, request, |services, request| async move {
            let curve = services.performance.equity_curve(&request).await?;
            loaded(&EquityCurveView::from(curve), None)
        })
        .await
}

/// `GET symbols`.
pub(crate) async fn symbols(context: Context) -> Result<HttpResponse> {
    context
        .cached(policy(&context), Scope::Public, String::new(), (), |services, ()| async move {
            loaded(&SymbolsView::new(&services.performance.symbols().await?), None)
        })
        .await
}
