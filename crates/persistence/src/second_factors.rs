//! Second factors: secrets, backup codes, and what is open between a password and a code.

use alpine_domain::{
    Error, Result, Timestamp,
    account::{
        ActiveFactor, Challenge, FactorChange, FactorEnabling, FactorProof, FactorSignIn,
        FactorState, NewChallenge, PendingFactor, SecondFactorStore, SpentOn, UserId,
        WRONG_PASSWORD,
    },
    audit::{Action, Entry},
};
use async_trait::async_trait;
use diesel::{
    ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, RunQueryDsl as _,
    dsl::insert_into, prelude::Queryable,
};

use crate::{
    AnyConnection, Database, Failure,
    accounts::{
        session_rows::open,
        user_rows::{held_user, no_account, user_row},
    },
    database::Unit,
    rows::{UserRow, instant, stored},
    schema::{backup_codes, second_factors, sign_in_challenges},
};

/// The second factors of one database.
#[derive(Clone)]
pub struct SecondFactors(Database);

impl SecondFactors {
    /// The second factors kept in `database`.
    pub const fn new(database: Database) -> Self {
        Self(database)
    }
}

#[derive(Queryable)]
struct FactorRow {
    user_id: String,
    secret: Option<String>,
    last_step: i64,
    enabled_at: Option<i64>,
    pending_secret: Option<String>,
    pending_codes: Option<String>,
    pending_until: Option<i64>,
}

impl FactorRow {
    fn active(&self, conn: &mut AnyConnection) -> Result<Option<ActiveFactor>, Failure> {
        let Some((secret, enabled_at)) = self.secret.as_ref().zip(self.enabled_at) else {
            return Ok(None);
        };
        // As many as were made at once, at most.
        let left: i64 = backup_codes::table
            .filter(backup_codes::user_id.eq(&self.user_id))
            .count()
            .get_result(conn)?;
        Ok(Some(ActiveFactor {
            secret: secret.clone(),
            last_step: self.last_step,
            enabled_at: instant("second_factors.enabled_at", enabled_at)?,
            codes_left: u32::try_from(left).unwrap_or(u32::MAX),
        }))
    }

    fn pending(&self, now: Timestamp) -> Result<Option<PendingFactor>> {
        let Some((secret, until)) = self.pending_secret.as_ref().zip(self.pending_until) else {
            return Ok(None);
        };
        let codes = self.pending_codes.as_deref().unwrap_or_default();
        let pending = PendingFactor {
            secret: secret.clone(),
            codes: codes.split_whitespace().map(str::to_owned).collect(),
            expires_at: instant("second_factors.pending_until", until)?,
        };
        Ok(Some(pending).filter(|pending| now < pending.expires_at))
    }
}

fn row(conn: &mut AnyConnection, user: &str) -> Result<Option<FactorRow>, Failure> {
    Ok(second_factors::table.find(user).first(conn).optional()?)
}

/// The user's row, held, if the account has the password that was proved.
fn held(conn: &mut AnyConnection, user: &str, proved_by: Option<&str>) -> Result<UserRow, Failure> {
    let row = held_user(conn, user)?.ok_or_else(no_account)?;
    if proved_by.is_some_and(|hash| hash != row.password_hash) {
        return Err(Error::Forbidden(WRONG_PASSWORD).into());
    }
    Ok(row)
}

/// Takes everything of a second factor away. The user's row is held.
pub(crate) fn remove(conn: &mut AnyConnection, user: UserId) -> Result<bool, Failure> {
    let user = user.to_string();
    let challenges = sign_in_challenges::table.filter(sign_in_challenges::user_id.eq(&user));
    diesel::delete(challenges).execute(conn)?;
    diesel::delete(backup_codes::table.filter(backup_codes::user_id.eq(&user))).execute(conn)?;
    let was_active = row(conn, &user)?.is_some_and(|row| row.secret.is_some());
    diesel::delete(second_factors::table.find(&user)).execute(conn)?;
    Ok(was_active)
}

fn put_pending(
    conn: &mut AnyConnection,
    user: UserId,
    pending: &PendingFactor,
) -> Result<bool, Failure> {
    let user = user.to_string();
    held(conn, &user, None)?;
    if row(conn, &user)?.is_some_and(|row| row.secret.is_some()) {
        return Ok(false);
    }
    diesel::delete(second_factors::table.find(&user)).execute(conn)?;
    insert_into(second_factors::table)
        .values((
            second_factors::user_id.eq(&user),
            second_factors::last_step.eq(0_i64),
            second_factors::pending_secret.eq(&pending.secret),
            second_factors::pending_codes.eq(pending.codes.join(" ")),
            second_factors::pending_until.eq(pending.expires_at.micros()),
        ))
        .execute(conn)?;
    Ok(true)
}

fn insert_codes(conn: &mut AnyConnection, user: &str, codes: &[String]) -> Result<(), Failure> {
    for code in codes {
        insert_into(backup_codes::table)
            .values((backup_codes::user_id.eq(user), backup_codes::code_hash.eq(code)))
            .execute(conn)?;
    }
    Ok(())
}

fn enable(unit: &mut Unit<'_>, enabling: &FactorEnabling) -> Result<bool, Failure> {
    let FactorEnabling { user: id, proved_by, secret, step, now } = enabling;
    let (user, conn) = (id.to_string(), &mut *unit.conn);
    held(conn, &user, Some(proved_by))?;
    let Some(row) = row(conn, &user)?.filter(|row| row.secret.is_none()) else { return Ok(false) };
    let Some(pending) = row.pending(*now)?.filter(|pending| pending.secret == *secret) else {
        return Ok(false);
    };
    diesel::update(second_factors::table.find(&user))
        .set((
            second_factors::secret.eq(secret),
            second_factors::last_step.eq(step),
            second_factors::enabled_at.eq(now.micros()),
            second_factors::pending_secret.eq(None::<String>),
            second_factors::pending_codes.eq(None::<String>),
            second_factors::pending_until.eq(None::<i64>),
        ))
        .execute(conn)?;
    insert_codes(conn, &user, &pending.codes)?;
    unit.audit(Entry::new(*now, Action::SecondFactorOn).on(*id));
    Ok(true)
}

/// Uses up a code; false if it is none, or was used before. The user's row is held.
fn spend(conn: &mut AnyConnection, user: &str, proof: &FactorProof) -> Result<bool, Failure> {
    let changed = match proof {
        FactorProof::Step { secret, step, resealed } => {
            let unused = second_factors::table
                .filter(second_factors::user_id.eq(user))
                .filter(second_factors::secret.eq(secret))
                .filter(second_factors::last_step.lt(step));
            diesel::update(unused)
                .set((
                    second_factors::last_step.eq(step),
                    second_factors::secret.eq(resealed.as_ref().unwrap_or(secret)),
                ))
                .execute(conn)?
        }
        FactorProof::Backup(hash) => {
            diesel::delete(backup_codes::table.find((user, hash))).execute(conn)?
        }
    };
    Ok(changed == 1)
}

fn change(unit: &mut Unit<'_>, change: &FactorChange) -> Result<bool, Failure> {
    let FactorChange { user, proved_by, proof, spent_on, now } = change;
    let (id, conn) = (user.to_string(), &mut *unit.conn);
    held(conn, &id, proved_by.as_deref())?;
    if !spend(conn, &id, proof)? {
        return Ok(false);
    }
    match spent_on {
        SpentOn::Trying => {}
        SpentOn::Codes(codes) => {
            let old = backup_codes::table.filter(backup_codes::user_id.eq(&id));
            diesel::delete(old).execute(conn)?;
            insert_codes(conn, &id, codes)?;
            unit.audit(Entry::new(*now, Action::BackupCodesRenewed).on(*user));
        }
        SpentOn::Disabling => {
            remove(conn, *user)?;
            unit.audit(Entry::new(*now, Action::SecondFactorOff).on(*user));
        }
    }
    Ok(true)
}

fn put_challenge(conn: &mut AnyConnection, challenge: &NewChallenge) -> Result<(), Failure> {
    let NewChallenge { token_hash, user, generation, created_at, expires_at } = challenge;
    let user = user.to_string();
    held(conn, &user, None)?;
    let ended = sign_in_challenges::table
        .filter(sign_in_challenges::user_id.eq(&user))
        .filter(sign_in_challenges::expires_at.le(created_at.micros()));
    diesel::delete(ended).execute(conn)?;
    insert_into(sign_in_challenges::table)
        .values((
            sign_in_challenges::token_hash.eq(token_hash),
            sign_in_challenges::user_id.eq(&user),
            sign_in_challenges::generation.eq(generation),
            sign_in_challenges::tries.eq(0_i64),
            sign_in_challenges::created_at.eq(created_at.micros()),
            sign_in_challenges::expires_at.eq(expires_at.micros()),
        ))
        .execute(conn)?;
    Ok(())
}

/// The user and the generation of a challenge that has not ended, and of which fewer than `most` codes were
/// tried.
fn open_row(
    conn: &mut AnyConnection,
    token_hash: &str,
    now: Timestamp,
    most: u32,
) -> Result<Option<(String, i64)>, Failure> {
    let row = sign_in_challenges::table
        .filter(sign_in_challenges::token_hash.eq(token_hash))
        .filter(sign_in_challenges::expires_at.gt(now.micros()))
        .filter(sign_in_challenges::tries.lt(i64::from(most)))
        .select((sign_in_challenges::user_id, sign_in_challenges::generation))
        .first(conn);
    Ok(row.optional()?)
}

/// What the row of an open challenge stands for, unless its account changed.
fn challenge(
    conn: &mut AnyConnection,
    found: Option<(String, i64)>,
) -> Result<Option<Challenge>, Failure> {
    let Some((user, generation)) = found else { return Ok(None) };
    let owner = user_row(conn, stored("sign_in_challenges.user_id", &user)?)?;
    let Some((owner, everybody)) = owner else { return Ok(None) };
    let account = owner.account(everybody)?;
    if !account.is_active || account.generation != generation {
        return Ok(None);
    }
    let Some(row) = row(conn, &user)? else { return Ok(None) };
    Ok(row.active(conn)?.map(|factor| Challenge { account, factor }))
}

/// One statement, so that of many at once no more than `most` are counted.
fn count_try(
    conn: &mut AnyConnection,
    token_hash: &str,
    now: Timestamp,
    most: u32,
) -> Result<Option<(String, i64)>, Failure> {
    let tried = sign_in_challenges::table
        .filter(sign_in_challenges::token_hash.eq(token_hash))
        .filter(sign_in_challenges::expires_at.gt(now.micros()))
        .filter(sign_in_challenges::tries.lt(i64::from(most)));
    let row = diesel::update(tried)
        .set(sign_in_challenges::tries.eq(sign_in_challenges::tries + 1_i64))
        .returning((sign_in_challenges::user_id, sign_in_challenges::generation))
        .get_result(conn);
    Ok(row.optional()?)
}

fn sign_in(unit: &mut Unit<'_>, sign_in: &FactorSignIn) -> Result<bool, Failure> {
    let FactorSignIn { token_hash, proof, session } = sign_in;
    let (user, conn) = (session.user.to_string(), &mut *unit.conn);
    held(conn, &user, None)?;
    if !spend(conn, &user, proof)? {
        return Ok(false);
    }
    let challenge = sign_in_challenges::table
        .filter(sign_in_challenges::token_hash.eq(token_hash))
        .filter(sign_in_challenges::user_id.eq(&user));
    if diesel::delete(challenge).execute(conn)? == 0 {
        return Err(Error::Unauthenticated("signed in already, or too late; sign in again").into());
    }
    open(unit, session)?;
    Ok(true)
}

#[async_trait]
impl SecondFactorStore for SecondFactors {
    async fn factor(&self, user: UserId, now: Timestamp) -> Result<FactorState> {
        self.0
            .read("second_factor_find", move |conn| {
                let Some(row) = row(conn, &user.to_string())? else {
                    return Ok(FactorState::default());
                };
                Ok(FactorState { active: row.active(conn)?, pending: row.pending(now)? })
            })
            .await
    }

    async fn put_pending(&self, user: UserId, pending: PendingFactor) -> Result<bool> {
        let work = move |conn: &mut AnyConnection| put_pending(conn, user, &pending);
        self.0.write("second_factor_put_pending", move |unit| work(unit.conn)).await
    }

    async fn enable(&self, enabling: FactorEnabling) -> Result<bool> {
        self.0.write("second_factor_enable", move |unit| enable(unit, &enabling)).await
    }

    async fn change(&self, asked: FactorChange) -> Result<bool> {
        self.0.write("second_factor_change", move |unit| change(unit, &asked)).await
    }

    async fn remove(&self, user: UserId, now: Timestamp) -> Result<bool> {
        self.0
            .write("second_factor_remove", move |unit| {
                held(unit.conn, &user.to_string(), None)?;
                let was_on = remove(unit.conn, user)?;
                if was_on {
                    unit.audit(Entry::new(now, Action::SecondFactorOff).on(user));
                }
                Ok(was_on)
            })
            .await
    }

    async fn challenge(&self, challenge: NewChallenge) -> Result<()> {
        self.0.write("challenge_put", move |unit| put_challenge(unit.conn, &challenge)).await
    }

    async fn open_challenge(
        &self,
        token_hash: &str,
        now: Timestamp,
        most: u32,
        counts: bool,
    ) -> Result<Option<Challenge>> {
        let token_hash = token_hash.to_owned();
        if counts {
            let work = move |conn: &mut AnyConnection| {
                let tried = count_try(conn, &token_hash, now, most)?;
                challenge(conn, tried)
            };
            return self.0.write("challenge_try", move |unit| work(unit.conn)).await;
        }
        self.0
            .read("challenge_find", move |conn| {
                let open = open_row(conn, &token_hash, now, most)?;
                challenge(conn, open)
            })
            .await
    }

    async fn sign_in(&self, asked: FactorSignIn) -> Result<bool> {
        self.0.write("challenge_sign_in", move |unit| sign_in(unit, &asked)).await
    }

    async fn sealed(&self, after: Option<UserId>, limit: u32) -> Result<Vec<(UserId, String)>> {
        let after = after.map(|user| user.to_string()).unwrap_or_default();
        self.0
            .read("second_factor_sealed", move |conn| {
                let rows: Vec<(String, Option<String>)> = second_factors::table
                    .filter(second_factors::user_id.gt(&after))
                    .filter(second_factors::secret.is_not_null())
                    .order(second_factors::user_id)
                    .limit(limit.into())
                    .select((second_factors::user_id, second_factors::secret))
                    .load(conn)?;
                let sealed = rows.into_iter().filter_map(|(user, secret)| {
                    let secret = secret?;
                    Some(stored("second_factors.user_id", &user).map(|user| (user, secret)))
                });
                Ok(sealed.collect::<Result<Vec<_>>>()?)
            })
            .await
    }

    async fn reseal(&self, user: UserId, old: &str, new: &str) -> Result<bool> {
        let (old, new) = (old.to_owned(), new.to_owned());
        self.0
            .write("second_factor_reseal", move |unit| {
                let same = second_factors::table
                    .filter(second_factors::user_id.eq(user.to_string()))
                    .filter(second_factors::secret.eq(&old));
                let changed =
                    diesel::update(same).set(second_factors::secret.eq(&new)).execute(unit.conn)?;
                Ok(changed == 1)
            })
            .await
    }
}
