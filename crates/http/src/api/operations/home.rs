//! What a browser is shown at the address itself: what this is, whether it works, and where to go from here.

use std::fmt::Write as _;

use actix_web::{
    HttpResponse,
    http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE},
};

use crate::{context::Context, problem::Result};

const PAGE: &str = include_str!("home.html");
const ICON: &[u8] = include_bytes!("favicon.png");
/// What is said to who reads every page of the web: the pages are for people, the API is for programs.
const ROBOTS: &str = "User-agent: *\nDisallow: /api/\nDisallow: /metrics\n";

/// The page has its own style and pictures of this server, and nothing else.
const CSP: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'";

/// `GET /`.
pub(crate) async fn page(context: Context) -> Result<HttpResponse> {
    let overview = context.state.health.check(&*context.state.services.clock).await;
    let checks = overview.checks.iter().fold(String::new(), |mut list, (name, text)| {
        let class = escaped(text.split(':').next().unwrap_or_default());
        let (name, text) = (escaped(name), escaped(text));
        // Writing to a String cannot fail.
        let _ = writeln!(list, "<dt>{name}</dt><dd class=\"{class}\">{text}</dd>");
        list
    });
    let now = context.state.services.clock.now().to_string();
    let page = PAGE
        .replace("{status}", overview.status.as_str())
        .replace("{version}", env!("CARGO_PKG_VERSION"))
        .replace("{checks}", &checks)
        .replace("{base}", &escaped(&base(&context)))
        .replace("{now}", &now);
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((CONTENT_SECURITY_POLICY, CSP))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(page))
}

/// Where the client reached this server, as far as it says so.
fn base(context: &Context) -> String {
    let connection = context.request.connection_info();
    let host = connection.host();
    let is_plain = !host.is_empty()
        && host.len() <= 255
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte));
    let host = if is_plain { host } else { "127.0.0.1:8000" };
    let scheme = if connection.scheme() == "https" { "https" } else { "http" };
    format!("{scheme}://{host}")
}

/// `GET /favicon.ico`.
pub(crate) async fn icon(_context: Context) -> Result<HttpResponse> {
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "image/png"))
        .insert_header((CACHE_CONTROL, "public, max-age=86400"))
        .body(ICON))
}

/// `GET /robots.txt`.
pub(crate) async fn robots(_context: Context) -> Result<HttpResponse> {
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/plain; charset=utf-8"))
        .insert_header((CACHE_CONTROL, "public, max-age=86400"))
        .body(ROBOTS))
}

/// A text between tags, or in an attribute's quotes.
fn escaped(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => written.push_str("&amp;"),
            '<' => written.push_str("&lt;"),
            '>' => written.push_str("&gt;"),
            '"' => written.push_str("&quot;"),
            '\'' => written.push_str("&#39;"),
            _ => written.push(c),
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn no_text_becomes_a_tag() {
        assert_eq!(escaped("a<b>&\"'"), "a&lt;b&gt;&amp;&quot;&#39;");
    }
}
