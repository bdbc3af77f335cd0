//! Rows of notifications, inside a unit of work.

use alpine_domain::{
    Timestamp,
    notification::{KEPT, MutedKinds, NewNotification},
};
use diesel::{
    ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, RunQueryDsl as _,
    dsl::insert_into,
};

use crate::{
    AnyConnection, Failure,
    schema::{notification_preferences, notifications},
};

/// Rows beyond [`KEPT`] that one insertion deletes at most: more than it adds.
const EXCESS: i64 = 20;

/// Of what the user does not want to be told.
pub(super) fn muted(conn: &mut AnyConnection, user: &str) -> Result<MutedKinds, Failure> {
    let stored: Option<String> = notification_preferences::table
        .find(user)
        .select(notification_preferences::muted)
        .first(conn)
        .optional()?;
    Ok(MutedKinds::from_stored(&stored.unwrap_or_default()))
}

/// Adds a notification, unless its user does not want to be told, and deletes the oldest of its user beyond those that are kept.
pub(crate) fn insert(conn: &mut AnyConnection, new: &NewNotification) -> Result<(), Failure> {
    let NewNotification { user, kind, title, message, created_at } = new;
    let user = user.to_string();
    if kind.is_optional() && !muted(conn, &user)?.tells(*kind) {
        return Ok(());
    }
    insert_into(notifications::table)
        .values((
            notifications::user_id.eq(&user),
            notifications::title.eq(title),
            notifications::message.eq(message),
            notifications::kind.eq(kind.as_str()),
            notifications::is_read.eq(false),
            notifications::created_at.eq(created_at.micros()),
        ))
        .execute(conn)?;
    let excess: Vec<i64> = notifications::table
        .filter(notifications::user_id.eq(&user))
        .order((notifications::created_at.desc(), notifications::id.desc()))
        .offset(KEPT.into())
        .limit(EXCESS)
        .select(notifications::id)
        .load(conn)?;
    if !excess.is_empty() {
        let old = notifications::table.filter(notifications::id.eq_any(excess));
        diesel::delete(old).execute(conn)?;
    }
    Ok(())
}

/// Deletes at most `most` that are older than `before`, the oldest first, and says how many; `from` is how far that got.
pub(crate) fn delete_old(
    conn: &mut AnyConnection,
    before: Timestamp,
    from: &mut Timestamp,
    most: i64,
) -> Result<u64, Failure> {
    let old: Vec<(i64, i64)> = notifications::table
        .filter(notifications::created_at.ge(from.micros()))
        .filter(notifications::created_at.lt(before.micros()))
        .order(notifications::created_at.asc())
        .limit(most)
        .select((notifications::id, notifications::created_at))
        .load(conn)?;
    let ids = old.iter().map(|(id, _)| *id);
    let deleted =
        diesel::delete(notifications::table.filter(notifications::id.eq_any(ids))).execute(conn)?;
    *from = old.last().map_or(*from, |(_, at)| Timestamp::from_micros(*at));
    Ok(deleted as u64)
}
