//! Signals and their outcomes.

mod ended;
mod endings;
pub(crate) mod fragments;
mod intake;
mod late;
mod overdue;
mod own;
mod query;
mod shapes;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use alpine_domain::{
    Error, FieldError, Result, Timestamp,
    page::Slice,
    producer::ProducerId,
    signal::{
        Accepted, Ended, EndedQuery, ExternalId, NewOutcome, NewSignal, OutcomeRecorded, OwnFilter,
        Record, Signal, SignalId, SignalQuery, SignalReader, SignalStore, Strategy,
    },
};
use async_trait::async_trait;
use diesel::{
    NullableExpressionMethods as _, OptionalExtension as _, QueryDsl as _, RunQueryDsl as _,
};

pub(crate) use self::overdue::overdue;
use crate::{
    Database, Failure,
    permits::Class,
    rows::{OutcomeRow, SignalRow},
    schema::{outcomes, signals},
};

/// Outcomes that one transaction keeps: other writers have their turn between two.
const OUTCOMES_AT_ONCE: usize = 500;

/// The signals of one database.
#[derive(Clone)]
pub struct Signals(Database);

impl Signals {
    /// The signals kept in `database`.
    pub const fn new(database: Database) -> Self {
        Self(database)
    }

    pub(crate) const fn database(&self) -> &Database {
        &self.0
    }
}

#[async_trait]
impl SignalStore for Signals {
    async fn accept(&self, signals: Vec<NewSignal>) -> Result<Vec<Accepted>> {
        let signals = Arc::new(signals);
        let was_refused = Arc::new(AtomicBool::new(false));
        let (offered, refused) = (Arc::clone(&signals), Arc::clone(&was_refused));
        let database = self.0.clone();
        let answers = self
            .0
            .write("signal_accept", move |unit| {
                let ids = database.signal_ids(unit.conn)?;
                let answers = intake::accept(unit, &ids, &offered);
                refused.store(matches!(&answers, Err(e) if e.is_refusal()), Ordering::Relaxed);
                answers
            })
            .await;
        if !was_refused.load(Ordering::Relaxed) {
            return answers;
        }
        // Nothing was stored. Once more, so that each signal stands or falls by itself.
        let database = self.0.clone();
        self.0
            .write("signal_accept_singly", move |unit| {
                let ids = database.signal_ids(unit.conn)?;
                intake::accept_singly(unit, &ids, &signals)
            })
            .await
    }

    async fn record_outcome(&self, outcome: NewOutcome) -> Result<OutcomeRecorded> {
        let database = self.0.clone();
        self.0
            .write("signal_record_outcome", move |unit| {
                let ids = database.signal_ids(unit.conn)?;
                intake::record_outcome(unit, &ids, &database.unreadable(), &outcome)
            })
            .await
    }

    async fn record_outcomes(
        &self,
        outcomes: Vec<NewOutcome>,
    ) -> Result<Vec<Result<OutcomeRecorded, Vec<FieldError>>>> {
        let mut answers = Vec::with_capacity(outcomes.len());
        for chunk in outcomes.chunks(OUTCOMES_AT_ONCE) {
            let (database, chunk) = (self.0.clone(), chunk.to_vec());
            let recorded = self.0.write("signal_record_outcomes", move |unit| {
                let ids = database.signal_ids(unit.conn)?;
                let one = |outcome| {
                    match intake::record_outcome(unit, &ids, &database.unreadable(), outcome) {
                        Ok(recorded) => Ok(Ok(recorded)),
                        // It is settled before anything is written of it.
                        Err(Failure::Domain(Error::Invalid(errors))) => Ok(Err(errors)),
                        Err(other) => Err(other),
                    }
                };
                chunk.iter().map(one).collect::<Result<Vec<_>, Failure>>()
            });
            answers.extend(recorded.await?);
        }
        Ok(answers)
    }

    async fn expire(
        &self,
        now: Timestamp,
        default_horizon: Duration,
        horizons: &[(Strategy, Duration)],
        limit: u32,
    ) -> Result<Vec<SignalId>> {
        let (database, horizons) = (self.0.clone(), horizons.to_vec());
        self.0
            .write("signal_expire", move |unit| {
                let ids = database.signal_ids(unit.conn)?;
                intake::expire(unit, &ids, now, default_horizon, &horizons, limit)
            })
            .await
    }
}

/// Without a condition besides, nothing is passed over.
const fn class_of_own(filter: &OwnFilter) -> Class {
    if filter.is_empty() { Class::Read } else { Class::CostlyRead }
}

/// Of a query that reads all of its kind, or only the newest.
fn class_of(query: &SignalQuery, newest: bool) -> Class {
    let is_costly = query::is_costly(query) || (query::is_by_ending(query) && !newest);
    if is_costly { Class::CostlyRead } else { Class::Read }
}

#[async_trait]
impl SignalReader for Signals {
    async fn list(&self, query: &SignalQuery, slice: Slice) -> Result<Vec<Signal>> {
        let (database, query) = (self.0.clone(), query.clone());
        self.0
            .read_as(class_of(&query, slice.after.is_none()), "signal_list", move |conn| {
                let ids = database.signal_ids(conn)?;
                query::list(conn, &ids, &query, slice, &database.unreadable())
            })
            .await
    }

    async fn ended(&self, query: &SignalQuery, ended: EndedQuery) -> Result<Ended> {
        let (database, query) = (self.0.clone(), query.clone());
        self.0
            .read("signal_ended", move |conn| {
                let ids = database.signal_ids(conn)?;
                endings::ended(conn, &ids, (&query, ended), &database.unreadable())
            })
            .await
    }

    async fn closings(
        &self,
        below: Option<f64>,
        record: Record,
        span: (Timestamp, Timestamp),
        limit: u32,
    ) -> Result<Vec<Signal>> {
        let database = self.0.clone();
        // No index leads to a part of the record: much may be passed over for what belongs to it.
        let class = if record == Record::All { Class::Read } else { Class::CostlyRead };
        self.0
            .read_as(class, "signal_closings", move |conn| {
                let ids = database.signal_ids(conn)?;
                let asked = (below, record, span, limit);
                query::closings(conn, &ids, asked, &database.unreadable())
            })
            .await
    }

    async fn count(&self, query: &SignalQuery, cap: u32) -> Result<u32> {
        let query = query.clone();
        self.0
            .read_as(class_of(&query, false), "signal_count", move |conn| {
                query::count(conn, &query, cap)
            })
            .await
    }

    async fn find(&self, id: SignalId) -> Result<Option<Signal>> {
        let database = self.0.clone();
        self.0
            .read("signal_find", move |conn| {
                let ids = database.signal_ids(conn)?;
                let Some(row) = ids.row(id) else {
                    return Ok(None);
                };
                let row: Option<(SignalRow, Option<OutcomeRow>)> = signals::table
                    .find(row)
                    .left_join(outcomes::table)
                    .select((signals::all_columns, outcomes::all_columns.nullable()))
                    .first(conn)
                    .optional()?;
                let Some((signal, outcome)) = row else { return Ok(None) };
                ids.meet(conn, [signal.producer_id])?;
                let (row, signal) = (signal.id, signal.signal(&ids, outcome));
                let Some(mut signal) = database.unreadable().leave_out("signals", id, signal)
                else {
                    return Ok(None);
                };
                // Asked of every signal: the time of an answer tells nobody of an expiry.
                let mut late = late::find_all(conn, &[row], &database.unreadable())?;
                signal.late_outcome = late.remove(&row);
                Ok(Some(signal))
            })
            .await
    }

    async fn find_external(
        &self,
        producer: ProducerId,
        external_id: &ExternalId,
    ) -> Result<Option<Signal>> {
        let (database, external_id) = (self.0.clone(), external_id.clone());
        self.0
            .read("signal_find_external", move |conn| {
                let ids = database.signal_ids(conn)?;
                let unreadable = database.unreadable();
                intake::find_external(conn, &ids, &unreadable, producer.get(), &external_id)
            })
            .await
    }

    async fn own(
        &self,
        producer: ProducerId,
        filter: &OwnFilter,
        slice: Slice,
    ) -> Result<Vec<Signal>> {
        let (database, filter) = (self.0.clone(), filter.clone());
        self.0
            .read_as(class_of_own(&filter), "signal_list_own", move |conn| {
                let ids = database.signal_ids(conn)?;
                own::list(conn, &ids, (producer, &filter), slice, &database.unreadable())
            })
            .await
    }

    async fn count_own(&self, producer: ProducerId, filter: &OwnFilter, cap: u32) -> Result<u32> {
        let filter = filter.clone();
        self.0
            .read_as(class_of_own(&filter), "signal_count_own", move |conn| {
                own::count(conn, producer, &filter, cap)
            })
            .await
    }

    async fn next_change_after(&self, query: &SignalQuery) -> Result<Option<Timestamp>> {
        let query = query.clone();
        self.0.read("signal_next_change", move |conn| query::next_change_after(conn, &query)).await
    }
}
