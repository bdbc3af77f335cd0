//! Calls to Discord: docs.discord.com/developers/reference, API version 10.

use std::time::Duration;

use alpine_domain::{Error, Result};
use reqwest::{Method, RequestBuilder, StatusCode, header::HeaderMap};
use serde::{Deserialize, de::DeserializeOwned};

use super::{super::gate::Gate, settings::DiscordSettings};
use crate::{SettingsError, outgoing};

/// An answer that is read at most, in bytes: a member takes a few kilobytes.
const MOST_BYTES: usize = 1 << 20;

pub(super) const DISCORD: &str = "Discord";

/// A pause where Discord asks for one without saying for how long.
const PAUSE: Duration = Duration::from_secs(5);

pub(super) struct Client {
    http: reqwest::Client,
    settings: DiscordSettings,
    gate: Gate,
}

/// What Discord says to a call.
pub(super) enum Answered {
    /// It was done; the body.
    Done(Vec<u8>),
    /// It was not: docs.discord.com/developers/topics/opcodes-and-status-codes#json, 0 without one; and all that is said of it.
    Refused(u32, String),
}

impl Answered {
    /// What was done; `None` when it was refused for one of these codes.
    ///
    /// # Errors
    /// [`Error::Internal`] for any other code: somebody has to do something about it.
    pub(super) fn unless(self, codes: &[u32]) -> Result<Option<Vec<u8>>> {
        match self {
            Self::Done(body) => Ok(Some(body)),
            Self::Refused(code, _) if codes.contains(&code) => Ok(None),
            Self::Refused(_, told) => Err(Error::internal(told)),
        }
    }
}

pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    serde_json::from_slice(body).map_err(Error::internal)
}

/// docs.discord.com/developers/reference#error-messages; its details may quote what was sent.
#[derive(Deserialize, Default)]
struct Refusal {
    #[serde(default)]
    code: u32,
    #[serde(default)]
    message: String,
    /// Of OAuth 2.
    #[serde(default)]
    error: String,
    /// In seconds, of a pause.
    retry_after: Option<f64>,
}

impl Client {
    pub(super) fn new(settings: DiscordSettings) -> Result<Self, SettingsError> {
        let wrong = |problem: String| {
            let remedy = "it is https://discord.com unless Discord is stood in for";
            SettingsError::new("discord.api_url", problem, remedy)
        };
        if !outgoing::is_base(&settings.url) {
            return Err(wrong("cannot be read".to_owned()));
        }
        let http = outgoing::client(settings.timeout).map_err(|error| wrong(error.to_string()))?;
        Ok(Self { http, settings, gate: Gate::default() })
    }

    pub(super) const fn settings(&self) -> &DiscordSettings {
        &self.settings
    }

    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}/api/v10/{path}", self.settings.url))
    }

    /// The same on behalf of the bot. Headers cannot hold every text; with such a token Discord refuses.
    pub(super) fn by_bot(&self, method: Method, path: &str) -> RequestBuilder {
        let token = format!("Bot {}", self.settings.token.reveal());
        self.request(method, path).header("Authorization", token)
    }

    pub(super) async fn send(&self, what: &str, request: RequestBuilder) -> Result<Answered> {
        self.gate.pass(DISCORD).await?;
        let sent = request.send().await;
        let response = sent.map_err(|error| Error::unavailable(DISCORD, error.without_url()))?;
        let (status, spent) = (response.status(), spent(response.headers()));
        let asked_for = seconds(response.headers(), "retry-after");
        let bytes = outgoing::read(response, MOST_BYTES, DISCORD).await?;
        if let Some(pause) = spent.filter(|_| status != StatusCode::TOO_MANY_REQUESTS) {
            // The next call would be refused.
            let _told = self.gate.close(DISCORD, pause);
        }
        if status.is_success() {
            return Ok(Answered::Done(bytes));
        }
        let refusal: Refusal = serde_json::from_slice(&bytes).unwrap_or_default();
        if status == StatusCode::TOO_MANY_REQUESTS {
            let said = refusal.retry_after.and_then(|it| Duration::try_from_secs_f64(it).ok());
            return Err(self.gate.close(DISCORD, said.or(asked_for).or(spent).unwrap_or(PAUSE)));
        }
        let Refusal { code, message, error, .. } = refusal;
        let told = format!("Discord refuses {what}: {status} {code} {message}{error}");
        if status.is_server_error() {
            return Err(Error::unavailable(DISCORD, told));
        }
        Ok(Answered::Refused(code, told))
    }
}

/// The pause until requests are left again, if none is: docs.discord.com/developers/topics/rate-limits#header-format.
fn spent(headers: &HeaderMap) -> Option<Duration> {
    let is_spent = headers.get("x-ratelimit-remaining").is_some_and(|left| left == "0");
    seconds(headers, "x-ratelimit-reset-after").filter(|_| is_spent)
}

fn seconds(headers: &HeaderMap, name: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(headers.get(name)?.to_str().ok()?.parse().ok()?).ok()
}
