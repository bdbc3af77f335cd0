//! The second factor: one-time codes of an authenticator (TOTP, RFC 6238) besides the password, and
//! backup codes for who has lost it.
//!
//! A secret is *pending* from its set-up until a code of it has been shown together with the password; only
//! then it is *active*, and nothing but switching it off ends that. The password alone then opens no session:
//! it gives a token with which a code can be sent, good for nothing else.

mod code;
mod own;
mod sign_in;
mod store;

pub use code::FactorCode;
use code::{TotpSecret, backup_code};
pub use own::{FactorSetup, FactorStatus};
pub use sign_in::{CHALLENGE_TTL, MOST_TRIES, SecondFactorNeeded, SignIn};
pub use store::{
    ActiveFactor, Challenge, FactorChange, FactorEnabling, FactorProof, FactorSignIn, FactorState,
    NewChallenge, PendingFactor, SecondFactorStore, SpentOn,
};

/// Refuses a code that is wrong, or was accepted before.
pub const WRONG_CODE: &str = "the code is wrong, or was used before";

/// Backup codes of an account.
const BACKUP_CODES: usize = 10;

/// What the sealed secret of a user is about, so that the row of one user opens for no other.
fn about(user: super::UserId) -> Vec<u8> {
    format!("alpine: second factor of {user}").into_bytes()
}
