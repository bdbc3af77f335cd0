//! The end of accounts.

use alpine_domain::{
    Error, Result, Timestamp,
    account::{Deletion, DeletionStore, Email, Role, UserId, WRONG_PASSWORD, placeholder},
    analytics::RollupKey,
    audit::{Action, Entry},
    event::Event,
};
use async_trait::async_trait;
use diesel::{
    ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, RunQueryDsl as _,
    dsl::insert_into,
};

use super::{
    Accounts, mail_tokens, revoke_keys,
    roles::{another_admin, wait_for_others},
    user_rows::{held_user, no_account, written},
};
use crate::{
    AnyConnection, Failure, billing, channels,
    database::Unit,
    rollups::causes::forget_active,
    rows::read_back,
    schema::{
        address_changes, api_keys, deleted_accounts, digests, notification_marks,
        notification_preferences, notifications, sessions, users,
    },
    second_factors,
};

fn delete(unit: &mut Unit<'_>, deletion: &Deletion) -> Result<(), Failure> {
    let Deletion { user, proved_by, now, erase_at, jobs } = deletion;
    let id = user.to_string();
    wait_for_others(unit.conn)?;
    let row = held_user(unit.conn, &id)?.ok_or_else(no_account)?;
    if row.password_hash != *proved_by {
        return Err(Error::Forbidden(WRONG_PASSWORD).into());
    }
    let account = written(unit.conn, &row)?;
    if !account.is_active {
        return Err(no_account());
    }
    if account.role == Role::Admin {
        another_admin(unit.conn, *user)?;
    }
    // What an operator undid before has left one.
    diesel::delete(deleted_accounts::table.find(&id)).execute(unit.conn)?;
    insert_into(deleted_accounts::table)
        .values((
            deleted_accounts::user_id.eq(&id),
            deleted_accounts::email.eq(account.email.as_str()),
            deleted_accounts::deleted_at.eq(now.micros()),
            deleted_accounts::erase_at.eq(erase_at.micros()),
        ))
        .execute(unit.conn)?;
    diesel::update(users::table.find(&id))
        .set((
            users::email.eq(placeholder(*user)),
            users::is_active.eq(false),
            users::is_verified.eq(false),
            users::role.eq(Role::User.as_str()),
            users::generation.eq(users::generation + 1_i64),
            users::signed_out_at.eq(now.micros()),
            users::updated_at.eq(now.micros()),
        ))
        .execute(unit.conn)?;
    mail_tokens::forget(unit.conn, *user)?;
    diesel::delete(address_changes::table.find(&id)).execute(unit.conn)?;
    second_factors::remove(unit.conn, *user)?;
    forget_active(unit, *user)?;
    unit.count(RollupKey::users(account.tier), -1);
    unit.audit(Entry::new(*now, Action::AccountDeleted).on(*user).by(*user));
    unit.log(*now, Event::AccountChanged { user: *user });
    revoke_keys(unit, *user, *now)?;
    for job in jobs {
        unit.enqueue(job)?;
    }
    Ok(())
}

/// Erases a part of what names the person beside the account's own row; says whether that was all.
fn erase_rows(conn: &mut AnyConnection, id: &str, limit: u32) -> Result<bool, Failure> {
    let limit_of_rows = i64::from(limit);
    let keys: Vec<String> = api_keys::table
        .filter(api_keys::user_id.eq(id))
        .select(api_keys::id)
        .limit(limit_of_rows)
        .load(conn)?;
    diesel::delete(api_keys::table.filter(api_keys::id.eq_any(&keys))).execute(conn)?;
    let told: Vec<i64> = notifications::table
        .filter(notifications::user_id.eq(id))
        .select(notifications::id)
        .limit(limit_of_rows)
        .load(conn)?;
    diesel::delete(notifications::table.filter(notifications::id.eq_any(&told))).execute(conn)?;
    let from: Vec<String> = sessions::table
        .filter(sessions::user_id.eq(id))
        .filter(sessions::address_digest.is_not_null())
        .select(sessions::id)
        .limit(limit_of_rows)
        .load(conn)?;
    diesel::update(sessions::table.filter(sessions::id.eq_any(&from)))
        .set((
            sessions::address_digest.eq(None::<String>),
            sessions::repeat_of.eq(None::<String>),
            sessions::repeat_sealed.eq(None::<String>),
            sessions::repeat_address.eq(None::<String>),
            sessions::repeat_until.eq(None::<i64>),
        ))
        .execute(conn)?;
    let most = [keys.len(), told.len(), from.len()].into_iter().max().unwrap_or(0);
    Ok(most < limit as usize)
}

fn erase(
    unit: &mut Unit<'_>,
    user: UserId,
    password_hash: &str,
    limit: u32,
    now: Timestamp,
) -> Result<bool, Failure> {
    let id = user.to_string();
    // As everybody who writes of a user does first.
    held_user(unit.conn, &id)?;
    let found: Option<(bool, i64)> = deleted_accounts::table
        .inner_join(users::table)
        .filter(deleted_accounts::user_id.eq(&id))
        .select((users::is_active, deleted_accounts::erase_at))
        .first(unit.conn)
        .optional()?;
    let Some((is_active, erase_at)) = found else { return Ok(true) };
    if is_active {
        // An operator undid it.
        diesel::delete(deleted_accounts::table.find(&id)).execute(unit.conn)?;
        return Ok(true);
    }
    if now.micros() < erase_at {
        // It was deleted, enabled and deleted again: this job is the first one's.
        return Ok(true);
    }
    if !erase_rows(unit.conn, &id, limit)? {
        return Ok(false);
    }
    diesel::delete(notification_marks::table.find(&id)).execute(unit.conn)?;
    diesel::delete(notification_preferences::table.find(&id)).execute(unit.conn)?;
    diesel::delete(digests::table.find(&id)).execute(unit.conn)?;
    channels::erase(unit.conn, &id)?;
    billing::erase(unit, &id, now)?;
    diesel::update(users::table.find(&id))
        .set((
            users::full_name.eq(""),
            users::password_hash.eq(password_hash),
            users::stripe_customer_id.eq(None::<String>),
            users::updated_at.eq(now.micros()),
        ))
        .execute(unit.conn)?;
    diesel::delete(deleted_accounts::table.find(&id)).execute(unit.conn)?;
    unit.audit(Entry::new(now, Action::AccountErased).on(user));
    unit.log(now, Event::AccountChanged { user });
    Ok(true)
}

#[async_trait]
impl DeletionStore for Accounts {
    async fn delete(&self, deletion: Deletion) -> Result<()> {
        self.0.write("account_delete", move |unit| delete(unit, &deletion)).await
    }

    async fn deleted_address(&self, user: UserId) -> Result<Option<Email>> {
        self.0
            .read("account_deleted_address", move |conn| {
                let email: Option<String> = deleted_accounts::table
                    .find(user.to_string())
                    .select(deleted_accounts::email)
                    .first(conn)
                    .optional()?;
                let read =
                    |email: String| read_back("deleted_accounts.email", Email::from_stored(&email));
                Ok(email.map(read).transpose()?)
            })
            .await
    }

    async fn erase(
        &self,
        user: UserId,
        password_hash: String,
        limit: u32,
        now: Timestamp,
    ) -> Result<bool> {
        self.0
            .write("account_erase", move |unit| erase(unit, user, &password_hash, limit, now))
            .await
    }
}
