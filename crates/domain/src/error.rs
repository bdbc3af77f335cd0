//! One error for every use case: what the caller may know, kept apart from what only operators see.

use std::{fmt, time::Duration};

use crate::signal::SignalId;

/// The result of a use case.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// One refused input: which field, and what would be accepted instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The field's name as the client wrote it.
    pub field: &'static str,
    /// What is wrong and what is allowed; never repeats secrets.
    pub message: String,
}

impl FieldError {
    /// A refusal of `field`, told in `message`.
    pub fn new(field: &'static str, message: impl Into<String>) -> Self {
        Self { field, message: message.into() }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// Why a use case did not do what it was asked. Adapters add nothing to these kinds; the HTTP layer
/// maps each to one status.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Well-formed input that breaks rules; every field named at once.
    #[error("invalid input: {}", list(.0))]
    Invalid(Vec<FieldError>),
    /// Input that cannot be read at all, or whose signature does not match its content.
    #[error("malformed input: {}", list(.0))]
    Malformed(Vec<FieldError>),
    /// Who is asking is not known. The text is safe to show.
    #[error("not authenticated: {0}")]
    Unauthenticated(&'static str),
    /// Who is asking is known and may not. The text is safe to show.
    #[error("forbidden: {0}")]
    Forbidden(&'static str),
    /// There is no such thing, or the caller may not know that there is.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// The request collides with what is stored.
    #[error("{}", .0.detail)]
    Conflict(Conflict),
    /// Something needed is away for now; trying again later is right.
    #[error("{what} is unavailable")]
    Unavailable {
        /// What is away, in words that may be shown ("the database").
        what: &'static str,
        /// When trying again makes sense.
        retry_after: Duration,
        /// For operators only.
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// A defect or an unforeseen failure; the source is for operators only.
    #[error("internal error")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A collision with what is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The problem's short name, `duplicate-signal` for example; part of the API.
    pub kind: ConflictKind,
    /// One sentence for the caller.
    pub detail: String,
    /// The stored signal that is in the way, where there is one.
    pub existing_signal: Option<SignalId>,
}

/// What collided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConflictKind {
    /// The same signal was stored before.
    DuplicateSignal,
    /// The producer used this id for a signal with other content.
    SignalConflict,
    /// The signal was closed before, in another way.
    OutcomeConflict,
    /// An account with this e-mail address exists.
    EmailTaken,
    /// A producer of this name exists.
    ProducerExists,
    /// The caller has as many of these as allowed.
    LimitReached,
    /// No enabled administrator would be left.
    LastAdmin,
    /// The account has a second factor, which nothing replaces.
    SecondFactorOn,
    /// The caller pays for this already.
    AlreadySubscribed,
    /// The caller pays for nothing.
    NotSubscribed,
    /// Nobody takes payments here.
    PaymentsOff,
    /// Nobody runs channels there.
    ChannelsOff,
    /// The caller's tier opens no channel.
    NoChannel,
}

impl Error {
    /// A single refused field.
    pub fn invalid(field: &'static str, message: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError::new(field, message)])
    }

    /// A single unreadable field.
    pub fn malformed(field: &'static str, message: impl Into<String>) -> Self {
        Self::Malformed(vec![FieldError::new(field, message)])
    }

    /// A collision without a stored signal.
    pub fn conflict(kind: ConflictKind, detail: impl Into<String>) -> Self {
        Self::Conflict(Conflict { kind, detail: detail.into(), existing_signal: None })
    }

    /// An unforeseen failure, shown to operators only.
    pub fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(source.into())
    }

    /// Something needed is away; the caller should try again after a second.
    pub fn unavailable(
        what: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Unavailable { what, retry_after: Duration::from_secs(1), source: Some(source.into()) }
    }
}

fn list(errors: &[FieldError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Collects every refusal of one input, so that a client learns all of them at once.
///
/// ```
/// use alpine_domain::error::Refusals;
/// let mut refusals = Refusals::default();
/// let limit = refusals.check("limit", "12".parse::<u32>().map_err(|e| e.to_string()));
/// assert_eq!(limit, Some(12));
/// assert!(refusals.into_result().is_ok());
/// ```
#[derive(Debug, Default)]
pub struct Refusals(Vec<FieldError>);

impl Refusals {
    /// Keeps the value, or notes why `field` was refused.
    pub fn check<T>(
        &mut self,
        field: &'static str,
        result: Result<T, impl fmt::Display>,
    ) -> Option<T> {
        result.map_err(|reason| self.add(field, reason.to_string())).ok()
    }

    /// Notes a refusal of `field`.
    pub fn add(&mut self, field: &'static str, message: impl Into<String>) {
        self.0.push(FieldError::new(field, message));
    }

    /// Whether nothing was refused so far.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Nothing was refused, or [`Error::Invalid`] with all that was.
    pub fn into_result(self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::Invalid(self.0)) }
    }

    /// The refusals as they stand, first one first.
    pub fn into_errors(self) -> Vec<FieldError> {
        self.0
    }
}
