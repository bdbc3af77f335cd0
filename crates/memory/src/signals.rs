//! What happens to signals: accepted, closed, expired.

use std::time::Duration;

use alpine_domain::{
    Error, FieldError, Result, Timestamp,
    analytics::{Day, RollupKey},
    event::Event,
    producer::ProducerId,
    signal::{
        Accepted, ExternalId, NewOutcome, NewSignal, Outcome, OutcomeRecorded, Signal, SignalId,
        SignalStore, Strategy,
    },
};
use async_trait::async_trait;

use crate::{Memory, Unit};

pub(crate) fn position(
    signals: &[Signal],
    producer: ProducerId,
    external_id: &ExternalId,
) -> Option<usize> {
    signals.iter().position(|signal| {
        signal.content.producer == producer && signal.content.external_id == *external_id
    })
}

/// Judges one offered signal. Nothing new sorts below `newest`, the newest that was known before.
fn accept(unit: &mut Unit, mut new: NewSignal, newest: Timestamp) -> Result<Accepted> {
    let signals = &mut unit.tables.signals;
    let confidence = Some(new.confidence.percent());
    if let Some(known) = position(signals, new.producer, &new.external_id) {
        let Signal { id, content, .. } = &signals[known];
        // Once more by today's text: an older release may have hashed another one.
        let hashes = [content.content_hash.clone(), content.computed_content_hash()];
        let id = *id;
        if !hashes.contains(&new.content_hash) {
            return Ok(Accepted::Conflict(id));
        }
        unit.confirm(Event::SignalPublished { signal: id, confidence });
        return Ok(Accepted::Duplicate(id));
    }
    let id = SignalId::new(i64::try_from(signals.len() + 1).map_err(Error::internal)?);
    new.created_at = new.created_at.max(newest);
    let created_at = new.created_at;
    let counted = RollupKey::signals(Day::of(created_at), new.is_simulated);
    signals.push(Signal { id, content: new, outcome: None, late_outcome: None });
    unit.tables.count(counted, 1);
    unit.log(created_at, Event::SignalPublished { signal: id, confidence })?;
    Ok(Accepted::Stored(id))
}

fn record(unit: &mut Unit, report: &NewOutcome) -> Result<OutcomeRecorded> {
    let found = position(&unit.tables.signals, report.producer, &report.external_id);
    let Some(row) = found else { return Ok(OutcomeRecorded::UnknownSignal) };
    let signal = &mut unit.tables.signals[row];
    let (id, confidence) = (signal.id, Some(signal.content.confidence.percent()));
    let is_late = signal.has_expired();
    let event = if is_late {
        Event::LateOutcomeRecorded { signal: id, confidence }
    } else {
        Event::SignalClosed { signal: id, confidence }
    };
    let stored = if is_late { &signal.late_outcome } else { &signal.outcome };
    if let Some(stored) = stored {
        let (repeats, signal) = (report.repeats(stored), signal.clone());
        if !repeats {
            return Ok(OutcomeRecorded::Conflict(signal));
        }
        unit.confirm(event);
        return Ok(OutcomeRecorded::Repeated(signal));
    }
    let outcome = if is_late { report.settle_late(signal)? } else { report.settle(signal)? };
    let recorded_at = outcome.recorded_at;
    let place = if is_late { &mut signal.late_outcome } else { &mut signal.outcome };
    *place = Some(outcome);
    let signal = signal.clone();
    unit.log(recorded_at, event)?;
    Ok(if is_late { OutcomeRecorded::Late(signal) } else { OutcomeRecorded::Closed(signal) })
}

#[async_trait]
impl SignalStore for Memory {
    async fn accept(&self, offered: Vec<NewSignal>) -> Result<Vec<Accepted>> {
        self.write(|unit| {
            let accepted = unit.tables.signals.iter().map(|signal| signal.content.created_at);
            let newest = accepted.max().unwrap_or(Timestamp::MIN);
            offered.into_iter().map(|new| accept(unit, new, newest)).collect()
        })
    }

    async fn record_outcome(&self, outcome: NewOutcome) -> Result<OutcomeRecorded> {
        self.write(|unit| record(unit, &outcome))
    }

    async fn record_outcomes(
        &self,
        outcomes: Vec<NewOutcome>,
    ) -> Result<Vec<std::result::Result<OutcomeRecorded, Vec<FieldError>>>> {
        let one = |outcome| match self.write(|unit| record(unit, outcome)) {
            Ok(recorded) => Ok(Ok(recorded)),
            Err(Error::Invalid(errors)) => Ok(Err(errors)),
            Err(other) => Err(other),
        };
        outcomes.iter().map(one).collect()
    }

    async fn expire(
        &self,
        now: Timestamp,
        default_horizon: Duration,
        horizons: &[(Strategy, Duration)],
        limit: u32,
    ) -> Result<Vec<SignalId>> {
        let is_due = |signal: &&Signal| {
            let NewSignal { strategy, created_at, .. } = &signal.content;
            let own = horizons.iter().find(|(name, _)| Some(name) == strategy.as_ref());
            let horizon = own.map_or(default_horizon, |(_, horizon)| *horizon);
            signal.outcome.is_none() && *created_at < now.earlier(horizon)
        };
        self.write(|unit| {
            let mut due: Vec<_> = unit.tables.signals.iter().filter(is_due).collect();
            due.sort_by_key(|signal| (signal.content.created_at, signal.id));
            let mut due: Vec<SignalId> =
                due.into_iter().map(|signal| signal.id).take(limit as usize).collect();
            due.sort_unstable();
            for id in &due {
                let signal = unit.tables.signals.iter_mut().find(|signal| signal.id == *id);
                let signal = signal.ok_or(Error::NotFound("signal"))?;
                signal.outcome = Some(Outcome::expired(now));
                let confidence = Some(signal.content.confidence.percent());
                unit.log(now, Event::SignalClosed { signal: *id, confidence })?;
            }
            Ok(due)
        })
    }
}
