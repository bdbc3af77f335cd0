//! Sign-ups that wait for their confirmation.

use alpine_domain::{
    Result, Timestamp,
    account::{Account, Email, FullName, NewAccount, PendingSignUp, SignUpStore, UserId},
    error::ConflictKind,
    jobs::NewJob,
};
use async_trait::async_trait;
use diesel::{
    ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, Queryable, RunQueryDsl as _,
    dsl::{exists, insert_into, select},
};

use crate::{
    AnyConnection, Database, Failure,
    accounts::insert_account,
    database::Unit,
    rows::{instant, read_back, stored},
    schema::{pending_sign_ups, users},
};

/// The pending sign-ups of one database.
#[derive(Clone)]
pub struct SignUps(Database);

impl SignUps {
    /// The sign-ups kept in `database`.
    pub const fn new(database: Database) -> Self {
        Self(database)
    }
}

#[derive(Queryable)]
struct Row {
    user_id: String,
    email: String,
    full_name: String,
    password_hash: String,
    _token_hash: Option<String>,
    created_at: i64,
    expires_at: i64,
}

impl Row {
    fn pending(self) -> Result<PendingSignUp> {
        Ok(PendingSignUp {
            user: stored("pending_sign_ups.user_id", &self.user_id)?,
            email: read_back("pending_sign_ups.email", Email::from_stored(&self.email))?,
            full_name: FullName::from_stored(self.full_name.as_str()),
            password_hash: self.password_hash,
            created_at: instant("pending_sign_ups.created_at", self.created_at)?,
            expires_at: instant("pending_sign_ups.expires_at", self.expires_at)?,
        })
    }
}

fn add(unit: &mut Unit<'_>, pending: &PendingSignUp, job: &NewJob) -> Result<(), Failure> {
    insert_into(pending_sign_ups::table)
        .values((
            pending_sign_ups::user_id.eq(pending.user.to_string()),
            pending_sign_ups::email.eq(pending.email.as_str()),
            pending_sign_ups::full_name.eq(pending.full_name.as_str()),
            pending_sign_ups::password_hash.eq(&pending.password_hash),
            pending_sign_ups::created_at.eq(pending.created_at.micros()),
            pending_sign_ups::expires_at.eq(pending.expires_at.micros()),
        ))
        .execute(unit.conn)?;
    unit.enqueue(job)?;
    Ok(())
}

/// Deletes `most` that ended after `from`, and not after `now`, the oldest first. Says how many, and moves `from`.
pub(crate) fn delete_ended(
    conn: &mut AnyConnection,
    now: Timestamp,
    from: &mut Timestamp,
    most: i64,
) -> Result<u64, Failure> {
    let over: Vec<(String, i64)> = pending_sign_ups::table
        .filter(pending_sign_ups::expires_at.ge(from.micros()))
        .filter(pending_sign_ups::expires_at.le(now.micros()))
        .order(pending_sign_ups::expires_at.asc())
        .limit(most)
        .select((pending_sign_ups::user_id, pending_sign_ups::expires_at))
        .load(conn)?;
    let ids = over.iter().map(|(id, _)| id.as_str());
    let ended = pending_sign_ups::table.filter(pending_sign_ups::user_id.eq_any(ids));
    let deleted = diesel::delete(ended).execute(conn)? as u64;
    *from = over.last().map_or(*from, |(_, ends)| Timestamp::from_micros(*ends));
    Ok(deleted)
}

fn confirm(
    unit: &mut Unit<'_>,
    token_hash: &str,
    account: &NewAccount,
) -> Result<Option<Account>, Failure> {
    // Of two at once, one deletes it.
    let used = pending_sign_ups::table
        .filter(pending_sign_ups::token_hash.eq(token_hash))
        .filter(pending_sign_ups::expires_at.gt(account.created_at.micros()));
    if diesel::delete(used).execute(unit.conn)? != 1 {
        return Ok(None);
    }
    let taken = users::table.filter(users::email.eq(account.email.as_str()));
    if select(exists(taken)).get_result::<bool>(unit.conn)? {
        return Ok(None);
    }
    insert_account(unit, account, true).map(Some)
}

#[async_trait]
impl SignUpStore for SignUps {
    async fn add(&self, pending: PendingSignUp, job: NewJob) -> Result<()> {
        self.0.write("sign_up_add", move |unit| add(unit, &pending, &job)).await
    }

    async fn pending(&self, user: UserId, now: Timestamp) -> Result<Option<PendingSignUp>> {
        self.0
            .read("sign_up_find", move |conn: &mut AnyConnection| {
                let row: Option<Row> = pending_sign_ups::table
                    .find(user.to_string())
                    .filter(pending_sign_ups::expires_at.gt(now.micros()))
                    .first(conn)
                    .optional()?;
                Ok(row.map(Row::pending).transpose()?)
            })
            .await
    }

    async fn put_sign_up_token(
        &self,
        user: UserId,
        token_hash: &str,
        now: Timestamp,
    ) -> Result<bool> {
        let token_hash = token_hash.to_owned();
        self.0
            .write("sign_up_put_token", move |unit| {
                let pending = pending_sign_ups::table
                    .find(user.to_string())
                    .filter(pending_sign_ups::expires_at.gt(now.micros()));
                let changed = diesel::update(pending)
                    .set(pending_sign_ups::token_hash.eq(&token_hash))
                    .execute(unit.conn)?;
                Ok(changed == 1)
            })
            .await
    }

    async fn by_token(&self, token_hash: &str, now: Timestamp) -> Result<Option<PendingSignUp>> {
        let token_hash = token_hash.to_owned();
        self.0
            .read("sign_up_by_token", move |conn: &mut AnyConnection| {
                let row: Option<Row> = pending_sign_ups::table
                    .filter(pending_sign_ups::token_hash.eq(&token_hash))
                    .filter(pending_sign_ups::expires_at.gt(now.micros()))
                    .first(conn)
                    .optional()?;
                Ok(row.map(Row::pending).transpose()?)
            })
            .await
    }

    async fn confirm(&self, token_hash: &str, account: NewAccount) -> Result<Option<Account>> {
        let token_hash = token_hash.to_owned();
        let confirmed =
            self.0.write("sign_up_confirm", move |unit| confirm(unit, &token_hash, &account)).await;
        match confirmed {
            // Somebody else took the address at the same moment.
            Err(alpine_domain::Error::Conflict(it)) if it.kind == ConflictKind::EmailTaken => {
                Ok(None)
            }
            other => other,
        }
    }
}
