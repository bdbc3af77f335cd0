//! Who is in which channel of a messenger, and on whose behalf.

use alpine_domain::{
    Error, Result, Timestamp,
    account::UserId,
    channel::{
        AskedFor, Asking, Basis, ChannelStore, Followed, Invite, Membership, Trouble, follow_job,
    },
    jobs::NewJob,
    ports::channels::Platform,
};
use async_trait::async_trait;
use diesel::{
    ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, Queryable, RunQueryDsl as _,
    Selectable, SelectableHelper as _, dsl::insert_into,
};

use crate::{
    AnyConnection, Database, Failure,
    accounts::user_rows::held_user,
    database::Unit,
    rows::{UserRow, instant, stored, stored_option},
    schema::{channel_memberships as memberships, users},
    unreadable::UnreadableRows,
};

/// The memberships of one database.
#[derive(Clone)]
pub struct Channels(Database);

impl Channels {
    /// The memberships kept in `database`.
    pub const fn new(database: Database) -> Self {
        Self(database)
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = memberships)]
struct MembershipRow {
    user_id: String,
    platform: String,
    place: String,
    state: String,
    why: String,
    since: i64,
    member: Option<String>,
    invite: Option<String>,
    link: Option<String>,
    link_until: Option<i64>,
    trouble: Option<String>,
    recheck_at: Option<i64>,
    version: i64,
}

impl MembershipRow {
    fn membership(self) -> Result<Membership> {
        let until = self.link_until.map(|at| instant("channel_memberships.link_until", at));
        let link = self.link.zip(until.transpose()?);
        let recheck_at = self.recheck_at.map(|at| instant("channel_memberships.recheck_at", at));
        Ok(Membership {
            user: stored("channel_memberships.user_id", &self.user_id)?,
            platform: stored("channel_memberships.platform", &self.platform)?,
            place: self.place,
            state: stored("channel_memberships.state", &self.state)?,
            why: stored("channel_memberships.why", &self.why)?,
            since: instant("channel_memberships.since", self.since)?,
            member: self.member,
            invite: self.invite.map(|name| Invite { name, link }),
            trouble: stored_option("channel_memberships.trouble", self.trouble.as_deref())?,
            recheck_at: recheck_at.transpose()?,
            version: self.version,
        })
    }
}

/// The row of a membership.
#[diesel::dsl::auto_type(no_type_alias)]
fn row_of<'a>(user: &'a str, platform: &'a str, place: &'a str) -> _ {
    memberships::table.find((user, platform, place))
}

/// Writes a membership whose version is the stored one, or 0 without one; whether it was.
fn write(conn: &mut AnyConnection, it: &Membership) -> Result<bool, Failure> {
    let id = it.user.to_string();
    let platform = it.platform.as_str();
    let link = it.invite.as_ref().and_then(|invite| invite.link.as_ref());
    let changed = (
        memberships::state.eq(it.state.as_str()),
        memberships::why.eq(it.why.as_str()),
        memberships::since.eq(it.since.micros()),
        memberships::member.eq(it.member.as_deref()),
        memberships::invite.eq(it.invite.as_ref().map(|invite| invite.name.as_str())),
        memberships::link.eq(link.map(|(link, _)| link.as_str())),
        memberships::link_until.eq(link.map(|(_, until)| until.micros())),
        memberships::trouble.eq(it.trouble.map(Trouble::as_str)),
        memberships::recheck_at.eq(it.recheck_at.map(Timestamp::micros)),
        memberships::version.eq(it.version + 1),
    );
    if it.version > 0 {
        let row = row_of(&id, platform, &it.place).filter(memberships::version.eq(it.version));
        return Ok(diesel::update(row).set(changed).execute(conn)? == 1);
    }
    let found: Option<i64> =
        row_of(&id, platform, &it.place).select(memberships::version).first(conn).optional()?;
    if found.is_some() {
        return Ok(false);
    }
    let key = (
        memberships::user_id.eq(&id),
        memberships::platform.eq(platform),
        memberships::place.eq(&it.place),
    );
    insert_into(memberships::table).values((key, changed)).execute(conn)?;
    Ok(true)
}

/// Whoever had this member in this place has it no more.
fn take_over(conn: &mut AnyConnection, it: &Membership, now: Timestamp) -> Result<(), Failure> {
    let Some(member) = &it.member else { return Ok(()) };
    let id = it.user.to_string();
    let of_others = memberships::table
        .filter(memberships::platform.eq(it.platform.as_str()))
        .filter(memberships::place.eq(&it.place))
        .filter(memberships::member.eq(member))
        .filter(memberships::user_id.ne(&id));
    let found: Option<MembershipRow> =
        of_others.select(MembershipRow::as_select()).first(conn).optional()?;
    found.map_or(Ok(()), |row| write_now(conn, &row.membership()?.without_member(now)))
}

/// Whoever has this member in another place knows that one no more.
fn take_over_elsewhere(conn: &mut AnyConnection, it: &Membership) -> Result<(), Failure> {
    let Some(member) = &it.member else { return Ok(()) };
    let of_others: Vec<MembershipRow> = memberships::table
        .filter(memberships::platform.eq(it.platform.as_str()))
        .filter(memberships::member.eq(member))
        .filter(memberships::place.ne(&it.place))
        .filter(memberships::user_id.ne(it.user.to_string()))
        .select(MembershipRow::as_select())
        .load(conn)?;
    of_others.into_iter().try_for_each(|row| write_now(conn, &row.membership()?.member_moved()))
}

/// Writes what was read in the same transaction.
///
/// # Errors
/// [`Error::Unavailable`] when another account changed it in between: nothing of this may stay, and it is to come again.
fn write_now(conn: &mut AnyConnection, it: &Membership) -> Result<(), Failure> {
    if write(conn, it)? {
        return Ok(());
    }
    Err(Error::unavailable("the channel", "two accounts have one member").into())
}

fn keep(unit: &mut Unit<'_>, it: &Membership, expected: Basis) -> Result<Option<i64>, Failure> {
    let Some(row) = held_user(unit.conn, &it.user.to_string())? else { return Ok(None) };
    if row.basis(it.user)? != expected {
        return Ok(None);
    }
    let (id, platform) = (it.user.to_string(), it.platform.as_str());
    let row = row_of(&id, platform, &it.place).select(memberships::version);
    if row.first::<i64>(unit.conn).optional()?.unwrap_or(0) != it.version {
        return Ok(None);
    }
    take_over(unit.conn, it, it.since)?;
    write_now(unit.conn, it)?;
    Ok(Some(it.version + 1))
}

fn invited(
    conn: &mut AnyConnection,
    platform: Platform,
    invite: &str,
) -> Result<Option<Membership>, Failure> {
    let row: Option<MembershipRow> = memberships::table
        .filter(memberships::platform.eq(platform.as_str()))
        .filter(memberships::invite.eq(invite))
        .select(MembershipRow::as_select())
        .first(conn)
        .optional()?;
    Ok(row.map(MembershipRow::membership).transpose()?)
}

fn ask(unit: &mut Unit<'_>, asking: &Asking) -> Result<AskedFor, Failure> {
    let Some(found) = invited(unit.conn, asking.platform, &asking.invite)? else {
        return Ok(AskedFor::Unknown);
    };
    held_user(unit.conn, &found.user.to_string())?;
    // As it is now that nobody else changes it.
    let Some(it) = invited(unit.conn, asking.platform, &asking.invite)? else {
        return Ok(AskedFor::Unknown);
    };
    let (user, outcome) = (it.user, it.asked_by(asking));
    if let Some(changed) = &outcome.kept {
        take_over(unit.conn, changed, asking.now)?;
        take_over_elsewhere(unit.conn, changed)?;
        write_now(unit.conn, changed)?;
    }
    if matches!(outcome.answer, AskedFor::Taken(_)) {
        unit.enqueue(&NewJob::new(follow_job(asking.platform, user), asking.now))?;
    }
    Ok(outcome.answer)
}

/// In the order of the index.
fn ripe(
    conn: &mut AnyConnection,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<MembershipRow>, Failure> {
    Ok(memberships::table
        .filter(memberships::recheck_at.le(now.micros()))
        .order(memberships::recheck_at.asc())
        .limit(i64::from(limit))
        .select(MembershipRow::as_select())
        .load(conn)?)
}

fn due(
    unit: &mut Unit<'_>,
    (now, again): (Timestamp, Timestamp),
    limit: u32,
    unreadable: &UnreadableRows,
) -> Result<u32, Failure> {
    let mut found = 0;
    for row in ripe(unit.conn, now, limit)? {
        let (user, place) = (row.user_id.clone(), row.place.clone());
        // Also of one that cannot be read, which would be the first of every look otherwise.
        diesel::update(row_of(&user, &row.platform, &place))
            .set(memberships::recheck_at.eq(again.micros()))
            .execute(unit.conn)?;
        let id = format!("{user} {} {place}", row.platform);
        let read = unreadable.leave_out("channel_memberships", id, row.membership());
        let Some(it) = read else { continue };
        let key = format!("channels:{}:{}", it.platform, it.user);
        let job = NewJob::new(follow_job(it.platform, it.user), now).once_for(key);
        unit.enqueue(&job)?;
        found += 1;
    }
    Ok(found)
}

/// Forgets a person's memberships.
pub(crate) fn erase(conn: &mut AnyConnection, id: &str) -> Result<(), Failure> {
    diesel::delete(memberships::table.filter(memberships::user_id.eq(id))).execute(conn)?;
    Ok(())
}

#[async_trait]
impl ChannelStore for Channels {
    async fn followed(&self, user: UserId) -> Result<Option<Followed>> {
        self.0
            .read("channel_followed", move |conn| {
                let id = user.to_string();
                let row: Option<UserRow> =
                    users::table.find(&id).select(users::all_columns).first(conn).optional()?;
                let Some(row) = row else { return Ok(None) };
                let rows: Vec<MembershipRow> = memberships::table
                    .filter(memberships::user_id.eq(&id))
                    .order((memberships::platform.asc(), memberships::place.asc()))
                    .select(MembershipRow::as_select())
                    .load(conn)?;
                let read = rows.into_iter().map(MembershipRow::membership);
                let memberships = read.collect::<Result<_>>()?;
                Ok(Some(Followed { basis: row.basis(user)?, memberships }))
            })
            .await
    }

    async fn keep(&self, membership: Membership, basis: Basis) -> Result<Option<i64>> {
        self.0.write("channel_keep", move |unit| keep(unit, &membership, basis)).await
    }

    async fn ask(&self, asking: Asking) -> Result<AskedFor> {
        self.0.write("channel_ask", move |unit| ask(unit, &asking)).await
    }

    async fn user_of(
        &self,
        platform: Platform,
        place: &str,
        member: &str,
    ) -> Result<Option<UserId>> {
        let (place, member) = (place.to_owned(), member.to_owned());
        self.0
            .read("channel_user_of", move |conn| {
                let id: Option<String> = memberships::table
                    .filter(memberships::platform.eq(platform.as_str()))
                    .filter(memberships::place.eq(&place))
                    .filter(memberships::member.eq(&member))
                    .select(memberships::user_id)
                    .first(conn)
                    .optional()?;
                Ok(id.map(|id| stored("channel_memberships.user_id", &id)).transpose()?)
            })
            .await
    }

    async fn due(&self, now: Timestamp, again: Timestamp, limit: u32) -> Result<u32> {
        // Most of the time nothing is due, and SQLite has one writer.
        if self.0.read("channel_look", move |conn| ripe(conn, now, 1)).await?.is_empty() {
            return Ok(0);
        }
        let unreadable = self.0.unreadable();
        let due = move |unit: &mut Unit<'_>| due(unit, (now, again), limit, &unreadable);
        self.0.write("channel_due", due).await
    }
}
