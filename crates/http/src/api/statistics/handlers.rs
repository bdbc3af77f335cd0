//! The public record: statistics over every closed signal, nothing of an open one.

use std::sync::Arc;

use actix_web::HttpResponse;
use alpine_domain::{
    event::tags,
    ports::cache::{CachePolicy, Scope},
    statistics::PerformanceRequest,
};

use crate::{
    api::statistics::views::{EquityCurveView, StatisticsView, SymbolsView},
    cached::loaded,
    context::Context,
    problem::Result,
};

fn policy(context: &Context) -> CachePolicy {
    context.cache_policy(context.state.settings.cache.performance, [tags::PERFORMANCE])
}

fn request(context: &Context) -> Result<(PerformanceRequest, String)> {
    let mut query = context.query()?;
    let request = PerformanceRequest {
        symbol: query.symbol(),
        strategy: query.optional("strategy"),
        days: query.days(1..=3_650),
    };
    Ok((request, query.finish()?))
}

/// `GET performance/stats`.
pub(crate) async fn statistics(context: Context) -> Result<HttpResponse> {
    let (request, parameters) = request(&context)?;
    context
        .cached(policy(&context), Scope::Public, parameters, move |services| {
            let (performance, request) = (Arc::clone(&services.performance), request.clone());
            async move { loaded(&StatisticsView::from(performance.statistics(&request).await?), None) }
        })
        .await
}

/// `GET performance/equity-curve`.
pub(crate) async fn equity_curve(context: Context) -> Result<HttpResponse> {
    let (request, parameters) = request(&context)?;
    context
        .cached(policy(&context), Scope::Public, parameters, move |services| {
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
