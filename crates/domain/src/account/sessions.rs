//! The user's own sessions, and another password, which ends them.

use super::{
    Accounts, AddressDigest, NewPassword, PasswordChange, SessionId, SessionSummary, SignedIn,
    TypedPassword, UserId, profile::WRONG_PASSWORD, registration::PASSWORD_IS_EMAIL,
};
use crate::{Error, Result, ports::secrets::HashPriority};

/// The user's live sessions, as far as they are listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sessions {
    /// The newest, up to [`Sessions::LISTED`], newest first.
    pub newest: Vec<SessionSummary>,
    /// Whether there are more.
    pub has_more: bool,
}

impl Sessions {
    /// How many are listed at most.
    pub const LISTED: u8 = 100;
}

impl Accounts {
    /// The user's live sessions.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn sessions(&self, user: UserId) -> Result<Sessions> {
        let now = self.ports.clock.now();
        let most = usize::from(Sessions::LISTED);
        let asked = u32::from(Sessions::LISTED) + 1;
        let mut newest = self.ports.store.sessions(user, now, asked).await?;
        let has_more = newest.len() > most;
        newest.truncate(most);
        Ok(Sessions { newest, has_more })
    }

    /// Ends one of the user's sessions, as [`sign_out`](Self::sign_out) does.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the user has no such live session.
    pub async fn end_session(&self, user: UserId, session: SessionId) -> Result<()> {
        let now = self.ports.clock.now();
        let until = self.denied_until(now);
        self.ports.store.revoke_own_session(user, session, now, until).await
    }

    /// Gives the account another password, which ends every session, and signs in anew for the client at
    /// `address`. `current` comes with the priority of the client. API keys stay good.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for a wrong current password; [`Error::Invalid`] when the new one is the same,
    /// or the account's address.
    pub async fn change_password(
        &self,
        user: UserId,
        address: &AddressDigest,
        (current, priority): (&str, HashPriority),
        new: &NewPassword,
    ) -> Result<SignedIn> {
        let account = self.profile(user).await?;
        if new.is(&account.email) {
            return Err(Error::invalid("new_password", PASSWORD_IS_EMAIL));
        }
        let current = TypedPassword::new(current).ok_or(Error::Forbidden(WRONG_PASSWORD))?;
        let proved_by = self.proof(&account, &current, priority).await?;
        if current.normal() == new.reveal() {
            return Err(Error::invalid("new_password", "must be another one than the current one"));
        }
        let password_hash = self.ports.hasher.hash(new.reveal(), priority).await?;
        let now = self.ports.clock.now();
        let change = PasswordChange { user, proved_by, password_hash, now };
        let account = self.ports.store.change_password(change).await?;
        self.open_session(account, Some(address)).await
    }
}
