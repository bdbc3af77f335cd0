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
    openapi::{Described, tiers},
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
    let catalogue = &context.state.services.use_cases.catalogue;
    let limits = &context.state.settings.limits;
    context.serve_fixed(|| described.to_json(&tiers::table(catalogue, limits)))
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

/// The files of the page that are Alpine's own, in front of those of Swagger UI.
const OWN: &[(&str, &str, &str)] = &[
    ("", "text/html; charset=utf-8", include_str!("docs.html")),
    ("index.html", "text/html; charset=utf-8", include_str!("docs.html")),
    ("alpine.css", "text/css; charset=utf-8", include_str!("docs.css")),
    ("alpine.js", "text/javascript; charset=utf-8", include_str!("docs.js")),
];

fn own(path: &str) -> Result<Option<File>> {
    let Some((_, kind, text)) = OWN.iter().find(|(name, ..)| *name == path) else {
        return Ok(None);
    };
    let body = fixed(text.as_bytes().into())?;
    Ok(Some(File { content_type: (*kind).to_owned(), body }))
}

fn find(path: &str) -> Result<Arc<File>> {
    let mut files = FILES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(file) = files.get(path) {
        return Ok(Arc::clone(file));
    }
    let file = if let Some(own) = own(path)? {
        own
    } else {
        let found = utoipa_swagger_ui::serve(path, Arc::clone(&CONFIG))
            .map_err(|error| Error::internal(error.to_string()))?
            .filter(|file| !file.gzpipped)
            .ok_or_else(|| not_found("page"))?;
        File { content_type: found.content_type, body: fixed(found.bytes.into_owned().into())? }
    };
    let file = Arc::new(file);
    files.insert(path.to_owned(), Arc::clone(&file));
    Ok(file)
}
