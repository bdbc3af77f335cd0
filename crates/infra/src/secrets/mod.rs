//! Passwords, tokens, sealed secrets and randomness.

mod hash_memory;
mod password;
mod random;
mod sealing;
mod tokens;

pub use password::{Argon2Hasher, HashSettings, check_foreign_hash};
pub use random::OsRandomness;
pub use sealing::Keyring;
pub use tokens::{SignedTokens, SigningKey, TokenSettings};
