//! What must be kept of signals, and how it is read. Every method that writes is one unit of work: all
//! of it happens, with its events in the log, or none of it.

use std::time::Duration;

use async_trait::async_trait;

use super::{
    Action, ExternalId, NewOutcome, NewSignal, Record, Signal, SignalId, SignalStatus, Strategy,
    Symbol,
};
use crate::{
    FieldError, Result, Timestamp,
    page::{Cursor, Slice},
    producer::ProducerId,
};

/// What became of one offered signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// It is stored now.
    Stored(SignalId),
    /// The same content stands under the same producer and id since before.
    Duplicate(SignalId),
    /// Other content stands under the same producer and id; nothing was changed.
    Conflict(SignalId),
    /// The database refused this one, a defect that was logged; the others are stored all the same.
    Refused,
}

/// What became of a reported outcome.
#[derive(Debug, Clone, PartialEq)]
pub enum OutcomeRecorded {
    /// The signal is closed now.
    Closed(Signal),
    /// The signal had expired and stays so; the outcome is kept beside the expiry now.
    Late(Signal),
    /// It had been closed, or its late outcome kept, before and in the same way.
    Repeated(Signal),
    /// It had been closed, or its late outcome kept, before and in another way; nothing was changed.
    Conflict(Signal),
    /// The producer has no such signal.
    UnknownSignal,
}

/// Which signals, by how they end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalState {
    /// Every signal.
    Any,
    /// Signals that were open at the query's `as_of`.
    Open,
    /// Signals that had this status at the query's `as_of`.
    Status(SignalStatus),
}

/// A list of signals, newest first by `(created_at, id)`.
#[derive(Debug, Clone, PartialEq)]
pub struct SignalQuery {
    /// Nothing accepted later, and no outcome recorded later, is there yet.
    pub as_of: Timestamp,
    /// Only signals with a confidence below this percentage.
    pub below: Option<f64>,
    /// Only signals with at least this confidence.
    pub min_confidence: Option<f64>,
    /// Only signals accepted at or after this instant.
    pub since: Option<Timestamp>,
    /// Only signals accepted before this instant.
    pub until: Option<Timestamp>,
    /// Only this instrument.
    pub symbol: Option<Symbol>,
    /// Only this direction.
    pub action: Option<Action>,
    /// Only signals in this state.
    pub state: SignalState,
    /// Whether signals that arrived as history are left out.
    pub without_history: bool,
    /// Only signals whose origin is in this part of the record.
    pub record: Record,
    /// Whether `as_of` lies in the past, so that there may be changes of which the reader must not
    /// learn. The store then runs the same statements whether there are any or not, because the time
    /// that they take tells.
    pub is_late: bool,
}

impl SignalQuery {
    /// Everything that was accepted up to `as_of`.
    pub const fn all(as_of: Timestamp) -> Self {
        Self {
            as_of,
            below: None,
            min_confidence: None,
            since: None,
            until: None,
            symbol: None,
            action: None,
            state: SignalState::Any,
            without_history: false,
            record: Record::All,
            is_late: false,
        }
    }
}

/// Which signals ended, or got a late outcome, since an instant before which they were accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndedQuery {
    /// Only what was recorded after this instant, and of signals accepted no later.
    pub since: Timestamp,
    /// Whether late outcomes are meant, of signals that had expired no later than `since`, and not outcomes.
    pub late: bool,
    /// Recorded outcomes that are looked at, at most.
    pub limit: u32,
    /// Where the part before ended: when an outcome was recorded, and its signal.
    pub after: Option<Cursor>,
}

/// A part of the signals that ended since an instant.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// Those of the recorded outcomes that fit, the one recorded last first. There may be none before the end.
    pub signals: Vec<Signal>,
    /// Where the next part begins; `None` at the end.
    pub next: Option<Cursor>,
}

/// Which of its own signals a producer asks for; `None` leaves a condition out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnFilter {
    /// Only those that stand like this.
    pub status: Option<SignalStatus>,
    /// Only this instrument.
    pub symbol: Option<Symbol>,
    /// Only those that were received, ended, or got a late outcome after this instant.
    pub updated_after: Option<Timestamp>,
}

impl OwnFilter {
    /// Whether nothing is asked but whose they are.
    pub const fn is_empty(&self) -> bool {
        self.status.is_none() && self.symbol.is_none() && self.updated_after.is_none()
    }

    /// Whether the signal is meant.
    pub fn admits(&self, signal: &Signal) -> bool {
        let Self { status, symbol, updated_after } = self;
        let is_newer = |since: Timestamp| {
            let outcomes = [&signal.outcome, &signal.late_outcome];
            signal.content.created_at > since
                || outcomes.into_iter().flatten().any(|outcome| outcome.recorded_at > since)
        };
        status.is_none_or(|status| signal.status() == status)
            && symbol.as_ref().is_none_or(|symbol| signal.content.symbol == *symbol)
            && updated_after.is_none_or(is_newer)
    }
}

/// Takes signals in and closes them, durably and immutably.
#[async_trait]
pub trait SignalStore: Send + Sync {
    /// Stores each signal that is new, in one transaction, and logs one `SignalPublished` for each.
    /// Answers stand in the order of the signals. The same id twice in one call is judged like two calls.
    async fn accept(&self, signals: Vec<NewSignal>) -> Result<Vec<Accepted>>;

    /// Settles the outcome ([`NewOutcome::settle`]) against its signal, stores it and logs
    /// `SignalClosed`. Of a signal that has expired it is stored beside the expiry
    /// ([`NewOutcome::settle_late`]), and `LateOutcomeRecorded` is logged.
    ///
    /// # Errors
    /// What settling refuses.
    async fn record_outcome(&self, outcome: NewOutcome) -> Result<OutcomeRecorded>;

    /// The same of several, in their order: each is settled by itself, and `Err` is what settling refuses of it.
    ///
    /// # Errors
    /// What keeps all of them from being kept. Then those before may be kept, and are found so when they come again.
    async fn record_outcomes(
        &self,
        outcomes: Vec<NewOutcome>,
    ) -> Result<Vec<std::result::Result<OutcomeRecorded, Vec<FieldError>>>>;

    /// Closes as `Expired` at most `limit` signals that were accepted before `now` minus the horizon
    /// of their strategy, or minus `default_horizon`; says which. Safe to call on several instances.
    async fn expire(
        &self,
        now: Timestamp,
        default_horizon: Duration,
        horizons: &[(Strategy, Duration)],
        limit: u32,
    ) -> Result<Vec<SignalId>>;
}

/// Stored signals, as things were known at an instant.
#[async_trait]
pub trait SignalReader: Send + Sync {
    /// One slice of a list, as things were known at the query's `as_of`.
    async fn list(&self, query: &SignalQuery, slice: Slice) -> Result<Vec<Signal>>;

    /// A part of the signals of `query`, of any state, that ended since an instant; read from the end of an index, and no
    /// more than `ended.limit` outcomes, whatever they belong to.
    async fn ended(&self, query: &SignalQuery, ended: EndedQuery) -> Result<Ended>;

    /// Signals with a confidence below this percentage whose outcomes were recorded from the first to the second instant,
    /// both included, and belong to this part of the record, as things were known at the second: at most `limit`, the one
    /// closed last first.
    async fn closings(
        &self,
        below: Option<f64>,
        record: Record,
        span: (Timestamp, Timestamp),
        limit: u32,
    ) -> Result<Vec<Signal>>;

    /// How many signals the list has, counted up to `cap`.
    async fn count(&self, query: &SignalQuery, cap: u32) -> Result<u32>;

    /// One signal with whatever outcome, and late outcome, it has.
    async fn find(&self, id: SignalId) -> Result<Option<Signal>>;

    /// One signal by the producer's id; none if it cannot be read.
    async fn find_external(
        &self,
        producer: ProducerId,
        external_id: &ExternalId,
    ) -> Result<Option<Signal>>;

    /// One slice of what a producer published, the newest first, with whatever outcomes there are.
    async fn own(
        &self,
        producer: ProducerId,
        filter: &OwnFilter,
        slice: Slice,
    ) -> Result<Vec<Signal>>;

    /// How many signals that list has, counted up to `cap`.
    async fn count_own(&self, producer: ProducerId, filter: &OwnFilter, cap: u32) -> Result<u32>;

    /// When the newest signal of the query's result was accepted and when the next one will come into
    /// sight: the first acceptance, or outcome, after `query.as_of`, if there is one; a late outcome too,
    /// where the query's result shows them.
    async fn next_change_after(&self, query: &SignalQuery) -> Result<Option<Timestamp>>;
}
