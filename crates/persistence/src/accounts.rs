//! Users, their sign-ins and their refresh tokens.

use alpine_domain::{
    Error, Result, Timestamp,
    account::{
        Account, AccountState, AccountStore, AddressDigest, AddressProof, Email, NewAccount,
        NewSession, ProfileChange, Promotion, Refreshed, RevokedSession, Role, Rotation, SessionId,
        Tier, UserId,
    },
    error::ConflictKind,
    event::Event,
};
use async_trait::async_trait;
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, OptionalExtension as _, QueryDsl as _,
    RunQueryDsl as _,
    dsl::{exists, insert_into, select},
};

use crate::{
    AnyConnection, Database, Failure,
    database::Unit,
    failure::unique_as,
    rows::{SessionRow, UserRow, stored},
    schema::{api_keys, refresh_tokens, sessions, users},
};

/// The accounts of one database.
#[derive(Clone)]
pub struct Accounts(Database);

impl Accounts {
    /// The accounts kept in `database`.
    pub const fn new(database: Database) -> Self {
        Self(database)
    }
}

const TAKEN: &str = "an account with this e-mail address exists";

fn user_row(conn: &mut AnyConnection, id: UserId) -> Result<Option<UserRow>, Failure> {
    let row = users::table.find(id.to_string()).first::<UserRow>(conn);
    Ok(row.optional()?)
}

fn no_account() -> Failure {
    Error::NotFound("account").into()
}

/// Ends a session unless it ended before, and tells everybody.
fn revoke(
    unit: &mut Unit<'_>,
    session: SessionId,
    now: Timestamp,
    denied_until: Timestamp,
) -> Result<(), Failure> {
    let live = sessions::table
        .filter(sessions::id.eq(session.to_string()))
        .filter(sessions::revoked_at.is_null());
    let ended = diesel::update(live)
        .set((
            sessions::revoked_at.eq(now.micros()),
            sessions::denied_until.eq(denied_until.micros()),
        ))
        .execute(unit.conn)?;
    let event = Event::SessionRevoked { session, until: denied_until };
    if ended > 0 {
        unit.log(now, event);
    } else {
        unit.confirm(event);
    }
    Ok(())
}

fn insert_refresh(
    conn: &mut AnyConnection,
    hash: &str,
    session: &str,
    now: Timestamp,
) -> Result<(), Failure> {
    insert_into(refresh_tokens::table)
        .values((
            refresh_tokens::token_hash.eq(hash),
            refresh_tokens::session_id.eq(session),
            refresh_tokens::created_at.eq(now.micros()),
        ))
        .execute(conn)?;
    Ok(())
}

fn rotate(unit: &mut Unit<'_>, rotation: &Rotation) -> Result<Refreshed, Failure> {
    let Rotation { presented, next, repeat, now, denied_until } = rotation;
    let (now, denied_until) = (*now, *denied_until);
    let session_id: Option<String> = refresh_tokens::table
        .find(presented)
        .select(refresh_tokens::session_id)
        .first(unit.conn)
        .optional()?;
    let Some(session_id) = session_id else {
        return Ok(Refreshed::Refused);
    };
    // Writing the row, even as it was, holds it: two callers with one token, or a logout at the same
    // moment, come one after the other, and the second sees what the first did.
    let live = sessions::table
        .filter(sessions::id.eq(&session_id))
        .filter(sessions::revoked_at.is_null())
        .filter(sessions::expires_at.gt(now.micros()));
    let session: Option<SessionRow> = diesel::update(live)
        .set(sessions::expires_at.eq(sessions::expires_at))
        .returning(sessions::all_columns)
        .get_result(unit.conn)
        .optional()?;
    let Some(session) = session else {
        return Ok(Refreshed::Refused);
    };
    let unused = refresh_tokens::table
        .filter(refresh_tokens::token_hash.eq(presented))
        .filter(refresh_tokens::used_at.is_null());
    let used =
        diesel::update(unused).set(refresh_tokens::used_at.eq(now.micros())).execute(unit.conn)?;
    let sealed_next = match used {
        0 => repeatable(&session, rotation),
        _ => None,
    };
    if used == 0 && sealed_next.is_none() {
        revoke(unit, session.session()?, now, denied_until)?;
        return Ok(Refreshed::Replayed { session: session.session()? });
    }
    let user = user_row(unit.conn, stored("sessions.user_id", &session.user_id)?)?;
    let Some(account) = user.map(|row| row.account()).transpose()? else {
        return Ok(Refreshed::Refused);
    };
    if !account.is_active {
        return Ok(Refreshed::Refused);
    }
    if let Some(sealed_next) = sealed_next {
        return Ok(Refreshed::Repeated { session: session.session()?, account, sealed_next });
    }
    insert_refresh(unit.conn, next, &session.id, now)?;
    let repeat = repeat.as_ref();
    diesel::update(sessions::table.find(&session.id))
        .set((
            sessions::repeat_of.eq(repeat.map(|_| presented)),
            sessions::repeat_sealed.eq(repeat.map(|repeat| &repeat.sealed_next)),
            sessions::repeat_address.eq(repeat.map(|repeat| repeat.address.as_str())),
            sessions::repeat_until.eq(repeat.map(|repeat| repeat.until.micros())),
        ))
        .execute(unit.conn)?;
    Ok(Refreshed::Rotated {
        session: session.session()?,
        account,
        expires_at: Timestamp::from_micros(session.expires_at),
    })
}

/// The sealed successor of the presented token, if it is the last one that was used, and this is the
/// client that used it, in time.
fn repeatable(session: &SessionRow, rotation: &Rotation) -> Option<String> {
    let here = rotation.repeat.as_ref()?.address.as_str();
    let holds = session.repeat_of.as_deref() == Some(rotation.presented.as_str())
        && session.repeat_address.as_deref() == Some(here)
        && session.repeat_until.is_some_and(|until| rotation.now.micros() < until);
    session.repeat_sealed.clone().filter(|_| holds)
}

/// The account's row, held until the transaction ends: writing it, even as it was, does that.
fn held_user(conn: &mut AnyConnection, id: &str) -> Result<Option<UserRow>, Failure> {
    let row = diesel::update(users::table.find(id))
        .set(users::generation.eq(users::generation))
        .returning(users::all_columns)
        .get_result(conn);
    Ok(row.optional()?)
}

/// Ends every live session of a user. The raised generation refuses their access tokens, so that
/// sessions need no denial each.
fn end_sessions(conn: &mut AnyConnection, user: &str, now: Timestamp) -> Result<(), Failure> {
    let live =
        sessions::table.filter(sessions::user_id.eq(user)).filter(sessions::revoked_at.is_null());
    diesel::update(live).set(sessions::revoked_at.eq(now.micros())).execute(conn)?;
    Ok(())
}

fn promote(unit: &mut Unit<'_>, promotion: &Promotion) -> Result<Account, Failure> {
    let Promotion { email, password_hash, proof, now } = promotion;
    let promoted: Option<UserRow> = diesel::update(users::table)
        .filter(users::email.eq(email.as_str()))
        .filter(users::is_active)
        .set((
            users::role.eq(Role::Admin.as_str()),
            users::password_hash.eq(password_hash),
            users::generation.eq(users::generation + 1_i64),
            users::updated_at.eq(now.micros()),
        ))
        .returning(users::all_columns)
        .get_result(unit.conn)
        .optional()?;
    let account = promoted.ok_or_else(no_account)?.account()?;
    if *proof == AddressProof::Verified && !account.is_verified {
        return Err(Error::Forbidden("nobody has shown that this address is theirs").into());
    }
    let user = account.id.to_string();
    end_sessions(unit.conn, &user, *now)?;
    diesel::update(sessions::table.filter(sessions::user_id.eq(&user)))
        .set(sessions::address_digest.eq(None::<String>))
        .execute(unit.conn)?;
    let keys =
        api_keys::table.filter(api_keys::user_id.eq(&user)).filter(api_keys::revoked_at.is_null());
    diesel::update(keys).set(api_keys::revoked_at.eq(now.micros())).execute(unit.conn)?;
    unit.log(*now, Event::AccountChanged { user: account.id });
    unit.log(*now, Event::ApiKeysChanged);
    Ok(account)
}

#[async_trait]
impl AccountStore for Accounts {
    async fn create(&self, account: NewAccount) -> Result<Account> {
        self.0
            .write("account_create", move |unit| {
                let insert = insert_into(users::table).values((
                    users::id.eq(account.id.to_string()),
                    users::email.eq(account.email.as_str()),
                    users::full_name.eq(account.full_name.as_str()),
                    users::password_hash.eq(&account.password_hash),
                    users::tier.eq(account.tier.as_str()),
                    users::role.eq(account.role.as_str()),
                    users::is_active.eq(true),
                    users::is_verified.eq(false),
                    users::generation.eq(0_i64),
                    users::created_at.eq(account.created_at.micros()),
                    users::updated_at.eq(account.created_at.micros()),
                ));
                let row: UserRow = unique_as(
                    insert.returning(users::all_columns).get_result(unit.conn),
                    ConflictKind::EmailTaken,
                    TAKEN,
                )?;
                Ok(row.account()?)
            })
            .await
    }

    async fn credentials(&self, email: &Email) -> Result<Option<(Account, String)>> {
        let email = email.clone();
        self.0
            .read("account_credentials", move |conn| {
                let row: Option<UserRow> =
                    users::table.filter(users::email.eq(email.as_str())).first(conn).optional()?;
                Ok(row
                    .map(|row| row.account().map(|account| (account, row.password_hash)))
                    .transpose()?)
            })
            .await
    }

    async fn account(&self, id: UserId) -> Result<Option<Account>> {
        self.0
            .read("account_find", move |conn| {
                Ok(user_row(conn, id)?.map(|row| row.account()).transpose()?)
            })
            .await
    }

    async fn state(&self, id: UserId) -> Result<Option<AccountState>> {
        self.0
            .read("account_standing", move |conn| {
                let row: Option<(String, String, bool, i64)> = users::table
                    .find(id.to_string())
                    .select((users::tier, users::role, users::is_active, users::generation))
                    .first(conn)
                    .optional()?;
                let Some((tier, role, is_active, generation)) = row else {
                    return Ok(None);
                };
                Ok(Some(AccountState {
                    tier: stored("users.tier", &tier)?,
                    role: stored("users.role", &role)?,
                    is_active,
                    generation,
                }))
            })
            .await
    }

    async fn update_profile(
        &self,
        id: UserId,
        change: ProfileChange,
        now: Timestamp,
    ) -> Result<Account> {
        self.0
            .write("account_update_profile", move |unit| {
                let row = held_user(unit.conn, &id.to_string())?.ok_or_else(no_account)?;
                let old = row.account()?;
                let full_name = change.full_name.as_ref().unwrap_or(&old.full_name);
                let email = match &change.email {
                    Some(change) if change.proved_by != row.password_hash => {
                        return Err(Error::Forbidden("the current password is wrong").into());
                    }
                    Some(change) => &change.email,
                    None => &old.email,
                };
                // The same address again is no other address: it stays verified.
                let is_verified = old.is_verified && *email == old.email;
                let update = diesel::update(users::table.find(id.to_string())).set((
                    users::full_name.eq(full_name.as_str()),
                    users::email.eq(email.as_str()),
                    users::is_verified.eq(is_verified),
                    users::updated_at.eq(now.micros()),
                ));
                let row: UserRow = unique_as(
                    update.returning(users::all_columns).get_result(unit.conn),
                    ConflictKind::EmailTaken,
                    TAKEN,
                )?;
                unit.log(now, Event::AccountChanged { user: id });
                Ok(row.account()?)
            })
            .await
    }

    async fn upgrade_hash(&self, id: UserId, old_hash: &str, new_hash: &str) -> Result<()> {
        let (old_hash, new_hash) = (old_hash.to_owned(), new_hash.to_owned());
        self.0
            .write("account_upgrade_hash", move |unit| {
                let unchanged = users::table
                    .filter(users::id.eq(id.to_string()))
                    .filter(users::password_hash.eq(&old_hash));
                diesel::update(unchanged)
                    .set(users::password_hash.eq(&new_hash))
                    .execute(unit.conn)?;
                Ok(())
            })
            .await
    }

    async fn set_standing(
        &self,
        id: UserId,
        tier: Tier,
        role: Role,
        now: Timestamp,
    ) -> Result<Account> {
        self.0
            .write("account_set_standing", move |unit| {
                let row: Option<UserRow> = diesel::update(users::table.find(id.to_string()))
                    .set((
                        users::tier.eq(tier.as_str()),
                        users::role.eq(role.as_str()),
                        users::updated_at.eq(now.micros()),
                    ))
                    .returning(users::all_columns)
                    .get_result(unit.conn)
                    .optional()?;
                let account = row.ok_or_else(no_account)?.account()?;
                unit.log(now, Event::AccountChanged { user: id });
                Ok(account)
            })
            .await
    }

    async fn promote(&self, promotion: Promotion) -> Result<Account> {
        self.0.write("account_promote", move |unit| promote(unit, &promotion)).await
    }

    async fn count_admins(&self) -> Result<u32> {
        self.0
            .read("account_count_admins", |conn| {
                let count: i64 = users::table
                    .filter(users::role.eq(Role::Admin.as_str()).and(users::is_active))
                    .count()
                    .get_result(conn)?;
                Ok(u32::try_from(count).unwrap_or(u32::MAX))
            })
            .await
    }

    async fn open_session(&self, session: NewSession) -> Result<()> {
        self.0
            .write("session_open", move |unit| {
                let id = session.id.to_string();
                let user = held_user(unit.conn, &session.user.to_string())?;
                let user = user.ok_or_else(no_account)?.account()?;
                if !user.is_active || user.generation != session.generation {
                    return Err(Error::Unauthenticated("the account changed; sign in again").into());
                }
                insert_into(sessions::table)
                    .values((
                        sessions::id.eq(&id),
                        sessions::user_id.eq(session.user.to_string()),
                        sessions::address_digest
                            .eq(session.address.as_ref().map(AddressDigest::as_str)),
                        sessions::created_at.eq(session.created_at.micros()),
                        sessions::expires_at.eq(session.expires_at.micros()),
                    ))
                    .execute(unit.conn)?;
                insert_refresh(unit.conn, &session.refresh_hash, &id, session.created_at)
            })
            .await
    }

    async fn has_signed_in_from(&self, email: &Email, address: &AddressDigest) -> Result<bool> {
        let (email, address) = (email.clone(), address.clone());
        self.0
            .read("session_from_address", move |conn| {
                let known = sessions::table
                    .inner_join(users::table)
                    .filter(users::email.eq(email.as_str()))
                    .filter(sessions::address_digest.eq(address.as_str()));
                Ok(select(exists(known)).get_result(conn)?)
            })
            .await
    }

    async fn session_of_refresh(&self, token_hash: &str) -> Result<Option<SessionId>> {
        let token_hash = token_hash.to_owned();
        self.0
            .read("session_of_refresh", move |conn| {
                let found: Option<String> = refresh_tokens::table
                    .find(&token_hash)
                    .select(refresh_tokens::session_id)
                    .first(conn)
                    .optional()?;
                Ok(found.map(|id| stored("refresh_tokens.session_id", &id)).transpose()?)
            })
            .await
    }

    async fn rotate_refresh(&self, rotation: Rotation) -> Result<Refreshed> {
        self.0.write("session_rotate", move |unit| rotate(unit, &rotation)).await
    }

    async fn revoke_session(
        &self,
        session: SessionId,
        now: Timestamp,
        denied_until: Timestamp,
    ) -> Result<()> {
        self.0.write("session_revoke", move |unit| revoke(unit, session, now, denied_until)).await
    }

    async fn revoke_all(&self, user: UserId, now: Timestamp) -> Result<i64> {
        self.0
            .write("session_revoke_all", move |unit| {
                let generation: Option<i64> = diesel::update(users::table.find(user.to_string()))
                    .set((
                        users::generation.eq(users::generation + 1_i64),
                        users::updated_at.eq(now.micros()),
                    ))
                    .returning(users::generation)
                    .get_result(unit.conn)
                    .optional()?;
                let generation = generation.ok_or_else(no_account)?;
                end_sessions(unit.conn, &user.to_string(), now)?;
                unit.log(now, Event::AccountChanged { user });
                Ok(generation)
            })
            .await
    }

    async fn revoke_everybody(&self, now: Timestamp) -> Result<u64> {
        self.0
            .write("session_revoke_everybody", move |unit| {
                let users = diesel::update(users::table)
                    .set((
                        users::generation.eq(users::generation + 1_i64),
                        users::updated_at.eq(now.micros()),
                    ))
                    .execute(unit.conn)?;
                diesel::update(sessions::table.filter(sessions::revoked_at.is_null()))
                    .set(sessions::revoked_at.eq(now.micros()))
                    .execute(unit.conn)?;
                unit.log(now, Event::EverybodySignedOut);
                Ok(users as u64)
            })
            .await
    }

    async fn revoked_sessions(&self, now: Timestamp, limit: u32) -> Result<Vec<RevokedSession>> {
        let unreadable = self.0.unreadable();
        self.0
            .read("session_revoked", move |conn| {
                let rows: Vec<(String, Option<i64>)> = sessions::table
                    .filter(sessions::denied_until.gt(now.micros()))
                    .order((sessions::denied_until.desc(), sessions::id.asc()))
                    .limit(limit.into())
                    .select((sessions::id, sessions::denied_until))
                    .load(conn)?;
                // No token carries an id that cannot be read.
                let revoked = rows.into_iter().filter_map(|(id, until)| {
                    let session = stored("sessions.id", &id);
                    Some(RevokedSession {
                        session: unreadable.leave_out("sessions", id, session)?,
                        until: Timestamp::from_micros(until?),
                    })
                });
                Ok(revoked.collect())
            })
            .await
    }
}
