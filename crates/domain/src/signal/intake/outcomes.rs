//! How many signals ended, told at once.

use super::{
    Intake, LineResult,
    parse::{OUTCOME_MEMBERS, parse_outcome},
    read_lines,
};
use crate::{
    Error, FieldError, Result,
    json::JsonObject,
    producer::Producer,
    signal::{OutcomeRecorded, Signal},
};

/// What became of one line of a batch of outcomes.
pub type OutcomeLineResult = LineResult<OutcomeLine>;

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
        let now = self.clock.now();
        let parse = |object: &JsonObject| parse_outcome(object, producer, now);
        let (mut results, mut places, mut good) = (Vec::new(), Vec::new(), Vec::new());
        for (line, read) in read_lines(body, max_line, &OUTCOME_MEMBERS, parse).await? {
            let refused = match read {
                Ok(outcome) => {
                    places.push(results.len());
                    good.push(outcome);
                    Vec::new()
                }
                Err(errors) => errors,
            };
            results.push(line.ended(OutcomeLine::Refused(refused)));
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
