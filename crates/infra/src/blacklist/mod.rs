//! Tokens that are refused although their signature is good.
//!
//! [`MemoryBlacklist`] holds the set exactly. A server with Redis uses [`MirroredBlacklist`]: every
//! look-up is answered from memory, which the event log feeds on each instance, and each revocation
//! is copied to Redis under a hash, for as long as the token would have lived. [`RedisBlacklist`]
//! reads that copy, for who has no memory to trust. Losing Redis therefore never lets a token in.

mod memory;
mod mirrored;
mod redis;

pub use memory::{BlacklistSettings, MemoryBlacklist};
pub use mirrored::MirroredBlacklist;
pub use redis::RedisBlacklist;
