//! Deleting what ended long ago.

use alpine_domain::{
    Result, Timestamp,
    account::UserId,
    audit::StoredLine,
    idempotency::KEPT_FOR,
    notification::Notification,
    retention::{Deleted, Due, PAYMENT_EVENTS_KEPT, Positions, RetentionStore},
};
use async_trait::async_trait;

use crate::{
    Memory,
    tables::{ChangeRow, JobRow, KeyRow, RequestRow, SignUpRow, Tables},
};

/// Rows that one transaction deletes at most.
const CHUNK: usize = 2_000;

/// Keeps the rows for which `is_over` does not hold, and those beyond the first `most`; says how many went.
fn delete<T>(rows: &mut Vec<T>, most: usize, is_over: impl Fn(&T) -> bool) -> usize {
    let mut deleted = 0;
    rows.retain(|row| {
        let goes = deleted < most && is_over(row);
        deleted += usize::from(goes);
        !goes
    });
    deleted
}

/// The oldest sessions first, each after its tokens: a token never lacks its session.
fn delete_sessions(tables: &mut Tables, due: &Due) -> (Deleted, Timestamp) {
    let over = tables.sessions.iter().filter(|session| {
        let ends = session.opened.expires_at;
        let is_denied = session.denied_until.is_some_and(|until| until > due.now);
        (due.from.sessions..due.sessions).contains(&ends) && !is_denied
    });
    let mut over: Vec<_> =
        over.map(|session| (session.opened.expires_at, session.opened.id)).collect();
    over.sort_unstable();
    let (mut deleted, mut from, mut room) = (Deleted::default(), due.from.sessions, CHUNK);
    for (ends, id) in over {
        let tokens = delete(&mut tables.refresh_tokens, room, |token| token.session == id);
        room -= tokens;
        let session = delete(&mut tables.sessions, room.min(1), |row| row.opened.id == id);
        room -= session;
        deleted.refresh_tokens += tokens as u64;
        deleted.sessions += session as u64;
        if room == 0 {
            break;
        }
        from = ends;
    }
    (deleted, from)
}

#[async_trait]
impl RetentionStore for Memory {
    async fn delete_chunk(&self, due: Due) -> Result<(Deleted, Positions)> {
        self.write(|unit| {
            let (mut deleted, sessions) = delete_sessions(&mut unit.tables, &due);
            if deleted.rows() == 0 {
                let is_over = |key: &KeyRow| {
                    let ended = key.revoked_at.or(key.made.key.expires_at);
                    ended.is_some_and(|ended| ended < due.api_keys)
                };
                deleted.api_keys = delete(&mut unit.tables.api_keys, CHUNK, is_over) as u64;
            }
            if deleted.rows() == 0 {
                let is_over = |job: &JobRow| {
                    job.stored.failed_at.is_some_and(|failed| failed < due.failed_jobs)
                };
                deleted.jobs = delete(&mut unit.tables.jobs, CHUNK, is_over) as u64;
            }
            if deleted.rows() == 0 {
                let is_over = |row: &StoredLine| row.line.at < due.audit;
                deleted.audit = delete(&mut unit.tables.audit, CHUNK, is_over) as u64;
            }
            if deleted.rows() == 0 {
                let is_over =
                    |(_, told): &(UserId, Notification)| told.created_at < due.notifications;
                let rows = &mut unit.tables.notifications;
                deleted.notifications = delete(rows, CHUNK, is_over) as u64;
            }
            if deleted.rows() == 0 {
                let before = due.now.earlier(PAYMENT_EVENTS_KEPT);
                let is_old = |(_, at): &(String, Timestamp)| *at < before;
                let events = &mut unit.tables.payment_events;
                deleted.payment_events = delete(events, CHUNK, is_old) as u64;
            }
            if deleted.rows() == 0 {
                let before = due.now.earlier(KEPT_FOR);
                let is_over = |row: &RequestRow| row.request.now <= before;
                let requests = &mut unit.tables.requests;
                deleted.keyed_requests = delete(requests, CHUNK, is_over) as u64;
            }
            if deleted.rows() == 0 {
                let is_over = |row: &SignUpRow| row.pending.expires_at <= due.now;
                deleted.sign_ups = delete(&mut unit.tables.sign_ups, CHUNK / 2, is_over) as u64;
                let is_over = |row: &ChangeRow| row.asked.expires_at <= due.now;
                let changes = &mut unit.tables.changes;
                deleted.address_changes = delete(changes, CHUNK / 2, is_over) as u64;
            }
            Ok((deleted, Positions { sessions, ..due.from }))
        })
    }
}
