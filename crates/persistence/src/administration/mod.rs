//! Accounts as administrators see and change them.

mod fragments;

use alpine_domain::{
    Error, Result, Timestamp,
    account::{
        Account, AccountChange, AdministrationStore, DELETED, Role, UserId, UserQuery,
        account_changed, placeholder,
    },
    event::Event,
};
use async_trait::async_trait;
use diesel::{
    ExpressionMethods as _, JoinOnDsl as _, OptionalExtension as _, QueryDsl as _, RunQueryDsl as _,
};

use self::fragments::{CountOfUsers, OnPage};
use crate::{
    AnyConnection, Database, Failure,
    accounts::{
        mail_tokens,
        roles::{another_admin, wait_for_others},
        tiers,
        user_rows::{held_user, no_account, written},
    },
    database::Unit,
    rows::{UserRow, instant},
    schema::{database_identity, sessions, users},
    unreadable::UnreadableRows,
};

/// The accounts of one database, for administrators.
#[derive(Clone)]
pub struct Administration(Database);

impl Administration {
    /// The accounts kept in `database`.
    pub const fn new(database: Database) -> Self {
        Self(database)
    }
}

fn list(
    conn: &mut AnyConnection,
    query: &UserQuery,
    unreadable: &UnreadableRows,
) -> Result<Vec<Account>, Failure> {
    let rows: Vec<(UserRow, i64)> = users::table
        .inner_join(database_identity::table.on(database_identity::is_only))
        .filter(OnPage::new(conn, query))
        .select((users::all_columns, database_identity::generation))
        .load(conn)?;
    let read = |(row, everybody): (UserRow, i64)| {
        unreadable.leave_out("users", row.id(), row.account(everybody))
    };
    let mut accounts: Vec<Account> = rows.into_iter().filter_map(read).collect();
    // As the part was chosen: by bytes, or the newest first.
    if query.filter.search.is_some() {
        accounts.sort_unstable_by(|a, b| a.email.as_str().cmp(b.email.as_str()));
    } else {
        accounts
            .sort_unstable_by_key(|account| std::cmp::Reverse((account.created_at, account.id)));
    }
    Ok(accounts)
}

fn change(unit: &mut Unit<'_>, change: &AccountChange) -> Result<Account, Failure> {
    let AccountChange { user, changes, reason: _, now } = change;
    let disables = changes.is_active == Some(false);
    if disables {
        wait_for_others(unit.conn)?;
    }
    let row = held_user(unit.conn, &user.to_string())?.ok_or_else(no_account)?;
    let old = written(unit.conn, &row)?;
    let told = account_changed(&old, change);
    if told.is_empty() {
        unit.confirm(Event::AccountChanged { user: *user });
        return Ok(old);
    }
    let ends = disables && old.is_active;
    if ends && old.role == Role::Admin {
        another_admin(unit.conn, *user)?;
    }
    if changes.is_active == Some(true) && old.email.as_str() == placeholder(*user) {
        return Err(Error::Forbidden(DELETED).into());
    }
    let row: UserRow = diesel::update(users::table.find(user.to_string()))
        .set((
            users::tier.eq(changes.tier.unwrap_or(old.tier).as_str()),
            users::is_active.eq(changes.is_active.unwrap_or(old.is_active)),
            users::generation.eq(users::generation + i64::from(ends)),
            ends.then(|| users::signed_out_at.eq(now.micros())),
            users::updated_at.eq(now.micros()),
        ))
        .returning(users::all_columns)
        .get_result(unit.conn)?;
    if let Some(tier) = changes.tier {
        tiers::changed(unit, &old, tier, *now)?;
    }
    if changes.is_active.is_some_and(|is_active| is_active != old.is_active) {
        tiers::followed_by_channels(unit, *user, *now)?;
    }
    if ends {
        mail_tokens::forget_ways_in(unit.conn, *user)?;
    }
    for entry in told {
        unit.audit(entry);
    }
    unit.log(*now, Event::AccountChanged { user: *user });
    written(unit.conn, &row)
}

#[async_trait]
impl AdministrationStore for Administration {
    async fn users(&self, query: UserQuery, cap: u32) -> Result<(Vec<Account>, u32)> {
        let unreadable = self.0.unreadable();
        self.0
            .read("users_list", move |conn| {
                let accounts = list(conn, &query, &unreadable)?;
                let count: i64 = CountOfUsers::new(conn, &query.filter, cap).get_result(conn)?;
                Ok((accounts, u32::try_from(count).unwrap_or(u32::MAX)))
            })
            .await
    }

    async fn last_sign_in(&self, user: UserId) -> Result<Option<Timestamp>> {
        self.0
            .read("users_last_sign_in", move |conn| {
                let at: Option<i64> = sessions::table
                    .filter(sessions::user_id.eq(user.to_string()))
                    .order(sessions::created_at.desc())
                    .select(sessions::created_at)
                    .first(conn)
                    .optional()?;
                Ok(at.map(|at| instant("sessions.created_at", at)).transpose()?)
            })
            .await
    }

    async fn change(&self, asked: AccountChange) -> Result<Account> {
        self.0.write("users_change", move |unit| change(unit, &asked)).await
    }
}
