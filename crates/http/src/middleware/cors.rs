//! Which pages of other origins may call (Fetch standard, section 3.2).

use actix_cors::Cors;
use actix_web::http::{
    Method,
    header::{self, HeaderName},
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
pub(crate) fn layer(settings: &CorsSettings) -> Cors {
    let cors = Cors::default()
        .block_on_origin_mismatch(false)
        .allowed_methods(METHODS)
        .allowed_headers(REQUEST_HEADERS)
        .expose_headers(EXPOSED_HEADERS)
        .max_age(MAX_AGE);
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
