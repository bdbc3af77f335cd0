//! How an entry is written into Redis. Reading trusts nothing: whatever does not check out is a miss.

use std::sync::Arc;

use alpine_domain::{
    Timestamp,
    ports::cache::{CacheOutcome, CachePolicy, CachedBody},
};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use sha2::{Digest, Sha256};

use super::{
    entry::{Entry, etag},
    generations::Snapshot,
};

/// Names the format; another version is another name.
const MAGIC: &[u8; 8] = b"alpine-1";
const DIGEST: usize = 32;
const HEADER: usize = MAGIC.len() + 2 * DIGEST + 3 * 8 + 2 * 4;

/// An entry as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    loaded_at: Timestamp,
    fresh_until: Timestamp,
    dead_at: Timestamp,
    body: Bytes,
    gzip: Option<Bytes>,
}

impl Kept {
    /// The entry for this process. The reader's own policy bounds its life as well, in case that
    /// an instance with other settings wrote it.
    pub(super) fn into_entry(self, snapshot: Snapshot, policy: &CachePolicy) -> Entry {
        let fresh_until = self.fresh_until.min(self.loaded_at.later(policy.ttl));
        let dead_at = self.dead_at.min(self.loaded_at.later(policy.ttl).later(policy.grace));
        let etag = etag(&self.body);
        Entry {
            body: Arc::new(CachedBody {
                body: self.body,
                gzip: self.gzip,
                etag,
                outcome: CacheOutcome::Hit,
                fresh_until,
            }),
            loaded_at: self.loaded_at,
            dead_at,
            snapshot,
        }
    }
}

/// The entry as bytes: header, body, gzip, and a digest of all of it.
pub(super) fn encode(entry: &Entry, key: &[u8; DIGEST], vector: &[u8; DIGEST]) -> Vec<u8> {
    let body = &entry.body.body;
    let gzip = entry.body.gzip.as_deref().unwrap_or_default();
    let mut out = BytesMut::with_capacity(HEADER + body.len() + gzip.len() + DIGEST);
    out.put_slice(MAGIC);
    out.put_slice(key);
    out.put_slice(vector);
    out.put_i64(entry.loaded_at.micros());
    out.put_i64(entry.body.fresh_until.micros());
    out.put_i64(entry.dead_at.micros());
    // Bodies are bounded far below four gigabytes; a longer one would fail to decode, as a miss.
    out.put_u32(u32::try_from(body.len()).unwrap_or(u32::MAX));
    out.put_u32(u32::try_from(gzip.len()).unwrap_or(u32::MAX));
    out.put_slice(body);
    out.put_slice(gzip);
    let digest = Sha256::digest(&out);
    out.put_slice(&digest);
    out.into()
}

/// The entry, if `bytes` are whole, belong to `key`, were written under the generations `vector`
/// and are not past their time at `now`.
pub(super) fn decode(
    bytes: Vec<u8>,
    key: &[u8; DIGEST],
    vector: &[u8; DIGEST],
    now: Timestamp,
) -> Option<Kept> {
    let mut rest = Bytes::from(bytes);
    if rest.len() < HEADER + DIGEST {
        return None;
    }
    let digest = rest.split_off(rest.len() - DIGEST);
    if Sha256::digest(&rest)[..] != digest[..] {
        return None;
    }
    let matches = rest.split_to(MAGIC.len()) == MAGIC[..]
        && rest.split_to(DIGEST) == key[..]
        && rest.split_to(DIGEST) == vector[..];
    if !matches {
        return None;
    }
    let loaded_at = Timestamp::from_micros(rest.get_i64());
    let fresh_until = Timestamp::from_micros(rest.get_i64());
    let dead_at = Timestamp::from_micros(rest.get_i64());
    let body_length = rest.get_u32() as usize;
    let gzip_length = rest.get_u32() as usize;
    if body_length.checked_add(gzip_length)? != rest.len() || now >= dead_at {
        return None;
    }
    let body = rest.split_to(body_length);
    Some(Kept { loaded_at, fresh_until, dead_at, body, gzip: (gzip_length > 0).then_some(rest) })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use alpine_domain::ports::cache::Loaded;
    use proptest::prelude::*;

    use super::*;

    const KEY: [u8; 32] = [1; 32];
    const VECTOR: [u8; 32] = [2; 32];

    fn now() -> Timestamp {
        Timestamp::from_seconds(1_000)
    }

    fn written(body: &str) -> Vec<u8> {
        let policy = CachePolicy {
            ttl: Duration::from_mins(1),
            grace: Duration::from_secs(30),
            tags: vec![],
        };
        let loaded = Loaded { body: Bytes::from(body.to_owned()), expires_at: None };
        let entry = Entry::new(&loaded, &policy, now(), 0.0, Snapshot::default());
        encode(&entry, &KEY, &VECTOR)
    }

    #[test]
    fn reads_back_what_was_written() {
        let long = "signal ".repeat(500);
        let kept = decode(written(&long), &KEY, &VECTOR, now()).unwrap();
        assert_eq!(kept.body, long.as_bytes());
        assert!(kept.gzip.is_some());
        assert_eq!(kept.fresh_until, Timestamp::from_seconds(1_060));
        assert_eq!(kept.dead_at, Timestamp::from_seconds(1_090));
    }

    #[test]
    fn another_key_or_generation_or_a_late_reader_finds_nothing() {
        let other = [9; 32];
        assert!(decode(written("[]"), &other, &VECTOR, now()).is_none());
        assert!(decode(written("[]"), &KEY, &other, now()).is_none());
        assert!(decode(written("[]"), &KEY, &VECTOR, Timestamp::from_seconds(1_090)).is_none());
    }

    proptest! {
        #[test]
        fn any_damage_is_a_miss(at in 0_usize..400, bit in 0_u8..8, cut in 0_usize..400) {
            let whole = written("a body of some length, long enough to be hit");
            let mut damaged = whole.clone();
            let at = at % damaged.len();
            damaged[at] ^= 1 << bit;
            prop_assert!(decode(damaged, &KEY, &VECTOR, now()).is_none());
            let mut short = whole;
            short.truncate(cut % short.len());
            prop_assert!(decode(short, &KEY, &VECTOR, now()).is_none());
        }

        #[test]
        fn garbage_is_a_miss(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            prop_assert!(decode(bytes, &KEY, &VECTOR, now()).is_none());
        }
    }
}
