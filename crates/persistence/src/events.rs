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

    /// Only ever takes rows off the old end, and leaves the newest one, so that [`head`](Self::head)
    /// never goes back. Reads each row that it deletes, and one more, once: what a chunk deleted is
    /// not passed again.
    async fn prune(&self, before: Timestamp) -> Result<u64> {
        let head = self.head().await?;
        let (mut pruned, mut from) = (0, 0);
        loop {
            let work = move |unit: &mut Unit<'_>| prune_chunk(unit.conn, from, head, before);
            let Some((deleted, end)) = self.0.write("event_prune", work).await? else {
                return Ok(pruned);
            };
            pruned += u64::try_from(deleted).unwrap_or(u64::MAX);
            from = end;
        }
    }
}

/// Deletes rows from number `from` on that are below `head` and older than `before`, up to
/// [`PRUNE_CHUNK`]; says how many, and the last one's number.
fn prune_chunk(
    conn: &mut AnyConnection,
    from: i64,
    head: i64,
    before: Timestamp,
) -> Result<Option<(usize, i64)>, Failure> {
    let rows: Vec<(i64, i64)> = events::table
        .filter(events::seq.ge(from).and(events::seq.lt(head)))
        .order(events::seq.asc())
        .limit(PRUNE_CHUNK)
        .select((events::seq, events::recorded_at))
        .load(conn)?;
    let old = rows.iter().take_while(|(_, recorded_at)| *recorded_at < before.micros());
    let Some((last, _)) = old.last() else { return Ok(None) };
    let chunk = events::table.filter(events::seq.ge(from).and(events::seq.le(*last)));
    Ok(Some((diesel::delete(chunk).execute(conn)?, *last)))
}
