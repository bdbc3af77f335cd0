//! The mails of changes.

use std::sync::Arc;

use super::{ADDRESS_CHANGE_TTL, AddressChangeStore, AddressSide};
use crate::{
    Error, Result,
    account::{
        Email, MailPurpose, UserId, digest,
        letters::{Letter, Letters, Part, compose},
    },
};

const TO_OLD: Letter = Letter {
    purpose: MailPurpose::OldAddress,
    ttl: ADDRESS_CHANGE_TTL,
    subject: "Your account at Alpine is to have another address",
    happened: "Who knows the password asked for another address for the account",
    with_link: "If it was you, confirm it within a day; the new address is asked as well:",
    with_token: "If it was you, send this token to auth/confirm-email within a day; the new address is asked as \
                 well:",
    page: "confirm-email",
    otherwise: "If it was not you, do nothing, the address stays; and set another password.",
};

const TO_NEW: Letter = Letter {
    purpose: MailPurpose::NewAddress,
    ttl: ADDRESS_CHANGE_TTL,
    subject: "Confirm your new address for Alpine",
    happened: "An account at Alpine is to have the address",
    with_link: "If it is yours, confirm it within a day; the old address is asked as well:",
    with_token: "If it is yours, send this token to auth/confirm-email within a day; the old address is asked as \
                 well:",
    page: "confirm-email",
    otherwise: "If it is not yours, do nothing.",
};

/// Sends the mails of changes.
pub struct AddressChanges {
    letters: Letters,
    store: Arc<dyn AddressChangeStore>,
}

impl AddressChanges {
    /// Mails by these.
    pub const fn new(letters: Letters, store: Arc<dyn AddressChangeStore>) -> Self {
        Self { letters, store }
    }

    /// Sends a token to one of the addresses. A new one that has an account gets none: the change waits until it ends,
    /// and nobody is told why.
    ///
    /// # Errors
    /// As [`Mailer::send`](crate::ports::mail::Mailer::send).
    pub async fn send(&self, user: UserId, side: AddressSide) -> Result<()> {
        let now = self.letters.clock.now();
        let Some(pending) = self.store.pending_change(user, now).await? else { return Ok(()) };
        let (email, letter) = match side {
            AddressSide::Old => (&pending.old, &TO_OLD),
            AddressSide::New => (&pending.new, &TO_NEW),
        };
        let is_new = side == AddressSide::New;
        if is_new && self.letters.store.credentials(email).await?.is_some() {
            return Ok(());
        }
        let (token, mail) = self.letters.with_token(email, letter)?;
        let token_hash = digest(token.reveal());
        if !self.store.put_change_token(user, side, &token_hash, now).await? {
            return Ok(());
        }
        self.letters.mailer.send(&mail).await
    }

    /// Tells one of the addresses of a change that it was made.
    ///
    /// # Errors
    /// As [`Mailer::send`](crate::ports::mail::Mailer::send).
    pub async fn tell(&self, email: &str, side: AddressSide) -> Result<()> {
        let email = Email::from_stored(email).map_err(Error::internal)?;
        let (happened, otherwise) = match side {
            AddressSide::Old => (
                format!("The account at Alpine that had the address {email} has another one now."),
                "Nothing that was mailed here before is good any more. If it was not you, write to us.",
            ),
            AddressSide::New => (
                format!("Your account at Alpine has the address {email} now."),
                "Sign in with it from now on. Where you are signed in, you stay so.",
            ),
        };
        let parts = [Part::Text(happened.into()), Part::Text(otherwise.into())];
        let website = self.letters.website.as_deref();
        let mail = compose(website, &email, "The address of your account has changed", &parts)?;
        self.letters.mailer.send(&mail).await
    }
}
