//! Sessions and their refresh tokens, inside a unit of work.

use alpine_domain::{
    Error, Result, Timestamp,
    account::{AddressDigest, NewSession, Refreshed, Rotation, SessionId, SessionSummary, UserId},
    analytics::Day,
    audit::{Action, Entry, Reason},
    event::Event,
    notification::NewNotification,
};
use diesel::{
    ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, RunQueryDsl as _,
    dsl::{exists, insert_into, max, select},
    prelude::Queryable,
};

use super::user_rows::{held_user, no_account, user_row, written};
use crate::{
    AnyConnection, Failure,
    database::Unit,
    rollups::causes::note_active,
    rows::{SessionRow, instant, stored},
    schema::{refresh_tokens, sessions},
};

/// Records a sign-in, unless the account changed since its generation was read.
pub(crate) fn open(unit: &mut Unit<'_>, session: &NewSession) -> Result<(), Failure> {
    let id = session.id.to_string();
    let user = held_user(unit.conn, &session.user.to_string())?;
    let user = written(unit.conn, &user.ok_or_else(no_account)?)?;
    if !user.is_active || user.generation != session.generation {
        return Err(Error::Unauthenticated("the account changed; sign in again").into());
    }
    if is_new_place(unit.conn, session)? {
        unit.notify(&NewNotification::new_sign_in(session.user, session.created_at))?;
    }
    insert_into(sessions::table)
        .values((
            sessions::id.eq(&id),
            sessions::user_id.eq(session.user.to_string()),
            sessions::address_digest.eq(session.address.as_ref().map(AddressDigest::as_str)),
            sessions::created_at.eq(session.created_at.micros()),
            sessions::expires_at.eq(session.expires_at.micros()),
            sessions::generation.eq(session.generation),
        ))
        .execute(unit.conn)?;
    note_active(unit, &[session.user.to_string()], Day::of(session.created_at))?;
    let entry = Entry::new(session.created_at, Action::SignIn);
    unit.audit(entry.on(session.user).by(session.user).with(format!("session {id}")));
    insert_refresh(unit.conn, &session.refresh_hash, &id, session.created_at)
}

/// Whether no kept session of the user was opened from the client's address, though one was from another. Before that
/// no place is known, and a sign-in is no news to anybody.
fn is_new_place(conn: &mut AnyConnection, session: &NewSession) -> Result<bool, Failure> {
    let Some(address) = &session.address else { return Ok(false) };
    let theirs = sessions::table.filter(sessions::user_id.eq(session.user.to_string()));
    let from_here = theirs.clone().filter(sessions::address_digest.eq(address.as_str()));
    if select(exists(from_here)).get_result(conn)? {
        return Ok(false);
    }
    let from_elsewhere = theirs.filter(sessions::address_digest.is_not_null());
    Ok(select(exists(from_elsewhere)).get_result(conn)?)
}

/// Ends a session unless it ended before, and tells everybody; says whether it did.
pub(super) fn revoke(
    unit: &mut Unit<'_>,
    session: SessionId,
    now: Timestamp,
    denied_until: Timestamp,
) -> Result<bool, Failure> {
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
    Ok(ended > 0)
}

/// Ends a live session of this user.
pub(super) fn revoke_own(
    unit: &mut Unit<'_>,
    user: UserId,
    session: SessionId,
    now: Timestamp,
    denied_until: Timestamp,
) -> Result<(), Failure> {
    let live = sessions::table
        .filter(sessions::id.eq(session.to_string()))
        .filter(sessions::user_id.eq(user.to_string()))
        .filter(sessions::revoked_at.is_null())
        .filter(sessions::expires_at.gt(now.micros()));
    let row: Option<SessionRow> = live.first(unit.conn).optional()?;
    let owner = user_row(unit.conn, user)?;
    match row.zip(owner) {
        Some((row, (owner, everybody))) if owner.holds(&row, everybody) => {
            if revoke(unit, session, now, denied_until)? {
                unit.audit(Entry::new(now, Action::SignOut).on(session));
            }
            Ok(())
        }
        _ => Err(Error::NotFound("session").into()),
    }
}

/// What a list of sessions shows of a row.
#[derive(Queryable)]
pub(super) struct ListedRow {
    pub(super) id: String,
    address_digest: Option<String>,
    created_at: i64,
    last_used_at: Option<i64>,
}

impl ListedRow {
    pub(super) fn summary(self) -> Result<SessionSummary> {
        let created_at = instant("sessions.created_at", self.created_at)?;
        let last_used_at = self.last_used_at.map(|at| instant("refresh_tokens.created_at", at));
        Ok(SessionSummary {
            id: stored("sessions.id", &self.id)?,
            address: self.address_digest.map(AddressDigest::from_stored),
            created_at,
            last_used_at: last_used_at.transpose()?.unwrap_or(created_at),
        })
    }
}

/// The live sessions of a user, those that expire last first, at most `limit`.
pub(super) fn list(
    conn: &mut AnyConnection,
    user: UserId,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<ListedRow>, Failure> {
    let Some((owner, everybody)) = user_row(conn, user)? else { return Ok(Vec::new()) };
    let mut rows: Vec<ListedRow> = Vec::new();
    // Each read by the index: what has ended is not touched.
    for generation in owner.live_generations(everybody) {
        let last_used_at = refresh_tokens::table
            .filter(refresh_tokens::session_id.eq(sessions::id))
            .select(max(refresh_tokens::created_at))
            .single_value();
        let more: Vec<ListedRow> = sessions::table
            .filter(sessions::user_id.eq(user.to_string()))
            .filter(sessions::generation.eq(generation))
            .filter(sessions::revoked_at.is_null())
            .filter(sessions::expires_at.gt(now.micros()))
            .order((sessions::expires_at.desc(), sessions::id.desc()))
            .limit(limit.into())
            .select((sessions::id, sessions::address_digest, sessions::created_at, last_used_at))
            .load(conn)?;
        rows.extend(more);
    }
    rows.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
    rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(rows)
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

pub(super) fn rotate(unit: &mut Unit<'_>, rotation: &Rotation) -> Result<Refreshed, Failure> {
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
    let Some((user, everybody)) =
        user_row(unit.conn, stored("sessions.user_id", &session.user_id)?)?
    else {
        return Ok(Refreshed::Refused);
    };
    if !user.holds(&session, everybody) {
        return Ok(Refreshed::Refused);
    }
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
        let entry = Entry::new(now, Action::RefreshReplayed).denied(Reason::Replayed);
        unit.audit(entry.on(session.session()?));
        return Ok(Refreshed::Replayed { session: session.session()? });
    }
    let account = user.account(everybody)?;
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
            sessions::generation.eq(account.generation),
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
