//! Passwords, tokens and randomness.

use std::sync::Arc;

use async_trait::async_trait;
use uuid::Uuid;

use crate::{Result, Timestamp};

/// Fills buffers with bytes that nobody can guess.
pub trait Randomness: Send + Sync {
    /// Fills `buffer` from the operating system's generator.
    fn fill(&self, buffer: &mut [u8]);
}

/// What a password check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordCheck {
    /// The password is right.
    Right,
    /// The password is right, and the hash was made with weaker settings than today's.
    RightButOutdated,
    /// The password is wrong.
    Wrong,
}

/// Whose turn it is when more passwords wait than are hashed at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashPriority {
    /// A client at an address from which the account was signed in to before, or an operator.
    Known,
    /// Anybody else. However many they are, they hold up nobody who is known for longer than the hashes
    /// that are being computed.
    Stranger,
}

/// Hashes passwords, off the asynchronous workers and only a bounded number at once.
#[async_trait]
pub trait PasswordHasher: Send + Sync {
    /// A salted hash in PHC string format.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`] when too many of this priority wait already.
    async fn hash(&self, password: &str, priority: HashPriority) -> Result<String>;

    /// Compares `password` with `hash`. Without a hash it does the same work and says
    /// [`PasswordCheck::Wrong`], so that an unknown account answers alike in time.
    ///
    /// # Errors
    /// As [`hash`](Self::hash).
    async fn check(
        &self,
        password: &str,
        hash: Option<&str>,
        priority: HashPriority,
    ) -> Result<PasswordCheck>;
}

/// What an access token says. Subjects are ids, never e-mail addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessClaims {
    /// The user whom the token was issued to.
    pub subject: Uuid,
    /// The session that the token belongs to; revoking it refuses all its tokens.
    pub session: Uuid,
    /// The token's own id (`jti`).
    pub id: String,
    /// The subject's generation: tokens below the current one are refused.
    pub generation: i64,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// Signs and verifies access tokens (JWT, RFC 7519, by the rules of RFC 8725: one algorithm).
pub trait AccessTokens: Send + Sync {
    /// The signed text.
    ///
    /// # Errors
    /// [`crate::Error::Internal`] when signing fails.
    fn issue(&self, claims: &AccessClaims) -> Result<String>;

    /// The claims of a token whose signature, algorithm, issuer, audience and times are all right
    /// at `now`. Adapters may remember tokens that they verified.
    ///
    /// # Errors
    /// [`crate::Error::Unauthenticated`] for every other text.
    fn verify(&self, token: &str, now: Timestamp) -> Result<Arc<AccessClaims>>;
}
