//! What must be kept of accounts. Every method is one unit of work: all of it happens, with its
//! events in the log, or none of it.

use async_trait::async_trait;

use super::{
    Account, AccountState, AddressDigest, ApiKey, ApiKeyId, Email, FullName, Role, SessionId, Tier,
    UserId,
};
use crate::{Result, Timestamp};

/// An account to be made.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// Its id.
    pub id: UserId,
    /// The address that signs in.
    pub email: Email,
    /// The name to greet by.
    pub full_name: FullName,
    /// The password's hash, a PHC string.
    pub password_hash: String,
    /// The tier to start with.
    pub tier: Tier,
    /// The role to start with.
    pub role: Role,
    /// When.
    pub created_at: Timestamp,
}

/// A sign-in to be recorded, with its first refresh token.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// Where it was opened from; `None` when no client did, but a command.
    pub address: Option<AddressDigest>,
    /// [`digest`](super::digest) of the first refresh token.
    pub refresh_hash: String,
    /// When.
    pub created_at: Timestamp,
    /// When the last refresh token of the family ends.
    pub expires_at: Timestamp,
}

/// What to change; `None` leaves a field as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProfileChange {
    /// Another name.
    pub full_name: Option<FullName>,
    /// Another address, which starts unverified.
    pub email: Option<Email>,
}

/// What became of a refresh token that was presented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refreshed {
    /// It was good and is used up now; the new one is stored.
    Rotated {
        /// The session.
        session: SessionId,
        /// Its owner, as of now.
        account: Account,
        /// When the family ends.
        expires_at: Timestamp,
    },
    /// It had been used before: its family is revoked now.
    Replayed {
        /// The session that ended.
        session: SessionId,
    },
    /// It is unknown, expired, of a revoked family, or its account is disabled.
    Refused,
}

/// A session whose access tokens may still be within their life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RevokedSession {
    /// The session.
    pub session: SessionId,
    /// When its last access token will have expired.
    pub until: Timestamp,
}

/// Users and their sessions, kept durably.
#[async_trait]
pub trait AccountStore: Send + Sync {
    /// Makes an account.
    ///
    /// # Errors
    /// [`ConflictKind::EmailTaken`](crate::error::ConflictKind::EmailTaken).
    async fn create(&self, account: NewAccount) -> Result<Account>;

    /// The account and its password's hash, by address.
    async fn credentials(&self, email: &Email) -> Result<Option<(Account, String)>>;

    /// The account.
    async fn account(&self, id: UserId) -> Result<Option<Account>>;

    /// What requests need to know of the account.
    async fn state(&self, id: UserId) -> Result<Option<AccountState>>;

    /// Changes the profile and logs `AccountChanged`.
    ///
    /// # Errors
    /// [`ConflictKind::EmailTaken`](crate::error::ConflictKind::EmailTaken), or `NotFound`.
    async fn update_profile(
        &self,
        id: UserId,
        change: ProfileChange,
        now: Timestamp,
    ) -> Result<Account>;

    /// Replaces the password's hash, only if it still is `old_hash`.
    async fn upgrade_hash(&self, id: UserId, old_hash: &str, new_hash: &str) -> Result<()>;

    /// Sets tier and role and logs `AccountChanged`.
    ///
    /// # Errors
    /// `NotFound`.
    async fn set_standing(
        &self,
        id: UserId,
        tier: Tier,
        role: Role,
        now: Timestamp,
    ) -> Result<Account>;

    /// How many enabled administrators there are.
    async fn count_admins(&self) -> Result<u32>;

    /// Records a sign-in.
    async fn open_session(&self, session: NewSession) -> Result<()>;

    /// Whether any session of the account with this e-mail address, also one that has ended, was opened
    /// from `address`. One question, whether or not there is such an account: then it is `false`.
    async fn has_signed_in_from(&self, email: &Email, address: &AddressDigest) -> Result<bool>;

    /// The session that the refresh token with this digest was made for, also when it is used up.
    async fn session_of_refresh(&self, token_hash: &str) -> Result<Option<SessionId>>;

    /// Uses up the refresh token whose digest is `presented` and stores `next` in its place. A token
    /// used before revokes its family: `SessionRevoked` with `denied_until` is logged.
    async fn rotate_refresh(
        &self,
        presented: &str,
        next: &str,
        now: Timestamp,
        denied_until: Timestamp,
    ) -> Result<Refreshed>;

    /// Ends a session and logs `SessionRevoked`; ending it twice changes nothing.
    async fn revoke_session(
        &self,
        session: SessionId,
        now: Timestamp,
        denied_until: Timestamp,
    ) -> Result<()>;

    /// Ends every session, raises the user's generation by one and logs `AccountChanged`; says the
    /// new generation.
    async fn revoke_all(&self, user: UserId, now: Timestamp) -> Result<i64>;

    /// The same for every user, in one transaction that logs `EverybodySignedOut`; says how many users
    /// there are.
    async fn revoke_everybody(&self, now: Timestamp) -> Result<u64>;

    /// Sessions whose denial has not run out at `now`: what the blacklist starts from. At most
    /// `limit`, those that run out last first.
    async fn revoked_sessions(&self, now: Timestamp, limit: u32) -> Result<Vec<RevokedSession>>;
}

/// An API key to be stored.
#[derive(Debug, Clone)]
pub struct NewApiKey {
    /// What its owner may see of it.
    pub key: ApiKey,
    /// [`digest`](super::digest) of the key.
    pub key_hash: String,
}

/// Users' API keys, kept durably.
#[async_trait]
pub trait ApiKeyStore: Send + Sync {
    /// Stores a key and logs `ApiKeysChanged`.
    ///
    /// # Errors
    /// [`ConflictKind::LimitReached`](crate::error::ConflictKind::LimitReached) when the owner has `max`
    /// live keys already.
    async fn create(&self, key: NewApiKey, max: u32) -> Result<()>;

    /// The owner's keys that are neither revoked nor expired at `now`, newest first.
    async fn list(&self, owner: UserId, now: Timestamp) -> Result<Vec<ApiKey>>;

    /// Revokes a key and logs `ApiKeysChanged`.
    ///
    /// # Errors
    /// `NotFound` when the owner has no such live key.
    async fn revoke(&self, owner: UserId, key: ApiKeyId, now: Timestamp) -> Result<()>;

    /// The live key with this digest.
    async fn by_hash(&self, key_hash: &str, now: Timestamp) -> Result<Option<ApiKey>>;
}
