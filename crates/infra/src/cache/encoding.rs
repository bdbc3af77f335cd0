//! The bytes of an entry in Redis. What does not decode, or has no good code, is a miss.

use std::time::Duration;

use alpine_domain::{
    Timestamp,
    ports::cache::{CacheOutcome, CachePolicy, CachedBody},
};
use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::{
    entry::{Entry, etag},
    generations::Snapshot,
};
use crate::redis::{CODE, Namespace, Purpose};

/// Names the version of the format.
pub(super) const MAGIC: &[u8; 8] = b"alpine-4";
const HEADER: usize = MAGIC.len() + 4 * 8 + 3 * 4;

/// A decoded entry. Its times are by the clock of the instance that wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DecodedEntry {
    loaded_at: Timestamp,
    fresh_until: Timestamp,
    expires_at: Timestamp,
    /// When the key in Redis expires.
    redis_expires_at: Timestamp,
    headers: Vec<(String, String)>,
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
            headers: self.headers,
            gzip: self.gzip,
            etag,
            outcome: CacheOutcome::Hit,
            fresh_until: loaded_at.later(ttl),
        };
        Entry::of(body, loaded_at, loaded_at.later(life), snapshot)
    }
}

/// The entry as bytes: header, body, gzip, and a code over all of it and over `name`, which stands for
/// its key and generations.
pub(super) fn encode(
    entry: &Entry,
    namespace: &Namespace,
    name: &[u8; CODE],
    redis_expires_at: Timestamp,
) -> Vec<u8> {
    let body = &entry.body.body;
    let gzip = entry.body.gzip.as_deref().unwrap_or_default();
    let headers = encode_headers(&entry.body.headers);
    let length = HEADER + headers.len() + body.len() + gzip.len() + CODE;
    let mut out = BytesMut::with_capacity(length);
    out.put_slice(MAGIC);
    for at in [entry.loaded_at, entry.body.fresh_until, entry.expires_at, redis_expires_at] {
        out.put_i64(at.micros());
    }
    // Bodies are bounded far below four gigabytes; a longer one would fail to decode, as a miss.
    for part in [&headers[..], body, gzip] {
        out.put_u32(length_of(part));
    }
    out.put_slice(&headers);
    out.put_slice(body);
    out.put_slice(gzip);
    let code = namespace.code(Purpose::CacheEntry, &[name, &out]);
    out.put_slice(&code);
    out.into()
}

fn length_of(part: &[u8]) -> u32 {
    u32::try_from(part.len()).unwrap_or(u32::MAX)
}

/// Each name and each value with its length before it.
fn encode_headers(headers: &[(String, String)]) -> Vec<u8> {
    let mut out = Vec::new();
    for text in headers.iter().flat_map(|(name, value)| [name, value]) {
        out.put_u32(length_of(text.as_bytes()));
        out.put_slice(text.as_bytes());
    }
    out
}

fn decode_headers(mut bytes: Bytes) -> Option<Vec<(String, String)>> {
    let mut text = || {
        let length = bytes.try_get_u32().ok()? as usize;
        let text = (length <= bytes.len()).then(|| bytes.split_to(length))?;
        Some((String::from_utf8(text.into()).ok()?, bytes.is_empty()))
    };
    let mut headers = Vec::new();
    loop {
        let (name, _) = text()?;
        let (value, is_last) = text()?;
        headers.push((name, value));
        if is_last {
            return Some(headers);
        }
    }
}

/// The entry, if this deployment wrote exactly these `bytes` under `name`.
pub(super) fn decode(
    bytes: Vec<u8>,
    namespace: &Namespace,
    name: &[u8; CODE],
) -> Option<DecodedEntry> {
    let mut rest = Bytes::from(bytes);
    if rest.len() < HEADER + CODE {
        return None;
    }
    let code = rest.split_off(rest.len() - CODE);
    if !namespace.verify(Purpose::CacheEntry, &[name, &rest], &code) {
        return None;
    }
    if rest.split_to(MAGIC.len()) != MAGIC[..] {
        return None;
    }
    let mut at = || Timestamp::from_micros(rest.get_i64());
    let (loaded_at, fresh_until, expires_at, redis_expires_at) = (at(), at(), at(), at());
    let mut length = || rest.get_u32() as usize;
    let (headers_length, body_length, gzip_length) = (length(), length(), length());
    if headers_length.checked_add(body_length)?.checked_add(gzip_length)? != rest.len() {
        return None;
    }
    let headers = match headers_length {
        0 => Vec::new(),
        length => decode_headers(rest.split_to(length))?,
    };
    let body = rest.split_to(body_length);
    let gzip = (gzip_length > 0).then_some(rest);
    Some(DecodedEntry { loaded_at, fresh_until, expires_at, redis_expires_at, headers, body, gzip })
}

#[cfg(test)]
mod tests {
    use alpine_domain::ports::cache::Loaded;
    use proptest::prelude::*;

    use super::*;
    use crate::cache::entry::Age;

    const NAME: [u8; CODE] = [1; CODE];

    fn namespace() -> Namespace {
        Namespace::of_test(1)
    }

    fn now() -> Timestamp {
        Timestamp::from_seconds(1_000)
    }

    fn policy() -> CachePolicy {
        CachePolicy { ttl: Duration::from_mins(1), grace: Duration::from_secs(30), tags: vec![] }
    }

    fn written(body: &str) -> Vec<u8> {
        written_with(body, Vec::new())
    }

    fn written_with(body: &str, headers: Vec<(String, String)>) -> Vec<u8> {
        let loaded = Loaded { body: Bytes::from(body.to_owned()), headers, expires_at: None };
        let entry = Entry::new(&loaded, &policy(), now(), 0.0, Snapshot::default());
        encode(&entry, &namespace(), &NAME, now().later(Duration::from_secs(90)))
    }

    fn read_at(seconds: i64, left: u64) -> Entry {
        let kept = decode(written("[]"), &namespace(), &NAME).unwrap();
        let now = Timestamp::from_seconds(seconds);
        kept.into_entry(Snapshot::default(), &policy(), now, Duration::from_secs(left))
    }

    #[test]
    fn reads_back_what_was_written() {
        let long = "signal ".repeat(500);
        let kept = decode(written(&long), &namespace(), &NAME).unwrap();
        assert_eq!(kept.body, long.as_bytes());
        assert!(kept.gzip.is_some());
        assert_eq!(kept.fresh_until, Timestamp::from_seconds(1_060));
        assert_eq!(kept.expires_at, Timestamp::from_seconds(1_090));
        assert!(decode(written("[]"), &namespace(), &[9; CODE]).is_none());
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
        fn headers_read_back(
            headers in proptest::collection::vec((".{0,20}", ".{0,60}"), 0..4),
            body in ".{0,200}",
        ) {
            let kept = decode(written_with(&body, headers.clone()), &namespace(), &NAME).unwrap();
            prop_assert_eq!(kept.headers, headers);
            prop_assert_eq!(kept.body, body.as_bytes());
        }

        #[test]
        fn any_damage_is_a_miss(at in 0_usize..400, bit in 0_u8..8, cut in 0_usize..400) {
            let whole = written("a body of some length, long enough to be hit");
            let mut damaged = whole.clone();
            let at = at % damaged.len();
            damaged[at] ^= 1 << bit;
            prop_assert!(decode(damaged, &namespace(), &NAME).is_none());
            let mut short = whole;
            short.truncate(cut % short.len());
            prop_assert!(decode(short, &namespace(), &NAME).is_none());
        }

        /// Whoever knows the format but not the secret, or has another database.
        #[test]
        fn what_others_wrote_is_a_miss(database in 2_u128..) {
            let bytes = written("a false price");
            prop_assert!(decode(bytes, &Namespace::of_test(database), &NAME).is_none());
        }

        #[test]
        fn garbage_is_a_miss(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            prop_assert!(decode(bytes, &namespace(), &NAME).is_none());
        }
    }
}
