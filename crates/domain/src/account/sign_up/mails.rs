//! The mails of sign-ups.

use std::sync::Arc;

use super::{SIGN_UP_TTL, SignUpStore};
use crate::{
    Result,
    account::{
        Email, MailPurpose, UserId, digest,
        letters::{Letter, Letters, Part, compose},
    },
};

const LETTER: Letter = Letter {
    purpose: MailPurpose::SignUp,
    ttl: SIGN_UP_TTL,
    subject: "Finish signing up to Alpine",
    happened: "Somebody signed up to Alpine with the address",
    with_link: "If it was you, follow this link within a day, and give the password that you chose:",
    with_token: "If it was you, send this token with the password that you chose to \
                 auth/confirm-signup within a day:",
    page: "confirm-signup",
    otherwise: "If it was not you, do nothing: no account is made.",
};

/// Sends the mails of sign-ups.
pub struct SignUps {
    letters: Letters,
    store: Arc<dyn SignUpStore>,
}

impl SignUps {
    /// Mails by these.
    pub const fn new(letters: Letters, store: Arc<dyn SignUpStore>) -> Self {
        Self { letters, store }
    }

    /// Sends a link to who signed up, or tells the owner of the account that has the address.
    ///
    /// # Errors
    /// As [`Mailer::send`](crate::ports::mail::Mailer::send).
    pub async fn send(&self, user: UserId) -> Result<()> {
        let now = self.letters.clock.now();
        let Some(pending) = self.store.pending(user, now).await? else { return Ok(()) };
        if self.letters.store.credentials(&pending.email).await?.is_some() {
            return self.tell_owner(&pending.email).await;
        }
        let (token, mail) = self.letters.with_token(&pending.email, &LETTER)?;
        if !self.store.put_sign_up_token(user, &digest(token.reveal()), now).await? {
            return Ok(());
        }
        self.letters.mailer.send(&mail).await
    }

    async fn tell_owner(&self, email: &Email) -> Result<()> {
        let parts = [
            Part::Text(
                format!("Somebody signed up to Alpine with the address {email}, which has an account.")
                    .into(),
            ),
            Part::Text(
                "If it was you, sign in, or ask for another password. If it was not you, do nothing: nobody \
                 was told that there is an account."
                    .into(),
            ),
        ];
        let website = self.letters.website.as_deref();
        let mail = compose(website, email, "You have an account at Alpine", &parts)?;
        self.letters.mailer.send(&mail).await
    }
}
