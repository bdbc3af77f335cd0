//! What a handler is given: the request, who sends it, and everything that it may call.

use std::{rc::Rc, str::FromStr};

use actix_web::{HttpRequest, HttpResponse, dev::Payload, http::StatusCode, web};
use alpine_domain::{
    Error,
    account::{AddressDigest, Caller, MailPurpose, SessionId, UserId, Viewer},
    audit::{Action, Origin, Reason},
    idempotency::IdempotencyKey,
    ports::secrets::HashPriority,
};
use bytes::Bytes;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    endpoint::MountedEndpoint,
    extract::{
        address::ClientAddress,
        body::{self, MediaType},
        fields::Fields,
        pairs,
        parameter::Parameters,
        query::Query,
        unknown,
    },
    json::{self, to_json},
    limit,
    problem::{self, Challenge, Problem, Result},
    request_info::RequestInfo,
    state::AppState,
};

/// The header by which a client names a request (draft-ietf-httpapi-idempotency-key-header-07).
pub(crate) const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

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
    pub(crate) info: Rc<RequestInfo>,
    pub(crate) mounted: Rc<MountedEndpoint>,
    pub(crate) payload: Payload,
}

impl Context {
    /// The query's parameters, and everything that was read in one canonical form.
    ///
    /// # Errors
    /// 400 when the query string is not readable, 422 with every refused parameter.
    pub fn parameters<P: Parameters>(&self, parameters: &P) -> Result<(P::Values, String)> {
        let mut query = Query::parse(self.request.query_string())?;
        let values = parameters.read(&mut query);
        Ok((values, query.finish()?))
    }

    /// The whole path of the route with its parameters' names, in the form that is listed.
    pub fn canonical_path(&self) -> &str {
        &self.mounted.path
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

    /// A part of the path, decoded and parsed: `bookmarks/BTC%2FUSD` names `BTC/USD`. The router
    /// decodes every escape except `%25`, `%2B` and `%2F`, so that an encoded slash separates nothing;
    /// this decodes the three that are left.
    ///
    /// # Errors
    /// 404 naming `what` for a text that is no `T`: nothing has such a name.
    pub fn segment<T: FromStr>(&self, name: &str, what: &'static str) -> Result<T> {
        let encoded = self.request.match_info().get(name).unwrap_or_default();
        let text = pairs::decode(encoded.as_bytes(), b'+').ok_or_else(|| not_found(what))?;
        text.parse().map_err(|_| not_found(what))
    }

    /// The body as it came, of one of the media types in `accepted`.
    ///
    /// # Errors
    /// 413, 415, or 408 for a body that does not come in time.
    pub async fn body(&mut self, accepted: &[MediaType]) -> Result<(MediaType, Bytes)> {
        let media_type = body::media_type(&self.request, accepted)?;
        Ok((media_type, self.whole_body().await?))
    }

    /// The body as it came, whatever it is. It can be read once.
    ///
    /// # Errors
    /// 413, or 408 for a body that does not come in time.
    pub(crate) async fn whole_body(&mut self) -> Result<Bytes> {
        let settings = &self.state.settings;
        let limit = self.mounted.endpoint.body_limit(settings);
        let payload = std::mem::replace(&mut self.payload, Payload::None);
        body::read(payload, limit, settings.http.body_timeout).await
    }

    /// The same where the use case says which members it knows.
    pub(crate) fn note_unknown_to<'a>(&self, known: &[&str], names: impl Iterator<Item = &'a str>) {
        self.info.warnings.borrow_mut().extend(unknown::told("member", names, known));
    }

    /// What the client calls this request, if it does.
    ///
    /// # Errors
    /// 400 when that is not readable, or stands there twice.
    pub fn idempotency_key(&self) -> Result<Option<IdempotencyKey>> {
        let mut sent = self.request.headers().get_all(IDEMPOTENCY_KEY);
        let Some(first) = sent.next() else { return Ok(None) };
        if sent.next().is_some() {
            return Err(Error::malformed(IDEMPOTENCY_KEY, "must be sent once").into());
        }
        let text = String::from_utf8_lossy(first.as_bytes());
        let key = text.parse().map_err(|message| Error::malformed(IDEMPOTENCY_KEY, message))?;
        Ok(Some(key))
    }

    /// The members of a JSON object in the body.
    ///
    /// # Errors
    /// As [`body`](Self::body), 400 for broken JSON, 422 for JSON that is no object.
    pub async fn json(&mut self) -> Result<Fields> {
        let (_, bytes) = self.body(&[MediaType::Json]).await?;
        let fields = Fields::from_json(&bytes)?;
        self.note_unknown(fields.names());
        Ok(fields)
    }

    /// Notes those members of a body that the route does not know.
    pub(crate) fn note_unknown<'a>(&self, names: impl Iterator<Item = &'a str>) {
        let Some(known) = self.mounted.known_members() else { return };
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        self.info.warnings.borrow_mut().extend(unknown::told("member", names, &known));
    }

    /// The members of a JSON object in the body, if there is a body; none otherwise.
    ///
    /// # Errors
    /// As [`json`](Self::json).
    pub async fn optional_json(&mut self) -> Result<Fields> {
        if body::is_announced(&self.request) { self.json().await } else { Fields::from_json(b"{}") }
    }

    /// Counts one attempt on `account` from this address against the strict policy for guesses.
    ///
    /// # Errors
    /// 429.
    pub async fn count_attempt(&self, account: &str) -> Result<()> {
        let counted = limit::count_attempt(&self.state, &self.info, &self.address, account).await;
        self.noting_limit(counted)
    }

    /// Counts one guess at the password of `account`, and says whether the client is known to it: as an attempt, and, from an address that never
    /// signed in to it, together with those from all other such addresses. So whoever guesses from many
    /// addresses slows down strangers, never the owner at home. It is counted before the password is
    /// looked at, and before it is known whether there is such an account; and it stays counted when the
    /// password was right: guesses sent at once cannot overtake their count.
    ///
    /// # Errors
    /// 429.
    pub async fn count_guess(&self, account: &str) -> Result<HashPriority> {
        self.count_guess_as(account, account).await
    }

    /// The same for another secret of the account with the address `email`; it is counted as `secret`.
    ///
    /// # Errors
    /// 429.
    pub async fn count_guess_as(&self, secret: &str, email: &str) -> Result<HashPriority> {
        self.count_attempt(secret).await?;
        let address = self.address_digest()?;
        let priority = self.state.services.use_cases.accounts.knows(&address, email).await?;
        if priority == HashPriority::Stranger {
            let counted = limit::count_stranger(&self.state, &self.info, secret).await;
            self.noting_limit(counted)?;
        }
        Ok(priority)
    }

    /// The result; a refusal is noted for the audit log.
    fn noting_limit(&self, counted: Result<()>) -> Result<()> {
        counted.inspect_err(|_| {
            let (denials, origin) = (&self.state.services.use_cases.denials, Origin::current());
            let (action, reason) = (Action::AttemptsLimited, Reason::LimitReached);
            let name = Some(self.mounted.endpoint.name);
            denials.note_from(&origin, action, reason, None, name);
        })
    }

    /// Counts one mail of a kind to the address of `account`, whoever causes it.
    ///
    /// # Errors
    /// 429.
    pub async fn count_mail(&self, kind: MailPurpose, account: &str) -> Result<()> {
        self.noting_limit(limit::count_mail(&self.state, &self.info, kind, account).await)
    }

    /// Counts one refresh of a session.
    ///
    /// # Errors
    /// 429.
    pub async fn count_refresh(&self, session: SessionId) -> Result<()> {
        limit::count_refresh(&self.state, &self.info, session).await
    }

    /// Whether this address may have a secret looked up: it has not sent too many bad ones.
    ///
    /// # Errors
    /// 429.
    pub fn check_refusals(&self) -> Result<()> {
        limit::check_refusals(&self.state, &self.info, self.address)
    }

    /// Counts a secret that the handler looked at and refused against the limit of the address.
    ///
    /// # Errors
    /// The result's, or 429.
    pub async fn counting_refusals<T>(&self, result: alpine_domain::Result<T>) -> Result<T> {
        match result {
            Ok(value) => Ok(value),
            Err(error) => {
                let (state, info) = (&self.state, &self.info);
                Err(limit::count_refusal(state, info, self.address, error.into()).await)
            }
        }
    }

    /// How sessions remember the client's address.
    ///
    /// # Errors
    /// 500, see [`AddressDigest::of`].
    pub fn address_digest(&self) -> Result<AddressDigest> {
        Ok(self.state.services.use_cases.accounts.address_digest(&self.address.to_string())?)
    }

    /// An answer in JSON.
    ///
    /// # Errors
    /// 500 when the value cannot be written.
    pub fn answer(&self, status: StatusCode, value: &impl Serialize) -> Result<HttpResponse> {
        Ok(HttpResponse::build(status).content_type(json::MEDIA_TYPE).body(to_json(value)?))
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
        self.ok(&Message { message })
    }
}

/// One sentence.
#[derive(Serialize, ToSchema)]
pub(crate) struct Message<'a> {
    pub message: &'a str,
}

/// 404 for something that is not there.
pub(crate) fn not_found(what: &'static str) -> Problem {
    Problem::new(&problem::NOT_FOUND, format!("{what} not found"))
}
