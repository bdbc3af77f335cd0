//! The user's own second factor: set up, switched on, tried, switched off.

use std::time::Duration;

use super::{
    super::{Account, Accounts, Secret, TypedPassword, UserId, WRONG_PASSWORD},
    BACKUP_CODES, FactorChange, FactorCode, FactorEnabling, PendingFactor, SpentOn, TotpSecret,
    WRONG_CODE, about, backup_code,
};
use crate::{
    Error, Result, Timestamp,
    audit::{Action, Reason},
    error::ConflictKind,
    ports::secrets::HashPriority,
};

/// How long a set-up waits for its first code.
const PENDING_TTL: Duration = Duration::from_mins(15);

/// Active secrets that are sealed anew in one go.
const RESEALED_AT_ONCE: u32 = 500;

/// What an authenticator needs, shown once.
#[derive(Debug, Clone)]
pub struct FactorSetup {
    /// In base 32.
    pub secret: Secret,
    /// The same as `otpauth://…`.
    pub uri: Secret,
    /// Each is good once, in the place of a code, after the factor was switched on.
    pub backup_codes: Vec<Secret>,
    /// Until when it can be switched on.
    pub expires_at: Timestamp,
}

/// Whether a second factor is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FactorStatus {
    /// Since when it is; `None`: it is not.
    pub enabled_at: Option<Timestamp>,
    /// Backup codes that were not used yet.
    pub codes_left: u32,
    /// Until when a set-up waits for its first code.
    pub pending_until: Option<Timestamp>,
}

fn is_on() -> Error {
    let detail = "two-factor sign-in is on; switch it off before it is set up anew";
    Error::conflict(ConflictKind::SecondFactorOn, detail)
}

const IS_OFF: Error = Error::Forbidden("two-factor sign-in is off");

impl Accounts {
    /// The user's second factor.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn factor_status(&self, user: UserId) -> Result<FactorStatus> {
        let factor = self.ports.second_factors.factor(user, self.ports.clock.now()).await?;
        Ok(FactorStatus {
            enabled_at: factor.active.as_ref().map(|active| active.enabled_at),
            codes_left: factor.active.map_or(0, |active| active.codes_left),
            pending_until: factor.pending.map(|pending| pending.expires_at),
        })
    }

    /// Makes a secret, which replaces one that was not switched on. Nothing is asked for before it is.
    ///
    /// # Errors
    /// [`Error::Conflict`] while a second factor is on; [`Error::Unavailable`] without a key to seal it.
    pub async fn set_up_factor(&self, user: UserId) -> Result<FactorSetup> {
        let account = self.profile(user).await?;
        let secret = TotpSecret::new(self.random());
        let (backup_codes, codes) = self.backup_codes();
        let expires_at = self.ports.clock.now().later(PENDING_TTL);
        let sealed = self.ports.sealing.seal(secret.bytes(), &about(user))?;
        let pending = PendingFactor { secret: sealed, codes, expires_at };
        if !self.ports.second_factors.put_pending(user, pending).await? {
            return Err(is_on());
        }
        let uri = secret.uri(&account.email)?;
        Ok(FactorSetup { secret: secret.shown(), uri, backup_codes, expires_at })
    }

    /// Switches the second factor that was set up on: the password shows who asks, so that a stolen
    /// access token locks nobody out, and the code that the authenticator works. Sessions stay.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for a wrong password or code, or when nothing was set up, or not lately;
    /// [`Error::Conflict`] when one is on.
    pub async fn enable_factor(
        &self,
        user: UserId,
        password: (&str, HashPriority),
        code: &FactorCode,
    ) -> Result<()> {
        const NOT_SET_UP: Error =
            Error::Forbidden("set two-factor sign-in up first, anew after 15 minutes");
        let account = self.profile(user).await?;
        let proved_by = self.password_proof(&account, password).await?;
        let now = self.ports.clock.now();
        let factor = self.ports.second_factors.factor(user, now).await?;
        if factor.active.is_some() {
            return Err(is_on());
        }
        let pending = factor.pending.ok_or(NOT_SET_UP)?;
        let FactorCode::Totp(code) = code else { return Err(self.refuse_code(user)) };
        let opened = self.ports.sealing.open(&pending.secret, &about(user))?;
        let step = TotpSecret::from_bytes(&opened.plain)?.step(code, now, -1)?;
        let step = step.ok_or_else(|| self.refuse_code(user))?;
        let enabling = FactorEnabling { user, proved_by, secret: pending.secret, step, now };
        if self.ports.second_factors.enable(enabling).await? { Ok(()) } else { Err(NOT_SET_UP) }
    }

    /// Uses up a code, to see that it works.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for a wrong or used code, or while no second factor is on.
    pub async fn try_factor(&self, user: UserId, code: &FactorCode) -> Result<()> {
        self.spend(user, None, code, SpentOn::Trying).await
    }

    /// Other backup codes in the place of all.
    ///
    /// # Errors
    /// As [`disable_factor`](Self::disable_factor).
    pub async fn renew_backup_codes(
        &self,
        user: UserId,
        password: (&str, HashPriority),
        code: &FactorCode,
    ) -> Result<Vec<Secret>> {
        let (shown, hashes) = self.backup_codes();
        self.spend(user, Some(password), code, SpentOn::Codes(hashes)).await?;
        Ok(shown)
    }

    /// Switches the second factor off; challenges and backup codes end with it.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for a wrong password or code, or while none is on.
    pub async fn disable_factor(
        &self,
        user: UserId,
        password: (&str, HashPriority),
        code: &FactorCode,
    ) -> Result<()> {
        self.spend(user, Some(password), code, SpentOn::Disabling).await
    }

    /// Switches the second factor of the account with this address off, for an operator who knows that it
    /// was lost; says whether it was on.
    ///
    /// # Errors
    /// [`Error::NotFound`] without such an account.
    pub async fn remove_factor(&self, email: &str) -> Result<bool> {
        let (account, _) = self.find(email).await?.ok_or(Error::NotFound("account"))?;
        self.ports.second_factors.remove(account.id, self.ports.clock.now()).await
    }

    /// Seals every active secret that another key than the present one sealed anew; says how many. After
    /// that no accepted key is needed any more.
    ///
    /// # Errors
    /// [`Error::Internal`] naming the user whose secret no key opens.
    pub async fn reseal_factors(&self) -> Result<u64> {
        let (mut resealed, mut after) = (0, None);
        loop {
            let sealed = self.ports.second_factors.sealed(after, RESEALED_AT_ONCE).await?;
            let Some((last, _)) = sealed.last() else { return Ok(resealed) };
            after = Some(*last);
            for (user, old) in sealed {
                let about = about(user);
                let opened = self.ports.sealing.open(&old, &about).map_err(|error| {
                    Error::internal(format!("the second factor of {user}: {error}"))
                })?;
                if opened.is_outdated {
                    let new = self.ports.sealing.seal(&opened.plain, &about)?;
                    resealed +=
                        u64::from(self.ports.second_factors.reseal(user, &old, &new).await?);
                }
            }
        }
    }

    async fn spend(
        &self,
        user: UserId,
        password: Option<(&str, HashPriority)>,
        code: &FactorCode,
        spent_on: SpentOn,
    ) -> Result<()> {
        let proved_by = match password {
            Some(password) => {
                Some(self.password_proof(&self.profile(user).await?, password).await?)
            }
            None => None,
        };
        let now = self.ports.clock.now();
        let factor = self.ports.second_factors.factor(user, now).await?.active.ok_or(IS_OFF)?;
        let proof = self.factor_proof(user, &factor, code, now)?;
        let proof = proof.ok_or_else(|| self.refuse_code(user))?;
        let change = FactorChange { user, proved_by, proof, spent_on, now };
        let is_spent = self.ports.second_factors.change(change).await?;
        if is_spent { Ok(()) } else { Err(self.refuse_code(user)) }
    }

    fn refuse_code(&self, user: UserId) -> Error {
        self.ports.denials.note(Action::CodeProved, Reason::WrongCode, Some(user.into()));
        Error::Forbidden(WRONG_CODE)
    }

    async fn password_proof(
        &self,
        account: &Account,
        (password, priority): (&str, HashPriority),
    ) -> Result<String> {
        let password = TypedPassword::new(password).ok_or(Error::Forbidden(WRONG_PASSWORD))?;
        self.proof(account, &password, priority).await
    }

    fn backup_codes(&self) -> (Vec<Secret>, Vec<String>) {
        (0..BACKUP_CODES).map(|_| backup_code(self.random())).unzip()
    }
}
