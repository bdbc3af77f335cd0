//! What is kept of channels.

use async_trait::async_trait;

use super::{
    asking::{AskedFor, Asking},
    model::{Basis, Followed, Membership},
};
use crate::{Result, Timestamp, account::UserId, ports::channels::Platform};

/// Keeps memberships.
#[async_trait]
pub trait ChannelStore: Send + Sync {
    /// The account and its memberships; `None` without such an account.
    async fn followed(&self, user: UserId) -> Result<Option<Followed>>;

    /// Keeps it, if the account is still as `basis` says and nobody changed the membership since its version: the new version.
    /// A member that was another account's in that place is this one's from now on.
    async fn keep(&self, membership: Membership, basis: Basis) -> Result<Option<i64>>;

    /// Somebody asks by a link: the first one is kept, the same one again has no further effect. A member that was another
    /// account's is this one's from now on, in this place and in every other of the messenger ([`Membership::member_moved`]).
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`] when somebody else changed one of them at the same time: nothing is kept.
    async fn ask(&self, asking: Asking) -> Result<AskedFor>;

    /// Whose member this is.
    async fn user_of(
        &self,
        platform: Platform,
        place: &str,
        member: &str,
    ) -> Result<Option<UserId>>;

    /// Adds a job for each membership that is to be looked at by `now`, `limit` at most, and looks at it again at `again`.
    /// How many could be read; what cannot is left out, and is looked at again at `again` too.
    async fn due(&self, now: Timestamp, again: Timestamp, limit: u32) -> Result<u32>;
}
