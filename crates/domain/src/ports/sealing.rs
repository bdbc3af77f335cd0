//! Secrets that have to be read again, as they are stored.

use crate::Result;

/// What a sealed text held.
#[derive(Clone, PartialEq, Eq)]
pub struct Opened {
    /// The secret.
    pub plain: Vec<u8>,
    /// Whether it was sealed with a key that seals no more: it is to be sealed anew.
    pub is_outdated: bool,
}

/// Encrypts secrets so that who reads the database learns nothing, and who writes to it cannot pass one
/// for another.
pub trait Sealing: Send + Sync {
    /// The secret as a text. Only with the same `about` can it be opened.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`] without a key.
    fn seal(&self, plain: &[u8], about: &[u8]) -> Result<String>;

    /// What was sealed.
    ///
    /// # Errors
    /// [`crate::Error::Internal`] when no key opens it, or it was sealed about something else.
    fn open(&self, sealed: &str, about: &[u8]) -> Result<Opened>;
}
