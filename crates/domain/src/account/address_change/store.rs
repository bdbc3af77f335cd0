//! Changes that wait for their confirmations.

use std::time::Duration;

use async_trait::async_trait;

use crate::{
    Result, Timestamp,
    account::{Email, EmailChange, UserId},
    jobs::{Job, NewJob},
    text_enum::text_enum,
};

text_enum!(
    /// One of the two addresses that confirm a change.
    AddressSide, {
        /// The address that the account has.
        Old = "old",
        /// The one that it is to have.
        New = "new",
    }
);

/// How long a change waits for both confirmations.
pub const ADDRESS_CHANGE_TTL: Duration = Duration::from_hours(24);

/// A change that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAddressChange {
    /// Whose account.
    pub user: UserId,
    /// The new address, and the proof.
    pub change: EmailChange,
    /// When it is asked for.
    pub now: Timestamp,
    /// When it ends, exclusive.
    pub expires_at: Timestamp,
}

/// Both addresses of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingAddressChange {
    /// The address that the account has.
    pub old: Email,
    /// The one that it is to have.
    pub new: Email,
}

/// What became of a confirmation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressConfirmed {
    /// The other address is still to be confirmed.
    One,
    /// The account has the new address now.
    Both,
}

/// What tells both addresses that the account has the new one.
pub fn change_told(old: &Email, new: &Email, now: Timestamp) -> [NewJob; 2] {
    [(old, AddressSide::Old), (new, AddressSide::New)].map(|(email, side)| {
        NewJob::new(Job::AddressChanged { email: email.as_str().to_owned(), side }, now)
    })
}

/// Changes that wait for their confirmations. One that was asked for before the account's generation was raised, by
/// another password or by signing out everywhere, is over.
#[async_trait]
pub trait AddressChangeStore: Send + Sync {
    /// Keeps one in the place of the user's older one, and adds the jobs that send the mails.
    ///
    /// # Errors
    /// `NotFound`; `Forbidden` when the account has another password than [`EmailChange::proved_by`].
    async fn ask(&self, change: NewAddressChange, jobs: Vec<NewJob>) -> Result<()>;

    /// The user's.
    async fn pending_change(
        &self,
        user: UserId,
        now: Timestamp,
    ) -> Result<Option<PendingAddressChange>>;

    /// Keeps the digest of what is mailed to one of the addresses. False if there is no such change.
    async fn put_change_token(
        &self,
        user: UserId,
        side: AddressSide,
        token_hash: &str,
        now: Timestamp,
    ) -> Result<bool>;

    /// Uses up a token. With both confirmed the account gets the address, confirmed by that; what was mailed to the old
    /// one is good no more, and both are told ([`change_told`]); logs `AccountChanged`. `None` when the token is not
    /// good, or the address has an account by now.
    async fn confirm_change(
        &self,
        token_hash: &str,
        now: Timestamp,
    ) -> Result<Option<AddressConfirmed>>;
}
