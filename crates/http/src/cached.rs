//! Bodies that are made once for many: one call in a handler puts its route under the cache.

use std::{borrow::Cow, fmt::Display, future::Future, sync::Arc, time::Duration};

use actix_web::{
    HttpResponse,
    http::{
        Method, StatusCode,
        header::{
            CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderName, HeaderValue,
            IF_NONE_MATCH, LINK,
        },
    },
};
use alpine_domain::{
    Timestamp,
    account::Viewer,
    analytics::Answer,
    ports::cache::{CacheKey, CacheOutcome, CachePolicy, CachedBody, Loaded, Loader, Scope, Tag},
};
use bytes::Bytes;
use form_urlencoded::Serializer;
use serde::Serialize;

use crate::{
    context::Context,
    extract::parameter::Parameters,
    json::{self, fixed, to_json},
    problem::Result,
    state::Services,
};

/// How many signals an entry of the cache has: kept with its headers, and sent to nobody.
const SIGNALS: &str = "x-alpine-signals";

const X_CACHE: HeaderName = HeaderName::from_static("x-cache");

/// A body in JSON, wrong from `expires_at` on.
///
/// # Errors
/// [`alpine_domain::Error::Internal`] when the value cannot be written.
pub fn loaded(
    value: &impl Serialize,
    expires_at: Option<Timestamp>,
) -> alpine_domain::Result<Loaded> {
    Ok(Loaded { body: to_json(value)?, headers: Vec::new(), expires_at })
}

/// The same with some signals in it, which are counted whenever it is handed to a subscriber.
///
/// # Errors
/// As [`loaded`].
pub fn loaded_signals(
    value: &impl Serialize,
    signals: usize,
    expires_at: Option<Timestamp>,
) -> alpine_domain::Result<Loaded> {
    let mut loaded = loaded(value, expires_at)?;
    loaded.headers.push((SIGNALS.to_owned(), signals.to_string()));
    Ok(loaded)
}

/// `Link: <…>; rel="next"` (RFC 8288), as name and value: the list under `path`, asked for with the same
/// values, from this cursor on.
pub fn next_link<P: Parameters>(
    path: &str,
    parameters: &P,
    values: &P::Values,
    cursor: impl Display,
) -> (String, String) {
    let mut query = Serializer::new(String::new());
    parameters.write(values, &mut query);
    let query = query.append_pair("cursor", &cursor.to_string()).finish();
    (LINK.as_str().to_owned(), format!("<{path}?{query}>; rel=\"next\""))
}

impl Context {
    /// How long a body lives here, and what invalidates it.
    pub fn cache_policy(&self, ttl: Duration, tags: impl Into<Vec<Tag>>) -> CachePolicy {
        CachePolicy { ttl, grace: self.state.settings.cache.grace, tags: tags.into() }
    }

    /// Answers from the cache, or with what `load` makes of `request`. `parameters` must name everything
    /// that the body depends on besides the route and the scope: what [`Context::parameters`] returns
    /// does.
    ///
    /// # Errors
    /// What `load` says, when there is nothing to serve instead.
    pub async fn cached<R, L, F>(
        &self,
        policy: CachePolicy,
        scope: Scope,
        parameters: String,
        request: R,
        load: L,
    ) -> Result<HttpResponse>
    where
        R: Clone + Send + Sync + 'static,
        L: Fn(Arc<Services>, R) -> F + Send + Sync + 'static,
        F: Future<Output = alpine_domain::Result<Loaded>> + Send + 'static,
    {
        let key = CacheKey { route: self.mounted.endpoint.name, scope, parameters };
        let cache = &self.state.services.cache;
        if let Some(body) = cache.get(&key) {
            return Ok(self.serve_counted(&body));
        }
        let services = Arc::clone(&self.state.services);
        // The cache may call it again later, to refresh the entry.
        let loader: Loader =
            Arc::new(move || Box::pin(load(Arc::clone(&services), request.clone())));
        Ok(self.serve_counted(&*cache.get_or_load(key, &policy, loader).await?))
    }

    /// Serves the entry, and counts where it came from and what it hands to a subscriber.
    fn serve_counted(&self, entry: &CachedBody) -> HttpResponse {
        let answer = self.serve(entry);
        let is_handed = matches!(self.viewer(), Viewer::Subscriber(_))
            && answer.status() == StatusCode::OK
            && *self.request.method() != Method::HEAD;
        let header = entry.headers.iter().find(|(name, _)| name == SIGNALS);
        let signals = header.filter(|_| is_handed).and_then(|(_, count)| count.parse().ok());
        let is_hit = Some(entry.outcome != CacheOutcome::Miss);
        let usage = &self.state.services.use_cases.usage;
        usage.served(&self.mounted.usage, Answer { is_hit, signals: signals.unwrap_or(0) });
        answer
    }

    /// As [`cached`](Self::cached), with one body for each group of viewers.
    ///
    /// # Errors
    /// As [`cached`](Self::cached).
    pub async fn cached_for_group<R, L, F>(
        &self,
        policy: CachePolicy,
        parameters: String,
        request: R,
        load: L,
    ) -> Result<HttpResponse>
    where
        R: Clone + Send + Sync + 'static,
        L: Fn(Arc<Services>, Viewer, R) -> F + Send + Sync + 'static,
        F: Future<Output = alpine_domain::Result<Loaded>> + Send + 'static,
    {
        let viewer = self.viewer();
        // What one group may see reaches no other.
        let scope = Scope::Group(viewer.name());
        let load = move |services, request| load(services, viewer, request);
        self.cached(policy, scope, parameters, request, load).await
    }

    /// Answers with a body that depends on nothing but the route and what the operator set: `make` is
    /// called once in each worker.
    ///
    /// # Errors
    /// What `make` says.
    pub fn serve_fixed(
        &self,
        make: impl FnOnce() -> alpine_domain::Result<Bytes>,
    ) -> Result<HttpResponse> {
        let kept = &self.mounted.fixed;
        if let Some(body) = kept.get() {
            return Ok(self.serve(body));
        }
        let body = fixed(make()?)?;
        Ok(self.serve(kept.get_or_init(|| body)))
    }

    /// Answers with an entry of the cache: 304 to who has it, gzip to who accepts it.
    pub fn serve(&self, entry: &CachedBody) -> HttpResponse {
        // What is told besides is written into the body.
        let is_plain = !self.info.warnings.borrow().is_empty();
        let gzip = entry.gzip.as_ref().filter(|_| self.info.accepts_gzip && !is_plain);
        let etag: Cow<'_, str> =
            gzip.map_or_else(|| (&entry.etag).into(), |_| gzip_etag(&entry.etag).into());
        let is_known =
            self.request.headers().get_all(IF_NONE_MATCH).any(|value| names_etag(value, &etag));
        let mut answer = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
        // Kept, but asked about before each use: an entry can be invalidated at any moment.
        let cache_control = if self.viewer() == Viewer::Anonymous {
            "public, no-cache"
        } else {
            "private, no-cache"
        };
        answer.insert_header((CACHE_CONTROL, HeaderValue::from_static(cache_control)));
        // To anybody else a sudden miss would tell that something happened that they may not see yet.
        if self.viewer() == Viewer::Admin {
            answer.insert_header((X_CACHE, HeaderValue::from_static(outcome(entry.outcome))));
        }
        if let Ok(etag) = HeaderValue::from_str(&etag) {
            answer.insert_header((ETAG, etag));
        }
        answer.insert_header((CONTENT_TYPE, HeaderValue::from_static(json::MEDIA_TYPE)));
        // An entry that is no JSON says what it is.
        for (name, value) in entry.headers.iter().filter(|(name, _)| name != SIGNALS) {
            answer.insert_header((name.as_str(), value.as_str()));
        }
        if is_known {
            let mut answer = answer.finish();
            answer.headers_mut().remove(CONTENT_TYPE);
            return answer;
        }
        self.info.is_coding_final.set(true);
        match gzip {
            Some(gzip) => {
                answer.insert_header((CONTENT_ENCODING, HeaderValue::from_static("gzip")));
                answer.body(gzip.clone())
            }
            None => answer.body(entry.body.clone()),
        }
    }
}

const fn outcome(outcome: CacheOutcome) -> &'static str {
    match outcome {
        CacheOutcome::Hit => "HIT",
        CacheOutcome::Miss => "MISS",
        CacheOutcome::Stale => "STALE",
    }
}

/// The validator of the same body under gzip: other bytes, so another one.
fn gzip_etag(etag: &str) -> String {
    format!("{}-gzip\"", etag.strip_suffix('"').unwrap_or(etag))
}

/// Whether an `If-None-Match` value names the validator; weak comparison (RFC 9110, section 13.1.2).
fn names_etag(value: &HeaderValue, etag: &str) -> bool {
    value.to_str().is_ok_and(|list| {
        list.split(',')
            .map(str::trim)
            .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn validators_are_compared_weakly_and_whole() {
        let named = |list: &'static str| names_etag(&HeaderValue::from_static(list), "\"abc\"");
        for yes in ["\"abc\"", "W/\"abc\"", "\"x\", \"abc\"", "*"] {
            assert!(named(yes), "{yes}");
        }
        for no in ["abc", "\"abcd\"", "", "\"abc-gzip\""] {
            assert!(!named(no), "{no}");
        }
        assert_eq!(gzip_etag("\"abc\""), "\"abc-gzip\"");
    }
}
