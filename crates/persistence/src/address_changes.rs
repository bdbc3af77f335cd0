//! Other addresses that wait for their confirmation.

use alpine_domain::{
    Error, Result, Timestamp,
    account::{
        AddressChangeStore, AddressConfirmed, AddressSide, Email, NewAddressChange,
        PendingAddressChange, UserId, WRONG_PASSWORD, change_told,
    },
    audit::{Action, Entry},
    error::ConflictKind,
    event::Event,
    jobs::NewJob,
};
use async_trait::async_trait;
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, OptionalExtension as _, QueryDsl as _,
    Queryable, RunQueryDsl as _,
    dsl::{exists, insert_into, select},
};

use crate::{
    AnyConnection, Database, Failure,
    accounts::{
        TAKEN, mail_tokens,
        user_rows::{held_user, no_account, user_row},
    },
    database::Unit,
    failure::unique_as,
    rows::{read_back, stored},
    schema::{address_changes, users},
};

/// The changes of one database.
#[derive(Clone)]
pub struct AddressChanges(Database);

impl AddressChanges {
    /// The changes kept in `database`.
    pub const fn new(database: Database) -> Self {
        Self(database)
    }
}

#[derive(Queryable)]
struct Row {
    user_id: String,
    email: String,
    generation: i64,
    old_token_hash: Option<String>,
    _new_token_hash: Option<String>,
    old_confirmed_at: Option<i64>,
    new_confirmed_at: Option<i64>,
    _created_at: i64,
    _expires_at: i64,
}

fn ask(unit: &mut Unit<'_>, change: &NewAddressChange, jobs: &[NewJob]) -> Result<(), Failure> {
    let id = change.user.to_string();
    let row = held_user(unit.conn, &id)?.ok_or_else(no_account)?;
    if row.password_hash != change.change.proved_by {
        return Err(Error::Forbidden(WRONG_PASSWORD).into());
    }
    let (_, everybody) = user_row(unit.conn, change.user)?.ok_or_else(no_account)?;
    diesel::delete(address_changes::table.find(&id)).execute(unit.conn)?;
    insert_into(address_changes::table)
        .values((
            address_changes::user_id.eq(&id),
            address_changes::email.eq(change.change.email.as_str()),
            address_changes::generation.eq(row.generation(everybody)),
            address_changes::created_at.eq(change.now.micros()),
            address_changes::expires_at.eq(change.expires_at.micros()),
        ))
        .execute(unit.conn)?;
    for job in jobs {
        unit.enqueue(job)?;
    }
    Ok(())
}

/// The account's address, if the change still holds.
fn holder(conn: &mut AnyConnection, row: &Row) -> Result<Option<Email>, Failure> {
    let user = stored("address_changes.user_id", &row.user_id)?;
    let Some((found, everybody)) = user_row(conn, user)? else { return Ok(None) };
    let account = found.account(everybody)?;
    let holds = account.is_active && account.generation == row.generation;
    Ok(holds.then_some(account.email))
}

fn live(conn: &mut AnyConnection, id: &str, now: Timestamp) -> Result<Option<Row>, Failure> {
    let row = address_changes::table
        .find(id)
        .filter(address_changes::expires_at.gt(now.micros()))
        .first(conn);
    Ok(row.optional()?)
}

fn put_token(
    unit: &mut Unit<'_>,
    user: UserId,
    side: AddressSide,
    token_hash: &str,
    now: Timestamp,
) -> Result<bool, Failure> {
    let id = user.to_string();
    held_user(unit.conn, &id)?;
    let Some(row) = live(unit.conn, &id, now)? else { return Ok(false) };
    if holder(unit.conn, &row)?.is_none() {
        return Ok(false);
    }
    let change = address_changes::table.find(&id);
    match side {
        AddressSide::Old => diesel::update(change)
            .set(address_changes::old_token_hash.eq(token_hash))
            .execute(unit.conn)?,
        AddressSide::New => diesel::update(change)
            .set(address_changes::new_token_hash.eq(token_hash))
            .execute(unit.conn)?,
    };
    Ok(true)
}

fn by_token(
    conn: &mut AnyConnection,
    token_hash: &str,
    now: Timestamp,
) -> Result<Option<Row>, Failure> {
    let is_it = address_changes::old_token_hash
        .eq(token_hash)
        .or(address_changes::new_token_hash.eq(token_hash));
    let row = address_changes::table
        .filter(is_it)
        .filter(address_changes::expires_at.gt(now.micros()))
        .first(conn);
    Ok(row.optional()?)
}

fn confirm(
    unit: &mut Unit<'_>,
    token_hash: &str,
    now: Timestamp,
) -> Result<Option<AddressConfirmed>, Failure> {
    let Some(found) = by_token(unit.conn, token_hash, now)? else { return Ok(None) };
    // Of two confirmations at once, the second one sees the first.
    held_user(unit.conn, &found.user_id)?;
    let Some(row) = by_token(unit.conn, token_hash, now)? else { return Ok(None) };
    let Some(old) = holder(unit.conn, &row)? else { return Ok(None) };
    let is_old = row.old_token_hash.as_deref() == Some(token_hash);
    let other = if is_old { row.new_confirmed_at } else { row.old_confirmed_at };
    let change = address_changes::table.find(&row.user_id);
    if other.is_some() {
        diesel::delete(change).execute(unit.conn)?;
        return apply(unit, &old, &row, now);
    }
    if is_old {
        let (at, token) = (Some(now.micros()), None::<String>);
        diesel::update(change)
            .set((
                address_changes::old_confirmed_at.eq(at),
                address_changes::old_token_hash.eq(token),
            ))
            .execute(unit.conn)?;
    } else {
        let (at, token) = (Some(now.micros()), None::<String>);
        diesel::update(change)
            .set((
                address_changes::new_confirmed_at.eq(at),
                address_changes::new_token_hash.eq(token),
            ))
            .execute(unit.conn)?;
    }
    Ok(Some(AddressConfirmed::One))
}

/// Gives the account the address, unless another one has it. One that gets it at the same moment is a conflict.
fn apply(
    unit: &mut Unit<'_>,
    old: &Email,
    row: &Row,
    now: Timestamp,
) -> Result<Option<AddressConfirmed>, Failure> {
    let taken = users::table.filter(users::email.eq(&row.email));
    if select(exists(taken)).get_result::<bool>(unit.conn)? {
        return Ok(None);
    }
    let user: UserId = stored("address_changes.user_id", &row.user_id)?;
    let changed = diesel::update(users::table.find(&row.user_id))
        .set((
            users::email.eq(&row.email),
            users::is_verified.eq(true),
            users::updated_at.eq(now.micros()),
        ))
        .execute(unit.conn);
    unique_as(changed, ConflictKind::EmailTaken, TAKEN)?;
    mail_tokens::forget(unit.conn, user)?;
    let new = read_back("address_changes.email", Email::from_stored(&row.email))?;
    for job in change_told(old, &new, now) {
        unit.enqueue(&job)?;
    }
    unit.audit(Entry::new(now, Action::EmailChanged).on(user).by(user));
    unit.log(now, Event::AccountChanged { user });
    Ok(Some(AddressConfirmed::Both))
}

/// Deletes `most` that ended after `from`, and not after `now`, the oldest first. Says how many, and moves `from`.
pub(crate) fn delete_ended(
    conn: &mut AnyConnection,
    now: Timestamp,
    from: &mut Timestamp,
    most: i64,
) -> Result<u64, Failure> {
    let over: Vec<(String, i64)> = address_changes::table
        .filter(address_changes::expires_at.ge(from.micros()))
        .filter(address_changes::expires_at.le(now.micros()))
        .order(address_changes::expires_at.asc())
        .limit(most)
        .select((address_changes::user_id, address_changes::expires_at))
        .load(conn)?;
    let ids = over.iter().map(|(id, _)| id.as_str());
    // One that is asked for anew meanwhile stays.
    let ended = address_changes::table
        .filter(address_changes::user_id.eq_any(ids))
        .filter(address_changes::expires_at.le(now.micros()));
    let deleted = diesel::delete(ended).execute(conn)? as u64;
    *from = over.last().map_or(*from, |(_, ends)| Timestamp::from_micros(*ends));
    Ok(deleted)
}

#[async_trait]
impl AddressChangeStore for AddressChanges {
    async fn ask(&self, change: NewAddressChange, jobs: Vec<NewJob>) -> Result<()> {
        self.0.write("address_change_ask", move |unit| ask(unit, &change, &jobs)).await
    }

    async fn pending_change(
        &self,
        user: UserId,
        now: Timestamp,
    ) -> Result<Option<PendingAddressChange>> {
        self.0
            .read("address_change_find", move |conn| {
                let Some(row) = live(conn, &user.to_string(), now)? else { return Ok(None) };
                let Some(old) = holder(conn, &row)? else { return Ok(None) };
                let new = read_back("address_changes.email", Email::from_stored(&row.email))?;
                Ok(Some(PendingAddressChange { old, new }))
            })
            .await
    }

    async fn put_change_token(
        &self,
        user: UserId,
        side: AddressSide,
        token_hash: &str,
        now: Timestamp,
    ) -> Result<bool> {
        let token_hash = token_hash.to_owned();
        self.0
            .write("address_change_put_token", move |unit| {
                put_token(unit, user, side, &token_hash, now)
            })
            .await
    }

    async fn confirm_change(
        &self,
        token_hash: &str,
        now: Timestamp,
    ) -> Result<Option<AddressConfirmed>> {
        let token_hash = token_hash.to_owned();
        let confirm = move |unit: &mut Unit<'_>| confirm(unit, &token_hash, now);
        match self.0.write("address_change_confirm", confirm).await {
            // Somebody else took the address at the same moment.
            Err(Error::Conflict(it)) if it.kind == ConflictKind::EmailTaken => Ok(None),
            other => other,
        }
    }
}
