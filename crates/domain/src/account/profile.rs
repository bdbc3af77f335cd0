//! The user's own profile.

use super::{
    Account, Accounts, Email, EmailChange, FullName, ProfileChange, TypedPassword, UserId,
};
use crate::{
    Error, Result,
    audit::{Action, Reason},
    ports::secrets::{HashPriority, PasswordCheck},
};

/// Refuses a change of the address or the password whose proof is wrong, or was right of an older password.
pub const WRONG_PASSWORD: &str = "the current password is wrong";

/// A profile after a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileChanged {
    /// The account as it is now.
    pub account: Account,
    /// Whether another address waits for its confirmation by mail.
    pub waits_for_mail: bool,
}

impl Accounts {
    /// The account.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn profile(&self, user: UserId) -> Result<Account> {
        self.ports.store.account(user).await?.ok_or(Error::NotFound("account"))
    }

    /// Changes name or address; `None` leaves them. Another address needs the password: who signs in
    /// with it owns the account; it comes with the priority of the client. The same address again is no change. Where
    /// addresses are confirmed by mail, another one waits for that, and the account is answered as it is.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming every refused field; [`Error::Forbidden`] for a wrong password;
    /// [`Error::Conflict`] for a taken address, which nobody learns without the password.
    pub async fn update_profile(
        &self,
        user: UserId,
        full_name: Option<FullName>,
        email: Option<Email>,
        current_password: Option<(&str, HashPriority)>,
    ) -> Result<ProfileChanged> {
        let mut email = match email {
            Some(email) => self.proved_change(user, email, current_password).await?,
            None => None,
        };
        let asked = email.take_if(|_| self.confirms_addresses());
        let waits_for_mail = asked.is_some();
        if let Some(change) = asked {
            self.ask_for_address(user, change).await?;
        }
        let account = self.change_profile(user, full_name, email).await?;
        Ok(ProfileChanged { account, waits_for_mail })
    }

    async fn change_profile(
        &self,
        user: UserId,
        full_name: Option<FullName>,
        email: Option<EmailChange>,
    ) -> Result<Account> {
        if full_name.is_none() && email.is_none() {
            // Nothing that others have in memory is outdated.
            return self.profile(user).await;
        }
        let change = ProfileChange { full_name, email };
        self.ports.store.update_profile(user, change, self.ports.clock.now()).await
    }

    async fn proved_change(
        &self,
        user: UserId,
        email: Email,
        current_password: Option<(&str, HashPriority)>,
    ) -> Result<Option<EmailChange>> {
        let account = self.profile(user).await?;
        if account.email == email {
            return Ok(None);
        }
        let Some((password, priority)) = current_password else {
            return Err(Error::invalid("current_password", "is required to change the address"));
        };
        let password = TypedPassword::new(password).ok_or(Error::Forbidden(WRONG_PASSWORD))?;
        let proved_by = self.proof(&account, &password, priority).await?;
        Ok(Some(EmailChange { email, proved_by }))
    }

    /// The hash of the account's password, if this is the password.
    ///
    /// # Errors
    /// [`Error::Forbidden`] if it is not.
    pub(super) async fn proof(
        &self,
        account: &Account,
        password: &TypedPassword,
        priority: HashPriority,
    ) -> Result<String> {
        let found = self.ports.store.credentials(&account.email).await?;
        let hash = found.filter(|(found, _)| found.id == account.id).map(|(_, hash)| hash);
        let check = self.check(password, hash.as_deref(), priority).await?;
        let is_right = matches!(check, PasswordCheck::Right | PasswordCheck::RightButOutdated);
        if let Some(hash) = hash.filter(|_| is_right) {
            return Ok(hash);
        }
        let (reason, account) = (Reason::WrongPassword, account.id.into());
        self.ports.denials.note(Action::PasswordProved, reason, Some(account));
        Err(Error::Forbidden(WRONG_PASSWORD))
    }
}
