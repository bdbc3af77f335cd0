//! The end of an account: at once for its owner, and for what is personal after a stated time.
//!
//! Until then an operator can still find out what happened, or undo it by hand. What is left in the end is a row
//! without a name, so that whatever names it by its id, the audit log first of all, stays true.

use std::sync::Arc;

use async_trait::async_trait;

use super::{
    Accounts, Email, Secret, TypedPassword, UserId,
    letters::{Letters, Part, compose},
    profile::WRONG_PASSWORD,
};
use crate::{
    Error, Result, Timestamp,
    jobs::{Job, NewJob},
    ports::secrets::{HashPriority, PasswordHasher},
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

    /// Erases what is personal of an account that was deleted: at most `limit` rows of each kind at once. Says whether
    /// nothing is left; an account that is not deleted, or erased already, has nothing. The row of the account gets
    /// `password_hash`, whose password nobody knows.
    async fn erase(
        &self,
        user: UserId,
        password_hash: String,
        limit: u32,
        now: Timestamp,
    ) -> Result<bool>;
}

impl Accounts {
    /// Deletes the account. `password` comes with the priority of the client. Says when what is personal will be
    /// erased.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for a wrong password; [`Error::Conflict`] for the last enabled administrator.
    pub async fn delete(
        &self,
        user: UserId,
        (password, priority): (&str, HashPriority),
    ) -> Result<Timestamp> {
        let account = self.profile(user).await?;
        let password = TypedPassword::new(password).ok_or(Error::Forbidden(WRONG_PASSWORD))?;
        let proved_by = self.proof(&account, &password, priority).await?;
        let now = self.ports.clock.now();
        let erase_at = now.later(self.settings.erase_after);
        let jobs = vec![
            NewJob::new(Job::AccountDeleted { user }, now),
            NewJob::new(Job::ErasureDue { user }, now).due(erase_at),
        ];
        let deletion = Deletion { user, proved_by, now, erase_at, jobs };
        self.ports.deletions.delete(deletion).await?;
        Ok(erase_at)
    }
}

/// What follows the deletion of an account.
pub struct Erasure {
    letters: Letters,
    store: Arc<dyn DeletionStore>,
    hasher: Arc<dyn PasswordHasher>,
}

/// Rows of one kind that one transaction erases at most, so that others who write do not wait for it.
const ERASED_AT_ONCE: u32 = 1_000;

impl Erasure {
    /// Erasure by these.
    pub const fn new(
        letters: Letters,
        store: Arc<dyn DeletionStore>,
        hasher: Arc<dyn PasswordHasher>,
    ) -> Self {
        Self { letters, store, hasher }
    }

    /// Tells the owner of a deleted account, at the address that it had.
    ///
    /// # Errors
    /// As [`Mailer::send`](crate::ports::mail::Mailer::send).
    pub async fn tell(&self, user: UserId) -> Result<()> {
        let Some(email) = self.store.deleted_address(user).await? else { return Ok(()) };
        let parts = [
            Part::Text(format!("The account {email} was deleted by who knows its password.").into()),
            Part::Text(
                "Nobody is signed in any more, and its API keys are good no more. What is personal will be \
                 erased; until then write to us if it was not you."
                    .into(),
            ),
        ];
        let website = self.letters.website.as_deref();
        let mail = compose(website, &email, "Your account at Alpine was deleted", &parts)?;
        self.letters.mailer.send(&mail).await
    }

    /// Erases what is personal of a deleted account, a bounded part in each transaction.
    ///
    /// # Errors
    /// When the database is away: what is erased stays so, and the rest follows at the next try.
    pub async fn erase(&self, user: UserId) -> Result<()> {
        let mut unknown = [0; 32];
        self.letters.randomness.fill(&mut unknown);
        let unknown = Secret::new(hex::encode(unknown));
        let hash = self.hasher.hash(unknown.reveal(), HashPriority::Stranger).await?;
        let clock = &self.letters.clock;
        while !self.store.erase(user, hash.clone(), ERASED_AT_ONCE, clock.now()).await? {}
        Ok(())
    }
}

/// What stands for the address of a deleted account: unique, and no mail reaches it (RFC 2606, section 2).
pub fn placeholder(user: UserId) -> String {
    format!("{user}@deleted.invalid")
}
