//! The public record: statistics over every closed signal, nothing of an open one.

use std::sync::Arc;

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
        .cached(policy(&context), Scope::Public, key, move |services| {
            let (performance, request) = (Arc::clone(&services.performance), request.clone());
            async move { loaded(&StatisticsView::from(performance.statistics(&request).await?), None) }
        })
        .await
}

/// `GET performance/equity-curve`.
pub(crate) async fn equity_curve(context: Context) -> Result<HttpResponse> {
    let (request, key) = request(&context)?;
    context
        .cached(policy(&context), Scope::Public, key, move |services| {
            let (performance, request) = (Arc::clone(&services.performance), request.clone());
            async move {
                loaded(&EquityCurveView::from(performance.equity_curve(&request).await?), None)
            }
        })
        .await
}

/// `GET symbols`.
pub(crate) async fn symbols(context: Context) -> Result<HttpResponse> {
    context
        .cached(policy(&context), Scope::Public, String::new(), move |services| {
            let performance = Arc::clone(&services.performance);
            async move { loaded(&SymbolsView::new(&performance.symbols().await?), None) }
        })
        .await
}
