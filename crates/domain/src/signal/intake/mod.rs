//! What producers push in: one signal, a batch, an outcome.

mod batch;
mod field_parser;
mod outcomes;
mod parse;
mod signing;

use std::{sync::Arc, time::Duration};

pub use self::batch::MAX_BATCH;
pub use self::outcomes::{OutcomeLine, OutcomeLineResult};
pub use self::parse::{OUTCOME_MEMBERS, SIGNAL_MEMBERS};
use self::parse::{Receipt, parse_outcome, parse_signal};
pub use self::signing::{Signed, sign};
use super::{Accepted, ExternalId, NewSignal, OutcomeRecorded, Signal, SignalId, SignalStore};
use crate::{
    Clock, Error, FieldError, Result,
    error::{Conflict, ConflictKind},
    json::{JsonObject, Member},
    producer::Producer,
};

/// Lines that are checked before other work on the same thread gets its turn.
const LINES_PER_TURN: usize = 64;

/// A signal that was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    /// Its number at Alpine.
    pub id: SignalId,
    /// The producer's id for it.
    pub external_id: ExternalId,
    /// Members of its body that mean nothing here.
    pub unknown: Vec<String>,
}

/// What became of one line of a batch: of signals, or of outcomes.
#[derive(Debug, Clone, PartialEq)]
pub struct LineResult<T = LineOutcome> {
    /// The line's number, from 1; of an array, the element's.
    pub line: usize,
    /// The producer's id, where the line has a readable one.
    pub external_id: Option<String>,
    /// What became of it.
    pub outcome: T,
    /// Its members that mean nothing here.
    pub unknown: Vec<String>,
}

impl LineResult<()> {
    /// The line, of which this became.
    fn ended<T>(self, outcome: T) -> LineResult<T> {
        let Self { line, external_id, outcome: (), unknown } = self;
        LineResult { line, external_id, outcome, unknown }
    }
}

/// What became of a line.
#[derive(Debug, Clone, PartialEq)]
pub enum LineOutcome {
    /// It is stored now.
    Stored(SignalId),
    /// It was stored before.
    Duplicate(SignalId),
    /// Other content stands under its id.
    Conflict(SignalId),
    /// It was refused.
    Refused(Vec<FieldError>),
}

/// Takes in what producers send.
pub struct Intake {
    store: Arc<dyn SignalStore>,
    clock: Arc<dyn Clock>,
    live_within: Duration,
}

impl Intake {
    /// An intake that writes to `store`. What arrives later than `live_within` after its own time is history.
    pub fn new(store: Arc<dyn SignalStore>, clock: Arc<dyn Clock>, live_within: Duration) -> Self {
        Self { store, clock, live_within }
    }

    fn receipt(&self) -> Receipt {
        Receipt { now: self.clock.now(), live_within: self.live_within }
    }

    /// Stores the signal in `body`.
    ///
    /// # Errors
    /// [`Error::Malformed`] for broken JSON or a hash that does not fit the content,
    /// [`Error::Invalid`] for values that break rules, [`Error::Conflict`] for an id that is taken.
    pub async fn submit(&self, producer: &Producer, body: &[u8]) -> Result<Submitted> {
        let object = JsonObject::parse(body)?;
        let signal = parse_signal(&object, producer, self.receipt())?;
        let external_id = signal.external_id.clone();
        let unknown = unknown(&object, &SIGNAL_MEMBERS);
        let accepted = self.store.accept(vec![signal]).await?;
        match accepted.first() {
            Some(Accepted::Stored(id)) => Ok(Submitted { id: *id, external_id, unknown }),
            Some(Accepted::Duplicate(id)) => Err(taken(
                ConflictKind::DuplicateSignal,
                format!("signal {external_id} is stored already"),
                *id,
            )),
            Some(Accepted::Conflict(id)) => Err(taken(
                ConflictKind::SignalConflict,
                format!("signal_id {external_id} is taken by a signal with other content"),
                *id,
            )),
            Some(Accepted::Refused) => Err(Error::internal("the database refused a signal")),
            None => Err(Error::internal("the store gave no answer for a signal")),
        }
    }

    /// Stores every good line of `body`, newline-delimited JSON or one array, at most
    /// [`MAX_BATCH`] lines of at most `max_line` bytes, the bound of a single signal; answers for each line.
    ///
    /// # Errors
    /// [`Error::Malformed`] when `body` is no such thing, [`Error::Invalid`] when it has too many lines.
    pub async fn submit_batch(
        &self,
        producer: &Producer,
        body: &[u8],
        max_line: usize,
    ) -> Result<Vec<LineResult>> {
        let received = self.receipt();
        let parse = |object: &JsonObject| parse_signal(object, producer, received);
        let mut results = Vec::new();
        let mut good = Vec::new();
        for (line, read) in read_lines(body, max_line, &SIGNAL_MEMBERS, parse).await? {
            let refused = match read {
                Ok(signal) => {
                    good.push((results.len(), signal));
                    Vec::new()
                }
                Err(errors) => errors,
            };
            results.push(line.ended(LineOutcome::Refused(refused)));
        }
        self.store_lines(good, &mut results).await?;
        Ok(results)
    }

    /// Stores the good lines and writes what became of each into its place.
    async fn store_lines(
        &self,
        good: Vec<(usize, NewSignal)>,
        results: &mut [LineResult],
    ) -> Result<()> {
        if good.is_empty() {
            return Ok(());
        }
        let (places, signals): (Vec<usize>, Vec<NewSignal>) = good.into_iter().unzip();
        let accepted = self.store.accept(signals).await?;
        if accepted.len() != places.len() {
            return Err(Error::internal("the store did not answer for every signal"));
        }
        for (place, accepted) in places.into_iter().zip(accepted) {
            results[place].outcome = match accepted {
                Accepted::Stored(id) => LineOutcome::Stored(id),
                Accepted::Duplicate(id) => LineOutcome::Duplicate(id),
                Accepted::Conflict(id) => LineOutcome::Conflict(id),
                Accepted::Refused => LineOutcome::Refused(vec![FieldError::new(
                    "body",
                    "could not be stored, through no fault that we know of; it was logged here",
                )]),
            };
        }
        Ok(())
    }

    /// Closes the signal that `body` names, or keeps the outcome beside its expiry. Says also whether the
    /// outcome is new.
    ///
    /// # Errors
    /// As [`submit`](Self::submit); [`Error::NotFound`] for an unknown signal; [`Error::Conflict`]
    /// when another outcome, or another late one, is stored already.
    pub async fn report_outcome(&self, producer: &Producer, body: &[u8]) -> Result<(Signal, bool)> {
        let outcome = parse_outcome(&JsonObject::parse(body)?, producer, self.clock.now())?;
        match self.store.record_outcome(outcome).await? {
            OutcomeRecorded::Closed(signal) | OutcomeRecorded::Late(signal) => Ok((signal, true)),
            OutcomeRecorded::Repeated(signal) => Ok((signal, false)),
            OutcomeRecorded::Conflict(signal) => {
                Err(taken(ConflictKind::OutcomeConflict, conflict_detail(&signal), signal.id))
            }
            OutcomeRecorded::UnknownSignal => Err(Error::NotFound("signal")),
        }
    }
}

fn conflict_detail(signal: &Signal) -> String {
    let id = &signal.content.external_id;
    match &signal.late_outcome {
        Some(late) => format!(
            "signal {id} expired, and its late outcome is {} already; an outcome never changes",
            late.status
        ),
        None => {
            format!("signal {id} ended before as {}; an outcome never changes", signal.status())
        }
    }
}

fn taken(kind: ConflictKind, detail: String, existing: SignalId) -> Error {
    Error::Conflict(Conflict { kind, detail, existing_signal: Some(existing) })
}

/// Lets other work on this thread have its turn once.
async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|context| {
        if yielded {
            return std::task::Poll::Ready(());
        }
        yielded = true;
        context.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}

/// The object of a line of at most `longest` bytes.
fn object_of(text: &[u8], longest: usize) -> Result<JsonObject> {
    if text.len() > longest {
        let reason = format!("is longer than {longest} bytes, the most for one line");
        return Err(Error::invalid("body", reason));
    }
    JsonObject::parse(text)
}

/// The lines of a batch, each with what it holds or with what is refused of it.
///
/// # Errors
/// [`Error::Malformed`] when `body` is no batch, [`Error::Invalid`] when it has too many lines.
async fn read_lines<T>(
    body: &[u8],
    max_line: usize,
    known: &[&str],
    parse: impl Fn(&JsonObject) -> Result<T>,
) -> Result<Vec<(LineResult<()>, std::result::Result<T, Vec<FieldError>>)>> {
    let lines = batch::split(body)?;
    let mut read = Vec::with_capacity(lines.len());
    for (position, (line, text)) in lines.into_iter().enumerate() {
        if position % LINES_PER_TURN == LINES_PER_TURN - 1 {
            yield_now().await;
        }
        let object = object_of(text, max_line);
        let external_id = object.as_ref().ok().and_then(claimed_id);
        let unknown = object.as_ref().map_or_else(|_| Vec::new(), |it| unknown(it, known));
        let holds = match object.and_then(|object| parse(&object)) {
            Ok(holds) => Ok(holds),
            Err(Error::Invalid(errors) | Error::Malformed(errors)) => Err(errors),
            Err(other) => return Err(other),
        };
        read.push((LineResult { line, external_id, outcome: (), unknown }, holds));
    }
    Ok(read)
}

/// Names of unknown members that are kept of one signal: more are told of nowhere.
const MOST_UNKNOWN: usize = 16;

/// Those of the members that are not `known`, the first of many.
fn unknown(object: &JsonObject, known: &[&str]) -> Vec<String> {
    let unknown = object.names().filter(|name| !known.contains(name));
    unknown.take(MOST_UNKNOWN).map(str::to_owned).collect()
}

fn claimed_id(object: &JsonObject) -> Option<String> {
    match object.member("signal_id")? {
        Member::Text(id) => Some(id.chars().take(255).collect()),
        Member::BrokenText | Member::Number(_) | Member::Other => None,
    }
}
