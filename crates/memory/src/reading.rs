//! Lists of signals, as things were known at an instant.

use std::cmp::Reverse;

use alpine_domain::{
    Result, Timestamp,
    page::{Cursor, Slice},
    producer::ProducerId,
    signal::{
        Ended, EndedQuery, ExternalId, Origin, Outcome, OwnFilter, Record, Signal, SignalId,
        SignalQuery, SignalReader, SignalState, SignalStatus,
    },
};
use async_trait::async_trait;

use crate::{Memory, signals::position, tables::Tables};

/// Where a signal stands in a list.
const fn place(signal: &Signal) -> (Timestamp, SignalId) {
    (signal.content.created_at, signal.id)
}

/// Whether the query is about the signal, however it ends and whenever it was accepted.
fn is_asked(query: &SignalQuery, signal: &Signal) -> bool {
    let content = &signal.content;
    let confidence = content.confidence.percent();
    let SignalQuery {
        below,
        min_confidence,
        since,
        until,
        symbol,
        action,
        without_history,
        record,
        ..
    } = query;
    below.is_none_or(|below| confidence < below)
        && min_confidence.is_none_or(|least| confidence >= least)
        && since.is_none_or(|since| content.created_at >= since)
        && until.is_none_or(|until| content.created_at < until)
        && symbol.as_ref().is_none_or(|symbol| content.symbol == *symbol)
        && action.is_none_or(|action| content.action == action)
        && !(*without_history && content.origin == Origin::Backfilled)
        && record.holds(content.origin)
}

/// When the signal ended, or got a late outcome, if that was after `since`, and whether it is one of those asked for.
fn ended_at(signal: &Signal, ended: &EndedQuery) -> Option<(Timestamp, bool)> {
    let recorded = |outcome: &Option<Outcome>| outcome.as_ref().map(|it| it.recorded_at);
    let (outcome, late) = (recorded(&signal.outcome)?, recorded(&signal.late_outcome));
    let (before, at) = if ended.late { (outcome, late?) } else { (Timestamp::MIN, outcome) };
    let is_older = signal.content.created_at.max(before) <= ended.since;
    (at > ended.since).then_some((at, is_older))
}

/// What a producer published, newest first.
fn own(tables: &Tables, producer: ProducerId, filter: &OwnFilter) -> Vec<Signal> {
    let is_meant = |signal: &&Signal| signal.content.producer == producer && filter.admits(signal);
    let mut list: Vec<Signal> = tables.signals.iter().filter(is_meant).cloned().collect();
    list.sort_by_key(|signal| Reverse(place(signal)));
    list
}

/// The whole list, newest first.
fn whole(tables: &Tables, query: &SignalQuery) -> Vec<Signal> {
    let status = match query.state {
        SignalState::Any => None,
        SignalState::Open => Some(SignalStatus::Open),
        SignalState::Status(status) => Some(status),
    };
    let accepted = tables.signals.iter().filter(|signal| signal.content.created_at <= query.as_of);
    let mut list: Vec<Signal> = accepted
        .filter(|signal| is_asked(query, signal))
        .map(|signal| signal.clone().as_of(query.as_of))
        .filter(|signal| status.is_none_or(|status| signal.status() == status))
        .collect();
    list.sort_by_key(|signal| Reverse(place(signal)));
    list
}

#[async_trait]
impl SignalReader for Memory {
    async fn list(&self, query: &SignalQuery, slice: Slice) -> Result<Vec<Signal>> {
        let whole = whole(&self.read(), query).into_iter();
        let limit = slice.limit as usize;
        Ok(match slice.after {
            Some(after) => {
                let after = (after.created_at, after.id);
                whole.filter(|signal| place(signal) < after).take(limit).collect()
            }
            None => whole.skip(slice.offset as usize).take(limit).collect(),
        })
    }

    async fn own(
        &self,
        producer: ProducerId,
        filter: &OwnFilter,
        slice: Slice,
    ) -> Result<Vec<Signal>> {
        let all = own(&self.read(), producer, filter).into_iter();
        let limit = slice.limit as usize;
        Ok(match slice.after {
            Some(after) => {
                let after = (after.created_at, after.id);
                all.filter(|signal| place(signal) < after).take(limit).collect()
            }
            None => all.skip(slice.offset as usize).take(limit).collect(),
        })
    }

    async fn count_own(&self, producer: ProducerId, filter: &OwnFilter, cap: u32) -> Result<u32> {
        let count = own(&self.read(), producer, filter).len();
        Ok(u32::try_from(count).unwrap_or(u32::MAX).min(cap))
    }

    async fn ended(&self, query: &SignalQuery, ended: EndedQuery) -> Result<Ended> {
        let known = SignalQuery { is_late: query.is_late, ..SignalQuery::all(query.as_of) };
        let mut found: Vec<((Timestamp, SignalId), bool, Signal)> = whole(&self.read(), &known)
            .into_iter()
            .filter_map(|signal| {
                let (at, is_older) = ended_at(&signal, &ended)?;
                Some(((at, signal.id), is_older && is_asked(query, &signal), signal))
            })
            .filter(|(place, ..)| ended.after.is_none_or(|it| *place < (it.created_at, it.id)))
            .collect();
        found.sort_by_key(|(place, ..)| Reverse(*place));
        found.truncate(ended.limit as usize);
        let is_last = found.len() < ended.limit as usize;
        let last = found.last().map(|(place, ..)| *place).filter(|_| !is_last);
        let next = last.map(|(created_at, id)| Cursor { created_at, id });
        let asked = found.into_iter().filter(|(_, is_asked, _)| *is_asked);
        Ok(Ended { signals: asked.map(|(.., signal)| signal).collect(), next })
    }

    async fn closings(
        &self,
        below: Option<f64>,
        record: Record,
        (since, until): (Timestamp, Timestamp),
        limit: u32,
    ) -> Result<Vec<Signal>> {
        let tables = self.read();
        let in_range = |signal: &&Signal| {
            below.is_none_or(|below| signal.content.confidence.percent() < below)
        };
        let closed = |signal: &Signal| {
            let outcome = signal.outcome.as_ref()?;
            let is_asked = (since..=until).contains(&outcome.recorded_at)
                && record.holds(signal.origin_of(outcome));
            is_asked.then(|| (outcome.recorded_at, signal.clone()))
        };
        let mut closed: Vec<_> =
            tables.signals.iter().filter(in_range).filter_map(closed).collect();
        closed.sort_by_key(|(recorded_at, signal)| Reverse((*recorded_at, signal.id)));
        let closed = closed.into_iter().map(|(_, signal)| signal.as_of(until));
        Ok(closed.take(limit as usize).collect())
    }

    async fn count(&self, query: &SignalQuery, cap: u32) -> Result<u32> {
        Ok(u32::try_from(whole(&self.read(), query).len()).unwrap_or(u32::MAX).min(cap))
    }

    async fn find(&self, id: SignalId) -> Result<Option<Signal>> {
        Ok(self.read().signals.iter().find(|signal| signal.id == id).cloned())
    }

    async fn find_external(
        &self,
        producer: ProducerId,
        external_id: &ExternalId,
    ) -> Result<Option<Signal>> {
        let signals = &self.read().signals;
        Ok(position(signals, producer, external_id).map(|row| signals[row].clone()))
    }

    async fn next_change_after(&self, query: &SignalQuery) -> Result<Option<Timestamp>> {
        let expired = SignalState::Status(SignalStatus::Expired);
        let shows_late = query.state == SignalState::Any || query.state == expired;
        let recorded = |outcome: &Option<Outcome>| outcome.as_ref().map(|it| it.recorded_at);
        let next = |signal: &Signal| {
            let accepted = signal.content.created_at;
            if accepted > query.as_of {
                return Some(accepted);
            }
            let late = recorded(&signal.late_outcome).filter(|_| shows_late);
            let ends = [recorded(&signal.outcome), late].into_iter().flatten();
            ends.filter(|end| *end > query.as_of).min()
        };
        let tables = self.read();
        Ok(tables.signals.iter().filter(|signal| is_asked(query, signal)).filter_map(next).min())
    }
}
