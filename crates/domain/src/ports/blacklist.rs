//! Tokens that are refused although their signature is good.

use async_trait::async_trait;

use crate::{Result, Timestamp};

/// The set of revoked token ids. What must be durable is written to the database first, with
/// its event; this port makes looking it up fast and spreads it.
#[async_trait]
pub trait TokenBlacklist: Send + Sync {
    /// Refuses `id` until `until`, when every token that carries it has expired anyway. Takes
    /// effect at once on this instance; never waits and never fails, since the durable record was written before.
    fn deny(&self, id: &str, until: Timestamp);

    /// Ids that it holds at most. While one that was denied did not fit, ids that are not held are
    /// refused as well.
    fn capacity(&self) -> usize;

    /// Whether `id` is refused now.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`] when that cannot be told: never "let in".
    async fn is_denied(&self, id: &str) -> Result<bool>;
}
