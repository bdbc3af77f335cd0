//! The event log, as its followers read it. Rows are appended, and told on this
//! instance, by [`Database::write`].

use alpine_domain::{
    Result, Timestamp,
    ports::events::{EventLog, LoggedEvent},
};
use async_trait::async_trait;
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, OptionalExtension as _, QueryDsl as _,
    Queryable, RunQueryDsl as _, dsl::max,
};

use crate::{AnyConnection, Database, Failure, database::Unit, schema::events};

/// Rows deleted in one transaction, so that no writer waits long.
const PRUNE_CHUNK: i64 = 2_000;

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
        self.0.read("event_head", newest).await
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

    /// One step in the index for each kind, however many rows the log has.
    async fn newest_of_each_kind(&self) -> Result<Vec<LoggedEvent>> {
        self.0
            .read("event_newest", |conn| {
                let mut newest: Vec<EventRow> = Vec::new();
                loop {
                    let last = newest.last().map_or("", |row| row.kind.as_str());
                    let next: Option<EventRow> = events::table
                        .filter(events::kind.gt(last))
                        .order((events::kind.asc(), events::seq.desc()))
                        .first(conn)
                        .optional()?;
                    let Some(row) = next else { break };
                    newest.push(row);
                }
                Ok(newest.into_iter().map(EventRow::logged).collect())
            })
            .await
    }

    /// The newest row stays, so that [`head`](Self::head) never goes back. Reads each row that it deletes,
    /// and one more, once: what a chunk before deleted is not passed again.
    async fn prune_chunk(&self, before: Timestamp, from: i64) -> Result<(u64, i64)> {
        let work = move |unit: &mut Unit<'_>| prune_chunk(unit.conn, before, from);
        self.0.write("event_prune", work).await
    }
}

fn prune_chunk(
    conn: &mut AnyConnection,
    before: Timestamp,
    from: i64,
) -> Result<(u64, i64), Failure> {
    let rows: Vec<(i64, i64)> = events::table
        .filter(events::seq.ge(from).and(events::seq.lt(newest(conn)?)))
        .order(events::seq.asc())
        .limit(PRUNE_CHUNK)
        .select((events::seq, events::recorded_at))
        .load(conn)?;
    let old = rows.iter().take_while(|(_, recorded_at)| *recorded_at < before.micros());
    let Some((last, _)) = old.last() else { return Ok((0, from)) };
    let chunk = events::table.filter(events::seq.ge(from).and(events::seq.le(*last)));
    Ok((diesel::delete(chunk).execute(conn)? as u64, *last))
}

/// The newest number that is committed, 0 if there is none.
fn newest(conn: &mut AnyConnection) -> Result<i64, Failure> {
    let newest: Option<i64> = events::table.select(max(events::seq)).first(conn)?;
    Ok(newest.unwrap_or(0))
}
