//! The two ids of a caller: one in this process, one in Redis.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};

use sha2::{Digest, Sha256};

/// A caller in one table: 128 bits of hashes with random keys. So nobody can choose a caller that
/// collides with another one or crowds one shard or cell, and no address stays in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LocalCallerId(u64, u64);

/// Makes the ids of the callers of one table.
pub(super) struct LocalHasher([RandomState; 2]);

impl LocalHasher {
    pub(super) fn new() -> Self {
        Self([RandomState::new(), RandomState::new()])
    }

    pub(super) fn id(&self, caller: &str) -> LocalCallerId {
        let [first, second] = &self.0;
        LocalCallerId(first.hash_one(caller), second.hash_one(caller))
    }
}

impl LocalCallerId {
    pub(super) fn shard(self, shards: usize) -> usize {
        to_index(self.1, shards)
    }

    /// Uses other bits than [`shard`](Self::shard).
    pub(super) fn cell(self, cells: usize) -> usize {
        to_index(self.1 << 32, cells)
    }
}

/// Scales the high half of a hash to an index.
fn to_index(hash: u64, len: usize) -> usize {
    (((hash >> 32) * len as u64) >> 32) as usize
}

impl Hash for LocalCallerId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0);
    }
}

/// The hasher of a map of [`LocalCallerId`]: such an id is a hash already.
#[derive(Default)]
pub(super) struct IdentityHasher(u64);

impl Hasher for IdentityHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// A caller in Redis, the same from every instance: half a SHA-256, which keeps addresses and users' ids
/// out of Redis. Two callers with one id would share a limit; nobody can find two such callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RedisCallerId([u8; 16]);

impl RedisCallerId {
    pub(super) fn of(caller: &str) -> Self {
        let mut half = [0; 16];
        half.copy_from_slice(&Sha256::digest(caller.as_bytes())[..16]);
        Self(half)
    }

    pub(super) fn hex(self) -> String {
        hex::encode(self.0)
    }
}
