//! The event log, as its followers read it. Rows are appended, and told on this
//! instance, by [`Database::write`].

use alpine_domain::{
    Result, Timestamp,
    ports::events::{EventLog, LoggedEvent},
};
use async_trait::async_trait;
use diesel::{
    ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, Queryable, RunQueryDsl as _,
    dsl::max,
};

use crate::{Database, schema::events};

/// Rows deleted in one transaction, so that no writer waits long.
const PRUNE_CHUNK: i64 = 5_000;

/// The event log of one database.
#[derive(Clone)]
pub struct Events(Database);

impl Events {
    /// The log kept in `database`.
    pub const fn new(database: Database) -> Self {
        Self(database)
    }
}

#[derive(Queryable)]
struct EventRow {
    seq: i64,
    recorded_at: i64,
    kind: String,
    payload: String,
}

impl EventRow {
    fn logged(self) -> LoggedEvent {
        LoggedEvent {
            seq: self.seq,
            recorded_at: Timestamp::from_micros(self.recorded_at),
            kind: self.kind,
            payload: self.payload,
        }
    }
}

#[async_trait]
impl EventLog for Events {
    /// The newest number that is committed. Not the sequence's: that one may belong to a row which
    /// is not visible yet, and a follower that started there would pass over it.
    async fn head(&self) -> Result<i64> {
        self.0
            .read("event_head", |conn| {
                let newest: Option<i64> = events::table.select(max(events::seq)).first(conn)?;
                Ok(newest.unwrap_or(0))
            })
            .await
    }

    async fn read_after(&self, seq: i64, limit: u32) -> Result<Vec<LoggedEvent>> {
        self.0
            .read("event_read", move |conn| {
                let rows: Vec<EventRow> = events::table
                    .filter(events::seq.gt(seq))
                    .order(events::seq.asc())
                    .limit(limit.into())
                    .load(conn)?;
                Ok(rows.into_iter().map(EventRow::logged).collect())
            })
            .await
    }

    async fn newest_of_each_kind(&self) -> Result<Vec<LoggedEvent>> {
        self.0
            .read("event_newest", |conn| {
                let newest: Vec<Option<i64>> =
                    events::table.group_by(events::kind).select(max(events::seq)).load(conn)?;
                let rows: Vec<EventRow> = events::table
                    .filter(events::seq.eq_any(newest.into_iter().flatten()))
                    .load(conn)?;
                Ok(rows.into_iter().map(EventRow::logged).collect())
            })
            .await
    }

    /// Only ever takes rows off the old end, and leaves the newest one, so that [`head`](Self::head)
    /// never goes back.
    async fn prune(&self, before: Timestamp) -> Result<u64> {
        let mut pruned = 0;
        loop {
            let deleted = self
                .0
                .write("event_prune", move |unit| {
                    let kept: Option<i64> = events::table
                        .filter(events::recorded_at.ge(before.micros()))
                        .order(events::seq.asc())
                        .select(events::seq)
                        .first(unit.conn)
                        .optional()?;
                    let newest: Option<i64> =
                        events::table.select(max(events::seq)).first(unit.conn)?;
                    let oldest: Option<i64> = events::table
                        .order(events::seq.asc())
                        .select(events::seq)
                        .first(unit.conn)
                        .optional()?;
                    let (Some(newest), Some(oldest)) = (newest, oldest) else {
                        return Ok(0);
                    };
                    let end =
                        kept.unwrap_or(newest).min(newest).min(oldest.saturating_add(PRUNE_CHUNK));
                    Ok(diesel::delete(events::table.filter(events::seq.lt(end)))
                        .execute(unit.conn)?)
                })
                .await?;
            if deleted == 0 {
                return Ok(pruned);
            }
            pruned += u64::try_from(deleted).unwrap_or(u64::MAX);
        }
    }
}
