//! How many signals ended, told at once.

use super::{
    Intake, LINES_PER_TURN, batch, claimed_id, object_of,
    parse::{OUTCOME_MEMBERS, parse_outcome},
    unknown, yield_now,
};
use crate::{
    Error, FieldError, Result,
    producer::Producer,
    signal::{OutcomeRecorded, Signal},
};

/// What became of one line.
#[derive(Debug, Clone, PartialEq)]
pub struct OutcomeLineResult {
    /// The line's number, from 1; of an array, the element's.
    pub line: usize,
    /// The producer's id, where the line has a readable one.
    pub external_id: Option<String>,
    /// What became of it.
    pub outcome: OutcomeLine,
    /// Its members that mean nothing here.
    pub unknown: Vec<String>,
}

/// What became of a line.
#[derive(Debug, Clone, PartialEq)]
pub enum OutcomeLine {
    /// The signal is closed now.
    Closed(Box<Signal>),
    /// The signal had expired and stays so; the outcome is kept beside the expiry now.
    Late(Box<Signal>),
    /// The outcome was kept before, in the same way.
    Duplicate(Box<Signal>),
    /// Another outcome was kept before; nothing was changed.
    Conflict(Box<Signal>),
    /// It was refused.
    Refused(Vec<FieldError>),
}

impl Intake {
    /// Records every good line of `body`, newline-delimited JSON or one array, at most
    /// [`MAX_BATCH`](super::MAX_BATCH) lines of at most `max_line` bytes; answers for each line.
    ///
    /// # Errors
    /// [`Error::Malformed`] when `body` is no such thing, [`Error::Invalid`] when it has too many lines. When the database
    /// goes away in the middle, the lines before may be kept: sent again, they are duplicates.
    pub async fn report_outcomes(
        &self,
        producer: &Producer,
        body: &[u8],
        max_line: usize,
    ) -> Result<Vec<OutcomeLineResult>> {
        let (lines, now) = (batch::split(body)?, self.clock.now());
        let mut results = Vec::with_capacity(lines.len());
        let (mut places, mut good) = (Vec::new(), Vec::new());
        for (position, (line, text)) in lines.into_iter().enumerate() {
            if position % LINES_PER_TURN == LINES_PER_TURN - 1 {
                yield_now().await;
            }
            let object = object_of(text, max_line);
            let external_id = object.as_ref().ok().and_then(claimed_id);
            let unknown =
                object.as_ref().map_or_else(|_| Vec::new(), |it| unknown(it, &OUTCOME_MEMBERS));
            let mut errors = Vec::new();
            match object.and_then(|object| parse_outcome(&object, producer, now)) {
                Ok(outcome) => {
                    places.push(results.len());
                    good.push(outcome);
                }
                Err(Error::Invalid(refused) | Error::Malformed(refused)) => errors = refused,
                Err(other) => return Err(other),
            }
            let outcome = OutcomeLine::Refused(errors);
            results.push(OutcomeLineResult { line, external_id, outcome, unknown });
        }
        if good.is_empty() {
            return Ok(results);
        }
        let recorded = self.store.record_outcomes(good).await?;
        if recorded.len() != places.len() {
            return Err(Error::internal("the store did not answer for every outcome"));
        }
        for (place, recorded) in places.into_iter().zip(recorded) {
            results[place].outcome = told(recorded);
        }
        Ok(results)
    }
}

fn told(recorded: std::result::Result<OutcomeRecorded, Vec<FieldError>>) -> OutcomeLine {
    match recorded {
        Ok(OutcomeRecorded::Closed(signal)) => OutcomeLine::Closed(Box::new(signal)),
        Ok(OutcomeRecorded::Late(signal)) => OutcomeLine::Late(Box::new(signal)),
        Ok(OutcomeRecorded::Repeated(signal)) => OutcomeLine::Duplicate(Box::new(signal)),
        Ok(OutcomeRecorded::Conflict(signal)) => OutcomeLine::Conflict(Box::new(signal)),
        Ok(OutcomeRecorded::UnknownSignal) => OutcomeLine::Refused(vec![FieldError::new(
            "signal_id",
            "is none of your signals: push the signal first",
        )]),
        Err(errors) => OutcomeLine::Refused(errors),
    }
}
