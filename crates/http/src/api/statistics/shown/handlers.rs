//! Pictures and the feed, cached like the figures themselves.

use actix_web::{
    HttpResponse,
    http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE},
};
use alpine_domain::{
    Timestamp,
    analytics::Day,
    event::tags,
    ports::cache::Loaded,
    signal::Record,
    statistics::{Choice, PerformanceRequest, Period, Span},
};

use super::{
    super::parameters as figures,
    badge::BadgeFigures,
    curve,
    feed::{self, Place},
    parameters,
    theme::Theme,
};
use crate::{context::Context, problem::Result};

pub(super) const SVG: &str = "image/svg+xml";
pub(super) const ATOM: &str = "application/atom+xml";

/// A picture brings its own style, and nothing else, wherever it is opened.
const PICTURE_CSP: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
/// Points of a drawn curve, of which the extremes are kept.
const POINTS: u32 = 300;
/// Signals in the feed at most.
const ENTRIES: u32 = 50;

fn loaded(text: String, headers: &[(&str, &str)], expires_at: Option<Timestamp>) -> Loaded {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Loaded { body: text.into(), headers: headers.collect(), expires_at }
}

/// A picture, which any website may show.
fn picture(text: String, expires_at: Option<Timestamp>) -> Loaded {
    let headers = [
        (CONTENT_TYPE.as_str(), SVG),
        (CONTENT_SECURITY_POLICY.as_str(), PICTURE_CSP),
        ("cross-origin-resource-policy", "cross-origin"),
    ];
    loaded(text, &headers, expires_at)
}

/// What a picture is of, where it is a part, in words.
fn part(request: &PerformanceRequest) -> String {
    let PerformanceRequest { choice, span, late: _, record } = request;
    let Choice { strategy, producer, symbol } = choice;
    let day = |day: &Option<Day>| day.map(|day| day.to_string()).unwrap_or_default();
    let span = match span {
        Span::Last(days) => Some(format!("{days} days")),
        Span::Between(Period { from: None, to: None }) => None,
        Span::Between(Period { from, to }) => Some(format!("{} – {}", day(from), day(to))),
    };
    let record = (*record != Record::Live).then(|| match record {
        Record::All => "whole record".to_owned(),
        other => other.to_string(),
    });
    let symbol = symbol.as_ref().map(ToString::to_string);
    let strategy = strategy.as_ref().map(ToString::to_string);
    let producer = producer.as_ref().map(ToString::to_string);
    let parts: Vec<_> = [symbol, strategy, producer, span, record].into_iter().flatten().collect();
    parts.join(", ")
}

fn asked(context: &Context) -> Result<((PerformanceRequest, Theme), String)> {
    let ((values, theme), key) = context.parameters(&parameters::picture())?;
    Ok(((figures::request(values)?, theme), key))
}

/// `GET performance/badge.svg`.
pub(crate) async fn badge(context: Context) -> Result<HttpResponse> {
    let (request, key) = asked(&context)?;
    let policy = super::super::handlers::policy(&context);
    context
        .cached_for_group(policy, key, request, |services, viewer, (request, theme)| async move {
            let told = services.use_cases.performance.statistics(viewer, &request).await?;
            let svg = BadgeFigures::from(&told.answer).svg(theme, &part(&request));
            Ok(picture(svg, told.expires_at))
        })
        .await
}

/// `GET performance/equity-curve.svg`.
pub(crate) async fn curve(context: Context) -> Result<HttpResponse> {
    let (request, key) = asked(&context)?;
    let policy = super::super::handlers::policy(&context);
    context
        .cached_for_group(policy, key, request, |services, viewer, (request, theme)| async move {
            let told =
                services.use_cases.performance.equity_curve(viewer, &request, POINTS).await?;
            let svg = curve::svg((&told.answer).into(), theme, &part(&request));
            Ok(picture(svg, told.expires_at))
        })
        .await
}

/// `GET performance/closed.atom`.
pub(crate) async fn feed(context: Context) -> Result<HttpResponse> {
    let (record, key) = context.parameters(&parameters::feed())?;
    let ttl = context.state.settings.cache.performance;
    let viewer = context.viewer();
    let policy = context.cache_policy(ttl, [tags::signals(viewer), tags::performance(viewer)]);
    let place = Place::of(context.state.settings.http.domain.as_deref());
    context
        .cached_for_group(policy, key, (record, place), |services, viewer, asked| async move {
            let (record, place) = asked;
            let catalogue = &services.use_cases.catalogue;
            let listing = catalogue.ended_last(viewer, record, ENTRIES).await?;
            let text = feed::atom(&place, record, &listing.signals);
            Ok(loaded(text, &[(CONTENT_TYPE.as_str(), ATOM)], listing.expires_at))
        })
        .await
}
