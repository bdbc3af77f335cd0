//! What follows when an account has another tier, whoever gave it.

use alpine_domain::{
    Timestamp,
    account::{Account, Tier},
    notification::NewNotification,
};

use crate::{Failure, database::Unit, rollups::causes::move_tier};

/// The account `old` has this tier from now on: it is counted there, and its user is told. Nothing, if it had it before.
pub(crate) fn changed(
    unit: &mut Unit<'_>,
    old: &Account,
    tier: Tier,
    now: Timestamp,
) -> Result<(), Failure> {
    if tier == old.tier {
        return Ok(());
    }
    move_tier(unit, old, tier);
    unit.notify(&NewNotification::tier_changed(old.id, old.tier, tier, now))
}
