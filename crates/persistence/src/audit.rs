//! The audit log: lines by the transactions that cause them, and what they add up to by the hour.

pub(crate) mod rows;

use std::collections::BTreeMap;

use alpine_domain::{
    Result, Timestamp,
    account::AddressDigest,
    audit::{AuditCount, AuditFilter, AuditLine, AuditQuery, AuditStore, Position, StoredLine},
};
use async_trait::async_trait;
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, QueryDsl as _, RunQueryDsl as _,
    Selectable, SelectableHelper as _, prelude::Queryable,
};

use self::rows::{append, hour_of};
use crate::{
    AnyConnection, Database, Failure,
    rows::{instant, stored},
    schema::{audit_counts, audit_log},
};

/// The audit log of one database.
#[derive(Clone)]
pub struct AuditLog(Database);

impl AuditLog {
    /// The log kept in `database`.
    pub const fn new(database: Database) -> Self {
        Self(database)
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = audit_log)]
struct Row {
    id: i64,
    at: i64,
    action: String,
    outcome: String,
    actor: String,
    subject: Option<String>,
    address_digest: Option<String>,
    request_id: Option<String>,
    reason: Option<String>,
    detail: Option<String>,
    count: i64,
}

impl Row {
    fn line(self) -> Result<StoredLine> {
        let subject = self.subject.map(|subject| stored("audit_log.subject", &subject));
        let line = AuditLine {
            at: instant("audit_log.at", self.at)?,
            action: stored("audit_log.action", &self.action)?,
            outcome: stored("audit_log.outcome", &self.outcome)?,
            actor: stored("audit_log.actor", &self.actor)?,
            subject: subject.transpose()?,
            address: self.address_digest.map(AddressDigest::from_stored),
            request_id: self.request_id,
            reason: self.reason,
            detail: self.detail,
            count: u32::try_from(self.count).unwrap_or(u32::MAX),
        };
        Ok(StoredLine { id: self.id, line })
    }
}

fn page(conn: &mut AnyConnection, query: &AuditQuery) -> Result<Vec<Row>, Failure> {
    let AuditQuery { filter, since, until, after, limit } = query;
    let mut rows = audit_log::table
        .order((audit_log::at.desc(), audit_log::id.desc()))
        .limit((*limit).into())
        .select(Row::as_select())
        .into_boxed();
    rows = match filter {
        AuditFilter::All => rows,
        AuditFilter::Action(action) => rows.filter(audit_log::action.eq(action.as_str())),
        AuditFilter::Actor(actor) => rows.filter(audit_log::actor.eq(actor.to_string())),
        AuditFilter::Subject(subject) => rows.filter(audit_log::subject.eq(subject.to_string())),
        AuditFilter::Security => rows.filter(audit_log::is_security),
    };
    if let Some(since) = since {
        rows = rows.filter(audit_log::at.ge(since.micros()));
    }
    if let Some(until) = until {
        rows = rows.filter(audit_log::at.lt(until.micros()));
    }
    if let Some(Position { at, id }) = after {
        // The first condition bounds the range of the index; the others cut off what shares its end.
        let at = at.micros();
        let is_older = audit_log::at.lt(at).or(audit_log::id.lt(*id));
        rows = rows.filter(audit_log::at.le(at)).filter(is_older);
    }
    Ok(rows.load(conn)?)
}

#[async_trait]
impl AuditStore for AuditLog {
    async fn append(&self, lines: Vec<AuditLine>) -> Result<()> {
        self.0.write("audit_append", move |unit| append(unit.conn, &lines)).await
    }

    async fn page(&self, query: AuditQuery) -> Result<Vec<StoredLine>> {
        let unreadable = self.0.unreadable();
        self.0
            .read("audit_page", move |conn| {
                let rows = page(conn, &query)?.into_iter();
                let lines =
                    rows.filter_map(|row| unreadable.leave_out("audit_log", row.id, row.line()));
                Ok(lines.collect())
            })
            .await
    }

    async fn counts(&self, since: Timestamp) -> Result<Vec<AuditCount>> {
        self.0
            .read("audit_counts", move |conn| {
                let rows: Vec<(String, String, i64)> = audit_counts::table
                    .filter(audit_counts::hour.ge(hour_of(since)))
                    .select((audit_counts::action, audit_counts::outcome, audit_counts::count))
                    .load(conn)?;
                let mut counts = BTreeMap::new();
                for (action, outcome, count) in rows {
                    // A newer release counts what this one does not know.
                    let (Ok(action), Ok(outcome)) = (action.parse(), outcome.parse()) else {
                        continue;
                    };
                    *counts.entry((action, outcome)).or_insert(0) +=
                        u64::try_from(count).unwrap_or(0);
                }
                let counts = counts.into_iter();
                Ok(counts
                    .map(|((action, outcome), count)| AuditCount { action, outcome, count })
                    .collect())
            })
            .await
    }
}
