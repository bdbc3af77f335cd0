//! Errors as the client sees them: problem documents (RFC 9457), with the original's keys beside.
//!
//! `type` is a reference relative to the server, `/problems/<slug>`, and can be followed: it answers
//! with the entry of [`KINDS`]. No SQL, path of the machine, or trace ever stands in a problem; what
//! operators need is logged under the same `request_id`.

use std::{borrow::Cow, str::FromStr, time::Duration};

use actix_web::{
    HttpResponse,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
};
use alpine_domain::{
    Error, FieldError,
    error::{Conflict, ConflictKind},
    signal::SignalId,
};
use serde::Serialize;
use utoipa::ToSchema;

/// What handlers return.
pub type Result<T, E = Problem> = std::result::Result<T, E>;

/// The media type of a problem document.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// A kind of problem: everything about it that does not depend on the request.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Kind {
    /// The last part of the problem's `type`.
    pub slug: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// One line, the same for every occurrence.
    pub title: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

macro_rules! kinds {
    ($($name:ident = $slug:literal, $status:literal, $title:literal, $remedy:literal;)+) => {
        $(
            #[doc = concat!("`", $slug, "`, ", stringify!($status), ".")]
            pub const $name: Kind = Kind { slug: $slug, status: $status, title: $title, remedy: $remedy };
        )+
        /// Every kind that this API answers with.
        pub const KINDS: &[&Kind] = &[$(&$name),+];
    };
}

impl FromStr for &'static Kind {
    type Err = &'static str;

    /// The kind with this slug.
    fn from_str(slug: &str) -> Result<Self, &'static str> {
        KINDS.iter().find(|kind| kind.slug == slug).copied().ok_or("must be a kind of problem")
    }
}

kinds! {
    MALFORMED = "malformed", 400, "Malformed request", "The syntax cannot be read, or a signature does not match its content: see errors.";
    UNAUTHENTICATED = "unauthenticated", 401, "Not authenticated", "Send a valid credential of the kind that WWW-Authenticate names.";
    FORBIDDEN = "forbidden", 403, "Forbidden", "The credential is good but not sufficient: see detail.";
    MISSING_SCOPE = "missing-scope", 403, "Scope missing", "Use an API key that has the scope which detail names.";
    NOT_FOUND = "not-found", 404, "Not found", "There is no such thing, or the caller's tier may not see it.";
    METHOD_NOT_ALLOWED = "method-not-allowed", 405, "Method not allowed", "Use one of the methods in Allow.";
    NOT_ACCEPTABLE = "not-acceptable", 406, "Not acceptable", "Accept one of the media types that detail names.";
    TIMEOUT = "request-timeout", 408, "Request timeout", "Send the whole body in time.";
    DUPLICATE_SIGNAL = "duplicate-signal", 409, "Signal stored before", "Nothing to do: existing_signal_id names the stored signal.";
    SIGNAL_CONFLICT = "signal-conflict", 409, "Signal id used for other content", "Published signals never change: use a new signal_id.";
    OUTCOME_CONFLICT = "outcome-conflict", 409, "Signal closed in another way", "A signal ends once: the stored outcome stands.";
    EMAIL_TAKEN = "email-taken", 409, "E-mail address taken", "Sign in, or use another address.";
    PRODUCER_EXISTS = "producer-exists", 409, "Producer exists", "Use another name.";
    SECOND_FACTOR_ON = "second-factor-on", 409, "Two-factor sign-in is on", "Switch it off first, with the password and a code.";
    LAST_ADMIN = "last-admin", 409, "Last administrator", "Make another administrator first.";
    ALREADY_SUBSCRIBED = "already-subscribed", 409, "Paid for already", "Choose another tier or interval, or cancel.";
    NOT_SUBSCRIBED = "not-subscribed", 409, "No subscription", "Subscribe first: POST subscriptions/upgrade.";
    PAYMENTS_OFF = "payments-off", 409, "Nobody takes payments here", "Ask whoever runs this service: tiers are given by hand.";
    CHANNELS_OFF = "channels-off", 409, "No channels there", "Ask whoever runs this service: GET users/channels tells what is offered.";
    NO_CHANNEL = "no-channel", 409, "The tier opens no channel", "Choose a tier that opens one: POST subscriptions/upgrade.";
    LIMIT_REACHED = "limit-reached", 409, "Limit reached", "Remove one first.";
    IN_PROGRESS = "request-in-progress", 409, "Request being answered", "Send the same request again after Retry-After: it gets the answer.";
    TOO_LARGE = "body-too-large", 413, "Body too large", "Send less at once: detail names the limit.";
    URI_TOO_LONG = "uri-too-long", 414, "Address too long", "Send a path and query of at most 8192 bytes.";
    UNSUPPORTED_MEDIA_TYPE = "unsupported-media-type", 415, "Unsupported media type", "Send one of the media types that detail names, not compressed.";
    INVALID = "invalid", 422, "Invalid input", "Correct every field that errors names.";
    KEY_REUSED = "idempotency-key-reused", 422, "Key of another request", "Name each request by a key of its own.";
    HEADERS_TOO_LARGE = "headers-too-large", 431, "Headers too large", "Send fewer or shorter headers.";
    RATE_LIMITED = "rate-limited", 429, "Too many requests", "Wait for Retry-After; RateLimit-Policy tells the limits.";
    INTERNAL = "internal", 500, "Internal error", "Not the client's fault. Report the request_id.";
    UNAVAILABLE = "unavailable", 503, "Temporarily unavailable", "Try again after Retry-After.";
}

/// Which credential a 401 asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Challenge {
    /// An access token, or a user's API key.
    Bearer,
    /// A token or key was sent and refused.
    BearerInvalid,
    /// A producer's key.
    ProducerKey,
}

impl Challenge {
    const fn header(self) -> &'static str {
        match self {
            Self::Bearer => "Bearer realm=\"alpine\"",
            Self::BearerInvalid => "Bearer realm=\"alpine\", error=\"invalid_token\"",
            Self::ProducerKey => "ApiKey realm=\"alpine producers\", header=\"X-API-Key\"",
        }
    }
}

/// One occurrence of a problem. Boxed, since every handler returns one or none.
#[derive(Debug)]
pub struct Problem(Box<Occurrence>);

#[derive(Debug)]
struct Occurrence {
    kind: &'static Kind,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    existing_signal_id: Option<i64>,
    retry_after: Option<Duration>,
    challenge: Option<Challenge>,
    allow: Option<HeaderValue>,
    /// For the log only.
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// One refused field of a problem document.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FieldProblem<'a> {
    /// The field's name, as the client wrote it.
    field: &'a str,
    /// What is wrong and what is allowed.
    message: &'a str,
}

/// A problem document (RFC 9457), with the keys of the original API beside.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct Document<'a> {
    /// `/problems/<slug>`, relative to the server; can be followed.
    #[schema(example = "/problems/invalid")]
    r#type: String,
    /// One line, the same for every occurrence.
    title: &'a str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// This occurrence, in one sentence.
    detail: &'a str,
    /// The path that was asked for.
    instance: &'a str,
    /// Under which this occurrence stands in the server's log.
    request_id: &'a str,
    /// Every refused field; empty where no field is to blame.
    errors: Vec<FieldProblem<'a>>,
    /// The stored signal in the way of this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    existing_signal_id: Option<i64>,
    /// The same as `title`.
    error: &'a str,
    /// The same as `detail`.
    message: &'a str,
    /// The same as `instance`.
    path: &'a str,
}

impl Problem {
    /// A problem of a kind, with one sentence for the caller.
    pub fn new(kind: &'static Kind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Occurrence {
            kind,
            detail: detail.into(),
            errors: Vec::new(),
            existing_signal_id: None,
            retry_after: None,
            challenge: None,
            allow: None,
            source: None,
        }))
    }

    /// 401, with what would be accepted.
    pub fn unauthenticated(challenge: Challenge, detail: &'static str) -> Self {
        let mut problem = Self::new(&UNAUTHENTICATED, detail);
        problem.0.challenge = Some(challenge);
        problem
    }

    /// 405, with what is allowed.
    pub fn method_not_allowed(allow: HeaderValue) -> Self {
        let allowed = String::from_utf8_lossy(allow.as_bytes());
        let detail = format!("this resource answers to {allowed}");
        let mut problem = Self::new(&METHOD_NOT_ALLOWED, detail);
        problem.0.allow = Some(allow);
        problem
    }

    /// 429, with when to try again.
    pub fn rate_limited(policy: &str, retry_after: Duration) -> Self {
        let wait = in_words(retry_after);
        let detail = format!("the limit of policy \"{policy}\" is used up: try again in {wait}");
        Self::new(&RATE_LIMITED, detail).retry_after(retry_after)
    }

    /// 429 for something of which the caller has as much at once as it may.
    pub(crate) fn too_many_at_once(detail: String, retry_after: Duration) -> Self {
        Self::new(&RATE_LIMITED, detail).retry_after(retry_after)
    }

    /// 409 for a request whose key is held by the same one.
    pub(crate) fn in_progress() -> Self {
        Self::new(&IN_PROGRESS, "the same request is being answered")
            .retry_after(Duration::from_secs(1))
    }

    fn retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// The kind that stands for a status which a library produced.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        let kind = KINDS
            .iter()
            .find(|kind| kind.status == status.as_u16() && kind.status != 409)
            .copied()
            .unwrap_or(if status.is_client_error() { &MALFORMED } else { &INTERNAL });
        Self::new(kind, kind.remedy)
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.0.kind.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The problem's short name.
    pub const fn slug(&self) -> &'static str {
        self.0.kind.slug
    }

    /// What only operators may see.
    pub fn source(&self) -> Option<&(dyn std::error::Error + Send + Sync + 'static)> {
        self.0.source.as_deref()
    }

    /// What only operators may see, with everything that caused it; empty if nothing is known.
    pub(crate) fn causes(&self) -> String {
        let mut text = String::new();
        let mut next = self.source().map(|source| source as &dyn std::error::Error);
        while let Some(error) = next {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&error.to_string());
            next = error.source();
        }
        text
    }

    /// The document as JSON. `path` comes without its query, which may hold secrets.
    pub(crate) fn document(&self, path: &str, request_id: &str) -> Vec<u8> {
        let document = Document {
            r#type: format!("/problems/{}", self.0.kind.slug),
            title: self.0.kind.title,
            status: self.0.kind.status,
            detail: &self.0.detail,
            instance: path,
            request_id,
            errors: self
                .0
                .errors
                .iter()
                .map(|error| FieldProblem { field: error.field, message: &error.message })
                .collect(),
            existing_signal_id: self.0.existing_signal_id,
            error: self.0.kind.title,
            message: &self.0.detail,
            path,
        };
        serde_json::to_vec(&document).unwrap_or_default()
    }

    /// The answer. `path` comes without its query, which may hold secrets.
    pub fn respond(&self, path: &str, request_id: &str) -> HttpResponse {
        let mut answer = HttpResponse::build(self.status());
        answer.insert_header((header::CONTENT_TYPE, MEDIA_TYPE));
        answer.insert_header((header::CACHE_CONTROL, "no-store"));
        if let Some(wait) = self.0.retry_after {
            answer.insert_header((header::RETRY_AFTER, whole_seconds(wait)));
        }
        if let Some(challenge) = self.0.challenge {
            answer.insert_header((header::WWW_AUTHENTICATE, challenge.header()));
        }
        if let Some(allow) = &self.0.allow {
            answer.insert_header((header::ALLOW, allow.clone()));
        }
        if self.0.kind.status == 415 {
            // RFC 9110, section 12.5.3: tells that it was the coding, and which ones would do.
            answer.insert_header((header::ACCEPT_ENCODING, "identity"));
        }
        answer.body(self.document(path, request_id))
    }
}

/// Seconds to wait, rounded up and never zero.
pub(crate) fn whole_seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

/// A wait as people say it, rounded up.
fn in_words(wait: Duration) -> String {
    let seconds = whole_seconds(wait);
    let (number, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7_200 => (seconds.div_ceil(60), "minute"),
        _ => (seconds.div_ceil(3_600), "hour"),
    };
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

fn named(kind: &'static Kind, errors: Vec<FieldError>) -> Problem {
    let detail = match errors.as_slice() {
        [] => Cow::Borrowed(kind.remedy),
        [one] => Cow::Owned(one.to_string()),
        many => Cow::Owned(format!("{} fields are refused: see errors", many.len())),
    };
    let mut problem = Problem::new(kind, detail);
    problem.0.errors = errors;
    problem
}

fn of_conflict(conflict: Conflict) -> Problem {
    let kind = match conflict.kind {
        ConflictKind::DuplicateSignal => &DUPLICATE_SIGNAL,
        ConflictKind::SignalConflict => &SIGNAL_CONFLICT,
        ConflictKind::OutcomeConflict => &OUTCOME_CONFLICT,
        ConflictKind::EmailTaken => &EMAIL_TAKEN,
        ConflictKind::ProducerExists => &PRODUCER_EXISTS,
        ConflictKind::LimitReached => &LIMIT_REACHED,
        ConflictKind::LastAdmin => &LAST_ADMIN,
        ConflictKind::SecondFactorOn => &SECOND_FACTOR_ON,
        ConflictKind::AlreadySubscribed => &ALREADY_SUBSCRIBED,
        ConflictKind::NotSubscribed => &NOT_SUBSCRIBED,
        ConflictKind::PaymentsOff => &PAYMENTS_OFF,
        ConflictKind::ChannelsOff => &CHANNELS_OFF,
        ConflictKind::NoChannel => &NO_CHANNEL,
    };
    let mut problem = Problem::new(kind, conflict.detail);
    problem.0.existing_signal_id = conflict.existing_signal.map(SignalId::get);
    problem
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid(errors) => named(&INVALID, errors),
            Error::Malformed(errors) => named(&MALFORMED, errors),
            Error::Unauthenticated(detail) => Self::unauthenticated(Challenge::Bearer, detail),
            Error::Forbidden(detail) => Self::new(&FORBIDDEN, detail),
            Error::NotFound(what) => Self::new(&NOT_FOUND, format!("{what} not found")),
            Error::Conflict(conflict) => of_conflict(conflict),
            Error::Unavailable { what, retry_after, source } => {
                let detail = format!("{what} is unavailable");
                let mut problem = Self::new(&UNAVAILABLE, detail).retry_after(retry_after);
                problem.0.source = source;
                problem
            }
            Error::Internal(source) => {
                let mut problem = Self::new(&INTERNAL, INTERNAL.remedy);
                problem.0.source = Some(source);
                problem
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_told_in_words() {
        for (millis, words) in [
            (0, "1 second"),
            (1_001, "2 seconds"),
            (119_000, "119 seconds"),
            (119_001, "2 minutes"),
            (3_599_000, "60 minutes"),
            (7_200_000, "2 hours"),
        ] {
            assert_eq!(in_words(Duration::from_millis(millis)), words, "{millis}");
        }
    }

    #[derive(Debug)]
    struct Closed(std::fmt::Error);

    impl std::fmt::Display for Closed {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("the pool is closed")
        }
    }

    impl std::error::Error for Closed {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn operators_are_told_all_that_caused_it_and_clients_nothing() {
        let problem = Problem::from(Error::internal(Closed(std::fmt::Error)));
        assert_eq!(problem.causes(), format!("the pool is closed: {}", std::fmt::Error));
        assert_eq!(problem.0.detail, INTERNAL.remedy);
        assert_eq!(Problem::new(&NOT_FOUND, "nothing").causes(), "");
    }
}
