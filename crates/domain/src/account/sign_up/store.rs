//! Sign-ups that wait for their confirmation.

use std::time::Duration;

use async_trait::async_trait;

use crate::{
    Result, Timestamp,
    account::{Account, Email, FullName, NewAccount, UserId},
    jobs::NewJob,
    text_enum::text_enum,
};

text_enum!(
    /// Whether addresses are confirmed by mail before they are used: at sign-up, and when they change.
    ConfirmAddresses, {
        /// Where a mail server is configured.
        Auto = "auto",
        /// Always: without a mail server, the outbox has the mails.
        Always = "always",
        /// Never: an account is made, and an address changed, at once, and a taken one is told.
        Never = "never",
    }
);

/// How long a sign-up waits for its confirmation.
pub const SIGN_UP_TTL: Duration = Duration::from_hours(24);

/// Who signed up, and is to confirm it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingSignUp {
    /// The id that the account will have.
    pub user: UserId,
    /// The address.
    pub email: Email,
    /// The name to greet by.
    pub full_name: FullName,
    /// The hash of the password that was chosen.
    pub password_hash: String,
    /// When it was.
    pub created_at: Timestamp,
    /// When it ends, exclusive.
    pub expires_at: Timestamp,
}

/// Sign-ups that wait for their confirmation.
#[async_trait]
pub trait SignUpStore: Send + Sync {
    /// Keeps one, and adds the job that sends the mail in the same transaction.
    async fn add(&self, pending: PendingSignUp, job: NewJob) -> Result<()>;

    /// The one of this user that is to be.
    async fn pending(&self, user: UserId, now: Timestamp) -> Result<Option<PendingSignUp>>;

    /// Keeps the digest of what is mailed, in the place of an older one. False without such a sign-up.
    async fn put_sign_up_token(
        &self,
        user: UserId,
        token_hash: &str,
        now: Timestamp,
    ) -> Result<bool>;

    /// The one with this token.
    async fn by_token(&self, token_hash: &str, now: Timestamp) -> Result<Option<PendingSignUp>>;

    /// Makes the account, whose address is confirmed by that, and uses up the sign-up. `None` when it is used already,
    /// or the address has an account by now.
    async fn confirm(&self, token_hash: &str, account: NewAccount) -> Result<Option<Account>>;
}
