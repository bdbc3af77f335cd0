//! The memory of hashing: one block for each slot, used again and again.
//!
//! Memory of this size that is allocated for each hash stays with the thread that allocated it: the
//! allocator keeps an arena for each thread, and the blocking pool has hundreds.

use std::sync::{Mutex, MutexGuard, PoisonError};

use alpine_domain::{Error, Result};
use argon2::{
    Algorithm, Argon2, Block, Params, Version,
    password_hash::phc::{Output, ParamsString, PasswordHash, Salt},
};

/// Computes hashes in memory that is kept for the next one.
pub(super) struct HashMemory {
    params: Params,
    /// The blocks that no hash uses now, all zero. Never more than hashes are computed at once, which
    /// the caller bounds.
    idle: Mutex<Vec<Vec<Block>>>,
}

impl HashMemory {
    pub(super) const fn new(params: Params) -> Self {
        Self { params, idle: Mutex::new(Vec::new()) }
    }

    /// A salted hash by today's settings.
    pub(super) fn hash(&self, password: &[u8], salt: &[u8]) -> Result<PasswordHash> {
        let (algorithm, version) = (Algorithm::Argon2id, Version::V0x13);
        let argon2 = Argon2::new(algorithm, version, self.params.clone());
        let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
        self.compute(&argon2, password, salt, &mut output)?;
        Ok(PasswordHash {
            algorithm: algorithm.ident(),
            version: Some(version.into()),
            params: ParamsString::try_from(&self.params).map_err(Error::internal)?,
            salt: Some(Salt::new(salt).map_err(Error::internal)?),
            hash: Some(Output::new(&output).map_err(Error::internal)?),
        })
    }

    /// Whether `password` makes `hash`, by the settings that stand in it. The comparison takes constant
    /// time.
    pub(super) fn verify(&self, password: &[u8], hash: &PasswordHash) -> Result<bool> {
        let (Some(salt), Some(expected)) = (&hash.salt, &hash.hash) else {
            return Err(Error::internal("a stored password hash has no salt or no output"));
        };
        let algorithm = Algorithm::try_from(hash.algorithm.as_str()).map_err(Error::internal)?;
        let version = hash.version.map_or(Ok(Version::default()), Version::try_from);
        let version = version.map_err(Error::internal)?;
        let params = Params::try_from(hash).map_err(Error::internal)?;
        let argon2 = Argon2::new(algorithm, version, params);
        let mut output = [0; Output::MAX_LENGTH];
        let output = output.get_mut(..expected.len()).unwrap_or_default();
        self.compute(&argon2, password, salt, output)?;
        Ok(Output::new(output).map_err(Error::internal)? == *expected)
    }

    fn compute(
        &self,
        argon2: &Argon2<'_>,
        password: &[u8],
        salt: &[u8],
        output: &mut [u8],
    ) -> Result<()> {
        let mut blocks = self.idle().pop().unwrap_or_default();
        // A hash that was made with higher settings needs more than is kept.
        blocks.resize(argon2.params().block_count(), Block::new());
        let done = argon2.hash_password_into_with_memory(password, salt, output, &mut blocks[..]);
        // What was computed from a password does not stay in memory.
        blocks.fill(Block::new());
        blocks.truncate(self.params.block_count());
        blocks.shrink_to(self.params.block_count());
        self.idle().push(blocks);
        done.map_err(Error::internal)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Vec<Block>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use argon2::{PasswordHasher as _, PasswordVerifier as _};

    use super::*;

    fn params(memory_kib: u32) -> Params {
        Params::new(memory_kib, 2, 1, None).unwrap()
    }

    #[test]
    fn hashes_are_those_of_the_library_and_the_memory_is_kept_and_clean() {
        let memory = HashMemory::new(params(64));
        let library = |kib| Argon2::new(Algorithm::Argon2id, Version::V0x13, params(kib));
        for password in [&b"one"[..], b"", b"another one"] {
            let ours = memory.hash(password, b"0123456789abcdef").unwrap();
            let theirs =
                library(64).hash_password_with_salt(password, b"0123456789abcdef").unwrap();
            assert_eq!(ours, theirs);
            assert!(library(64).verify_password(password, &ours).is_ok());
            assert!(memory.verify(password, &theirs).unwrap());
            assert!(!memory.verify(b"wrong", &theirs).unwrap());
            // One that needs more memory, one that needs less.
            for kib in [128, 32] {
                let hash =
                    library(kib).hash_password_with_salt(password, b"0123456789abcdef").unwrap();
                assert!(memory.verify(password, &hash).unwrap(), "{kib}");
                assert!(!memory.verify(b"wrong", &hash).unwrap(), "{kib}");
            }
            let idle = memory.idle();
            assert_eq!(idle.len(), 1);
            assert!(idle[0].capacity() <= 64, "{}", idle[0].capacity());
            assert!(idle[0].iter().all(|block| block.as_ref().iter().all(|word| *word == 0)));
        }
    }
}
