//! A link by mail for who cannot sign in: somebody else's wrong guesses keep the password from being tried at an
//! address that is new to the account, for up to an hour.

use std::{sync::Arc, time::Duration};

use super::{
    Accounts, AddressDigest, MailPurpose, SignIn, digest,
    letters::{Letter, Letters, asked_for, refused},
};
use crate::{
    Result,
    jobs::{Job, JobStore},
};

/// How long a link is good.
pub const SIGN_IN_LINK_TTL: Duration = Duration::from_mins(15);

const LETTER: Letter = Letter {
    purpose: MailPurpose::SignIn,
    ttl: SIGN_IN_LINK_TTL,
    subject: "Sign in to Alpine",
    happened: "Somebody asked for a link that signs in to the account",
    with_link: "If it was you, follow it within fifteen minutes:",
    with_token: "If it was you, send this token to auth/sign-in-link/redeem within fifteen minutes:",
    page: "sign-in-link",
    otherwise: "If it was not you, do nothing, and give the link to nobody: it signs in without the password.",
};

/// Sends links that sign in.
pub struct SignInLinks {
    letters: Letters,
    jobs: Arc<dyn JobStore>,
}

impl SignInLinks {
    /// Links by these.
    pub const fn new(letters: Letters, jobs: Arc<dyn JobStore>) -> Self {
        Self { letters, jobs }
    }

    /// Asks for a mail to this address. Whether there is such an account is looked up when the job is done, so
    /// that neither the answer nor its time tells.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for what is no address.
    pub async fn request(&self, email: &str) -> Result<()> {
        let job = |email| Job::SignInLinkRequested { email };
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
}

impl Accounts {
    /// Signs in with the token of a link, or asks for the second factor. The token is used up, and the account's
    /// address confirmed; the session makes the client's address known to the account, so that the password may be
    /// tried from there again.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for a token that is not good.
    pub async fn begin_sign_in_by_link(
        &self,
        address: &AddressDigest,
        token: &str,
    ) -> Result<SignIn> {
        let now = self.ports.clock.now();
        let account = self.ports.store.take_sign_in_token(&digest(token), now).await?;
        self.enter(account.ok_or_else(refused)?, Some(address)).await
    }
}
