//! What adds to sums, inside a unit of work.

use alpine_domain::{
    Timestamp,
    account::{Account, Tier, UserId, placeholder},
    analytics::{Day, RollupKey, RollupName},
};
use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, RunQueryDsl as _};

use crate::{Failure, database::Unit, dialect, schema::user_activity};

/// Notes that these users, in order of ids, were active on `day`. Who was noted later stays there.
pub(crate) fn note_active(unit: &mut Unit<'_>, users: &[String], day: Day) -> Result<(), Failure> {
    let known = dialect::hold_activity(unit.conn, users)?;
    let is_older = |row: &&(String, i64)| row.1 < day.number();
    let mut moved = 0;
    let older: Vec<&str> = known.iter().filter(is_older).map(|row| row.0.as_str()).collect();
    if !older.is_empty() {
        diesel::update(user_activity::table.filter(user_activity::user_id.eq_any(older)))
            .set(user_activity::last_day.eq(day.number()))
            .execute(unit.conn)?;
    }
    for (_, last_day) in known.iter().filter(is_older) {
        unit.count(RollupKey::of(RollupName::Active, Day::new(*last_day)), -1);
        moved += 1;
    }
    let is_new = |user: &&String| !known.iter().any(|(other, _)| other == *user);
    let new: Vec<&str> = users.iter().filter(is_new).map(String::as_str).collect();
    let added = dialect::insert_new_activity(unit.conn, &new, day.number())?;
    unit.count(RollupKey::of(RollupName::Active, day), moved + added);
    Ok(())
}

/// Counts an account that is new.
pub(crate) fn count_new(unit: &mut Unit<'_>, tier: Tier, created_at: Timestamp) {
    unit.count(RollupKey::users(tier), 1);
    unit.count(RollupKey::of(RollupName::SignUps, Day::of(created_at)), 1);
}

/// Counts an account with another tier from now on.
pub(crate) fn move_tier(unit: &mut Unit<'_>, old: &Account, tier: Tier) {
    // A deleted account is counted nowhere.
    if old.tier != tier && old.email.as_str() != placeholder(old.id) {
        unit.count(RollupKey::users(old.tier), -1);
        unit.count(RollupKey::users(tier), 1);
    }
}

/// Forgets when a user was active.
pub(crate) fn forget_active(unit: &mut Unit<'_>, user: UserId) -> Result<(), Failure> {
    let forgotten = user_activity::table.find(user.to_string());
    let last_day: Option<i64> = diesel::delete(forgotten)
        .returning(user_activity::last_day)
        .get_result(unit.conn)
        .optional()?;
    if let Some(last_day) = last_day {
        unit.count(RollupKey::of(RollupName::Active, Day::new(last_day)), -1);
    }
    Ok(())
}
