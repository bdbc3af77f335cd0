//! Another password for who has forgotten the old one, proved by the account's address.

use std::{sync::Arc, time::Duration};

use super::{
    MailPurpose, NewPassword, PASSWORD_IS_EMAIL, PasswordReset, digest,
    letters::{Letter, Letters, asked_for, refused},
};
use crate::{
    Error, Result,
    jobs::{Job, JobStore},
    ports::secrets::{HashPriority, PasswordHasher},
};

/// How long a token is good.
pub const RESET_TTL: Duration = Duration::from_hours(1);

const LETTER: Letter = Letter {
    purpose: MailPurpose::Reset,
    ttl: RESET_TTL,
    subject: "Another password for Alpine",
    happened: "Somebody asked for another password for the account",
    with_link: "If it was you, choose one on this page within an hour:",
    with_token: "If it was you, send this token with the new password to auth/reset-password within \
                 an hour:",
    page: "reset-password",
    otherwise: "If it was not you, do nothing: the password stays as it is.",
};

/// Sets another password by a token that was sent to the account's address.
pub struct Recovery {
    letters: Letters,
    jobs: Arc<dyn JobStore>,
    hasher: Arc<dyn PasswordHasher>,
}

impl Recovery {
    /// Recovery by these.
    pub const fn new(
        letters: Letters,
        jobs: Arc<dyn JobStore>,
        hasher: Arc<dyn PasswordHasher>,
    ) -> Self {
        Self { letters, jobs, hasher }
    }

    /// Asks for a mail to this address. Whether there is such an account is looked up when the job is
    /// done, so that neither the answer nor its time tells.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what is no address.
    pub async fn request(&self, email: &str) -> Result<()> {
        let job = |email| Job::ResetRequested { email };
        let job = asked_for(email, LETTER.purpose, job, self.letters.clock.now())?;
        self.jobs.add(job).await?;
        Ok(())
    }

    /// Makes a token for the account of this address, in the place of an older one, and sends it there. No
    /// account, or one that is disabled, gets nothing.
    ///
    /// # Errors
    /// As [`Mailer::send`](crate::ports::mail::Mailer::send).
    pub async fn send_token(&self, email: &str) -> Result<()> {
        self.letters.send_token_to(email, &LETTER).await
    }

    /// Sets another password. That ends every session; the token is used up by the same transaction, and
    /// the address is confirmed.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a token that is not good, or a password that is the address.
    pub async fn reset(&self, token: &str, password: NewPassword) -> Result<()> {
        let (store, clock) = (&self.letters.store, &self.letters.clock);
        let token_hash = digest(token);
        let account =
            store.mail_token_account(MailPurpose::Reset, &token_hash, clock.now()).await?;
        if password.is(&account.ok_or_else(refused)?.email) {
            return Err(Error::invalid("password", PASSWORD_IS_EMAIL));
        }
        let password_hash = self.hasher.hash(password.reveal(), HashPriority::Stranger).await?;
        // Hashing may have taken a while.
        let reset = PasswordReset { token_hash, password_hash, now: clock.now() };
        if store.reset_password(reset).await? { Ok(()) } else { Err(refused()) }
    }
}
