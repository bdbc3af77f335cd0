//! What must be kept of second factors. Every method is one unit of work.

use async_trait::async_trait;

use super::super::{Account, NewSession, UserId};
use crate::{Result, Timestamp};

/// The second factor of an account, as it is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FactorState {
    /// The one that is asked for.
    pub active: Option<ActiveFactor>,
    /// The one that may become it.
    pub pending: Option<PendingFactor>,
}

/// A second factor that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveFactor {
    /// Sealed.
    pub secret: String,
    /// The newest time step whose code was accepted.
    pub last_step: i64,
    /// Since when.
    pub enabled_at: Timestamp,
    /// Backup codes that were not used yet.
    pub codes_left: u32,
}

/// A second factor of which no code was shown yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingFactor {
    /// Sealed.
    pub secret: String,
    /// [`digest`](super::super::digest)s of its backup codes.
    pub codes: Vec<String>,
    /// When it is good for nothing any more, exclusive.
    pub expires_at: Timestamp,
}

/// A pending factor that becomes the active one.
#[derive(Debug, Clone)]
pub struct FactorEnabling {
    /// Whose it is.
    pub user: UserId,
    /// The hash of the password that was right. Nothing is changed once the account has another.
    pub proved_by: String,
    /// [`PendingFactor::secret`], of which a code was shown.
    pub secret: String,
    /// The step of that code.
    pub step: i64,
    /// When.
    pub now: Timestamp,
}

/// A code that was found right, to be used up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FactorProof {
    /// A code of the active secret.
    Step {
        /// [`ActiveFactor::secret`] that it is of.
        secret: String,
        /// Its time step.
        step: i64,
        /// The secret sealed anew, if it is to be.
        resealed: Option<String>,
    },
    /// The [`digest`](super::super::digest) of a backup code.
    Backup(String),
}

/// What a signed-in user spends a code on.
#[derive(Debug, Clone)]
pub enum SpentOn {
    /// Nothing: the user tries it.
    Trying,
    /// Other backup codes in the place of all; their digests.
    Codes(Vec<String>),
    /// No second factor any more.
    Disabling,
}

/// A change by a signed-in user, proved by a code.
#[derive(Debug, Clone)]
pub struct FactorChange {
    /// Whose it is.
    pub user: UserId,
    /// The hash of the password that was right; `None`: none was asked for. Nothing is changed once the
    /// account has another.
    pub proved_by: Option<String>,
    /// The code.
    pub proof: FactorProof,
    /// What for.
    pub spent_on: SpentOn,
    /// When.
    pub now: Timestamp,
}

/// The right to send a code, after the password was right.
#[derive(Debug, Clone)]
pub struct NewChallenge {
    /// [`digest`](super::super::digest) of its token.
    pub token_hash: String,
    /// Who may sign in.
    pub user: UserId,
    /// [`Account::generation`] when the password was right.
    pub generation: i64,
    /// When it was.
    pub created_at: Timestamp,
    /// When the token ends, exclusive.
    pub expires_at: Timestamp,
}

/// A challenge that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// Who may sign in, as of now.
    pub account: Account,
    /// The second factor.
    pub factor: ActiveFactor,
}

/// A sign-in that both factors prove.
#[derive(Debug, Clone)]
pub struct FactorSignIn {
    /// [`digest`](super::super::digest) of the challenge's token.
    pub token_hash: String,
    /// The code.
    pub proof: FactorProof,
    /// What is opened.
    pub session: NewSession,
}

/// Second factors, kept durably.
#[async_trait]
pub trait SecondFactorStore: Send + Sync {
    /// The user's second factor at `now`; a pending one that has ended is none.
    async fn factor(&self, user: UserId, now: Timestamp) -> Result<FactorState>;

    /// Stores a pending factor in the place of an older one. False if one is active, and then nothing is
    /// stored.
    ///
    /// # Errors
    /// `NotFound` without such an account.
    async fn put_pending(&self, user: UserId, pending: PendingFactor) -> Result<bool>;

    /// Makes the pending factor the active one. False if it is not the pending one (any more), has ended, or
    /// one is active; then nothing is changed.
    ///
    /// # Errors
    /// `NotFound`; `Forbidden` when the account has another password than [`FactorEnabling::proved_by`].
    async fn enable(&self, enabling: FactorEnabling) -> Result<bool>;

    /// Uses up a code and makes the change. False if the code is none of the active factor, or was used
    /// before, and then nothing is changed: of many who spend one code at once, one does.
    ///
    /// # Errors
    /// `NotFound`; `Forbidden` when the account has another password than [`FactorChange::proved_by`].
    async fn change(&self, change: FactorChange) -> Result<bool>;

    /// Takes an account's second factor away at `now`, active or pending, with its backup codes and challenges;
    /// says whether there was an active one.
    async fn remove(&self, user: UserId, now: Timestamp) -> Result<bool>;

    /// Stores a challenge, and deletes those of the user that have ended.
    ///
    /// # Errors
    /// `NotFound`.
    async fn challenge(&self, challenge: NewChallenge) -> Result<()>;

    /// The account for which the challenge with this token is open at `now`: it has not ended, fewer than
    /// `most` codes were tried, the account is enabled, has an active factor, and its generation is that of
    /// the challenge. With `counts`, one more was tried from now on: of many at once, no more than `most` are
    /// let in.
    async fn open_challenge(
        &self,
        token_hash: &str,
        now: Timestamp,
        most: u32,
        counts: bool,
    ) -> Result<Option<Challenge>>;

    /// Uses up the code and the challenge, and records the sign-in. False if the code was used before, and
    /// then nothing is changed.
    ///
    /// # Errors
    /// `Unauthenticated` when the challenge is gone, or for the reasons of
    /// [`AccountStore::open_session`](super::super::AccountStore::open_session).
    async fn sign_in(&self, sign_in: FactorSignIn) -> Result<bool>;

    /// Active secrets as they are sealed, by user, `limit` at most of those after `after`.
    async fn sealed(&self, after: Option<UserId>, limit: u32) -> Result<Vec<(UserId, String)>>;

    /// Replaces an active secret by the same one sealed anew, if it still is `old`; says whether it did.
    async fn reseal(&self, user: UserId, old: &str, new: &str) -> Result<bool>;
}
