//! Deleting what ended long ago, in short transactions that read little more than they delete.

use alpine_domain::{
    Result, Timestamp,
    retention::{Deleted, Due, Positions, RetentionStore},
};
use async_trait::async_trait;
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, NullableExpressionMethods as _,
    QueryDsl as _, RunQueryDsl as _,
};

use crate::{
    AnyConnection, Database, Failure, address_changes,
    audit::rows as audit_rows,
    billing, dialect, idempotency,
    notifications::rows as notification_rows,
    schema::{api_keys, jobs, refresh_tokens, sessions},
    sign_ups,
};

/// Rows of a kind that one transaction deletes at most: sessions, failed jobs, notifications, what was never confirmed, API keys by how
/// they ended. On SQLite it holds the only writer.
const CHUNK: i64 = 200;

/// Refresh tokens that one transaction deletes at most: a session can have thousands.
const TOKENS: usize = 1_000;

/// Values in one statement.
const VALUES: usize = 500;

/// Deletes old rows of one database.
#[derive(Clone)]
pub struct OldRows(Database);

impl OldRows {
    /// Old rows kept in `database`.
    pub const fn new(database: Database) -> Self {
        Self(database)
    }
}

#[async_trait]
impl RetentionStore for OldRows {
    async fn delete_chunk(&self, due: Due) -> Result<(Deleted, Positions)> {
        self.0
            .write("retention", move |unit| {
                dialect::avoid_table_scans(unit.conn)?;
                let mut from = due.from;
                let mut deleted = delete_sessions(unit.conn, &due, &mut from.sessions)?;
                if deleted.rows() == 0 {
                    deleted.api_keys = delete_api_keys(unit.conn, &due, &mut from)?;
                }
                if deleted.rows() == 0 {
                    deleted.jobs = delete_jobs(unit.conn, &due, &mut from.failed_jobs)?;
                }
                if deleted.rows() == 0 {
                    deleted.audit = audit_rows::delete(unit.conn, &due, &mut from.audit)?;
                }
                if deleted.rows() == 0 {
                    let (before, from) = (due.notifications, &mut from.notifications);
                    deleted.notifications =
                        notification_rows::delete_old(unit.conn, before, from, CHUNK)?;
                }
                if deleted.rows() == 0 {
                    let (now, from) = (due.now, &mut from.payment_events);
                    deleted.payment_events =
                        billing::delete_old_events(unit.conn, now, from, CHUNK)?;
                }
                if deleted.rows() == 0 {
                    let (now, from) = (due.now, &mut from.keyed_requests);
                    deleted.keyed_requests = idempotency::delete_old(unit.conn, now, from, CHUNK)?;
                }
                if deleted.rows() == 0 {
                    let (changes, now) = (&mut from.address_changes, due.now);
                    deleted.sign_ups =
                        sign_ups::delete_ended(unit.conn, now, &mut from.sign_ups, CHUNK)?;
                    deleted.address_changes =
                        address_changes::delete_ended(unit.conn, now, changes, CHUNK)?;
                }
                Ok((deleted, from))
            })
            .await
    }
}

/// A session that expired before the instant takes no refresh token any more, so none is added meanwhile.
fn delete_sessions(
    conn: &mut AnyConnection,
    due: &Due,
    from: &mut Timestamp,
) -> Result<Deleted, Failure> {
    let is_denied_no_more =
        sessions::denied_until.is_null().or(sessions::denied_until.le(due.now.micros()));
    let over: Vec<(String, i64)> = sessions::table
        .filter(sessions::expires_at.ge(from.micros()))
        .filter(sessions::expires_at.lt(due.sessions.micros()).and(is_denied_no_more))
        .order(sessions::expires_at.asc())
        .limit(CHUNK)
        .select((sessions::id, sessions::expires_at))
        .load(conn)?;
    let mut deleted = Deleted::default();
    for some in over.chunks(VALUES / 10) {
        let ids: Vec<&str> = some.iter().map(|(id, _)| id.as_str()).collect();
        let room = TOKENS.saturating_sub(usize::try_from(deleted.refresh_tokens).unwrap_or(TOKENS));
        let hashes: Vec<String> = refresh_tokens::table
            .filter(refresh_tokens::session_id.eq_any(ids.iter().copied()))
            .limit(i64::try_from(room).unwrap_or(i64::MAX))
            .select(refresh_tokens::token_hash)
            .load(conn)?;
        for hashes in hashes.chunks(VALUES) {
            let tokens = refresh_tokens::table.filter(refresh_tokens::token_hash.eq_any(hashes));
            deleted.refresh_tokens += diesel::delete(tokens).execute(conn)? as u64;
        }
        if hashes.len() >= room {
            // These may have more; they come first in the next chunk.
            break;
        }
        let sessions = sessions::table.filter(sessions::id.eq_any(ids));
        deleted.sessions += diesel::delete(sessions).execute(conn)? as u64;
        *from = some.last().map_or(*from, |(_, expires)| Timestamp::from_micros(*expires));
    }
    Ok(deleted)
}

fn delete_jobs(conn: &mut AnyConnection, due: &Due, from: &mut Timestamp) -> Result<u64, Failure> {
    let failed_at = jobs::failed_at.assume_not_null();
    let over: Vec<(i64, i64)> = jobs::table
        .filter(jobs::failed_at.ge(from.micros()))
        .filter(jobs::failed_at.lt(due.failed_jobs.micros()))
        .order(jobs::failed_at.asc())
        .limit(CHUNK)
        .select((jobs::id, failed_at))
        .load(conn)?;
    // One that is tried again meanwhile stays.
    let ids = over.iter().map(|(id, _)| *id);
    let failed = jobs::table.filter(jobs::id.eq_any(ids)).filter(jobs::failed_at.is_not_null());
    let deleted = diesel::delete(failed).execute(conn)? as u64;
    *from = over.last().map_or(*from, |(_, failed)| Timestamp::from_micros(*failed));
    Ok(deleted)
}

fn delete_api_keys(
    conn: &mut AnyConnection,
    due: &Due,
    from: &mut Positions,
) -> Result<u64, Failure> {
    let before = due.api_keys.micros();
    let (revoked_at, expires_at) =
        (api_keys::revoked_at.assume_not_null(), api_keys::expires_at.assume_not_null());
    let revoked: Vec<(String, i64)> = api_keys::table
        .filter(api_keys::revoked_at.ge(from.revoked_keys.micros()))
        .filter(api_keys::revoked_at.lt(before))
        .order(api_keys::revoked_at.asc())
        .limit(CHUNK)
        .select((api_keys::id, revoked_at))
        .load(conn)?;
    let expired: Vec<(String, i64)> = api_keys::table
        .filter(api_keys::revoked_at.is_null())
        .filter(api_keys::expires_at.ge(from.expired_keys.micros()))
        .filter(api_keys::expires_at.lt(before))
        .order(api_keys::expires_at.asc())
        .limit(CHUNK)
        .select((api_keys::id, expires_at))
        .load(conn)?;
    let mut deleted = 0;
    for (over, from) in [(revoked, &mut from.revoked_keys), (expired, &mut from.expired_keys)] {
        let ids = over.iter().map(|(id, _)| id.as_str());
        let keys = api_keys::table.filter(api_keys::id.eq_any(ids));
        deleted += diesel::delete(keys).execute(conn)? as u64;
        *from = over.last().map_or(*from, |(_, ended)| Timestamp::from_micros(*ended));
    }
    Ok(deleted)
}
