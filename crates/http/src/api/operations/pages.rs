//! The description of the API and a page to read and try it, served from the binary: no other host.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use actix_web::{
    HttpResponse,
    http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, LOCATION},
};
use alpine_domain::{Error, ports::cache::CachedBody};
use utoipa_swagger_ui::Config;

use crate::{
    context::{Context, not_found},
    json::fixed,
    openapi::Described,
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

/// The page's files, each as it is sent. Only files that exist come in, and there is a dozen.
static FILES: LazyLock<Mutex<HashMap<String, Arc<File>>>> = LazyLock::new(Mutex::default);

struct File {
    content_type: String,
    body: CachedBody,
}

/// `GET /openapi.json`.
pub(crate) async fn openapi(context: Context) -> Result<HttpResponse> {
    let described = context
        .request
        .app_data::<Described>()
        .ok_or_else(|| Error::internal("the application does not know its table"))?;
    context.serve_fixed(|| described.to_json())
}

/// `GET /docs`: the page's files lie below it.
pub(crate) async fn page(_context: Context) -> Result<HttpResponse> {
    Ok(HttpResponse::PermanentRedirect().insert_header((LOCATION, "/docs/")).finish())
}

/// `GET /docs/…`.
pub(crate) async fn file(context: Context) -> Result<HttpResponse> {
    let file = find(&context.segment::<String>("file", "page")?)?;
    let mut answer = context.serve(&file.body);
    let headers = answer.headers_mut();
    if let Ok(content_type) = HeaderValue::try_from(file.content_type.as_str()) {
        headers.insert(CONTENT_TYPE, content_type);
    }
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_CSP));
    Ok(answer)
}

fn find(path: &str) -> Result<Arc<File>> {
    let mut files = FILES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(file) = files.get(path) {
        return Ok(Arc::clone(file));
    }
    let found = utoipa_swagger_ui::serve(path, Arc::clone(&CONFIG))
        .map_err(|error| Error::internal(error.to_string()))?
        .filter(|file| !file.gzpipped)
        .ok_or_else(|| not_found("page"))?;
    let file = Arc::new(File {
        content_type: found.content_type,
        body: fixed(found.bytes.into_owned().into())?,
    });
    files.insert(path.to_owned(), Arc::clone(&file));
    Ok(file)
}
