//! Signing in with a code, after the password.

use std::time::Duration;

use super::{
    super::{
        Account, Accounts, AddressDigest, NewSession, Secret, SessionId, SignedIn, UserId, digest,
    },
    FactorCode, FactorProof, FactorSignIn, NewChallenge, TotpSecret, WRONG_CODE, about,
    store::ActiveFactor,
};
use crate::{
    Error, Result, Timestamp,
    audit::{Action, Reason},
};

/// How long a code may be sent after the password.
pub const CHALLENGE_TTL: Duration = Duration::from_mins(5);

/// Codes that may be tried after one password.
pub const MOST_TRIES: u32 = 5;

/// What every such token begins with.
const PREFIX: &str = "alp_m_";

const NOT_OPEN: Error =
    Error::Unauthenticated("the mfa_token is not good, or not any more; sign in again");

/// What a right password leads to.
#[derive(Debug, Clone)]
pub enum SignIn {
    /// A session.
    Complete(Box<SignedIn>),
    /// The account has a second factor.
    NeedsCode(Box<SecondFactorNeeded>),
}

/// The right to send a code.
#[derive(Debug, Clone)]
pub struct SecondFactorNeeded {
    /// Whose password was right.
    pub account: Account,
    /// To be sent with the code; good for nothing else.
    pub token: Secret,
    /// How long the token is good.
    pub expires_in: Duration,
}

impl SignIn {
    /// The session.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] where a code is asked for.
    pub fn complete(self) -> Result<SignedIn> {
        match self {
            Self::Complete(signed_in) => Ok(*signed_in),
            Self::NeedsCode(_) => Err(Error::Unauthenticated("a second factor is needed")),
        }
    }
}

impl Accounts {
    /// What follows once the password was right: a session, or the question for a code. Whoever signs
    /// somebody in by another proof than both factors goes through this.
    pub(in super::super) async fn enter(
        &self,
        account: Account,
        address: Option<&AddressDigest>,
    ) -> Result<SignIn> {
        let now = self.ports.clock.now();
        if self.ports.second_factors.factor(account.id, now).await?.active.is_none() {
            let signed_in = self.open_session(account, address).await?;
            return Ok(SignIn::Complete(Box::new(signed_in)));
        }
        let token = self.secret(PREFIX);
        let challenge = NewChallenge {
            token_hash: digest(token.reveal()),
            user: account.id,
            generation: account.generation,
            created_at: now,
            expires_at: now.later(CHALLENGE_TTL),
        };
        self.ports.second_factors.challenge(challenge).await?;
        let needed = SecondFactorNeeded { account, token, expires_in: CHALLENGE_TTL };
        Ok(SignIn::NeedsCode(Box::new(needed)))
    }

    /// Whose the token is, before a code is tried.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] for one that is unknown, used, too often tried, older than
    /// [`CHALLENGE_TTL`], or from before a sign-out of everything or another password.
    pub async fn challenged(&self, token: &str) -> Result<Account> {
        let now = self.ports.clock.now();
        let store = &self.ports.second_factors;
        let open = store.open_challenge(&digest(token), now, MOST_TRIES, false).await?;
        open.map(|challenge| challenge.account).ok_or(NOT_OPEN)
    }

    /// Signs in by the token and a code. The try counts before the code is looked at.
    ///
    /// # Errors
    /// As [`challenged`](Self::challenged); [`Error::Unauthenticated`] for a wrong or used code as well.
    pub async fn sign_in_with_code(
        &self,
        address: Option<&AddressDigest>,
        token: &str,
        code: &FactorCode,
    ) -> Result<SignedIn> {
        let now = self.ports.clock.now();
        let token_hash = digest(token);
        let store = &self.ports.second_factors;
        let open = store.open_challenge(&token_hash, now, MOST_TRIES, true).await?;
        let challenge = open.ok_or(NOT_OPEN)?;
        let account = challenge.account;
        let wrong = || {
            let subject = Some(account.id.into());
            self.ports.denials.note(Action::SignIn, Reason::WrongCode, subject);
            Error::Unauthenticated(WRONG_CODE)
        };
        let proof = self.factor_proof(account.id, &challenge.factor, code, now)?;
        let proof = proof.ok_or_else(wrong)?;
        let refresh_token = self.secret(super::super::accounts::REFRESH_PREFIX);
        let session = NewSession {
            id: SessionId::generate(now, self.random()),
            user: account.id,
            generation: account.generation,
            address: address.cloned(),
            refresh_hash: digest(refresh_token.reveal()),
            created_at: now,
            expires_at: now.later(self.settings.refresh_ttl),
        };
        let id = session.id;
        if !store.sign_in(FactorSignIn { token_hash, proof, session }).await? {
            return Err(wrong());
        }
        self.tokens(account, id, refresh_token, now)
    }

    /// What proves that this is a code of the factor, if it is one.
    pub(super) fn factor_proof(
        &self,
        user: UserId,
        factor: &ActiveFactor,
        code: &FactorCode,
        now: Timestamp,
    ) -> Result<Option<FactorProof>> {
        let code = match code {
            FactorCode::Backup(hash) => return Ok(Some(FactorProof::Backup(hash.clone()))),
            FactorCode::Totp(code) => code,
        };
        let about = about(user);
        let opened = self.ports.sealing.open(&factor.secret, &about)?;
        let secret = TotpSecret::from_bytes(&opened.plain)?;
        let Some(step) = secret.step(code, now, factor.last_step)? else { return Ok(None) };
        let resealed = if opened.is_outdated {
            Some(self.ports.sealing.seal(secret.bytes(), &about)?)
        } else {
            None
        };
        Ok(Some(FactorProof::Step { secret: factor.secret.clone(), step, resealed }))
    }
}
