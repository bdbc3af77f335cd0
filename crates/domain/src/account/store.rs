//! What must be kept of accounts. Every method is one unit of work: all of it happens, with its
//! events in the log, or none of it.

use async_trait::async_trait;

use super::{
    Account, AccountState, AddressDigest, ApiKey, ApiKeyId, Email, FullName, MailPurpose,
    MailToken, PasswordReset, Role, SessionId, Tier, UserId,
};
use crate::{Result, Timestamp, jobs::NewJob};

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
    /// When the account is made.
    pub created_at: Timestamp,
    /// What has to be done once it is made, if anything.
    pub welcome: Option<NewJob>,
}

/// A sign-in to be recorded, with its first refresh token.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// [`Account::generation`] when the password was right.
    pub generation: i64,
    /// Where it was opened from; `None` when no client did, but a command.
    pub address: Option<AddressDigest>,
    /// [`digest`](super::digest) of the first refresh token.
    pub refresh_hash: String,
    /// When the user signed in.
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
    pub email: Option<EmailChange>,
}

/// Another address, proved by the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmailChange {
    /// The address.
    pub email: Email,
    /// The hash of the password that was right. Nothing is changed once the account has another.
    pub proved_by: String,
}

/// Another password, proved by the current one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordChange {
    /// Whose it is.
    pub user: UserId,
    /// The hash of the password that was right. Nothing is changed once the account has another.
    pub proved_by: String,
    /// The hash of the new one.
    pub password_hash: String,
    /// When it is changed.
    pub now: Timestamp,
}

/// What ends when a user signs out everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignOut {
    /// Every session. API keys stay good: programs go on.
    Sessions,
    /// Every session and every API key.
    SessionsAndKeys,
}

/// A live session, as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionSummary {
    /// Its id.
    pub id: SessionId,
    /// Where it was opened from; `None` when no client did, but a command.
    pub address: Option<AddressDigest>,
    /// When the user signed in.
    pub created_at: Timestamp,
    /// When it was last refreshed, or else opened.
    pub last_used_at: Timestamp,
}

/// Who shows that an address belongs to whom it is granted something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressProof {
    /// The account itself: its address was confirmed.
    Verified,
    /// The operator, who knows the holder.
    Operator,
}

/// An account to be made an administrator's.
#[derive(Debug, Clone)]
pub struct Promotion {
    /// Its address.
    pub email: Email,
    /// The hash of its password from now on.
    pub password_hash: String,
    /// Who vouches for the address.
    pub proof: AddressProof,
    /// When the account is promoted.
    pub now: Timestamp,
}

/// A refresh token that was presented, and what shall follow it.
#[derive(Debug, Clone)]
pub struct Rotation {
    /// [`digest`](super::digest) of the token.
    pub presented: String,
    /// [`digest`](super::digest) of the next one.
    pub next: String,
    /// How the client may ask again; `None`: it may not.
    pub repeat: Option<Repeat>,
    /// When the token is used.
    pub now: Timestamp,
    /// Until when the session's access tokens are refused, should this be a replay.
    pub denied_until: Timestamp,
}

/// Lets one client present a used token again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeat {
    /// The next token, readable only with the presented one.
    pub sealed_next: String,
    /// The client.
    pub address: AddressDigest,
    /// Until when, exclusive.
    pub until: Timestamp,
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
    /// It was the last one that was used, by the same client a moment ago: nothing changed.
    Repeated {
        /// The session.
        session: SessionId,
        /// Its owner, as of now.
        account: Account,
        /// [`Repeat::sealed_next`] of the first use.
        sealed_next: String,
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

/// Why no administrator's role is taken.
pub const LAST_ADMIN: &str = "this is the last administrator; make another one first";

/// Why an account is made no administrator's.
pub const NOT_TO_ADMINISTER: &str =
    "the account is disabled, or nobody has shown that its address is theirs";

/// Users and their sessions, kept durably.
#[async_trait]
pub trait AccountStore: Send + Sync {
    /// Makes an account, and adds [`NewAccount::welcome`] in the same transaction.
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
    /// [`ConflictKind::EmailTaken`](crate::error::ConflictKind::EmailTaken), or `NotFound`; `Forbidden`
    /// when the account has another password than [`EmailChange::proved_by`].
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
    async fn set_tier_and_role(
        &self,
        id: UserId,
        tier: Tier,
        role: Role,
        now: Timestamp,
    ) -> Result<Account>;

    /// Makes an enabled account an administrator's, with another password; raises its generation, which
    /// ends its sessions, forgets their addresses, revokes its API keys; logs `AccountChanged` and
    /// `ApiKeysChanged`.
    ///
    /// # Errors
    /// `NotFound` without such an account; `Forbidden` when nobody vouches for its address.
    async fn promote(&self, promotion: Promotion) -> Result<Account>;

    /// Gives a user a role and logs `AccountChanged`; the same role again changes nothing. Such changes wait for each
    /// other.
    ///
    /// # Errors
    /// `NotFound`; `Forbidden` ([`NOT_TO_ADMINISTER`]) when an account is to administer that is disabled or whose
    /// address was not confirmed; [`ConflictKind::LastAdmin`](crate::error::ConflictKind::LastAdmin) when no enabled
    /// administrator would be left.
    async fn change_role(&self, id: UserId, role: Role, now: Timestamp) -> Result<Account>;

    /// How many enabled administrators there are.
    async fn count_admins(&self) -> Result<u32>;

    /// Records a sign-in.
    ///
    /// # Errors
    /// `Unauthenticated` when the account was disabled, or its generation raised, since
    /// [`NewSession::generation`] was read: the password may be another one now.
    async fn open_session(&self, session: NewSession) -> Result<()>;

    /// Whether any session of the account with this e-mail address, also one that has ended, was opened
    /// from `address` since the last promotion. One question, whether or not there is such an account: then it is `false`.
    async fn has_signed_in_from(&self, email: &Email, address: &AddressDigest) -> Result<bool>;

    /// The session that the refresh token with this digest was made for, also when it is used up.
    async fn session_of_refresh(&self, token_hash: &str) -> Result<Option<SessionId>>;

    /// Uses up the presented token and stores the next in its place. A token used before revokes its
    /// family, and `SessionRevoked` is logged, unless it was the last one and its [`Repeat`] holds. A
    /// session of an older generation than the account's is over.
    async fn rotate_refresh(&self, rotation: Rotation) -> Result<Refreshed>;

    /// Ends a session and logs `SessionRevoked`; ending it twice changes nothing.
    async fn revoke_session(
        &self,
        session: SessionId,
        now: Timestamp,
        denied_until: Timestamp,
    ) -> Result<()>;

    /// The user's live sessions at `now`, those opened last first, at most `limit`. Costs the same however
    /// many have ended.
    async fn sessions(
        &self,
        user: UserId,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<SessionSummary>>;

    /// Ends a session of this user and logs `SessionRevoked`.
    ///
    /// # Errors
    /// `NotFound` when the user has no such session that is live at `now`; nothing is logged then.
    async fn revoke_own_session(
        &self,
        user: UserId,
        session: SessionId,
        now: Timestamp,
        denied_until: Timestamp,
    ) -> Result<()>;

    /// Sets another password and raises the user's generation by one, which ends every session; logs
    /// `AccountChanged`. Addresses that were known stay known.
    ///
    /// # Errors
    /// `NotFound`; `Forbidden` when the account has another password than [`PasswordChange::proved_by`].
    async fn change_password(&self, change: PasswordChange) -> Result<Account>;

    /// Stores a token in the place of the user's older one of the same purpose. False if the account is
    /// disabled, or has another address by now, and then nothing is stored.
    async fn put_mail_token(&self, token: MailToken) -> Result<bool>;

    /// The enabled account for which the token with this digest is good at `now`. It is good for its purpose
    /// alone, until it ends, is used or replaced, or the account gets another address; one for another password
    /// until the account gets another one.
    async fn mail_token_account(
        &self,
        purpose: MailPurpose,
        token_hash: &str,
        now: Timestamp,
    ) -> Result<Option<Account>>;

    /// Sets another password as [`change_password`](Self::change_password) does, and uses up the token.
    /// What it proves is kept: the account's address is verified. False if the token is not good, and then
    /// nothing is changed.
    async fn reset_password(&self, reset: PasswordReset) -> Result<bool>;

    /// The address of the account with this token is verified, and the token used up; logs
    /// `AccountChanged`. False as above.
    async fn verify_email(&self, token_hash: &str, now: Timestamp) -> Result<bool>;

    /// Uses up the token, confirms the account's address, and says whose it is; logs `AccountChanged` if the address
    /// was not confirmed before. `None` if the token is not good.
    async fn take_sign_in_token(&self, token_hash: &str, now: Timestamp)
    -> Result<Option<Account>>;

    /// Raises the user's generation by one, which ends every session, ends what was mailed to set another password or
    /// to sign in, and logs `AccountChanged`; says
    /// the new generation. Costs the same however many sessions there are. With
    /// [`SignOut::SessionsAndKeys`] revokes the live API keys in the same transaction, and logs
    /// `ApiKeysChanged`.
    async fn revoke_all(&self, user: UserId, ended: SignOut, now: Timestamp) -> Result<i64>;

    /// The same for every user, and as cheap: of what was mailed, what confirms an address stays good, and the rest ends.
    /// Logs `EverybodySignedOut`.
    async fn revoke_everybody(&self, now: Timestamp) -> Result<()>;

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
    /// The owner's generation when the owner asked.
    pub generation: i64,
}

/// Users' API keys, kept durably.
#[async_trait]
pub trait ApiKeyStore: Send + Sync {
    /// Stores a key and logs `ApiKeysChanged`.
    ///
    /// # Errors
    /// [`ConflictKind::LimitReached`](crate::error::ConflictKind::LimitReached) when the owner has `max`
    /// live keys already; `Unauthenticated` when the owner's generation was raised meanwhile.
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
