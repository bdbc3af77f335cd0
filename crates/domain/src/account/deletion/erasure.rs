//! What follows the deletion of an account.

use std::sync::Arc;

use super::DeletionStore;
use crate::{
    AgreedTime, Error, Result, Timestamp,
    account::{
        Secret, UserId,
        letters::{Letters, Part, compose},
    },
    ports::secrets::{HashPriority, PasswordHasher},
};

/// What follows the deletion of an account.
pub struct Erasure {
    letters: Letters,
    store: Arc<dyn DeletionStore>,
    hasher: Arc<dyn PasswordHasher>,
    time: Arc<dyn AgreedTime>,
}

/// Rows of one kind that one transaction erases at most, so that others who write do not wait for it.
const ERASED_AT_ONCE: u32 = 1_000;

impl Erasure {
    /// Erasure by these.
    pub const fn new(
        letters: Letters,
        store: Arc<dyn DeletionStore>,
        hasher: Arc<dyn PasswordHasher>,
        time: Arc<dyn AgreedTime>,
    ) -> Self {
        Self { letters, store, hasher, time }
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

    /// Erases what is personal of a deleted account, a bounded part in each transaction, by the time that all clocks
    /// agree on: no clock that is ahead erases what somebody may still want back.
    ///
    /// # Errors
    /// [`Error::Unavailable`] while clocks differ, or the database is away: what is erased stays so, and the rest follows at
    /// the next try.
    pub async fn erase(&self, user: UserId) -> Result<()> {
        self.agreed_now()?;
        let mut unknown = [0; 32];
        self.letters.randomness.fill(&mut unknown);
        let unknown = Secret::new(hex::encode(unknown));
        let hash = self.hasher.hash(unknown.reveal(), HashPriority::Stranger).await?;
        while !self.store.erase(user, hash.clone(), ERASED_AT_ONCE, self.agreed_now()?).await? {}
        Ok(())
    }

    fn agreed_now(&self) -> Result<Timestamp> {
        let differ = || Error::unavailable("the time", "the clocks that can be asked differ");
        self.time.agreed_now().ok_or_else(differ)
    }
}
