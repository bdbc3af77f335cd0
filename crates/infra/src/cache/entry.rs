//! One stored body, with everything that sending it needs computed once.

use std::{
    io::Write,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use alpine_domain::{
    Timestamp,
    ports::cache::{CacheOutcome, CachePolicy, CachedBody, Loaded},
};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use sha2::{Digest, Sha256};

use super::generations::Snapshot;
use crate::mutants::{Mechanism, is_off};

/// Bodies up to this many bytes are not worth compressing.
const WORTH_COMPRESSING: usize = 1_024;
/// What an entry costs beside its bytes: key, maps, pointers, generously.
const OVERHEAD: usize = 512;

/// The part of its TTL after which an entry is refreshed behind its readers.
const REFRESH_AT: f64 = 0.8;
/// How soon another refresh may be tried after one that brought nothing.
const RETRY_REFRESH: Duration = Duration::from_millis(250);

/// A stored body, the times between which it may be served, and what it was loaded under.
#[derive(Debug)]
pub(super) struct Entry {
    /// Ready for a hit.
    pub(super) body: Arc<CachedBody>,
    pub(super) loaded_at: Timestamp,
    /// Not served from then on, whatever happens.
    pub(super) dead_at: Timestamp,
    pub(super) snapshot: Snapshot,
    /// From then on the next reader has it refreshed.
    due_at: Timestamp,
    /// When a refresh was last begun, in milliseconds since the process' first, plus one; 0: never.
    refreshed: AtomicU64,
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
        Self::of(body, now, dead_at, snapshot)
    }

    pub(super) fn of(
        body: CachedBody,
        loaded_at: Timestamp,
        dead_at: Timestamp,
        snapshot: Snapshot,
    ) -> Self {
        let due_at = loaded_at.later(body.fresh_until.since(loaded_at).mul_f64(REFRESH_AT));
        Self {
            body: Arc::new(body),
            loaded_at,
            dead_at,
            snapshot,
            due_at,
            refreshed: AtomicU64::new(0),
        }
    }

    /// How the entry stands at `now`. A clock that was set back behind the load makes the age
    /// unknowable, so such an entry is dead.
    pub(super) fn age(&self, now: Timestamp) -> Age {
        if is_off(Mechanism::TtlGraceBound) {
            return if now < self.body.fresh_until { Age::Fresh } else { Age::Stale };
        }
        if now < self.loaded_at || now >= self.dead_at {
            Age::Dead
        } else if now < self.body.fresh_until {
            Age::Fresh
        } else {
            Age::Stale
        }
    }

    /// Whether it should be refreshed at `now`.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        now >= self.due_at
    }

    /// Whether the caller, of all that find the entry due, should have it refreshed: one in a while.
    pub(super) fn claim_refresh(&self) -> bool {
        static FIRST: OnceLock<Instant> = OnceLock::new();
        let passed = FIRST.get_or_init(Instant::now).elapsed().as_millis();
        let now = u64::try_from(passed).unwrap_or(u64::MAX).saturating_add(1);
        let last = self.refreshed.load(Ordering::Relaxed);
        let pause = RETRY_REFRESH.as_millis();
        let may = last == 0 || u128::from(now.saturating_sub(last)) >= pause;
        may && self
            .refreshed
            .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
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
