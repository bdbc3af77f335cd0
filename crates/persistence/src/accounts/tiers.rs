//! What follows when an account has another tier, whoever gave it.

use alpine_domain::{
    Timestamp,
    account::{Account, Tier, UserId},
    channel::follow_jobs,
    notification::NewNotification,
};

use crate::{Failure, database::Unit, rollups::causes::move_tier};

/// The account `old` has this tier from now on: it is counted there, its user is told, and channels follow. Nothing, if it had
/// it before.
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
    followed_by_channels(unit, old.id, now)?;
    unit.notify(&NewNotification::tier_changed(old.id, old.tier, tier, now))
}

/// Channels of messengers are to follow what an account is now.
pub(crate) fn followed_by_channels(
    unit: &mut Unit<'_>,
    user: UserId,
    now: Timestamp,
) -> Result<(), Failure> {
    for job in follow_jobs(user, now) {
        unit.enqueue(&job)?;
    }
    Ok(())
}
