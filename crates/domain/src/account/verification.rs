//! Whether the owner of an account reads what is sent to its address.

use std::{sync::Arc, time::Duration};

use super::{
    MailPurpose, UserId, digest,
    letters::{Letter, Letters, refused},
};
use crate::{
    Result, Timestamp,
    jobs::{Job, JobStore, NewJob},
};

/// How long a token is good.
pub const VERIFY_TTL: Duration = Duration::from_hours(24);

const LETTER: Letter = Letter {
    purpose: MailPurpose::Verify,
    ttl: VERIFY_TTL,
    subject: "Confirm your address for Alpine",
    happened: "Somebody made the account",
    with_link: "If it was you, confirm the address on this page within a day:",
    with_token: "If it was you, send this token to auth/verify-email within a day:",
    page: "verify-email",
    otherwise: "If it was not you, do nothing: the address stays unconfirmed.",
};

/// Confirms addresses by tokens that were sent there.
pub struct Verification {
    letters: Letters,
    jobs: Arc<dyn JobStore>,
}

/// What mails a token to a user, once while it waits.
pub(super) fn job(user: UserId, now: Timestamp) -> NewJob {
    NewJob::new(Job::VerificationRequested { user }, now).once_for(format!("verify:{user}"))
}

impl Verification {
    /// Verification by these.
    pub const fn new(letters: Letters, jobs: Arc<dyn JobStore>) -> Self {
        Self { letters, jobs }
    }

    /// Asks for a mail to the address of this user.
    pub async fn request(&self, user: UserId) -> Result<()> {
        self.jobs.add(job(user, self.letters.clock.now())).await?;
        Ok(())
    }

    /// Makes a token for this user, in the place of an older one, and sends it. Who is confirmed, or
    /// disabled, gets nothing.
    ///
    /// # Errors
    /// As [`Mailer::send`](crate::ports::mail::Mailer::send).
    pub async fn send_token(&self, user: UserId) -> Result<()> {
        match self.letters.store.account(user).await? {
            Some(account) if account.is_active && !account.is_verified => {
                self.letters.send_token(&account, &LETTER).await
            }
            _ => Ok(()),
        }
    }

    /// The address that this token was sent to is its account's owner's. The token is used up.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for a token that is not good.
    pub async fn confirm(&self, token: &str) -> Result<()> {
        let (store, now) = (&self.letters.store, self.letters.clock.now());
        if store.verify_email(&digest(token), now).await? { Ok(()) } else { Err(refused()) }
    }
}
