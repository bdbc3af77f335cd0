//! Calls to Telegram: core.telegram.org/bots/api#making-requests.

use std::time::Duration;

use alpine_domain::{Error, Result};
use reqwest::header::CONTENT_TYPE;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::{super::gate::Gate, settings::TelegramSettings};
use crate::{SettingsError, outgoing};

/// An answer that is read at most, in bytes: a member of a chat takes a few kilobytes.
const MOST_BYTES: usize = 1 << 20;

pub(super) const TELEGRAM: &str = "Telegram";

/// A pause where Telegram asks for one without saying for how long.
const PAUSE: Duration = Duration::from_secs(5);

pub(super) struct Client {
    http: reqwest::Client,
    settings: TelegramSettings,
    gate: Gate,
}

/// What Telegram says to a call.
pub(super) enum Answered<T> {
    /// It was done.
    Done(T),
    /// It was not: what Telegram calls the reason.
    Refused(String),
}

impl<T> Answered<T> {
    /// What was done; `None` when it was refused for one of these reasons.
    ///
    /// # Errors
    /// [`Error::Internal`] for any other reason: somebody has to do something about it.
    pub(super) fn unless(self, reasons: &[&str]) -> Result<Option<T>> {
        match self {
            Self::Done(it) => Ok(Some(it)),
            Self::Refused(reason) if reasons.iter().any(|known| reason.contains(known)) => Ok(None),
            Self::Refused(reason) => Err(Error::internal(reason)),
        }
    }
}

#[derive(Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
struct Envelope<T> {
    ok: bool,
    result: Option<T>,
    #[serde(default)]
    error_code: u16,
    #[serde(default)]
    description: String,
    #[serde(default)]
    parameters: Parameters,
}

#[derive(Deserialize, Default)]
struct Parameters {
    /// In seconds.
    retry_after: Option<u64>,
}

impl Client {
    pub(super) fn new(settings: TelegramSettings) -> Result<Self, SettingsError> {
        let wrong = |problem: String| {
            let remedy = "it is https://api.telegram.org unless Telegram is stood in for";
            SettingsError::new("telegram.api_url", problem, remedy)
        };
        if !outgoing::is_base(&settings.url) {
            return Err(wrong("cannot be read".to_owned()));
        }
        let http = outgoing::client(settings.timeout).map_err(|error| wrong(error.to_string()))?;
        Ok(Self { http, settings, gate: Gate::default() })
    }

    pub(super) const fn settings(&self) -> &TelegramSettings {
        &self.settings
    }

    /// The token stands in the address, which therefore is in no error.
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        method: &str,
        body: &Value,
    ) -> Result<Answered<T>> {
        self.gate.pass(TELEGRAM).await?;
        let url = format!("{}/bot{}/{method}", self.settings.url, self.settings.token.reveal());
        let request = self.http.post(url).header(CONTENT_TYPE, "application/json");
        let sent = request.body(body.to_string()).send().await;
        let response = sent.map_err(|error| Error::unavailable(TELEGRAM, error.without_url()))?;
        let status = response.status();
        let bytes = outgoing::read(response, MOST_BYTES, TELEGRAM).await?;
        let Ok(told) = serde_json::from_slice::<Envelope<T>>(&bytes) else {
            // A proxy in between, or a server that is being repaired.
            return Err(Error::unavailable(TELEGRAM, format!("{method}: {status}, not JSON")));
        };
        match told {
            Envelope { ok: true, result: Some(result), .. } => Ok(Answered::Done(result)),
            Envelope { error_code: 429, parameters, .. } => {
                let pause = parameters.retry_after.map_or(PAUSE, Duration::from_secs);
                Err(self.gate.close(TELEGRAM, pause))
            }
            Envelope { error_code, description, .. } if status.is_server_error() => {
                let told = format!("{method}: {error_code} {description}");
                Err(Error::unavailable(TELEGRAM, told))
            }
            Envelope { error_code, description, .. } => Ok(Answered::Refused(format!(
                "Telegram refuses {method}: {error_code} {description}"
            ))),
        }
    }
}
