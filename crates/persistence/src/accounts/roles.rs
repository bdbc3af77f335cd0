//! Giving and taking roles: some enabled administrator is always left.

use alpine_domain::{
    Error, Timestamp,
    account::{Account, LAST_ADMIN, NOT_TO_ADMINISTER, Role, UserId},
    audit::tier_and_role_changed,
    error::ConflictKind,
    event::Event,
};
use diesel::{
    ExpressionMethods as _, QueryDsl as _, RunQueryDsl as _,
    dsl::{exists, select},
};

use super::user_rows::{held_user, written};
use crate::{
    AnyConnection, Failure,
    database::Unit,
    rows::UserRow,
    schema::{database_identity, users},
};

/// Holds the one row of its table until the transaction ends, so that changes of roles wait for each other: of two
/// administrators who remove each other at once, the second one finds the first one gone.
pub(crate) fn wait_for_others(conn: &mut AnyConnection) -> Result<(), Failure> {
    diesel::update(database_identity::table)
        .set(database_identity::generation.eq(database_identity::generation))
        .execute(conn)?;
    Ok(())
}

/// Refuses to go on if no other enabled administrator is there.
pub(crate) fn another_admin(conn: &mut AnyConnection, id: UserId) -> Result<(), Failure> {
    let others = users::table
        .filter(users::role.eq(Role::Admin.as_str()))
        .filter(users::is_active)
        .filter(users::id.ne(id.to_string()));
    if select(exists(others)).get_result::<bool>(conn)? {
        return Ok(());
    }
    Err(Error::conflict(ConflictKind::LastAdmin, LAST_ADMIN).into())
}

/// Gives a user a role.
pub(super) fn change(
    unit: &mut Unit<'_>,
    id: UserId,
    role: Role,
    now: Timestamp,
) -> Result<Account, Failure> {
    wait_for_others(unit.conn)?;
    let row = held_user(unit.conn, &id.to_string())?.ok_or(Error::NotFound("account"))?;
    let old = written(unit.conn, &row)?;
    if old.role == role {
        return Ok(old);
    }
    if role == Role::Admin && !(old.is_active && old.is_verified) {
        return Err(Error::Forbidden(NOT_TO_ADMINISTER).into());
    }
    if old.role == Role::Admin {
        another_admin(unit.conn, id)?;
    }
    let row: UserRow = diesel::update(users::table.find(id.to_string()))
        .set((users::role.eq(role.as_str()), users::updated_at.eq(now.micros())))
        .returning(users::all_columns)
        .get_result(unit.conn)?;
    for entry in tier_and_role_changed(&old, old.tier, role, now) {
        unit.audit(entry);
    }
    unit.log(now, Event::AccountChanged { user: id });
    written(unit.conn, &row)
}
