//! Asking for an account, and confirming that.

use super::{ConfirmAddresses, PendingSignUp, SIGN_UP_TTL};
use crate::{
    Error, Result,
    account::{
        Accounts, AddressDigest, NewAccount, Registration, Role, SignedIn, TypedPassword, UserId,
        digest, letters::refused,
    },
    audit::{Action, Reason},
    jobs::{Job, NewJob},
    ports::secrets::{HashPriority, PasswordCheck},
};

impl Accounts {
    /// Whether addresses are confirmed before they are used.
    pub fn confirms_addresses(&self) -> bool {
        self.settings.confirm_addresses == ConfirmAddresses::Always
    }

    /// Keeps a sign-up until it is confirmed. Does the same whether or not the address has an account.
    ///
    /// # Errors
    /// When the database is away, or too many passwords are being hashed.
    pub async fn request_sign_up(&self, registration: Registration) -> Result<()> {
        let Registration { email, password, full_name } = registration;
        let hasher = &self.ports.hasher;
        let password_hash = hasher.hash(password.reveal(), HashPriority::Stranger).await?;
        let created_at = self.ports.clock.now();
        let user = UserId::generate(created_at, self.random());
        let expires_at = created_at.later(SIGN_UP_TTL);
        let pending =
            PendingSignUp { user, email, full_name, password_hash, created_at, expires_at };
        let job = NewJob::new(Job::SignUpRequested { user }, created_at);
        self.ports.sign_ups.add(pending, job).await
    }

    /// Makes the account of a sign-up, and signs in for the client at `address`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a token that is not good, or another password than that of the sign-up.
    pub async fn confirm_sign_up(
        &self,
        address: &AddressDigest,
        token: &str,
        password: &str,
    ) -> Result<SignedIn> {
        let token_hash = digest(token);
        let now = self.ports.clock.now();
        let pending = self.ports.sign_ups.by_token(&token_hash, now).await?.ok_or_else(refused)?;
        let wrong = || {
            self.ports.denials.note(Action::PasswordProved, Reason::WrongPassword, None);
            Error::invalid("password", "is not the one that was chosen at this sign-up")
        };
        let typed = TypedPassword::new(password).ok_or_else(wrong)?;
        let hash = Some(pending.password_hash.as_str());
        if self.check(&typed, hash, HashPriority::Stranger).await? == PasswordCheck::Wrong {
            return Err(wrong());
        }
        let account = NewAccount {
            id: pending.user,
            email: pending.email,
            full_name: pending.full_name,
            password_hash: pending.password_hash,
            tier: self.settings.signup_tier,
            role: Role::User,
            created_at: self.ports.clock.now(),
            welcome: None,
        };
        let made = self.ports.sign_ups.confirm(&token_hash, account).await?;
        self.open_session(made.ok_or_else(refused)?, Some(address)).await
    }
}
