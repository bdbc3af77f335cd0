//! What one deployment writes into Redis: the names of its keys, and the proof that it wrote a value.
//!
//! Redis is shared, and whoever can write to it can write anything. So nothing is believed that does
//! not carry a message authentication code (HMAC-SHA-256, RFC 2104) over its whole content and the key
//! it stands under. The code's key is derived from the deployment's secret and the random id of its
//! database by HKDF (RFC 5869). Deployments with other databases use other names and other codes.

use std::time::Duration;

use alpine_domain::ports::database_id::DatabaseId;
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};

use crate::{InfraMetrics, keyed, throttle::Throttle};

/// Bytes of a code.
pub(crate) const CODE: usize = 32;
const INFO: &[u8] = b"alpine: values in redis, version 1";
/// A line in the log for each kind of forgery this often at most; the metric counts all.
const WARNINGS: Duration = Duration::from_mins(1);

/// What a value is for. A value for one purpose is nothing for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The name of a cached entry.
    CacheName,
    /// A cached entry.
    CacheEntry,
    /// The lease of an instance that loads an entry.
    CacheLease,
    /// A revoked session.
    Revocation,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Self::CacheName => "cache name",
            Self::CacheEntry => "cache entry",
            Self::CacheLease => "cache lease",
            Self::Revocation => "revocation",
        }
    }
}

/// The keys and codes of one deployment.
#[derive(Debug)]
pub(crate) struct Namespace {
    prefix: String,
    hmac: Hmac<Sha256>,
    warnings: Throttle,
}

impl Namespace {
    /// `secret` is the deployment's own, for example that of its access tokens.
    pub(super) fn new(key_prefix: &str, secret: &[u8], database: DatabaseId) -> Self {
        // HKDF: extract with the id as salt, expand to one block.
        let extracted = keyed(&database.to_bytes()).chain_update(secret).finalize();
        let key = keyed(&extracted.into_bytes()).chain_update(INFO).chain_update([1]).finalize();
        // Without the secret: a new one must not make limits start anew.
        let name = Sha256::new().chain_update(INFO).chain_update(database.to_bytes()).finalize();
        Self {
            prefix: format!("{key_prefix}:{}", hex::encode(&name[..8])),
            hmac: keyed(&key.into_bytes()),
            warnings: Throttle::new(WARNINGS),
        }
    }

    #[cfg(any(test, fuzzing))]
    pub(crate) fn of_test(database: u128) -> Self {
        Self::new("alpine", b"a secret of the tests", DatabaseId::new(database))
    }

    /// The full name of a key: prefix, deployment, `name`.
    pub(crate) fn key(&self, name: &str) -> String {
        format!("{}:{name}", self.prefix)
    }

    /// The code of `parts`, in their order, for `purpose`.
    pub(crate) fn code(&self, purpose: Purpose, parts: &[&[u8]]) -> [u8; CODE] {
        self.over(purpose, parts).finalize().into_bytes().into()
    }

    /// Whether `code` is that of `parts`. The time that takes does not depend on where they differ.
    pub(crate) fn verify(&self, purpose: Purpose, parts: &[&[u8]], code: &[u8]) -> bool {
        self.over(purpose, parts).verify_slice(code).is_ok()
    }

    /// Counts and logs a value that is not what Alpine wrote.
    pub(crate) fn report_forgery(&self, purpose: Purpose, metrics: &InfraMetrics) {
        metrics.redis_forgeries.with_label_values(&[purpose.name()]).inc();
        if self.warnings.is_due() {
            tracing::warn!(
                value = purpose.name(),
                "a value in Redis was not written by this deployment, or was changed; it is not used"
            );
        }
    }

    fn over(&self, purpose: Purpose, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut hmac = self.hmac.clone();
        // Lengths first: no two lists of parts are the same bytes.
        for part in [purpose.name().as_bytes()].iter().chain(parts) {
            hmac.update(&(part.len() as u64).to_be_bytes());
            hmac.update(part);
        }
        hmac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn namespace(secret: &str, database: u128) -> Namespace {
        Namespace::new("alpine", secret.as_bytes(), DatabaseId::new(database))
    }

    #[test]
    fn a_code_is_good_for_its_purpose_parts_secret_and_database_only() {
        let ours = namespace("secret", 1);
        let code = ours.code(Purpose::CacheEntry, &[b"ab", b"c"]);
        assert!(ours.verify(Purpose::CacheEntry, &[b"ab", b"c"], &code));
        assert!(!ours.verify(Purpose::CacheEntry, &[b"a", b"bc"], &code));
        assert!(!ours.verify(Purpose::CacheEntry, &[b"ab", b"c", b""], &code));
        assert!(!ours.verify(Purpose::CacheLease, &[b"ab", b"c"], &code));
        assert!(!ours.verify(Purpose::CacheEntry, &[b"ab", b"c"], &code[..31]));
        assert!(!ours.verify(Purpose::CacheEntry, &[b"ab", b"c"], b""));
        for other in [namespace("secret2", 1), namespace("secret", 2)] {
            assert!(!other.verify(Purpose::CacheEntry, &[b"ab", b"c"], &code));
        }
    }

    #[test]
    fn names_depend_on_the_database_and_not_on_the_secret() {
        assert_eq!(namespace("a", 1).key("x"), namespace("b", 1).key("x"));
        assert_ne!(namespace("a", 1).key("x"), namespace("a", 2).key("x"));
    }
}
