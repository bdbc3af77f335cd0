//! Tokens that are sent by mail: who has one reads what is sent to its address.

use super::{Email, UserId};
use crate::{Timestamp, text_enum::text_enum};

text_enum!(
    /// What a token is good for.
    MailPurpose, {
        /// Setting another password.
        Reset = "reset",
        /// Confirming the account's address.
        Verify = "verify",
        /// Signing in.
        SignIn = "sign_in",
        /// Finishing a sign-up. Nothing of it is stored beside other tokens: there is no account yet.
        SignUp = "sign_up",
        /// Confirming a change of address at the old one; kept with the change.
        OldAddress = "old_address",
        /// The same at the new one.
        NewAddress = "new_address",
    }
);

/// A token that is sent by mail, one for each user and purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailToken {
    /// Whose account.
    pub user: UserId,
    /// Where the token is sent. Nothing is stored once the account has another address.
    pub email: Email,
    /// What it is good for.
    pub purpose: MailPurpose,
    /// [`digest`](super::digest) of the token.
    pub token_hash: String,
    /// When it is made.
    pub created_at: Timestamp,
    /// When it ends, exclusive.
    pub expires_at: Timestamp,
}

/// Another password, proved by a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordReset {
    /// [`digest`](super::digest) of the token.
    pub token_hash: String,
    /// The hash of the new password.
    pub password_hash: String,
    /// When it is set.
    pub now: Timestamp,
}
