//! Users, their sign-ins and their refresh tokens.

mod deletion;
mod import;
pub(crate) mod mail_tokens;
pub(crate) mod roles;
pub(crate) mod session_rows;
pub(crate) mod tiers;
pub(crate) mod user_rows;

use alpine_domain::{
    Error, Result, Timestamp,
    account::{
        Account, AccountState, AccountStore, AddressDigest, AddressProof, ApiKeyId, Email,
        MailPurpose, MailToken, NewAccount, NewSession, PasswordChange, PasswordReset,
        ProfileChange, Promotion, Refreshed, RevokedSession, Role, Rotation, SessionId,
        SessionSummary, SignOut, Tier, UserId, WRONG_PASSWORD,
    },
    audit::{Action, Entry, tier_and_role_changed},
    error::ConflictKind,
    event::Event,
    notification::NewNotification,
};
use async_trait::async_trait;
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, JoinOnDsl as _, OptionalExtension as _,
    QueryDsl as _, RunQueryDsl as _,
    dsl::{exists, insert_into, select},
};

use self::{
    session_rows::{list, open, revoke, revoke_own, rotate},
    user_rows::{everybody, held_user, no_account, user_row, written},
};
use crate::{
    AnyConnection, Database, Failure,
    api_keys::not_ended,
    database::Unit,
    dialect::held_everybody,
    failure::unique_as,
    rollups::causes::count_new,
    rows::{UserRow, stored},
    schema::{api_keys, database_identity, refresh_tokens, sessions, users},
    second_factors,
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

pub(crate) const TAKEN: &str = "an account with this e-mail address exists";

fn promote(unit: &mut Unit<'_>, promotion: &Promotion) -> Result<Account, Failure> {
    let Promotion { email, password_hash, proof, now } = promotion;
    let everybody = held_everybody(unit.conn)?;
    let promoted: Option<UserRow> = diesel::update(users::table)
        .filter(users::email.eq(email.as_str()))
        .filter(users::is_active)
        .set((
            users::role.eq(Role::Admin.as_str()),
            users::password_hash.eq(password_hash),
            users::generation.eq(users::generation + 1_i64),
            users::signed_out_at.eq(now.micros()),
            users::addresses_from.eq(users::generation + 1_i64 + everybody),
            users::updated_at.eq(now.micros()),
        ))
        .returning(users::all_columns)
        .get_result(unit.conn)
        .optional()?;
    let account = promoted.ok_or_else(no_account)?.account(everybody)?;
    if *proof == AddressProof::Verified && !account.is_verified {
        return Err(Error::Forbidden("nobody has shown that this address is theirs").into());
    }
    mail_tokens::forget(unit.conn, account.id)?;
    second_factors::remove(unit.conn, account.id)?;
    unit.audit(Entry::new(*now, Action::AdminPromoted).on(account.id));
    unit.log(*now, Event::AccountChanged { user: account.id });
    // Those that have expired are over by their generation, also if the clock goes back.
    revoke_keys(unit, account.id, *now)?;
    Ok(account)
}

/// Ends the live API keys of a user: as many as a user may have.
fn revoke_keys(unit: &mut Unit<'_>, user: UserId, now: Timestamp) -> Result<(), Failure> {
    let keys =
        api_keys::table.filter(api_keys::user_id.eq(user.to_string())).filter(not_ended(now));
    let ended: Vec<String> = diesel::update(keys)
        .set(api_keys::revoked_at.eq(now.micros()))
        .returning(api_keys::id)
        .get_results(unit.conn)?;
    for id in ended {
        let key: ApiKeyId = stored("api_keys.id", &id)?;
        unit.audit(Entry::new(now, Action::ApiKeyRevoked).on(key).with(format!("of user {user}")));
    }
    unit.log(now, Event::ApiKeysChanged);
    Ok(())
}

/// Makes an account, and adds what follows from it.
pub(crate) fn insert_account(
    unit: &mut Unit<'_>,
    account: &NewAccount,
    is_verified: bool,
) -> Result<Account, Failure> {
    let insert = insert_into(users::table).values((
        users::id.eq(account.id.to_string()),
        users::email.eq(account.email.as_str()),
        users::full_name.eq(account.full_name.as_str()),
        users::password_hash.eq(&account.password_hash),
        users::tier.eq(account.tier.as_str()),
        users::role.eq(account.role.as_str()),
        users::is_active.eq(true),
        users::is_verified.eq(is_verified),
        users::generation.eq(0_i64),
        users::created_at.eq(account.created_at.micros()),
        users::updated_at.eq(account.created_at.micros()),
    ));
    let row: UserRow = unique_as(
        insert.returning(users::all_columns).get_result(unit.conn),
        ConflictKind::EmailTaken,
        TAKEN,
    )?;
    count_new(unit, account.tier, account.created_at);
    let entry = Entry::new(account.created_at, Action::AccountCreated);
    unit.audit(entry.on(account.id).by(account.id).with(account.role.as_str()));
    if let Some(job) = &account.welcome {
        unit.enqueue(job)?;
    }
    written(unit.conn, &row)
}

fn change_password(unit: &mut Unit<'_>, change: &PasswordChange) -> Result<Account, Failure> {
    let PasswordChange { user, proved_by, password_hash, now } = change;
    let row = held_user(unit.conn, &user.to_string())?.ok_or_else(no_account)?;
    if row.password_hash != *proved_by {
        return Err(Error::Forbidden(WRONG_PASSWORD).into());
    }
    let row: UserRow = diesel::update(users::table.find(user.to_string()))
        .set((
            users::password_hash.eq(password_hash),
            users::generation.eq(users::generation + 1_i64),
            users::signed_out_at.eq(now.micros()),
            users::updated_at.eq(now.micros()),
        ))
        .returning(users::all_columns)
        .get_result(unit.conn)?;
    mail_tokens::forget_ways_in(unit.conn, *user)?;
    unit.audit(Entry::new(*now, Action::PasswordChanged).on(*user));
    unit.notify(&NewNotification::password_changed(*user, *now))?;
    unit.log(*now, Event::AccountChanged { user: *user });
    written(unit.conn, &row)
}

#[async_trait]
impl AccountStore for Accounts {
    async fn create(&self, account: NewAccount) -> Result<Account> {
        self.0.write("account_create", move |unit| insert_account(unit, &account, false)).await
    }

    async fn credentials(&self, email: &Email) -> Result<Option<(Account, String)>> {
        let email = email.clone();
        self.0
            .read("account_credentials", move |conn| {
                let found: Option<(UserRow, i64)> = users::table
                    .inner_join(database_identity::table.on(database_identity::is_only))
                    .filter(users::email.eq(email.as_str()))
                    .select((users::all_columns, database_identity::generation))
                    .first(conn)
                    .optional()?;
                let Some((row, everybody)) = found else { return Ok(None) };
                Ok(Some((row.account(everybody)?, row.password_hash)))
            })
            .await
    }

    async fn account(&self, id: UserId) -> Result<Option<Account>> {
        self.0
            .read("account_find", move |conn| {
                let found = user_row(conn, id)?;
                Ok(found.map(|(row, everybody)| row.account(everybody)).transpose()?)
            })
            .await
    }

    async fn state(&self, id: UserId) -> Result<Option<AccountState>> {
        self.0
            .read("account_state", move |conn| {
                let generation = users::generation + database_identity::generation;
                let row: Option<(String, String, bool, i64)> = users::table
                    .inner_join(database_identity::table.on(database_identity::is_only))
                    .filter(users::id.eq(id.to_string()))
                    .select((users::tier, users::role, users::is_active, generation))
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
                let old = written(unit.conn, &row)?;
                let full_name = change.full_name.as_ref().unwrap_or(&old.full_name);
                let email = match &change.email {
                    Some(change) if change.proved_by != row.password_hash => {
                        return Err(Error::Forbidden(WRONG_PASSWORD).into());
                    }
                    Some(change) => &change.email,
                    None => &old.email,
                };
                // The same address again is no other address: it stays verified.
                let is_verified = old.is_verified && *email == old.email;
                if *email != old.email {
                    // It was sent to the old one.
                    mail_tokens::forget(unit.conn, id)?;
                }
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
                if *full_name != old.full_name {
                    unit.audit(Entry::new(now, Action::ProfileChanged).on(id));
                }
                if *email != old.email {
                    unit.audit(Entry::new(now, Action::EmailChanged).on(id));
                }
                unit.log(now, Event::AccountChanged { user: id });
                written(unit.conn, &row)
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

    async fn set_tier_and_role(
        &self,
        id: UserId,
        tier: Tier,
        role: Role,
        now: Timestamp,
    ) -> Result<Account> {
        self.0
            .write("account_set_tier_and_role", move |unit| {
                let row = held_user(unit.conn, &id.to_string())?.ok_or_else(no_account)?;
                let old = written(unit.conn, &row)?;
                let row: UserRow = diesel::update(users::table.find(id.to_string()))
                    .set((
                        users::tier.eq(tier.as_str()),
                        users::role.eq(role.as_str()),
                        users::updated_at.eq(now.micros()),
                    ))
                    .returning(users::all_columns)
                    .get_result(unit.conn)?;
                let account = written(unit.conn, &row)?;
                for entry in tier_and_role_changed(&old, tier, role, now) {
                    unit.audit(entry);
                }
                tiers::changed(unit, &old, tier, now)?;
                unit.log(now, Event::AccountChanged { user: id });
                Ok(account)
            })
            .await
    }

    async fn promote(&self, promotion: Promotion) -> Result<Account> {
        self.0.write("account_promote", move |unit| promote(unit, &promotion)).await
    }

    async fn change_role(&self, id: UserId, role: Role, now: Timestamp) -> Result<Account> {
        self.0.write("account_change_role", move |unit| roles::change(unit, id, role, now)).await
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
        self.0.write("session_open", move |unit| open(unit, &session)).await
    }

    async fn has_signed_in_from(&self, email: &Email, address: &AddressDigest) -> Result<bool> {
        let (email, address) = (email.clone(), address.clone());
        self.0
            .read("session_from_address", move |conn| {
                let known = sessions::table
                    .inner_join(users::table)
                    .filter(users::email.eq(email.as_str()))
                    .filter(sessions::address_digest.eq(address.as_str()))
                    .filter(sessions::generation.ge(users::addresses_from));
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
        self.0
            .write("session_revoke", move |unit| {
                if revoke(unit, session, now, denied_until)? {
                    unit.audit(Entry::new(now, Action::SignOut).on(session));
                }
                Ok(())
            })
            .await
    }

    async fn sessions(
        &self,
        user: UserId,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<SessionSummary>> {
        let unreadable = self.0.unreadable();
        self.0
            .read("session_list", move |conn| {
                let rows = list(conn, user, now, limit)?;
                let readable = rows.into_iter().filter_map(|row| {
                    unreadable.leave_out("sessions", row.id.clone(), row.summary())
                });
                Ok(readable.collect())
            })
            .await
    }

    async fn revoke_own_session(
        &self,
        user: UserId,
        session: SessionId,
        now: Timestamp,
        denied_until: Timestamp,
    ) -> Result<()> {
        self.0
            .write("session_revoke_own", move |unit| {
                revoke_own(unit, user, session, now, denied_until)
            })
            .await
    }

    async fn change_password(&self, change: PasswordChange) -> Result<Account> {
        self.0.write("account_change_password", move |unit| change_password(unit, &change)).await
    }

    async fn put_mail_token(&self, token: MailToken) -> Result<bool> {
        self.0.write("mail_token_put", move |unit| mail_tokens::put(unit.conn, &token)).await
    }

    async fn mail_token_account(
        &self,
        purpose: MailPurpose,
        token_hash: &str,
        now: Timestamp,
    ) -> Result<Option<Account>> {
        let token_hash = token_hash.to_owned();
        let work =
            move |conn: &mut AnyConnection| mail_tokens::account(conn, purpose, &token_hash, now);
        self.0.read("mail_token_account", work).await
    }

    async fn take_sign_in_token(
        &self,
        token_hash: &str,
        now: Timestamp,
    ) -> Result<Option<Account>> {
        let token_hash = token_hash.to_owned();
        let work = move |unit: &mut Unit<'_>| mail_tokens::take_sign_in(unit, &token_hash, now);
        self.0.write("sign_in_token_take", work).await
    }

    async fn reset_password(&self, reset: PasswordReset) -> Result<bool> {
        self.0.write("password_reset", move |unit| mail_tokens::reset(unit, &reset)).await
    }

    async fn verify_email(&self, token_hash: &str, now: Timestamp) -> Result<bool> {
        let token_hash = token_hash.to_owned();
        self.0.write("email_verify", move |unit| mail_tokens::verify(unit, &token_hash, now)).await
    }

    async fn revoke_all(&self, user: UserId, ended: SignOut, now: Timestamp) -> Result<i64> {
        self.0
            .write("session_revoke_all", move |unit| {
                let generation: Option<i64> = diesel::update(users::table.find(user.to_string()))
                    .set((
                        users::generation.eq(users::generation + 1_i64),
                        users::signed_out_at.eq(now.micros()),
                        users::updated_at.eq(now.micros()),
                    ))
                    .returning(users::generation)
                    .get_result(unit.conn)
                    .optional()?;
                let generation = generation.ok_or_else(no_account)?;
                mail_tokens::forget_ways_in(unit.conn, user)?;
                unit.audit(Entry::new(now, Action::SignOutEverywhere).on(user));
                unit.log(now, Event::AccountChanged { user });
                if ended == SignOut::SessionsAndKeys {
                    revoke_keys(unit, user, now)?;
                }
                Ok(generation + everybody(unit.conn)?)
            })
            .await
    }

    async fn revoke_everybody(&self, now: Timestamp) -> Result<()> {
        self.0
            .write("session_revoke_everybody", move |unit| {
                diesel::update(database_identity::table)
                    .set(database_identity::generation.eq(database_identity::generation + 1_i64))
                    .execute(unit.conn)?;
                unit.audit(Entry::new(now, Action::SignOutEverybody));
                unit.log(now, Event::EverybodySignedOut);
                Ok(())
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
