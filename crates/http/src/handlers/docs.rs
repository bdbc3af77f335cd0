//! The description of the API and a page to read and try it, served from the binary: no other host.

use std::sync::{Arc, LazyLock};

use actix_web::{
    HttpResponse,
    http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, LOCATION},
};
use alpine_domain::Error;
use utoipa_swagger_ui::Config;

use crate::{
    context::{Context, mime_json, not_found},
    problem::Result,
};

/// The page runs its own scripts and styles, calls this server, and nothing else.
const PAGE_CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
     img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'";

static CONFIG: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| {
    // No validator badge: that would be a call to another host.
    Arc::new(Config::from("/openapi.json").validator_url("none").try_it_out_enabled(true))
});

/// `GET /openapi.json`.
pub(crate) async fn openapi(context: Context) -> Result<HttpResponse> {
    Ok(HttpResponse::Ok()
        .content_type(mime_json())
        .insert_header((CACHE_CONTROL, "public, no-cache"))
        .body(context.state.openapi.clone()))
}

/// `GET /docs`: the page's files lie below it.
pub(crate) async fn page(_context: Context) -> Result<HttpResponse> {
    Ok(HttpResponse::PermanentRedirect().insert_header((LOCATION, "/docs/")).finish())
}

/// `GET /docs/…`.
pub(crate) async fn file(context: Context) -> Result<HttpResponse> {
    let path = context.segment("file");
    let file = utoipa_swagger_ui::serve(path, Arc::clone(&CONFIG))
        .map_err(|error| Error::internal(error.to_string()))?
        .ok_or_else(|| not_found("page"))?;
    let mut answer = HttpResponse::Ok();
    if file.gzpipped {
        answer.insert_header((CONTENT_ENCODING, "gzip"));
    }
    Ok(answer
        .content_type(file.content_type)
        .insert_header((CONTENT_SECURITY_POLICY, PAGE_CSP))
        .insert_header((CACHE_CONTROL, "public, no-cache"))
        .body(file.bytes.into_owned()))
}
