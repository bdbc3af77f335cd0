//! Asking for another address, and confirming it.

use super::{ADDRESS_CHANGE_TTL, AddressConfirmed, AddressSide, NewAddressChange};
use crate::{
    Result,
    account::{Accounts, EmailChange, UserId, digest, letters::refused},
    jobs::{Job, NewJob},
};

impl Accounts {
    /// Asks for another address, to be confirmed.
    pub(in crate::account) async fn ask_for_address(
        &self,
        user: UserId,
        change: EmailChange,
    ) -> Result<()> {
        let now = self.ports.clock.now();
        let expires_at = now.later(ADDRESS_CHANGE_TTL);
        let jobs = AddressSide::ALL
            .iter()
            .map(|side| NewJob::new(Job::AddressChangeRequested { user, side: *side }, now))
            .collect();
        let change = NewAddressChange { user, change, now, expires_at };
        self.ports.address_changes.ask(change, jobs).await
    }

    /// Confirms a change at one of its addresses.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for a token that is not good.
    pub async fn confirm_address(&self, token: &str) -> Result<AddressConfirmed> {
        let now = self.ports.clock.now();
        let confirmed = self.ports.address_changes.confirm_change(&digest(token), now).await?;
        confirmed.ok_or_else(refused)
    }
}
