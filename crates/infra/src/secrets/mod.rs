//! Passwords, tokens and randomness.

mod hash_memory;
mod password;
mod random;
mod tokens;

pub use password::{Argon2Hasher, HashSettings};
pub use random::OsRandomness;
pub use tokens::{SignedTokens, SigningKey, TokenSettings};
