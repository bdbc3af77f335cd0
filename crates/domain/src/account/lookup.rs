//! Whose account an address is, however it was typed.

use super::{Account, AccountStore, Email};
use crate::Result;

/// The account whose address somebody typed, with its password's hash.
pub(super) async fn find(
    store: &dyn AccountStore,
    email: &str,
) -> Result<Option<(Account, String)>> {
    for email in Email::as_typed(email) {
        if let Some(found) = store.credentials(&email).await? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}
