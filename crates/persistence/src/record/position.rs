//! How far the sums are.

use alpine_domain::Timestamp;
use diesel::{ExpressionMethods as _, QueryDsl as _, RunQueryDsl as _};

use crate::{AnyConnection, Failure, schema::record_seal};

/// Up to where everything is in the sums.
pub(super) fn sealed_until(conn: &mut AnyConnection) -> Result<Timestamp, Failure> {
    let micros = record_seal::table.find(1).select(record_seal::sealed_until).first(conn)?;
    Ok(Timestamp::from_micros(micros))
}

/// Up to which instant, and up to which event, everything is in the sums. Whoever asks is the only one to change
/// sums until the transaction ends.
pub(super) fn hold(conn: &mut AnyConnection) -> Result<(Timestamp, i64), Failure> {
    let (sealed, position): (i64, i64) = diesel::update(record_seal::table.find(1))
        .set(record_seal::position.eq(record_seal::position))
        .returning((record_seal::sealed_until, record_seal::position))
        .get_result(conn)?;
    Ok((Timestamp::from_micros(sealed), position))
}
