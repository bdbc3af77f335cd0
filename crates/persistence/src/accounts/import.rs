//! Accounts that were made elsewhere.

use alpine_domain::{
    Result, Timestamp,
    account::{ImportStore, ImportedAccount, Role},
    audit::{Action, Entry},
};
use async_trait::async_trait;
use diesel::{ExpressionMethods as _, RunQueryDsl as _, dsl::insert_into};

use super::Accounts;
use crate::{
    AnyConnection, Failure, billing, database::Unit, rollups::causes::count_new, schema::users,
};

/// Whether the account is new.
fn insert(unit: &mut Unit<'_>, account: &ImportedAccount, now: Timestamp) -> Result<bool, Failure> {
    let insert = insert_into(users::table)
        .values((
            users::id.eq(account.id.to_string()),
            users::email.eq(account.email.as_str()),
            users::full_name.eq(account.full_name.as_str()),
            users::password_hash.eq(&account.password_hash),
            users::tier.eq(account.tier.as_str()),
            users::role.eq(Role::User.as_str()),
            users::is_active.eq(account.is_active),
            users::is_verified.eq(account.is_verified),
            users::generation.eq(0_i64),
            users::stripe_customer_id.eq(&account.stripe_customer_id),
            users::created_at.eq(account.created_at.micros()),
            users::updated_at.eq(now.micros()),
        ))
        .on_conflict_do_nothing();
    let rows = match unit.conn {
        AnyConnection::Postgres(conn) => insert.execute(conn)?,
        AnyConnection::Sqlite(conn) => insert.execute(conn)?,
    };
    if rows == 1 {
        let entry = Entry::new(now, Action::AccountCreated).on(account.id);
        unit.audit(entry.with("imported"));
        count_new(unit, account.tier, account.created_at);
        if account.stripe_customer_id.is_some() {
            billing::import(unit, account, now)?;
        }
    }
    Ok(rows == 1)
}

#[async_trait]
impl ImportStore for Accounts {
    async fn import(&self, accounts: Vec<ImportedAccount>, now: Timestamp) -> Result<Vec<bool>> {
        self.0
            .write("account_import", move |unit| {
                accounts.iter().map(|account| insert(unit, account, now)).collect()
            })
            .await
    }
}
