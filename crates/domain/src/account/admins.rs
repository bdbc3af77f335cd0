//! Making administrators, from the machine itself.

use super::{
    Account, Accounts, AddressProof, Email, NewPassword, PasswordChange, Promotion, Role, Tier,
    registration::PASSWORD_IS_EMAIL,
};
use crate::{Error, Result, error::Refusals, ports::secrets::HashPriority};

impl Accounts {
    /// Makes the account of an administrator.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming every refused field; [`Error::Conflict`] when there is an account with
    /// this address, which anybody may have made: see [`promote`](Self::promote).
    pub async fn create_admin(
        &self,
        email: &str,
        password: &str,
        full_name: &str,
    ) -> Result<Account> {
        self.create(email, password, full_name, Tier::Elite, Role::Admin).await
    }

    /// Gives an account another password, which ends every session, on behalf of an operator who knows its owner. API
    /// keys and a second factor stay.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no account with this address; [`Error::Invalid`] naming `password`.
    pub async fn replace_password(&self, email: &str, password: &str) -> Result<Account> {
        let (account, proved_by) = self.find(email).await?.ok_or(Error::NotFound("account"))?;
        let refused = |reason: String| Error::invalid("password", reason);
        let password =
            NewPassword::parse(password).map_err(|reason| refused(reason.to_string()))?;
        if password.is(&account.email) {
            return Err(refused(PASSWORD_IS_EMAIL.to_owned()));
        }
        let password_hash = self.ports.hasher.hash(password.reveal(), HashPriority::Known).await?;
        let (user, now) = (account.id, self.ports.clock.now());
        let change = PasswordChange { user, proved_by, password_hash, now };
        self.ports.store.change_password(change).await
    }

    /// Makes an existing account an administrator's. Nothing that its holder could do before is left:
    /// it has this password from now on, its sessions and API keys have ended, and no address is known
    /// to it.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming every refused field; [`Error::NotFound`] when there is no enabled account
    /// with this address; [`Error::Forbidden`] when `proof` is [`AddressProof::Verified`] and it is not.
    pub async fn promote(
        &self,
        email: &str,
        password: &str,
        proof: AddressProof,
    ) -> Result<Account> {
        let mut refusals = Refusals::default();
        // An account of an older release is found as it is stored.
        let email = match self.find(email).await? {
            Some((account, _)) => Some(account.email),
            None => refusals.check("email", email.parse::<Email>()),
        };
        let password = refusals.check("password", NewPassword::parse(password));
        let (Some(email), Some(password)) = (email, password) else {
            return Err(Error::Invalid(refusals.into_errors()));
        };
        let password_hash = self.ports.hasher.hash(password.reveal(), HashPriority::Known).await?;
        let now = self.ports.clock.now();
        self.ports.store.promote(Promotion { email, password_hash, proof, now }).await
    }
}
