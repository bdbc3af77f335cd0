//! Lines and counts of the audit log, inside a unit of work.

use std::collections::BTreeMap;

use alpine_domain::{
    Timestamp,
    account::AddressDigest,
    audit::AuditLine,
    retention::{COUNTS_KEPT, Due},
};
use diesel::{
    ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, RunQueryDsl as _,
    dsl::insert_into,
};

use crate::{
    AnyConnection, Failure, dialect,
    schema::{audit_counts, audit_log},
};

const HOUR: i64 = 3_600_000_000;

/// The beginning of the hour of this instant.
pub(super) const fn hour_of(at: Timestamp) -> i64 {
    at.micros().div_euclid(HOUR) * HOUR
}

/// Adds lines, and then to the counts of their hours. Whoever counts the same waits for the commit: that is why
/// lines are written last, and counts in one order.
pub(crate) fn append(conn: &mut AnyConnection, lines: &[AuditLine]) -> Result<(), Failure> {
    let mut counts = BTreeMap::new();
    for line in lines {
        insert_into(audit_log::table)
            .values((
                audit_log::at.eq(line.at.micros()),
                audit_log::action.eq(line.action.as_str()),
                audit_log::outcome.eq(line.outcome.as_str()),
                audit_log::actor.eq(line.actor.to_string()),
                audit_log::subject.eq(line.subject.map(|subject| subject.to_string())),
                audit_log::address_digest.eq(line.address.as_ref().map(AddressDigest::as_str)),
                audit_log::request_id.eq(&line.request_id),
                audit_log::reason.eq(&line.reason),
                audit_log::detail.eq(&line.detail),
                audit_log::count.eq(i64::from(line.count)),
                audit_log::is_security.eq(line.is_security()),
            ))
            .execute(conn)?;
        let what = (hour_of(line.at), line.action.as_str(), line.outcome.as_str());
        *counts.entry(what).or_insert(0) += i64::from(line.count);
    }
    for ((hour, action, outcome), count) in counts {
        dialect::add_audit_count(conn, (hour, action, outcome), count)?;
    }
    Ok(())
}

/// Lines that one transaction deletes at most. They are small, and each has five entries in indexes.
const CHUNK: i64 = 500;

/// Deletes old lines, then the counts of hours that no figure is added up from.
pub(crate) fn delete(
    conn: &mut AnyConnection,
    due: &Due,
    from: &mut Timestamp,
) -> Result<u64, Failure> {
    let over: Vec<(i64, i64)> = audit_log::table
        .filter(audit_log::at.ge(from.micros()))
        .filter(audit_log::at.lt(due.audit.micros()))
        .order((audit_log::at.asc(), audit_log::id.asc()))
        .limit(CHUNK)
        .select((audit_log::id, audit_log::at))
        .load(conn)?;
    if let Some((_, last)) = over.last() {
        *from = Timestamp::from_micros(*last);
        let ids = over.iter().map(|(id, _)| *id);
        let lines = audit_log::table.filter(audit_log::id.eq_any(ids));
        return Ok(diesel::delete(lines).execute(conn)? as u64);
    }
    let oldest: Option<i64> = audit_counts::table
        .filter(audit_counts::hour.lt(hour_of(due.now.earlier(COUNTS_KEPT))))
        .order((audit_counts::hour.asc(), audit_counts::action.asc(), audit_counts::outcome.asc()))
        .select(audit_counts::hour)
        .first(conn)
        .optional()?;
    let Some(oldest) = oldest else { return Ok(0) };
    let counts = audit_counts::table.filter(audit_counts::hour.eq(oldest));
    Ok(diesel::delete(counts).execute(conn)? as u64)
}
