//! Which pages of other origins may call (Fetch standard, section 3.2).

use std::{
    future::{Ready, ready},
    net::IpAddr,
    rc::Rc,
};

use actix_cors::Cors;
use actix_web::{
    Error,
    body::{EitherBody, MessageBody},
    dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready},
    http::{
        Method, Uri,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
};
use alpine_domain::FieldError;
use futures_util::{
    FutureExt as _, TryFutureExt as _,
    future::{Either, MapOk},
};

use crate::{problem::Problem, request_info::RequestInfo, settings::CorsSettings};

/// How long a browser may remember a preflight's answer, in seconds.
const MAX_AGE: usize = 600;

const METHODS: [Method; 6] =
    [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

const EXPOSED_HEADERS: [HeaderName; 15] = [
    header::ETAG,
    header::LINK,
    header::LOCATION,
    header::RETRY_AFTER,
    header::CONTENT_DISPOSITION,
    super::repeats::REPLAYED,
    HeaderName::from_static("x-cache"),
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("x-visibility"),
    HeaderName::from_static("x-warnings"),
    HeaderName::from_static("ratelimit"),
    HeaderName::from_static("ratelimit-policy"),
    HeaderName::from_static("x-ratelimit-limit"),
    HeaderName::from_static("x-ratelimit-remaining"),
    HeaderName::from_static("x-ratelimit-reset"),
];

/// Headers of a preflight that are looked at, and characters of each that are shown, at most.
const MAX_NAMED: usize = 64;
const MAX_SHOWN: usize = 64;

/// The layer for these settings. A page of another origin gets an answer without permission to read
/// it; its preflight is refused.
pub(crate) fn layer(settings: &CorsSettings) -> FromPages {
    FromPages {
        rules: rules(settings),
        request_headers: settings.request_headers.as_slice().into(),
    }
}

fn rules(settings: &CorsSettings) -> Cors {
    let cors = Cors::default()
        .block_on_origin_mismatch(false)
        .allowed_methods(METHODS)
        .allowed_headers(settings.request_headers.iter().cloned())
        .expose_headers(EXPOSED_HEADERS)
        .max_age(MAX_AGE)
        // The edge says in one header what every answer depends on.
        .disable_vary_header();
    if settings.is_open() {
        // Never with credentials: any page could then act as whoever visits it.
        return cors.allow_any_origin().send_wildcard();
    }
    let cors = settings
        .origins
        .iter()
        .filter(|origin| *origin != "null")
        .fold(cors, |cors, origin| cors.allowed_origin(origin));
    let cors = if settings.allow_loopback {
        cors.allowed_origin_fn(|origin, _| origin.to_str().is_ok_and(is_loopback))
    } else {
        cors
    };
    cors.supports_credentials()
}

/// Whether a page of this origin comes from the browser's own machine, on any port (RFC 6761,
/// section 6.3, for `localhost`).
fn is_loopback(origin: &str) -> bool {
    let Ok(origin) = origin.parse::<Uri>() else { return false };
    let is_web = matches!(origin.scheme_str(), Some("http" | "https"));
    is_web
        && origin.path_and_query().is_none_or(|path| path == "/")
        && origin.host().is_some_and(|host| {
            let bare = host.trim_start_matches('[').trim_end_matches(']');
            host == "localhost"
                || host.ends_with(".localhost")
                || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
        })
}

/// Reads a preflight's list of headers as RFC 9110, section 5.6.1, asks: empty elements do not count.
fn tidy_header_list(headers: &mut HeaderMap) {
    let lines = headers.get_all(header::ACCESS_CONTROL_REQUEST_HEADERS);
    let names: Vec<&str> = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    let list = HeaderValue::try_from(names.join(", ")).ok().filter(|list| !list.is_empty());
    headers.remove(header::ACCESS_CONTROL_REQUEST_HEADERS);
    if let Some(list) = list {
        headers.insert(header::ACCESS_CONTROL_REQUEST_HEADERS, list);
    }
}

/// What a preflight asks for that no page may send; empty if it may go ahead.
fn refusals(headers: &HeaderMap, allowed: &[HeaderName]) -> Vec<FieldError> {
    let text = |name| headers.get(name).map_or("", |value| value.to_str().unwrap_or(""));
    let mut refused = Vec::new();
    let method = text(header::ACCESS_CONTROL_REQUEST_METHOD);
    if !METHODS.iter().any(|allowed| allowed.as_str() == method) {
        let methods: Vec<&str> = METHODS.iter().map(Method::as_str).collect();
        let message = format!("the method is not allowed; allowed are {}", methods.join(", "));
        refused.push(FieldError::new("Access-Control-Request-Method", message));
    }
    let names = text(header::ACCESS_CONTROL_REQUEST_HEADERS).split(',').map(str::trim);
    for name in names.filter(|name| !name.is_empty()).take(MAX_NAMED) {
        if !allowed.iter().any(|allowed| allowed.as_str().eq_ignore_ascii_case(name)) {
            let shown: String = name.chars().take(MAX_SHOWN).collect();
            let message = format!("the header `{shown}` is not allowed; see cors.request_headers");
            refused.push(FieldError::new("Access-Control-Request-Headers", message));
        }
    }
    refused
}

/// Asks the rules about requests with an `Origin` only: a browser sends one with whatever they are for,
/// and programs, which send most requests, never do.
pub(crate) struct FromPages {
    rules: Cors,
    request_headers: Rc<[HeaderName]>,
}

type Rules<S> = <Cors as Transform<Rc<S>, ServiceRequest>>::Transform;

impl<S, B> Transform<S, ServiceRequest> for FromPages
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = FromPagesService<S, Rules<S>>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        let service = Rc::new(service);
        // Ready at once: it only looks at its settings.
        let rules = self.rules.new_transform(Rc::clone(&service)).now_or_never();
        let request_headers = Rc::clone(&self.request_headers);
        let service = |rules| FromPagesService { service, rules, request_headers };
        ready(rules.unwrap_or(Err(())).map(service))
    }
}

pub(crate) struct FromPagesService<S, R> {
    service: Rc<S>,
    rules: R,
    request_headers: Rc<[HeaderName]>,
}

/// A browser's question whether a page may send a request (Fetch standard, section 3.2.2).
fn is_preflight(request: &ServiceRequest) -> bool {
    request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

type ToEither<B> = fn(ServiceResponse<B>) -> ServiceResponse<EitherBody<B>>;

impl<S, R, B> Service<ServiceRequest> for FromPagesService<S, R>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    R: Service<ServiceRequest, Response = ServiceResponse<EitherBody<B>>, Error = Error>,
    B: MessageBody,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = Either<
        MapOk<S::Future, ToEither<B>>,
        Either<R::Future, Ready<Result<Self::Response, Error>>>,
    >;

    forward_ready!(service);

    fn call(&self, mut request: ServiceRequest) -> Self::Future {
        if request.headers().contains_key(header::ORIGIN) {
            if is_preflight(&request) {
                tidy_header_list(request.headers_mut());
                let refused = refusals(request.headers(), &self.request_headers);
                if !refused.is_empty() {
                    let problem = Problem::from(alpine_domain::Error::Malformed(refused));
                    let id = RequestInfo::of(request.request());
                    let id = id.as_ref().map_or("", |info| info.request_id());
                    let answer = problem.respond(request.path(), id).map_into_right_body();
                    return Either::Right(Either::Right(ready(Ok(request.into_response(answer)))));
                }
            }
            return Either::Right(Either::Left(self.rules.call(request)));
        }
        let answer = self.service.call(request);
        Either::Left(answer.map_ok(ServiceResponse::map_into_left_body as ToEither<B>))
    }
}
