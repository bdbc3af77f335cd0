//! The bytes of an entry in Redis. What does not decode is a miss.

use std::time::Duration;

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

/// Names the version of the format.
const MAGIC: &[u8; 8] = b"alpine-2";
pub(super) const DIGEST: usize = 32;
const HEADER: usize = MAGIC.len() + DIGEST + 4 * 8 + 2 * 4;

/// A decoded entry. Its times are by the clock of the instance that wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DecodedEntry {
    loaded_at: Timestamp,
    fresh_until: Timestamp,
    expires_at: Timestamp,
    /// When the key in Redis expires.
    redis_expires_at: Timestamp,
    body: Bytes,
    gzip: Option<Bytes>,
}

impl DecodedEntry {
    /// The entry for this process, at `now`, when the key in Redis expires in `left`.
    ///
    /// Hosts' clocks may differ by seconds. So the age is the time for which Redis has kept the key, or
    /// what the clocks say if that is more. The reader's own policy bounds the entry's life as well,
    /// since an instance with other settings may have written it.
    pub(super) fn into_entry(
        self,
        snapshot: Snapshot,
        policy: &CachePolicy,
        now: Timestamp,
        left: Duration,
    ) -> Entry {
        let by_redis = self.redis_expires_at.since(self.loaded_at).saturating_sub(left);
        let age = by_redis.max(now.since(self.loaded_at));
        let loaded_at = now.earlier(age);
        let ttl = self.fresh_until.since(self.loaded_at).min(policy.ttl);
        let life = self.expires_at.since(self.loaded_at).min(policy.ttl + policy.grace);
        let etag = etag(&self.body);
        let body = CachedBody {
            body: self.body,
            gzip: self.gzip,
            etag,
            outcome: CacheOutcome::Hit,
            fresh_until: loaded_at.later(ttl),
        };
        Entry::of(body, loaded_at, loaded_at.later(life), snapshot)
    }
}

/// The entry as bytes: header, body, gzip, and a digest of all of it. `place` names its key and
/// generations.
pub(super) fn encode(entry: &Entry, place: &[u8; DIGEST], redis_expires_at: Timestamp) -> Vec<u8> {
    let body = &entry.body.body;
    let gzip = entry.body.gzip.as_deref().unwrap_or_default();
    let mut out = BytesMut::with_capacity(HEADER + body.len() + gzip.len() + DIGEST);
    out.put_slice(MAGIC);
    out.put_slice(place);
    for at in [entry.loaded_at, entry.body.fresh_until, entry.expires_at, redis_expires_at] {
        out.put_i64(at.micros());
    }
    // Bodies are bounded far below four gigabytes; a longer one would fail to decode, as a miss.
    out.put_u32(u32::try_from(body.len()).unwrap_or(u32::MAX));
    out.put_u32(u32::try_from(gzip.len()).unwrap_or(u32::MAX));
    out.put_slice(body);
    out.put_slice(gzip);
    let digest = Sha256::digest(&out);
    out.put_slice(&digest);
    out.into()
}

/// The entry, if `bytes` are whole and belong to `place`.
pub(super) fn decode(bytes: Vec<u8>, place: &[u8; DIGEST]) -> Option<DecodedEntry> {
    let mut rest = Bytes::from(bytes);
    if rest.len() < HEADER + DIGEST {
        return None;
    }
    let digest = rest.split_off(rest.len() - DIGEST);
    if Sha256::digest(&rest)[..] != digest[..] {
        return None;
    }
    if rest.split_to(MAGIC.len()) != MAGIC[..] || rest.split_to(DIGEST) != place[..] {
        return None;
    }
    let mut at = || Timestamp::from_micros(rest.get_i64());
    let (loaded_at, fresh_until, expires_at, redis_expires_at) = (at(), at(), at(), at());
    let body_length = rest.get_u32() as usize;
    let gzip_length = rest.get_u32() as usize;
    if body_length.checked_add(gzip_length)? != rest.len() {
        return None;
    }
    let body = rest.split_to(body_length);
    let gzip = (gzip_length > 0).then_some(rest);
    Some(DecodedEntry { loaded_at, fresh_until, expires_at, redis_expires_at, body, gzip })
}

#[cfg(test)]
mod tests {
    use alpine_domain::ports::cache::Loaded;
    use proptest::prelude::*;

    use super::*;
    use crate::cache::entry::Age;

    const PLACE: [u8; 32] = [1; 32];

    fn now() -> Timestamp {
        Timestamp::from_seconds(1_000)
    }

    fn policy() -> CachePolicy {
        CachePolicy { ttl: Duration::from_mins(1), grace: Duration::from_secs(30), tags: vec![] }
    }

    fn written(body: &str) -> Vec<u8> {
        let loaded = Loaded { body: Bytes::from(body.to_owned()), expires_at: None };
        let entry = Entry::new(&loaded, &policy(), now(), 0.0, Snapshot::default());
        encode(&entry, &PLACE, now().later(Duration::from_secs(90)))
    }

    fn read_at(seconds: i64, left: u64) -> Entry {
        let kept = decode(written("[]"), &PLACE).unwrap();
        let now = Timestamp::from_seconds(seconds);
        kept.into_entry(Snapshot::default(), &policy(), now, Duration::from_secs(left))
    }

    #[test]
    fn reads_back_what_was_written() {
        let long = "signal ".repeat(500);
        let kept = decode(written(&long), &PLACE).unwrap();
        assert_eq!(kept.body, long.as_bytes());
        assert!(kept.gzip.is_some());
        assert_eq!(kept.fresh_until, Timestamp::from_seconds(1_060));
        assert_eq!(kept.expires_at, Timestamp::from_seconds(1_090));
        assert!(decode(written("[]"), &[9; 32]).is_none());
    }

    #[test]
    fn its_age_does_not_depend_on_the_readers_clock_being_right() {
        // Ten seconds old by both.
        assert_eq!(read_at(1_010, 80).expires_at, Timestamp::from_seconds(1_090));
        // The reader's clock is five seconds behind the writer's.
        assert_eq!(read_at(1_005, 80).expires_at, Timestamp::from_seconds(1_085));
        assert_eq!(read_at(995, 90).expires_at, Timestamp::from_seconds(1_085));
        // Five seconds ahead: it ages early, never late.
        assert_eq!(read_at(1_015, 80).expires_at, Timestamp::from_seconds(1_090));
        // A key that Redis would keep for ever is none of ours.
        assert_eq!(read_at(1_001, 0).age(Timestamp::from_seconds(1_001)), Age::Expired);
    }

    proptest! {
        #[test]
        fn any_damage_is_a_miss(at in 0_usize..400, bit in 0_u8..8, cut in 0_usize..400) {
            let whole = written("a body of some length, long enough to be hit");
            let mut damaged = whole.clone();
            let at = at % damaged.len();
            damaged[at] ^= 1 << bit;
            prop_assert!(decode(damaged, &PLACE).is_none());
            let mut short = whole;
            short.truncate(cut % short.len());
            prop_assert!(decode(short, &PLACE).is_none());
        }

        #[test]
        fn garbage_is_a_miss(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            prop_assert!(decode(bytes, &PLACE).is_none());
        }
    }
}
