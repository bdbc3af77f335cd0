//! What a handler is given: the request, who sends it, and everything that it may call.

use std::{ops::RangeInclusive, rc::Rc};

use actix_web::{HttpRequest, HttpResponse, dev::Payload, http::StatusCode, web};
use alpine_domain::account::{AddressDigest, Caller, UserId, Viewer};
use bytes::Bytes;
use serde::Serialize;

use crate::{
    app::Mounted,
    edge::limit,
    endpoint::BodyLimit,
    exchange::Exchange,
    extract::{
        address::ClientAddress,
        body::{self, MediaType},
        fields::Fields,
        query::Query,
    },
    problem::{self, Challenge, Problem, Result},
    state::AppState,
};

/// A request that passed the guard.
pub struct Context {
    /// Everything that is shared; counted by each worker for itself.
    pub state: Rc<web::Data<AppState>>,
    /// The request's head.
    pub request: HttpRequest,
    /// Who sends it.
    pub caller: Caller,
    /// From where.
    pub address: ClientAddress,
    pub(crate) exchange: Rc<Exchange>,
    pub(crate) mounted: Rc<Mounted>,
    pub(crate) payload: Payload,
}

/// Rows of a list at most, rows passed over at most: the bounds that every list shares.
pub(crate) const OFFSETS: RangeInclusive<u32> = 0..=alpine_domain::page::TOTAL_CAP;

impl Context {
    /// The query's parameters.
    ///
    /// # Errors
    /// 400 when the query string is not readable.
    pub fn query(&self) -> Result<Query> {
        Query::parse(self.request.query_string())
    }

    /// The rules of visibility that apply to the caller.
    pub const fn viewer(&self) -> Viewer {
        self.caller.viewer()
    }

    /// The user behind the request.
    ///
    /// # Errors
    /// 401 when there is none, which the guard rules out where the table asks for one.
    pub fn user(&self) -> Result<UserId> {
        self.caller
            .user()
            .ok_or_else(|| Problem::unauthenticated(Challenge::Bearer, "sign in first"))
    }

    /// A part of the path.
    pub fn segment(&self, name: &str) -> &str {
        self.request.match_info().get(name).unwrap_or_default()
    }

    /// The body as it came, of one of the media types in `accepted`.
    ///
    /// # Errors
    /// 413, 415, or 408 for a body that does not come in time.
    pub async fn body(&mut self, accepted: &[MediaType]) -> Result<(MediaType, Bytes)> {
        let media_type = body::media_type(&self.request, accepted)?;
        let settings = &self.state.settings;
        let limit = self.mounted.body_limit(settings);
        let payload = std::mem::replace(&mut self.payload, Payload::None);
        let bytes = body::read(payload, limit, settings.body_timeout).await?;
        Ok((media_type, bytes))
    }

    /// The members of a JSON object in the body.
    ///
    /// # Errors
    /// As [`body`](Self::body), 400 for broken JSON, 422 for JSON that is no object.
    pub async fn json(&mut self) -> Result<Fields> {
        let (_, bytes) = self.body(&[MediaType::Json]).await?;
        Fields::from_json(&bytes)
    }

    /// Counts one attempt on `account` from this address against the strict policy for guesses.
    ///
    /// # Errors
    /// 429.
    pub async fn count_attempt(&self, account: &str) -> Result<()> {
        limit::count_attempt(&self.state, &self.exchange, &self.address, account).await
    }

    /// Counts one attempt on `account` from an address that never signed in to it, together with those
    /// from all other such addresses. It is counted before the secret is looked at, and stays counted
    /// when that was right: guesses sent at once cannot overtake their count.
    ///
    /// # Errors
    /// 429.
    pub async fn count_stranger(&self, account: &str) -> Result<()> {
        limit::count_stranger(&self.state, &self.exchange, account).await
    }

    /// How sessions remember the client's address.
    ///
    /// # Errors
    /// 500, see [`AddressDigest::of`].
    pub fn address_digest(&self) -> Result<AddressDigest> {
        Ok(self.state.services.accounts.address_digest(&self.address.to_string())?)
    }

    /// An answer in JSON.
    ///
    /// # Errors
    /// 500 when the value cannot be written.
    pub fn answer(&self, status: StatusCode, value: &impl Serialize) -> Result<HttpResponse> {
        Ok(HttpResponse::build(status).content_type(mime_json()).body(to_json(value)?))
    }

    /// 200 with JSON.
    ///
    /// # Errors
    /// As [`answer`](Self::answer).
    pub fn ok(&self, value: &impl Serialize) -> Result<HttpResponse> {
        self.answer(StatusCode::OK, value)
    }

    /// 200 with `{message}`.
    ///
    /// # Errors
    /// As [`answer`](Self::answer).
    pub fn message(&self, message: &str) -> Result<HttpResponse> {
        self.ok(&crate::api::account::views::Message { message })
    }
}

impl Mounted {
    /// How many bytes the body of a request may have.
    pub(crate) fn body_limit(&self, settings: &crate::HttpSettings) -> usize {
        match self.endpoint.body {
            BodyLimit::Default => settings.body_limit,
            BodyLimit::Batch => settings.batch_body_limit,
        }
    }
}

/// The media type of every JSON answer. JSON is UTF-8 always; it has no charset parameter.
pub(crate) const fn mime_json() -> &'static str {
    "application/json"
}

/// The value as JSON.
pub(crate) fn to_json(value: &impl Serialize) -> Result<Bytes, alpine_domain::Error> {
    serde_json::to_vec(value).map(Bytes::from).map_err(alpine_domain::Error::internal)
}

/// 404 for something that is not there.
pub(crate) fn not_found(what: &'static str) -> Problem {
    Problem::new(&problem::NOT_FOUND, format!("{what} not found"))
}
