//! Calls to Stripe: docs.stripe.com/api.

use alpine_domain::{Error, Result};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde::{Deserialize, de::DeserializeOwned};

use super::{settings::StripeSettings, shapes::List};
use crate::{SettingsError, outgoing};

/// The release of Stripe's API whose shapes are read. Events are read for ids alone, so the version of an account, or
/// of a webhook's endpoint, does not matter.
pub const API_VERSION: &str = "2025-02-24.acacia";

/// An answer that is read at most, in bytes: a hundred of the largest objects take a few hundred kilobytes.
const MOST_BYTES: usize = 8 << 20;

const PROVIDER: &str = "the payment provider";

pub(super) struct Client {
    http: reqwest::Client,
    settings: StripeSettings,
}

/// What an error says that may be shown: docs.stripe.com/api/errors. Its message may name cards and addresses.
#[derive(Deserialize, Default)]
struct Refusal {
    #[serde(default)]
    error: RefusalDetails,
}

#[derive(Deserialize, Default)]
struct RefusalDetails {
    #[serde(rename = "type")]
    kind: Option<String>,
    code: Option<String>,
    param: Option<String>,
}

/// An id as a part of a path.
pub(super) fn segment(id: &str) -> String {
    url::form_urlencoded::byte_serialize(id.as_bytes()).collect()
}

fn away(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::unavailable(PROVIDER, error)
}

impl Client {
    pub(super) fn new(settings: StripeSettings) -> Result<Self, SettingsError> {
        if !outgoing::is_base(&settings.url) {
            return Err(SettingsError::new(
                "stripe_url",
                "cannot be read",
                "it is https://api.stripe.com unless Stripe is stood in for",
            ));
        }
        let http = outgoing::client(settings.timeout).map_err(|error| {
            SettingsError::new("stripe_url", error.to_string(), "no client can be made")
        })?;
        Ok(Self { http, settings })
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}/v1/{path}", self.settings.url);
        self.http
            .request(method, url)
            .bearer_auth(self.settings.key.reveal())
            .header("Stripe-Version", API_VERSION)
    }

    /// Does it; `None`: there is no such thing.
    async fn send<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<Option<T>> {
        // An error may quote the URL, which holds ids alone.
        let response = request.send().await.map_err(away)?;
        let status = response.status();
        if status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let bytes = outgoing::read(response, MOST_BYTES, PROVIDER).await?;
        if status.is_success() {
            return serde_json::from_slice(&bytes).map(Some).map_err(Error::internal);
        }
        Err(refusal(status, &bytes))
    }

    pub(super) async fn find<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>> {
        self.send(self.request(Method::GET, path)).await
    }

    pub(super) async fn list<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<List<T>> {
        let found = self.send(self.request(Method::GET, path).query(query)).await?;
        found.ok_or_else(|| Error::internal(format!("Stripe has no {path}")))
    }

    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        form: &[(&str, &str)],
        key: Option<&str>,
    ) -> Result<T> {
        let mut request = self.request(Method::POST, path).form(form);
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        let made = self.send(request).await?;
        made.ok_or_else(|| Error::internal(format!("Stripe has no {path}")))
    }

    /// What is gone already is left.
    pub(super) async fn delete(&self, path: &str) -> Result<()> {
        let request = self.request(Method::DELETE, path);
        self.send::<serde::de::IgnoredAny>(request).await.map(|_| ())
    }
}

/// 402: the payment failed. 409 and 429: too much at once. What else is below 500 comes again in the same way.
fn refusal(status: StatusCode, body: &[u8]) -> Error {
    let RefusalDetails { kind, code, param } =
        serde_json::from_slice::<Refusal>(body).unwrap_or_default().error;
    let known = |text: Option<String>| text.unwrap_or_else(|| "none".to_owned());
    let told = format!(
        "Stripe answered {status}: type {}, code {}, parameter {}",
        known(kind),
        known(code),
        known(param)
    );
    match status.as_u16() {
        402 => Error::Forbidden("the payment was refused; change the way to pay in the portal"),
        409 | 429 | 500.. => away(told),
        _ => Error::internal(told),
    }
}
