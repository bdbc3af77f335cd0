//! The outermost layer: request id, trace, compression, security headers, metrics, one log line.

use std::{
    future::{Ready, ready},
    rc::Rc,
    time::Duration,
};

use actix_http::encoding::Encoder;
use actix_web::{
    Error, HttpMessage as _,
    body::{BodySize, BoxBody, MessageBody},
    dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready},
    http::{
        Method,
        header::{CONTENT_ENCODING, CONTENT_TYPE, ContentEncoding},
    },
    web,
};
use futures_util::future::LocalBoxFuture;

use super::{headers, pieces};
use crate::{
    problem::{self, Problem},
    request_info::RequestInfo,
    state::AppState,
};

/// The longest part of a path that is logged, in bytes.
const MAX_LOGGED_PATH: usize = 256;

/// What the paths of the API begin with; probes, metrics and pages are no requests of anybody.
const API: &str = "/api/";

/// Wraps the whole application.
pub(crate) struct Edge(pub(crate) web::Data<AppState>);

impl<S, B> Transform<S, ServiceRequest> for Edge
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Transform = EdgeService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(EdgeService { service, state: Rc::new(self.0.clone()) }))
    }
}

pub(crate) struct EdgeService<S> {
    service: S,
    /// One count for each worker: all of them counting on one would slow each other down.
    state: Rc<web::Data<AppState>>,
}

impl<S, B> Service<ServiceRequest> for EdgeService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Error>>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let state = Rc::clone(&self.state);
        let info = Rc::new(RequestInfo::begin(
            request.headers(),
            &*state.services.clock,
            &*state.services.randomness,
        ));
        request.extensions_mut().insert(Rc::clone(&info));
        let answer = self.service.call(request);
        Box::pin(async move {
            let mut response = as_problem(answer.await?.map_into_boxed_body(), &info);
            headers::apply(&mut response, &info, &state);
            let response = compress(response, &info, state.settings.http.compress_from);
            observe(&response, &info, &state);
            Ok(pieces::cut(response))
        })
    }
}

/// An error that a library answered in its own words becomes a problem document.
fn as_problem(response: ServiceResponse, info: &RequestInfo) -> ServiceResponse {
    let status = response.status();
    let is_foreign = (status.is_client_error() || status.is_server_error())
        && response
            .headers()
            .get(CONTENT_TYPE)
            .is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"));
    if !is_foreign {
        return response;
    }
    let problem = Problem::of_status(status);
    let (request, old) = response.into_parts();
    let mut new = problem.respond(request.path(), info.request_id());
    *new.status_mut() = status;
    for (name, value) in old.headers() {
        if !new.headers().contains_key(name) {
            new.headers_mut().append(name.clone(), value.clone());
        }
    }
    ServiceResponse::new(request, new)
}

/// Compresses what is worth it. Bodies from the cache come compressed already.
fn compress(response: ServiceResponse, info: &RequestInfo, from: usize) -> ServiceResponse {
    if !info.accepts_gzip || info.is_coding_final.get() {
        return response;
    }
    let is_large = match response.response().body().size() {
        BodySize::Sized(size) => size >= from as u64,
        BodySize::Stream => true,
        BodySize::None => false,
    };
    let kind = response.headers().get(CONTENT_TYPE);
    let worth_it = is_large
        && kind.is_some_and(|kind| is_text(kind.as_bytes()))
        && !response.headers().contains_key(CONTENT_ENCODING)
        && response.request().method() != Method::HEAD;
    if !worth_it {
        return response;
    }
    response
        .map_body(|head, body| BoxBody::new(Encoder::response(ContentEncoding::Gzip, head, body)))
}

/// Whether a body of this type gets smaller by compression.
fn is_text(kind: &[u8]) -> bool {
    const TEXTS: [&[u8]; 5] = [
        b"text/",
        b"application/json",
        b"application/x-ndjson",
        b"application/problem+json",
        b"application/javascript",
    ];
    TEXTS.iter().any(|text| kind.starts_with(text))
}

fn observe(response: &ServiceResponse, info: &RequestInfo, state: &AppState) {
    let status = response.status().as_u16();
    let elapsed = info.started.elapsed();
    let request = response.request();
    let (route, metrics) = match info.route.get() {
        Some(mounted) => (mounted.path.as_str(), &mounted.metrics),
        None => ("none", &state.metrics.unrouted),
    };
    metrics.observe(status, elapsed);
    if route.starts_with(API) {
        state.services.use_cases.usage.answered(status);
    }
    tracing::info!(
        target: "access",
        method = bounded_method(request.method()),
        route,
        path = bounded(request.path()),
        status,
        duration_ms = milliseconds(elapsed),
        request_id = info.request_id(),
        trace_id = info.trace_id(),
        caller = info.caller_kind.get(),
        caller_id = info.caller_id.get().map(tracing::field::display),
        address = info.address.get().map(|address| tracing::field::display(address.prefix())),
    );
}

/// To three decimals.
fn milliseconds(elapsed: Duration) -> f64 {
    f64::from(u32::try_from(elapsed.as_micros()).unwrap_or(u32::MAX)) / 1_000.0
}

/// The path without its query: visible ASCII only, since the URI's parser admits nothing else.
fn bounded(path: &str) -> &str {
    path.get(..MAX_LOGGED_PATH).unwrap_or(path)
}

fn bounded_method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::TRACE => "TRACE",
        Method::CONNECT => "CONNECT",
        _ => "OTHER",
    }
}

/// Logs what only operators may see of a problem; the client gets the request id to ask with.
pub(crate) fn log_failure(problem: &Problem, info: &RequestInfo) {
    if !problem.status().is_server_error() {
        return;
    }
    let cause = problem.causes();
    let cause = cause.as_str();
    if problem.slug() == problem::INTERNAL.slug {
        tracing::error!(request_id = info.request_id(), cause, "request failed");
    } else {
        tracing::warn!(
            request_id = info.request_id(),
            cause,
            problem = problem.slug(),
            "request refused for now"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use actix_web::http::Method;

    use super::{bounded_method, is_text, milliseconds};

    #[test]
    fn durations_have_three_decimals() {
        let told = |nanos| milliseconds(Duration::from_nanos(nanos)).to_string();
        assert_eq!(told(5_623_987), "5.623");
        assert_eq!(told(999), "0");
        assert_eq!(told(12_000_000), "12");
    }

    /// What anybody may send makes no label of its own.
    #[test]
    fn methods_that_are_known_are_told_and_others_are_one() {
        for name in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"]
        {
            assert_eq!(bounded_method(&name.parse::<Method>().unwrap()), name);
        }
        for name in ["BREW", "get", "PROPFIND"] {
            assert_eq!(bounded_method(&name.parse::<Method>().unwrap()), "OTHER");
        }
    }

    #[test]
    fn texts_of_every_kind_that_is_answered_are_compressed() {
        for kind in [
            "text/csv; charset=utf-8",
            "text/html",
            "application/json",
            "application/x-ndjson",
            "application/problem+json",
            "application/javascript",
        ] {
            assert!(is_text(kind.as_bytes()), "{kind}");
        }
        for kind in ["", "image/png", "application/octet-stream", "application/gzip"] {
            assert!(!is_text(kind.as_bytes()), "{kind}");
        }
    }
}
