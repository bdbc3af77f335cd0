//! Which pages of other origins may call (Fetch standard, section 3.2).

use std::{
    future::{Ready, ready},
    rc::Rc,
};

use actix_cors::Cors;
use actix_web::{
    Error,
    body::{EitherBody, MessageBody},
    dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready},
    http::{
        Method,
        header::{self, HeaderName},
    },
};
use futures_util::{
    FutureExt as _, TryFutureExt as _,
    future::{Either, MapOk},
};

use crate::settings::CorsSettings;

/// How long a browser may remember a preflight's answer, in seconds.
const MAX_AGE: usize = 600;

const METHODS: [Method; 6] =
    [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

const REQUEST_HEADERS: [HeaderName; 7] = [
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::IF_NONE_MATCH,
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("traceparent"),
];

const EXPOSED_HEADERS: [HeaderName; 12] = [
    header::ETAG,
    header::LINK,
    header::LOCATION,
    header::RETRY_AFTER,
    header::CONTENT_DISPOSITION,
    HeaderName::from_static("x-cache"),
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("ratelimit"),
    HeaderName::from_static("ratelimit-policy"),
    HeaderName::from_static("x-ratelimit-limit"),
    HeaderName::from_static("x-ratelimit-remaining"),
    HeaderName::from_static("x-ratelimit-reset"),
];

/// The layer for these settings. A page of another origin gets an answer without permission to read
/// it; its preflight is refused.
pub(crate) fn layer(settings: &CorsSettings) -> FromPages {
    FromPages(rules(settings))
}

fn rules(settings: &CorsSettings) -> Cors {
    let cors = Cors::default()
        .block_on_origin_mismatch(false)
        .allowed_methods(METHODS)
        .allowed_headers(REQUEST_HEADERS)
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
    if settings.allow_credentials { cors.supports_credentials() } else { cors }
}

/// Asks the rules about requests with an `Origin` only: a browser sends one with whatever they are for,
/// and programs, which send most requests, never do.
pub(crate) struct FromPages(Cors);

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
        let rules = self.0.new_transform(Rc::clone(&service)).now_or_never();
        ready(rules.unwrap_or(Err(())).map(|rules| FromPagesService { service, rules }))
    }
}

pub(crate) struct FromPagesService<S, R> {
    service: Rc<S>,
    rules: R,
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
    type Future = Either<MapOk<S::Future, ToEither<B>>, R::Future>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        if request.headers().contains_key(header::ORIGIN) {
            return Either::Right(self.rules.call(request));
        }
        let answer = self.service.call(request);
        Either::Left(answer.map_ok(ServiceResponse::map_into_left_body as ToEither<B>))
    }
}
