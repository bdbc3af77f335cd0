//! Calls to services of others by HTTP.

use std::time::Duration;

use alpine_domain::{Error, Result};
use reqwest::Response;

/// A client that follows no redirections, which could carry a secret elsewhere.
///
/// # Errors
/// When the machine's certificates or the like cannot be read.
pub(crate) fn client(timeout: Duration) -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .timeout(timeout)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("alpine/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// Whether requests can be sent below this address.
pub(crate) fn is_base(url: &str) -> bool {
    url::Url::parse(url)
        .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.query().is_none())
}

/// The body, of `most` bytes at most.
pub(crate) async fn read(
    mut response: Response,
    most: usize,
    whose: &'static str,
) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let away = |error: reqwest::Error| Error::unavailable(whose, error.without_url());
    while let Some(chunk) = response.chunk().await.map_err(away)? {
        if bytes.len() + chunk.len() > most {
            return Err(Error::internal(format!("{whose}: an answer of more than {most} bytes")));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}
