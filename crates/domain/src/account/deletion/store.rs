//! What is kept of the end of an account.

use async_trait::async_trait;

use crate::{
    Result, Timestamp,
    account::{Email, UserId},
    jobs::NewJob,
};

/// An account to be deleted, proved by its password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion {
    /// Whose it is.
    pub user: UserId,
    /// The hash of the password that was right. Nothing is deleted once the account has another.
    pub proved_by: String,
    /// When it is deleted.
    pub now: Timestamp,
    /// When what is personal is erased.
    pub erase_at: Timestamp,
    /// What follows from it, added by the same transaction.
    pub jobs: Vec<NewJob>,
}

/// Ends accounts.
#[async_trait]
pub trait DeletionStore: Send + Sync {
    /// Disables the account, ends its sessions, API keys, second factor and mailed tokens, and gives its row a
    /// placeholder for the address, which anybody may sign up with from then on. Logs `AccountChanged` and
    /// `ApiKeysChanged`.
    ///
    /// # Errors
    /// `NotFound`; `Forbidden` when the account has another password than [`Deletion::proved_by`];
    /// [`ConflictKind::LastAdmin`](crate::error::ConflictKind::LastAdmin) when no enabled administrator would be left.
    async fn delete(&self, deletion: Deletion) -> Result<()>;

    /// The address that a deleted account had, until it is erased.
    async fn deleted_address(&self, user: UserId) -> Result<Option<Email>>;

    /// Erases what is personal of an account whose [`Deletion::erase_at`] has come: at most `limit` rows of each kind
    /// at once. Says whether nothing is left; an account that is not deleted, not to be erased yet, erased already, or
    /// enabled again by an operator, has nothing. The row of the account gets `password_hash`, whose password nobody
    /// knows.
    async fn erase(
        &self,
        user: UserId,
        password_hash: String,
        limit: u32,
        now: Timestamp,
    ) -> Result<bool>;
}

/// What stands for the address of a deleted account: unique, and no mail reaches it (RFC 2606, section 2).
pub fn placeholder(user: UserId) -> String {
    format!("{user}@deleted.invalid")
}
