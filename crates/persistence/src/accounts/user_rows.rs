//! Rows of users, and how often everybody was signed out: the two parts of an account's generation.

use alpine_domain::{
    Error,
    account::{Account, UserId},
};
use diesel::{
    ExpressionMethods as _, JoinOnDsl as _, OptionalExtension as _, QueryDsl as _, RunQueryDsl as _,
};

use crate::{
    AnyConnection, Failure,
    rows::UserRow,
    schema::{database_identity, users},
};

pub(crate) fn no_account() -> Failure {
    Error::NotFound("account").into()
}

/// The account's row, and how often everybody was signed out, as of one instant.
pub(crate) fn user_row(
    conn: &mut AnyConnection,
    id: UserId,
) -> Result<Option<(UserRow, i64)>, Failure> {
    let row = users::table
        .inner_join(database_identity::table.on(database_identity::is_only))
        .filter(users::id.eq(id.to_string()))
        .select((users::all_columns, database_identity::generation))
        .first(conn);
    Ok(row.optional()?)
}

/// The account of a row that this transaction wrote.
pub(crate) fn written(conn: &mut AnyConnection, row: &UserRow) -> Result<Account, Failure> {
    Ok(row.account(everybody(conn)?)?)
}

/// How often everybody was signed out.
pub(super) fn everybody(conn: &mut AnyConnection) -> Result<i64, Failure> {
    Ok(database_identity::table.select(database_identity::generation).first(conn)?)
}

/// The account's row, held until the transaction ends: writing it, even as it was, does that. Whoever also
/// holds how often everybody was signed out holds that first.
pub(crate) fn held_user(conn: &mut AnyConnection, id: &str) -> Result<Option<UserRow>, Failure> {
    let row = diesel::update(users::table.find(id))
        .set(users::generation.eq(users::generation))
        .returning(users::all_columns)
        .get_result(conn);
    Ok(row.optional()?)
}
