//! Who gets digests, and when.

use alpine_domain::{
    Result, Timestamp,
    account::UserId,
    jobs::{Job, NewJob},
    notification::{DigestEvery, DigestStore},
};
use async_trait::async_trait;
use diesel::{
    ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, RunQueryDsl as _,
    dsl::insert_into,
};

use crate::{
    AnyConnection, Database, Failure,
    accounts::user_rows::{held_user, no_account},
    database::Unit,
    rows::{instant, stored},
    schema::digests,
    unreadable::UnreadableRows,
};

/// The digests of one database.
#[derive(Clone)]
pub struct UserDigests(Database);

impl UserDigests {
    /// The digests kept in `database`.
    pub const fn new(database: Database) -> Self {
        Self(database)
    }
}

fn every(conn: &mut AnyConnection, user: &str) -> Result<Option<DigestEvery>, Failure> {
    let word: Option<String> =
        digests::table.find(user).select(digests::every).first(conn).optional()?;
    Ok(word.map(|word| stored("digests.every", &word)).transpose()?)
}

/// The user's row is held meanwhile, so that two changes come one after the other.
fn set(
    unit: &mut Unit<'_>,
    user: &str,
    chosen: Option<DigestEvery>,
    now: Timestamp,
) -> Result<(), Failure> {
    held_user(unit.conn, user)?.ok_or_else(no_account)?;
    if every(unit.conn, user)? == chosen {
        return Ok(());
    }
    diesel::delete(digests::table.find(user)).execute(unit.conn)?;
    if let Some(chosen) = chosen {
        insert_into(digests::table)
            .values((
                digests::user_id.eq(user),
                digests::every.eq(chosen.as_str()),
                digests::covered_until.eq(now.micros()),
                digests::due_at.eq(now.later(chosen.period()).micros()),
            ))
            .execute(unit.conn)?;
    }
    Ok(())
}

/// The digest of a row: how often, when the next one is due after `now`, and the job.
fn digest_of(
    (user, word, covered_until, due_at): (&str, &str, i64, i64),
    now: Timestamp,
) -> Result<(Timestamp, Job)> {
    let every: DigestEvery = stored("digests.every", word)?;
    let job = Job::DigestDue {
        user: stored("digests.user_id", user)?,
        since: instant("digests.covered_until", covered_until)?,
        until: now,
    };
    Ok((every.next_after(instant("digests.due_at", due_at)?, now), job))
}

fn add_due(
    unit: &mut Unit<'_>,
    now: Timestamp,
    limit: u32,
    unreadable: &UnreadableRows,
) -> Result<u32, Failure> {
    let due: Vec<(String, String, i64, i64)> = digests::table
        .filter(digests::due_at.le(now.micros()))
        .order((digests::due_at.asc(), digests::user_id.asc()))
        .limit(limit.into())
        .select((digests::user_id, digests::every, digests::covered_until, digests::due_at))
        .load(unit.conn)?;
    let mut added = 0;
    for (user, word, covered_until, due_at) in due {
        let read = digest_of((&user, &word, covered_until, due_at), now);
        let Some((next, job)) = unreadable.leave_out("digests", &user, read) else { continue };
        // Of two who found it at once, one moves it.
        let found = digests::table.find(&user).filter(digests::due_at.eq(due_at));
        let moved = diesel::update(found)
            .set((digests::covered_until.eq(now.micros()), digests::due_at.eq(next.micros())))
            .execute(unit.conn)?;
        if moved == 1 {
            unit.enqueue(&NewJob::new(job, now))?;
            added += 1;
        }
    }
    Ok(added)
}

#[async_trait]
impl DigestStore for UserDigests {
    async fn every(&self, user: UserId) -> Result<Option<DigestEvery>> {
        self.0.read("digest_find", move |conn| every(conn, &user.to_string())).await
    }

    async fn set(&self, user: UserId, chosen: Option<DigestEvery>, now: Timestamp) -> Result<()> {
        self.0.write("digest_set", move |unit| set(unit, &user.to_string(), chosen, now)).await
    }

    async fn add_due(&self, now: Timestamp, limit: u32) -> Result<u32> {
        let unreadable = self.0.unreadable();
        self.0.write("digest_add_due", move |unit| add_due(unit, now, limit, &unreadable)).await
    }
}
