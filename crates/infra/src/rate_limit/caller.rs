//! The two names of a caller: one for this process, one for Redis.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};

use sha2::{Digest, Sha256};

/// A caller as one table knows it: 128 bits of hashes that are keyed at random, so that nobody can
/// choose a caller that meets another, nor crowd one shard or cell; and no address stays in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark(u64, u64);

/// Marks the callers of one table.
pub(super) struct Marker([RandomState; 2]);

impl Marker {
    pub(super) fn new() -> Self {
        Self([RandomState::new(), RandomState::new()])
    }

    pub(super) fn mark(&self, caller: &str) -> Mark {
        let [first, second] = &self.0;
        Mark(first.hash_one(caller), second.hash_one(caller))
    }
}

impl Mark {
    pub(super) fn shard(self, shards: usize) -> usize {
        to_index(self.1, shards)
    }

    /// By other bits than those that chose the shard.
    pub(super) fn cell(self, cells: usize) -> usize {
        to_index(self.1 << 32, cells)
    }
}

/// Scales the high half of a hash to an index.
fn to_index(hash: u64, len: usize) -> usize {
    (((hash >> 32) * len as u64) >> 32) as usize
}

impl Hash for Mark {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0);
    }
}

/// Takes a [`Mark`] for the hash that it is.
#[derive(Default)]
pub(super) struct AsItIs(u64);

impl Hasher for AsItIs {
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

/// A caller as Redis knows it, from every instance: half a SHA-256, which keeps addresses and ids of
/// people out of it. Two callers that share one would share a limit, which nobody can bring about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CallerId([u8; 16]);

impl CallerId {
    pub(super) fn of(caller: &str) -> Self {
        let mut half = [0; 16];
        half.copy_from_slice(&Sha256::digest(caller.as_bytes())[..16]);
        Self(half)
    }

    pub(super) fn hex(self) -> String {
        hex::encode(self.0)
    }
}
