//! The headers that every answer carries.

use actix_web::{
    dev::ServiceResponse,
    http::header::{
        self, CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue, STRICT_TRANSPORT_SECURITY, VARY,
    },
};

use crate::{
    endpoint::Access,
    request_info::{REQUEST_ID, RequestInfo},
    state::AppState,
};

const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Nothing may be loaded by, nor frame, an answer of an API.
const CSP: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// Sets what is not set yet.
pub(crate) fn apply(response: &mut ServiceResponse, info: &RequestInfo, state: &AppState) {
    let access = info.route.get().map_or(Access::Public, |mounted| mounted.endpoint.access);
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, info.request_id_header());
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    if is_page(headers) {
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        headers.insert(
            PERMISSIONS_POLICY,
            HeaderValue::from_static("camera=(), geolocation=(), microphone=()"),
        );
    }
    // CORS decides who may read; this only keeps other pages from embedding.
    set_default(headers, RESOURCE_POLICY, HeaderValue::from_static("same-site"));
    set_default(headers, header::CONTENT_SECURITY_POLICY, CSP);
    if let Some(hsts) = &state.hsts {
        headers.insert(STRICT_TRANSPORT_SECURITY, hsts.clone());
    }
    // Whatever was not made to be kept is not kept: tokens are handed out to callers who are anonymous
    // until then.
    set_default(headers, CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    headers.append(VARY, vary(access));
}

/// Whether browsers show it as a document of its own: what OWASP's REST security cheat sheet asks for
/// HTML only means nothing elsewhere.
fn is_page(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
}

/// `Origin` for every answer, also to whoever sent none: a cache must not hand it to a page.
fn vary(access: Access) -> HeaderValue {
    HeaderValue::from_static(match access {
        Access::Public => "Origin, Accept-Encoding",
        Access::Bearer | Access::Admin => "Origin, Accept-Encoding, Authorization",
        Access::Producer => "Origin, Accept-Encoding, X-API-Key",
        Access::Optional(_) | Access::BearerOrKey(_) => {
            "Origin, Accept-Encoding, Authorization, X-API-Key"
        }
    })
}

fn set_default(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    if !headers.contains_key(&name) {
        headers.insert(name, value);
    }
}
