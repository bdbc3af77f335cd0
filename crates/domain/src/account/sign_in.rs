//! Signing in with the password.

use super::{
    Accounts, AddressDigest, SignIn, SignedIn, TypedPassword, accounts::WRONG_CREDENTIALS,
};
use crate::{
    Error, Result,
    audit::{Action, Party, Reason},
    ports::secrets::{HashPriority, PasswordCheck},
};

impl Accounts {
    /// Signs in with the password alone.
    ///
    /// # Errors
    /// As [`begin_sign_in`](Self::begin_sign_in); [`Error::Unauthenticated`] for an account with a second
    /// factor as well.
    pub async fn sign_in(
        &self,
        address: Option<&AddressDigest>,
        priority: HashPriority,
        email: &str,
        password: &str,
    ) -> Result<SignedIn> {
        self.begin_sign_in(address, priority, email, password).await?.complete()
    }

    /// Signs in, or asks for the second factor; the session remembers the address of the client, if it is
    /// one. `priority` is what [`knows`](Self::knows) says of it.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`], the same for every reason.
    pub async fn begin_sign_in(
        &self,
        address: Option<&AddressDigest>,
        priority: HashPriority,
        email: &str,
        password: &str,
    ) -> Result<SignIn> {
        let password = TypedPassword::new(password)
            .ok_or_else(|| self.refuse_sign_in(Reason::WrongPassword, None))?;
        let found = self.find(email).await?;
        let hash = found.as_ref().map(|(_, hash)| hash.as_str());
        let check = self.check(&password, hash, priority).await?;
        let Some((account, hash)) = found else {
            return Err(self.refuse_sign_in(Reason::UnknownAccount, None));
        };
        if !account.is_active {
            return Err(self.refuse_sign_in(Reason::Disabled, Some(account.id.into())));
        }
        match check {
            PasswordCheck::Wrong => {
                return Err(self.refuse_sign_in(Reason::WrongPassword, Some(account.id.into())));
            }
            PasswordCheck::Right => {}
            PasswordCheck::RightButOutdated => {
                let renewed = self.ports.hasher.hash(password.normal(), priority).await?;
                self.ports.store.upgrade_hash(account.id, &hash, &renewed).await?;
            }
        }
        self.enter(account, address).await
    }

    /// The one answer to whoever may not sign in; the reason is for the audit log alone.
    fn refuse_sign_in(&self, reason: Reason, account: Option<Party>) -> Error {
        self.ports.denials.note(Action::SignIn, reason, account);
        WRONG_CREDENTIALS
    }
}
