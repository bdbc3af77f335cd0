//! Signing up where the answer does not tell whether the address has an account: who signed up shows by a mail to
//! read what is sent there, and by the password that it was no stranger's sign-up.
//!
//! A stranger may sign up with somebody's address and a password of his own. Who then follows the link does not know
//! that password, so no account is made that the stranger could get into.

mod mails;
mod own;
mod store;

pub use mails::SignUps;
pub use store::{ConfirmAddresses, PendingSignUp, SIGN_UP_TTL, SignUpStore};
