//! Adds what happened to the sums.

use std::collections::BTreeSet;

use alpine_domain::{
    Timestamp,
    analytics::Day,
    event::Event,
    statistics::{Entry, Fold, Level, Recount, Sealed},
};
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, QueryDsl as _, RunQueryDsl as _, dsl::max,
};

use super::{
    entries::{Source, Stretch},
    position::hold,
    recount,
    sums::{self, Sums},
};
use crate::{
    AnyConnection, Failure,
    schema::{events, record_seal},
};

pub(super) fn seal(
    conn: &mut AnyConnection,
    source: &Source<'_>,
    until: Timestamp,
    limit: u32,
) -> Result<Sealed, Failure> {
    let (sealed, position) = hold(conn)?;
    // Read before what happened: what is committed in between is looked at again next time.
    let head: Option<i64> = events::table.select(max(events::seq)).first(conn)?;
    let head = head.unwrap_or(0);
    let late = late_days(conn, sealed, (position, head))?;
    for day in &late {
        recount_day(conn, source, sealed, *day)?;
    }
    let (entries, reached) = if until > sealed {
        let stretch = Stretch { from: sealed, until: Some(until) };
        let (entries, cut) = source.entries(conn, stretch, limit)?;
        (entries, cut.unwrap_or(until))
    } else {
        (Vec::new(), sealed)
    };
    sums::add(conn, &added(&entries))?;
    diesel::update(record_seal::table.find(1))
        .set((record_seal::sealed_until.eq(reached.micros()), record_seal::position.eq(head)))
        .execute(conn)?;
    Ok(Sealed {
        until: reached,
        entries: entries.len() as u64,
        recounted_days: late.len() as u64,
        is_done: reached >= until,
    })
}

/// What entries add to days, months and all time.
fn added(entries: &[Entry]) -> Sums {
    let mut fold = Fold::default();
    for entry in entries {
        fold.add(entry);
    }
    let mut added = Sums::new();
    for (day, series, segment) in fold.into_sums() {
        for level in Level::ALL.iter().copied() {
            let sums = added.entry((level, level.bucket(day))).or_default();
            sums.entry(series.clone()).or_default().append(&segment);
        }
    }
    added
}

/// The sealed days of what was committed since: a transaction may take longer than the seal waits.
fn late_days(
    conn: &mut AnyConnection,
    sealed: Timestamp,
    (position, head): (i64, i64),
) -> Result<BTreeSet<Day>, Failure> {
    if sealed == Timestamp::MIN {
        return Ok(BTreeSet::new());
    }
    let instants: Vec<i64> = events::table
        .filter(events::seq.gt(position).and(events::seq.le(head)))
        .filter(events::kind.eq_any(Event::KINDS_OF_SIGNALS))
        .filter(events::recorded_at.lt(sealed.micros()))
        .select(events::recorded_at)
        .load(conn)?;
    Ok(instants.into_iter().map(|micros| Day::of(Timestamp::from_micros(micros))).collect())
}

fn recount_day(
    conn: &mut AnyConnection,
    source: &Source<'_>,
    sealed: Timestamp,
    day: Day,
) -> Result<(), Failure> {
    for what in [
        Recount::Day(day),
        Recount::Stretch(Level::FiveDays, day),
        Recount::Stretch(Level::Month, day),
        Recount::Total,
    ] {
        recount::recount(conn, source, sealed, what, true)?;
    }
    Ok(())
}
