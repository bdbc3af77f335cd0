//! One stored body, with everything that sending it needs computed once.

use std::{io::Write, sync::Arc, time::Duration};

use alpine_domain::{
    Timestamp,
    ports::cache::{CacheOutcome, CachePolicy, CachedBody, Loaded},
};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use sha2::{Digest, Sha256};

use super::generations::Snapshot;

/// Bodies up to this many bytes are not worth compressing.
const WORTH_COMPRESSING: usize = 1_024;
/// What an entry costs beside its bytes: key, maps, pointers, generously.
const OVERHEAD: usize = 512;

/// A stored body, the times between which it may be served, and what it was loaded under.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Ready for a hit.
    pub(super) body: Arc<CachedBody>,
    pub(super) loaded_at: Timestamp,
    /// Not served from then on, whatever happens.
    pub(super) dead_at: Timestamp,
    pub(super) snapshot: Snapshot,
}

/// What an entry is good for at some instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Age {
    Fresh,
    Stale,
    Dead,
}

impl Entry {
    /// Prepares a loaded body. `part` (0 to 1) of the TTL is taken off, as jitter.
    pub(super) fn new(
        loaded: &Loaded,
        policy: &CachePolicy,
        now: Timestamp,
        part: f64,
        snapshot: Snapshot,
    ) -> Self {
        let ttl = policy.ttl.mul_f64((1.0 - part).clamp(0.0, 1.0));
        let mut fresh_until = now.later(ttl);
        let mut dead_at = fresh_until.later(policy.grace);
        if let Some(end) = loaded.expires_at {
            fresh_until = fresh_until.min(end);
            dead_at = dead_at.min(end);
        }
        let body = CachedBody {
            body: loaded.body.clone(),
            gzip: compressed(&loaded.body),
            etag: etag(&loaded.body),
            outcome: CacheOutcome::Hit,
            fresh_until,
        };
        Self { body: Arc::new(body), loaded_at: now, dead_at, snapshot }
    }

    /// How the entry stands at `now`. A clock that was set back behind the load makes the age
    /// unknowable, so such an entry is dead.
    pub(super) fn age(&self, now: Timestamp) -> Age {
        if now < self.loaded_at || now >= self.dead_at {
            Age::Dead
        } else if now < self.body.fresh_until {
            Age::Fresh
        } else {
            Age::Stale
        }
    }

    /// Bytes in memory, book-keeping included.
    pub(super) fn size(&self) -> u64 {
        let gzip = self.body.gzip.as_ref().map_or(0, Bytes::len);
        (self.body.body.len() + gzip + OVERHEAD) as u64
    }

    /// The time for which Redis may keep it.
    pub(super) fn life(&self, now: Timestamp) -> Duration {
        self.dead_at.since(now)
    }
}

/// The same body, told as another outcome.
pub(super) fn told_as(body: &CachedBody, outcome: CacheOutcome) -> Arc<CachedBody> {
    Arc::new(CachedBody {
        body: body.body.clone(),
        gzip: body.gzip.clone(),
        etag: body.etag.clone(),
        outcome,
        fresh_until: body.fresh_until,
    })
}

/// A strong validator: half a SHA-256 is plenty against accident and malice.
pub(super) fn etag(body: &[u8]) -> String {
    let digest = Sha256::digest(body);
    format!("\"{}\"", hex::encode(&digest[..16]))
}

/// The body under gzip, if that is worth it.
pub(super) fn compressed(body: &Bytes) -> Option<Bytes> {
    if body.len() <= WORTH_COMPRESSING {
        return None;
    }
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 2), Compression::new(6));
    // Writing into memory does not fail; if it did, the body would simply go out uncompressed.
    encoder.write_all(body).ok()?;
    let mut smaller = encoder.finish().ok()?;
    smaller.shrink_to_fit();
    (smaller.len() < body.len()).then(|| smaller.into())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn policy() -> CachePolicy {
        CachePolicy { ttl: Duration::from_mins(1), grace: Duration::from_secs(30), tags: vec![] }
    }

    fn loaded(body: &str, expires_at: Option<Timestamp>) -> Loaded {
        Loaded { body: Bytes::from(body.to_owned()), expires_at }
    }

    #[test]
    fn compresses_only_what_gets_smaller() {
        let long = "alpine ".repeat(1_000);
        let now = Timestamp::from_seconds(1_000);
        let entry = Entry::new(&loaded(&long, None), &policy(), now, 0.0, Snapshot::default());
        let gzip = entry.body.gzip.clone().unwrap();
        assert!(gzip.len() < long.len() / 10);
        let mut text = String::new();
        flate2::read::GzDecoder::new(&gzip[..]).read_to_string(&mut text).unwrap();
        assert_eq!(text, long);

        let short = Entry::new(&loaded("[]", None), &policy(), now, 0.0, Snapshot::default());
        assert!(short.body.gzip.is_none());
        let mut noise = vec![0; 4_000];
        getrandom::fill(&mut noise).unwrap();
        assert!(compressed(&noise.into()).is_none());
    }

    #[test]
    fn a_time_known_in_advance_ends_freshness_and_grace() {
        let now = Timestamp::from_seconds(1_000);
        let end = Timestamp::from_seconds(1_010);
        let entry = Entry::new(&loaded("x", Some(end)), &policy(), now, 0.0, Snapshot::default());
        assert_eq!(entry.age(Timestamp::from_seconds(1_009)), Age::Fresh);
        assert_eq!(entry.age(end), Age::Dead);
    }

    #[test]
    fn jitter_only_shortens() {
        let now = Timestamp::from_seconds(1_000);
        let entry = Entry::new(&loaded("x", None), &policy(), now, 0.1, Snapshot::default());
        assert_eq!(entry.body.fresh_until, Timestamp::from_seconds(1_054));
        assert_eq!(entry.age(Timestamp::from_seconds(1_083)), Age::Stale);
        assert_eq!(entry.age(Timestamp::from_seconds(1_084)), Age::Dead);
        assert_eq!(entry.age(Timestamp::from_seconds(999)), Age::Dead);
    }
}
