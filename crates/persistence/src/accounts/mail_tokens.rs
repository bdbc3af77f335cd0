//! Tokens that are sent by mail.

use alpine_domain::{
    Timestamp,
    account::{Account, MailPurpose, MailToken, PasswordReset, UserId},
    audit::{Action, Entry},
    event::Event,
    notification::NewNotification,
};
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, JoinOnDsl as _,
    NullableExpressionMethods as _, OptionalExtension as _, QueryDsl as _, RunQueryDsl as _,
    dsl::insert_into,
};

use super::user_rows::{everybody, held_user, user_row};
use crate::{
    AnyConnection, Failure,
    database::Unit,
    rows::UserRow,
    schema::{database_identity, mail_tokens, users},
};

/// The user's tokens are good no more.
pub(crate) fn forget(conn: &mut AnyConnection, user: UserId) -> Result<(), Failure> {
    diesel::delete(mail_tokens::table.filter(mail_tokens::user_id.eq(user.to_string())))
        .execute(conn)?;
    Ok(())
}

/// The user's token for this, if there is one, is good no more.
pub(super) fn forget_one(
    conn: &mut AnyConnection,
    user: UserId,
    purpose: MailPurpose,
) -> Result<(), Failure> {
    let token = mail_tokens::table.find((user.to_string(), purpose.as_str()));
    diesel::delete(token).execute(conn)?;
    Ok(())
}

/// What was mailed to set another password or to sign in is good no more.
pub(crate) fn forget_ways_in(conn: &mut AnyConnection, user: UserId) -> Result<(), Failure> {
    forget_one(conn, user, MailPurpose::Reset)?;
    forget_one(conn, user, MailPurpose::SignIn)
}

/// Whoever changes the address, or stores another token, waits for the user's row.
pub(super) fn put(conn: &mut AnyConnection, token: &MailToken) -> Result<bool, Failure> {
    let MailToken { user, email, purpose, token_hash, created_at, expires_at } = token;
    let Some(row) = held_user(conn, &user.to_string())? else { return Ok(false) };
    let account = row.account(0)?;
    if !account.is_active || account.email != *email {
        return Ok(false);
    }
    forget_one(conn, *user, *purpose)?;
    let everybody = everybody(conn)?;
    insert_into(mail_tokens::table)
        .values((
            mail_tokens::user_id.eq(user.to_string()),
            mail_tokens::purpose.eq(purpose.as_str()),
            mail_tokens::token_hash.eq(token_hash),
            mail_tokens::created_at.eq(created_at.micros()),
            mail_tokens::expires_at.eq(expires_at.micros()),
            mail_tokens::everybody.eq(everybody),
        ))
        .execute(conn)?;
    Ok(true)
}

pub(super) fn account(
    conn: &mut AnyConnection,
    purpose: MailPurpose,
    token_hash: &str,
    now: Timestamp,
) -> Result<Option<Account>, Failure> {
    // What lets somebody in ends when everybody is signed out; what confirms an address does not.
    let lets_nobody_in = mail_tokens::purpose.eq(MailPurpose::Verify.as_str());
    let is_of_older_release = mail_tokens::everybody.is_null();
    let is_current = mail_tokens::everybody.eq(database_identity::generation.nullable());
    let found: Option<(UserRow, i64)> = mail_tokens::table
        .inner_join(users::table)
        .inner_join(database_identity::table.on(database_identity::is_only))
        .filter(mail_tokens::token_hash.eq(token_hash))
        .filter(mail_tokens::purpose.eq(purpose.as_str()))
        .filter(mail_tokens::expires_at.gt(now.micros()))
        .filter(users::is_active)
        .filter(lets_nobody_in.or(is_of_older_release).nullable().or(is_current))
        .select((users::all_columns, database_identity::generation))
        .first(conn)
        .optional()?;
    Ok(found.map(|(row, everybody)| row.account(everybody)).transpose()?)
}

/// Uses up a token, if it is good: whose it was, as of when that was looked at. Of two at once, one deletes it. The
/// user's row is held.
fn take(
    conn: &mut AnyConnection,
    purpose: MailPurpose,
    token_hash: &str,
    now: Timestamp,
) -> Result<Option<Account>, Failure> {
    let Some(owner) = account(conn, purpose, token_hash, now)? else { return Ok(None) };
    // In the order in which everybody takes them: the user's row first.
    let held = held_user(conn, &owner.id.to_string())?.map(|row| row.account(0)).transpose()?;
    let token = mail_tokens::table
        .filter(mail_tokens::token_hash.eq(token_hash))
        .filter(mail_tokens::purpose.eq(purpose.as_str()))
        .filter(mail_tokens::expires_at.gt(now.micros()));
    let is_taken = diesel::delete(token).execute(conn)? == 1;
    let is_good = is_taken && held.is_some_and(|account| account.is_active);
    Ok(is_good.then_some(owner))
}

pub(super) fn reset(unit: &mut Unit<'_>, reset: &PasswordReset) -> Result<bool, Failure> {
    let PasswordReset { token_hash, password_hash, now } = reset;
    let Some(owner) = take(unit.conn, MailPurpose::Reset, token_hash, *now)? else {
        return Ok(false);
    };
    let user = owner.id;
    diesel::update(users::table.find(user.to_string()))
        .set((
            users::password_hash.eq(password_hash),
            users::is_verified.eq(true),
            users::generation.eq(users::generation + 1_i64),
            users::signed_out_at.eq(now.micros()),
            users::updated_at.eq(now.micros()),
        ))
        .execute(unit.conn)?;
    forget_one(unit.conn, user, MailPurpose::Verify)?;
    forget_one(unit.conn, user, MailPurpose::SignIn)?;
    unit.audit(Entry::new(*now, Action::PasswordReset).on(user).by(user));
    unit.notify(&NewNotification::password_changed(user, *now))?;
    unit.log(*now, Event::AccountChanged { user });
    Ok(true)
}

/// Uses up a token that signs in: whoever has it reads what is sent to the account's address. The account comes with the
/// generation for which the token was good: no session is opened if everybody is signed out meanwhile.
pub(super) fn take_sign_in(
    unit: &mut Unit<'_>,
    token_hash: &str,
    now: Timestamp,
) -> Result<Option<Account>, Failure> {
    let Some(owner) = take(unit.conn, MailPurpose::SignIn, token_hash, now)? else {
        return Ok(None);
    };
    let user = owner.id;
    let unconfirmed = users::table.find(user.to_string()).filter(users::is_verified.eq(false));
    let confirmed = diesel::update(unconfirmed)
        .set((users::is_verified.eq(true), users::updated_at.eq(now.micros())))
        .execute(unit.conn)?;
    if confirmed == 1 {
        forget_one(unit.conn, user, MailPurpose::Verify)?;
        unit.audit(Entry::new(now, Action::AddressVerified).on(user).by(user));
        unit.log(now, Event::AccountChanged { user });
    }
    let row = user_row(unit.conn, user)?;
    let account = row.map(|(row, everybody)| row.account(everybody)).transpose()?;
    Ok(account.map(|account| Account { generation: owner.generation, ..account }))
}

pub(super) fn verify(
    unit: &mut Unit<'_>,
    token_hash: &str,
    now: Timestamp,
) -> Result<bool, Failure> {
    let Some(owner) = take(unit.conn, MailPurpose::Verify, token_hash, now)? else {
        return Ok(false);
    };
    let user = owner.id;
    diesel::update(users::table.find(user.to_string()))
        .set((users::is_verified.eq(true), users::updated_at.eq(now.micros())))
        .execute(unit.conn)?;
    unit.audit(Entry::new(now, Action::AddressVerified).on(user).by(user));
    unit.log(now, Event::AccountChanged { user });
    Ok(true)
}
