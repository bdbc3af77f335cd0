//! Lists of signals, each as far as the caller's tier may see.

use actix_web::HttpResponse;
use alpine_domain::{
    event::tags,
    page::Slice,
    ports::cache::CachePolicy,
    signal::{HistoryRequest, ListRequest, SignalId},
};

use super::{
    parameters,
    views::{HistoryView, LiveView, SignalPage, SignalView, SignalViews},
    visibility::VisibilityView,
};
use crate::{
    cached::{loaded_signals, next_link},
    context::Context,
    problem::Result,
};

fn policy(context: &Context) -> CachePolicy {
    context.cache_policy(context.state.settings.cache.signals, [tags::signals(context.viewer())])
}

/// `GET signals/latest`: a bare array, as existing clients expect.
pub(crate) async fn latest(context: Context) -> Result<HttpResponse> {
    let ((limit, premium_only, symbol), key) = context.parameters(&parameters::latest())?;
    let request = ListRequest { premium_only, symbol, ..ListRequest::newest(limit) };
    let answer = context
        .cached_for_group(policy(&context), key, request, |services, viewer, request| async move {
            let listing = services.use_cases.catalogue.latest(viewer, &request).await?;
            loaded_signals(
                &SignalViews(&listing.signals, &services.use_cases.catalogue),
                listing.signals.len(),
                listing.expires_at,
            )
        })
        .await?;
    Ok(visibility(&context).told(answer))
}

fn visibility(context: &Context) -> VisibilityView {
    VisibilityView::of(context.viewer(), &context.state.services.use_cases.catalogue)
}

/// `GET signals/subscribed`: a page, with a link to the next one.
pub(crate) async fn subscribed(context: Context) -> Result<HttpResponse> {
    let (values, key) = context.parameters(&parameters::subscribed())?;
    let request = (context.canonical_path().to_owned(), values);
    context
        .cached_for_group(policy(&context), key, request, |services, viewer, request| async move {
            let (path, values) = request;
            let request = list_request(&values);
            let (page, expires_at) =
                services.use_cases.catalogue.subscribed(viewer, &request).await?;
            let view = SignalPage::new(&page, &services.use_cases.catalogue, viewer);
            let mut loaded = loaded_signals(&view, page.items.len(), expires_at)?;
            let link = |cursor| next_link(&path, &parameters::subscribed(), &values, cursor);
            loaded.headers.extend(page.next.map(link));
            Ok(loaded)
        })
        .await
}

fn list_request(values: &parameters::Subscribed) -> ListRequest {
    let (limit, offset, after, premium_only, symbol, action, min_confidence) = values.clone();
    let slice = Slice { limit, offset, after };
    ListRequest { slice, premium_only, symbol, action, min_confidence }
}

/// `GET signals/live`.
pub(crate) async fn live(context: Context) -> Result<HttpResponse> {
    let (limit, key) = context.parameters(&parameters::live())?;
    let request = ListRequest::newest(limit);
    context
        .cached_for_group(policy(&context), key, request, |services, viewer, request| async move {
            let catalogue = &services.use_cases.catalogue;
            let listing = catalogue.latest(viewer, &request).await?;
            let view = LiveView {
                signals: SignalViews(&listing.signals, catalogue),
                user_tier: viewer.name(),
                min_confidence: catalogue.min_confidence(viewer),
                visibility: VisibilityView::of(viewer, catalogue),
                count: listing.signals.len(),
            };
            loaded_signals(&view, listing.signals.len(), listing.expires_at)
        })
        .await
}

/// `GET signals/history`.
pub(crate) async fn history(context: Context) -> Result<HttpResponse> {
    let ((limit, days, symbol, status, record), key) = context.parameters(&parameters::history())?;
    let request = HistoryRequest { limit, days, symbol, status, record };
    let answer = context
        .cached_for_group(policy(&context), key, request, |services, viewer, request| async move {
            let listing = services.use_cases.catalogue.history(viewer, &request).await?;
            let rows: Vec<_> = listing.signals.iter().map(HistoryView::new).collect();
            loaded_signals(&rows, rows.len(), listing.expires_at)
        })
        .await?;
    Ok(visibility(&context).told(answer))
}

/// `GET signals/{id}`.
pub(crate) async fn find(context: Context) -> Result<HttpResponse> {
    let id = context.segment("id", "signal")?;
    let catalogue = &context.state.services.use_cases.catalogue;
    let signal = catalogue.find(context.viewer(), SignalId::new(id)).await?;
    context.ok(&SignalView::new(&signal, catalogue))
}
