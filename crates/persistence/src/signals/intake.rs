//! What happens to signals: accepted, closed, expired.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    time::Duration,
};

use alpine_domain::{
    Error, Result, Timestamp,
    analytics::{Day, RollupKey},
    event::Event,
    signal::{
        Accepted, ExternalId, NewOutcome, NewSignal, Outcome, OutcomeRecorded, Signal, SignalId,
        Strategy, VerificationHash,
    },
    statistics::Horizons,
};
use diesel::{
    Connection as _, ExpressionMethods as _, NullableExpressionMethods as _,
    OptionalExtension as _, QueryDsl as _, RunQueryDsl as _, dsl::max,
};

use crate::{
    AnyConnection, Failure,
    database::Unit,
    dialect,
    rows::{LateOutcomeRow, NewOutcomeRow, NewSignalRow, OutcomeRow, SignalRow},
    schema::{outcomes, signals},
    signal_ids::SignalIds,
    unreadable::UnreadableRows,
};

use super::{late, overdue};

/// Ids for each look-up, well below the parameters that a statement may have.
const CHUNK: usize = 500;

/// Signals of one call that the database may refuse before all of them are given up.
const MAX_REFUSED: usize = 1_000;

/// A producer and its own id of a signal.
type Key = (i64, String);

fn key_of(signal: &NewSignal) -> Key {
    (signal.producer.get(), signal.external_id.as_str().to_owned())
}

/// A stored signal under an offered key.
struct Known {
    id: i64,
    /// The hash of what it says, as it is stored.
    hash: String,
    /// The same by today's text, where that was asked for.
    hash_anew: Option<VerificationHash>,
}

impl Known {
    fn says_the_same(&self, offered: &NewSignal) -> bool {
        self.hash == offered.content_hash.as_str()
            || self.hash_anew.as_ref() == Some(&offered.content_hash)
    }
}

/// The stored signals under these keys.
fn stored_under(conn: &mut AnyConnection, keys: &[Key]) -> Result<HashMap<Key, Known>, Failure> {
    let mut by_producer: HashMap<i64, Vec<&str>> = HashMap::new();
    for (producer, external_id) in keys {
        by_producer.entry(*producer).or_default().push(external_id);
    }
    let mut found = HashMap::with_capacity(keys.len());
    for (producer, external_ids) in by_producer {
        for chunk in external_ids.chunks(CHUNK) {
            let rows: Vec<(i64, String, String)> = signals::table
                .filter(signals::producer_id.eq(producer))
                .filter(signals::external_id.eq_any(chunk.iter().copied()))
                .select((signals::id, signals::external_id, signals::content_hash))
                .load(conn)?;
            found.extend(rows.into_iter().map(|(id, external, hash)| {
                let known = Known { id, hash, hash_anew: None };
                ((producer, external), known)
            }));
        }
    }
    Ok(found)
}

/// Stores the signals whose key is new with few statements; fails as a whole when the database refuses
/// one of them.
pub(super) fn accept(
    unit: &mut Unit<'_>,
    ids: &SignalIds,
    offered: &[NewSignal],
) -> Result<Vec<Accepted>, Failure> {
    accept_with(unit, ids, offered, |conn, rows| {
        Ok((dialect::insert_new_signals(conn, rows)?, HashSet::new()))
    })
}

/// The same with a savepoint for each signal: those that the database refuses leave the others alone.
///
/// # Errors
/// The refusal, once more than [`MAX_REFUSED`] were refused: then it is not for what a signal says.
pub(super) fn accept_singly(
    unit: &mut Unit<'_>,
    ids: &SignalIds,
    offered: &[NewSignal],
) -> Result<Vec<Accepted>, Failure> {
    accept_with(unit, ids, offered, |conn, rows| {
        let (mut stored, mut refused) = (Vec::with_capacity(rows.len()), HashSet::new());
        for row in rows {
            let alone = std::slice::from_ref(row);
            match conn.transaction(|conn| dialect::insert_new_signals(conn, alone)) {
                Ok(new) => stored.extend(new),
                Err(error) if error.is_refusal() && refused.len() < MAX_REFUSED => {
                    let (producer, external_id) = row.key();
                    tracing::error!(producer, external_id, %error, "the database refuses a signal");
                    refused.insert((producer, external_id.to_owned()));
                }
                Err(error) => return Err(error),
            }
        }
        Ok((stored, refused))
    })
}

/// What was inserted, as `(id, producer, external id)`, and the keys that were refused.
type Inserted = (Vec<(i64, i64, String)>, HashSet<Key>);

fn accept_with(
    unit: &mut Unit<'_>,
    ids: &SignalIds,
    offered: &[NewSignal],
    insert: impl FnOnce(&mut AnyConnection, &[NewSignalRow<'_>]) -> Result<Inserted, Failure>,
) -> Result<Vec<Accepted>, Failure> {
    // A clock that was set back, or another instance's that is behind, sorts nothing new below what is
    // known. What others store at this moment may still be newer.
    let newest: Option<i64> = signals::table.select(max(signals::created_at)).first(unit.conn)?;
    let created_at = |signal: &NewSignal| {
        signal.created_at.max(newest.map_or(Timestamp::MIN, Timestamp::from_micros))
    };
    // The first of each key is offered to the database; the constraint there decides.
    let mut firsts: HashMap<Key, usize> = HashMap::with_capacity(offered.len());
    let mut rows = Vec::with_capacity(offered.len());
    for (index, signal) in offered.iter().enumerate() {
        if let Entry::Vacant(entry) = firsts.entry(key_of(signal)) {
            entry.insert(index);
            rows.push(NewSignalRow::from(signal).created_at(created_at(signal)));
        }
    }
    let (new, refused) = insert(unit.conn, &rows)?;
    let new: HashMap<Key, i64> =
        new.into_iter().map(|(id, producer, external)| ((producer, external), id)).collect();
    let is_known = |key: &&Key| !new.contains_key(*key) && !refused.contains(*key);
    let known: Vec<Key> = firsts.keys().filter(is_known).cloned().collect();
    let mut known = stored_under(unit.conn, &known)?;
    hash_anew(unit.conn, ids, &mut known, offered)?;

    let mut answers = Vec::with_capacity(offered.len());
    for (index, signal) in offered.iter().enumerate() {
        let key = key_of(signal);
        let first = firsts.get(&key).copied().unwrap_or(index);
        let judge = |row, is_same| -> Result<Accepted> {
            let id = ids.public(row)?;
            Ok(if is_same { Accepted::Duplicate(id) } else { Accepted::Conflict(id) })
        };
        answers.push(match (new.get(&key), known.get(&key)) {
            (Some(id), _) if first == index => {
                let id = ids.public(*id)?;
                let confidence = Some(signal.confidence.percent());
                let day = Day::of(created_at(signal));
                unit.count(RollupKey::signals(day, signal.is_simulated), 1);
                unit.log(created_at(signal), Event::SignalPublished { signal: id, confidence });
                Accepted::Stored(id)
            }
            (Some(id), _) => judge(*id, offered[first].content_hash == signal.content_hash)?,
            (None, Some(known)) => {
                let is_same = known.says_the_same(signal);
                if is_same {
                    let confidence = Some(signal.confidence.percent());
                    let signal = ids.public(known.id)?;
                    unit.confirm(Event::SignalPublished { signal, confidence });
                }
                judge(known.id, is_same)?
            }
            (None, None) if refused.contains(&key) => Accepted::Refused,
            (None, None) => {
                let text = "a signal was neither stored nor found";
                return Err(Error::internal(text).into());
            }
        });
    }
    Ok(answers)
}

/// Where a stored hash differs from what is offered, an older release may have written it from another
/// text: hashes those stored signals by today's text.
fn hash_anew(
    conn: &mut AnyConnection,
    ids: &SignalIds,
    known: &mut HashMap<Key, Known>,
    offered: &[NewSignal],
) -> Result<(), Failure> {
    let differs =
        |signal: &&NewSignal| known.get(&key_of(signal)).is_some_and(|k| !k.says_the_same(signal));
    let keys: HashSet<Key> = offered.iter().filter(differs).map(key_of).collect();
    let found: Vec<i64> = keys.iter().filter_map(|key| Some(known.get(key)?.id)).collect();
    for chunk in found.chunks(CHUNK) {
        let rows: Vec<SignalRow> =
            signals::table.filter(signals::id.eq_any(chunk.iter().copied())).load(conn)?;
        ids.meet(conn, rows.iter().map(|row| row.producer_id))?;
        // What cannot be read keeps the hash that it has.
        for signal in rows.into_iter().filter_map(|row| row.signal(ids, None).ok()) {
            if let Some(known) = known.get_mut(&key_of(&signal.content)) {
                known.hash_anew = Some(signal.content.computed_content_hash());
            }
        }
    }
    Ok(())
}

/// One signal by the producer's id, with whatever outcome, and late outcome, it has; none, noted, if it
/// cannot be read.
pub(super) fn find_external(
    conn: &mut AnyConnection,
    ids: &SignalIds,
    unreadable: &UnreadableRows,
    producer: i64,
    external_id: &ExternalId,
) -> Result<Option<Signal>, Failure> {
    let row: Option<(SignalRow, Option<OutcomeRow>)> = signals::table
        .left_join(outcomes::table)
        .filter(signals::producer_id.eq(producer))
        .filter(signals::external_id.eq(external_id.as_str()))
        .select((signals::all_columns, outcomes::all_columns.nullable()))
        .first(conn)
        .optional()?;
    let Some((signal, outcome)) = row else { return Ok(None) };
    ids.meet(conn, [signal.producer_id])?;
    let (row, id) = (signal.id, ids.public(signal.id)?);
    let read = unreadable.leave_out("signals", id, signal.signal(ids, outcome));
    let Some(mut signal) = read else { return Ok(None) };
    if signal.has_expired() {
        signal.late_outcome = late::find(conn, row, unreadable)?;
    }
    Ok(Some(signal))
}

pub(super) fn record_outcome(
    unit: &mut Unit<'_>,
    ids: &SignalIds,
    unreadable: &UnreadableRows,
    reported: &NewOutcome,
) -> Result<OutcomeRecorded, Failure> {
    let producer = reported.producer.get();
    let find = |conn: &mut AnyConnection| {
        find_external(conn, ids, unreadable, producer, &reported.external_id)
    };
    let Some(mut signal) = find(unit.conn)? else {
        return Ok(OutcomeRecorded::UnknownSignal);
    };
    if signal.outcome.is_none() {
        let outcome = reported.settle(&signal)?;
        let row = ids.row(signal.id).ok_or_else(|| Error::internal("a signal without a row"))?;
        let confidence = signal.content.confidence.percent();
        if close(unit, ids, &[(row, confidence, outcome.clone())])?.is_empty() {
            // Somebody else closed it a moment ago.
            signal = find(unit.conn)?.unwrap_or(signal);
        } else {
            signal.outcome = Some(outcome);
            return Ok(OutcomeRecorded::Closed(signal));
        }
    }
    if signal.has_expired() {
        return record_late(unit, ids, unreadable, reported, signal);
    }
    let repeats = signal.outcome.as_ref().is_some_and(|stored| reported.repeats(stored));
    if repeats {
        let confidence = Some(signal.content.confidence.percent());
        unit.confirm(Event::SignalClosed { signal: signal.id, confidence });
    }
    Ok(if repeats { OutcomeRecorded::Repeated(signal) } else { OutcomeRecorded::Conflict(signal) })
}

/// Keeps the outcome beside the expiry of `signal`. The table's key decides whose counts, so that several
/// may try. One that is there and cannot be read is a conflict: nothing shows that this one repeats it.
fn record_late(
    unit: &mut Unit<'_>,
    ids: &SignalIds,
    unreadable: &UnreadableRows,
    reported: &NewOutcome,
    mut signal: Signal,
) -> Result<OutcomeRecorded, Failure> {
    let confidence = Some(signal.content.confidence.percent());
    let told = Event::LateOutcomeRecorded { signal: signal.id, confidence };
    if signal.late_outcome.is_none() {
        let late = reported.settle_late(&signal)?;
        let row = ids.row(signal.id).ok_or_else(|| Error::internal("a signal without a row"))?;
        if dialect::insert_new_late_outcome(unit.conn, &LateOutcomeRow::new(row, &late)?)? {
            unit.log(late.recorded_at, told);
            signal.late_outcome = Some(late);
            return Ok(OutcomeRecorded::Late(signal));
        }
        // Somebody else reported it a moment ago.
        signal.late_outcome = late::find(unit.conn, row, unreadable)?;
    }
    let repeats = signal.late_outcome.as_ref().is_some_and(|stored| reported.repeats(stored));
    if repeats {
        unit.confirm(told);
    }
    Ok(if repeats { OutcomeRecorded::Repeated(signal) } else { OutcomeRecorded::Conflict(signal) })
}

/// Adds outcomes, each given with its signal's row and confidence, to signals that have none; makes
/// those inactive, tells of them, and says which. The outcome's constraint decides who closes a signal,
/// so that several may try.
fn close(
    unit: &mut Unit<'_>,
    ids: &SignalIds,
    closings: &[(i64, f64, Outcome)],
) -> Result<Vec<SignalId>, Failure> {
    let rows: Vec<_> =
        closings.iter().map(|(row, _, outcome)| NewOutcomeRow::new(*row, outcome)).collect();
    let mut closed = dialect::insert_new_outcomes(unit.conn, &rows)?;
    closed.sort_unstable();
    for chunk in closed.chunks(CHUNK) {
        let open = signals::table
            .filter(signals::id.eq_any(chunk.iter().copied()))
            .filter(signals::is_active);
        diesel::update(open).set(signals::is_active.eq(false)).execute(unit.conn)?;
    }
    let offered: HashMap<i64, (Timestamp, f64)> = closings
        .iter()
        .map(|(row, confidence, outcome)| (*row, (outcome.recorded_at, *confidence)))
        .collect();
    let mut told = Vec::with_capacity(closed.len());
    for row in closed {
        let signal = ids.public(row)?;
        if let Some((at, confidence)) = offered.get(&row) {
            let confidence = Some(*confidence);
            unit.log(*at, Event::SignalClosed { signal, confidence });
        }
        told.push(signal);
    }
    Ok(told)
}

pub(super) fn expire(
    unit: &mut Unit<'_>,
    ids: &SignalIds,
    now: Timestamp,
    default_horizon: Duration,
    horizons: &[(Strategy, Duration)],
    limit: u32,
) -> Result<Vec<SignalId>, Failure> {
    let horizons =
        Horizons { default: default_horizon, by_strategy: horizons.iter().cloned().collect() };
    let due: Vec<(i64, f64)> = overdue::overdue(&horizons, now)
        .limit(limit.into())
        .select((signals::id, signals::confidence))
        .load(unit.conn)?;
    let closings: Vec<_> =
        due.into_iter().map(|(row, confidence)| (row, confidence, Outcome::expired(now))).collect();
    close(unit, ids, &closings)
}
