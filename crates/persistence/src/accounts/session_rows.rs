//! Sessions and their refresh tokens, inside a unit of work.

use alpine_domain::{
    Result, Timestamp,
    account::{Refreshed, Rotation, SessionId},
    event::Event,
};
use diesel::{
    ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, RunQueryDsl as _,
    dsl::insert_into,
};

use super::user_rows::user_row;
use crate::{
    AnyConnection, Failure,
    database::Unit,
    rows::{SessionRow, stored},
    schema::{refresh_tokens, sessions},
};

/// Ends a session unless it ended before, and tells everybody.
pub(super) fn revoke(
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

pub(super) fn insert_refresh(
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
