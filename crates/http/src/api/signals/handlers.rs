//! Lists of signals, each as far as the caller's tier may see.

use std::sync::Arc;

use actix_web::{
    HttpResponse,
    http::header::{HeaderValue, LINK},
};
use alpine_domain::{
    event::tags,
    page::Slice,
    ports::cache::CachePolicy,
    signal::{HistoryRequest, ListRequest, SignalId},
};

use super::{
    parameters,
    views::{HistoryView, LiveView, SignalPage, SignalView, SignalViews},
};
use crate::{
    cached::{group, loaded},
    context::{Context, not_found},
    problem::Result,
};

fn policy(context: &Context) -> CachePolicy {
    context.cache_policy(context.state.settings.cache.signals, [tags::SIGNALS])
}

/// `GET signals/latest`: a bare array, as existing clients expect.
pub(crate) async fn latest(context: Context) -> Result<HttpResponse> {
    let ((limit, premium_only, symbol), key) = context.parameters(&parameters::latest())?;
    let request = ListRequest { premium_only, symbol, ..ListRequest::newest(limit) };
    let viewer = context.viewer();
    context
        .cached(policy(&context), group(viewer), key, move |services| {
            let (catalogue, request) = (Arc::clone(&services.catalogue), request.clone());
            async move {
                let listing = catalogue.latest(viewer, &request).await?;
                loaded(&SignalViews(&listing.signals, &catalogue), listing.expires_at)
            }
        })
        .await
}

/// `GET signals/subscribed`: a page, with a link to the next one.
pub(crate) async fn subscribed(context: Context) -> Result<HttpResponse> {
    let (values, key) = context.parameters(&parameters::subscribed())?;
    let (limit, offset, after, premium_only, symbol, action, min_confidence) = values;
    let slice = Slice { limit, offset, after };
    let request = ListRequest { slice, premium_only, symbol, action, min_confidence };
    let viewer = context.viewer();
    let entry = context
        .entry(policy(&context), group(viewer), key, move |services| {
            let (catalogue, request) = (Arc::clone(&services.catalogue), request.clone());
            async move {
                let (page, expires_at) = catalogue.subscribed(viewer, &request).await?;
                loaded(&SignalPage::new(&page, &catalogue, viewer.name()), expires_at)
            }
        })
        .await?;
    let mut response = context.serve(&entry);
    if let Some(cursor) = next_cursor(&entry.body)
        && let Ok(link) = HeaderValue::try_from(next_link(&context, cursor))
    {
        response.headers_mut().insert(LINK, link);
    }
    Ok(response)
}

/// The cursor that stands near the end of a page's body: the cache keeps no headers.
fn next_cursor(body: &[u8]) -> Option<&str> {
    let tail = body.get(body.len().saturating_sub(160)..)?;
    let (_, after) = std::str::from_utf8(tail).ok()?.rsplit_once("\"next_cursor\":\"")?;
    after.split_once('"').map(|(cursor, _)| cursor)
}

/// `<…>; rel="next"` (RFC 8288): the same request, further on. Only parameters that were checked
/// are repeated.
fn next_link(context: &Context, cursor: &str) -> String {
    const KEPT: [&str; 5] = ["limit", "premium_only", "symbol", "action", "min_confidence"];
    let mut query = String::new();
    for pair in context.request.query_string().split('&') {
        if KEPT.contains(&pair.split('=').next().unwrap_or_default()) {
            query.push_str(pair);
            query.push('&');
        }
    }
    format!("<{}?{query}cursor={cursor}>; rel=\"next\"", context.request.path())
}

/// `GET signals/live`.
pub(crate) async fn live(context: Context) -> Result<HttpResponse> {
    let (limit, key) = context.parameters(&parameters::live())?;
    let request = ListRequest::newest(limit);
    let viewer = context.viewer();
    context
        .cached(policy(&context), group(viewer), key, move |services| {
            let (catalogue, request) = (Arc::clone(&services.catalogue), request.clone());
            async move {
                let listing = catalogue.latest(viewer, &request).await?;
                let view = LiveView {
                    signals: SignalViews(&listing.signals, &catalogue),
                    user_tier: viewer.name(),
                    min_confidence: catalogue.min_confidence(viewer),
                    count: listing.signals.len(),
                };
                loaded(&view, listing.expires_at)
            }
        })
        .await
}

/// `GET signals/history`.
pub(crate) async fn history(context: Context) -> Result<HttpResponse> {
    let ((limit, days, symbol, status), key) = context.parameters(&parameters::history())?;
    let request = HistoryRequest { limit, days, symbol, status };
    let viewer = context.viewer();
    context
        .cached(policy(&context), group(viewer), key, move |services| {
            let (catalogue, request) = (Arc::clone(&services.catalogue), request.clone());
            async move {
                let listing = catalogue.history(viewer, &request).await?;
                let rows: Vec<_> = listing.signals.iter().map(HistoryView::new).collect();
                loaded(&rows, listing.expires_at)
            }
        })
        .await
}

/// `GET signals/{id}`.
pub(crate) async fn find(context: Context) -> Result<HttpResponse> {
    let id = context.segment("id").parse().map_err(|_| not_found("signal"))?;
    let catalogue = &context.state.services.catalogue;
    let signal = catalogue.find(context.viewer(), SignalId::new(id)).await?;
    context.ok(&SignalView::new(&signal, catalogue))
}
