//! Rows of users.

use alpine_domain::account::UserId;
use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, RunQueryDsl as _};

use crate::{AnyConnection, Failure, rows::UserRow, schema::users};

pub(super) fn user_row(conn: &mut AnyConnection, id: UserId) -> Result<Option<UserRow>, Failure> {
    let row = users::table.find(id.to_string()).first::<UserRow>(conn);
    Ok(row.optional()?)
}

/// The account's row, held until the transaction ends: writing it, even as it was, does that.
pub(crate) fn held_user(conn: &mut AnyConnection, id: &str) -> Result<Option<UserRow>, Failure> {
    let row = diesel::update(users::table.find(id))
        .set(users::generation.eq(users::generation))
        .returning(users::all_columns)
        .get_result(conn);
    Ok(row.optional()?)
}
