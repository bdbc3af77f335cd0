//! A stored body, with what sending it needs (gzip, `ETag`) computed once.

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

/// Bodies of up to this many bytes are not compressed: it would save next to nothing.
const LONGEST_UNCOMPRESSED: usize = 1_024;
/// Bytes that an entry takes beside its bodies (key, maps, pointers), an upper estimate.
const OVERHEAD: usize = 512;

/// The part of its TTL after which an entry is refreshed in the background.
const REFRESH_AT: f64 = 0.8;
/// The least time between the starts of two refreshes of one entry.
const RETRY_REFRESH: Duration = Duration::from_millis(250);

/// A stored body, the times between which it may be served, and its tags' generations.
#[derive(Debug)]
pub(super) struct Entry {
    /// As it is served on a hit.
    pub(super) body: Arc<CachedBody>,
    pub(super) loaded_at: Timestamp,
    /// Never served from then on.
    pub(super) expires_at: Timestamp,
    pub(super) snapshot: Snapshot,
    /// From then on a reader starts a refresh.
    due_at: Timestamp,
    /// When the last refresh started: milliseconds since the first one of the process, plus one; 0:
    /// none was started.
    refreshed: AtomicU64,
}

/// How an entry may be used at some instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Age {
    /// Served without a load.
    Fresh,
    /// Served while a new one is loaded, or when loading fails.
    Stale,
    /// Not served.
    Expired,
}

impl Entry {
    /// Makes an entry of a loaded body. The TTL is shortened by the part `jitter`, 0 to 1.
    pub(super) fn new(
        loaded: &Loaded,
        policy: &CachePolicy,
        now: Timestamp,
        jitter: f64,
        snapshot: Snapshot,
    ) -> Self {
        let ttl = policy.ttl.mul_f64((1.0 - jitter).clamp(0.0, 1.0));
        // Not shortened: the refresh must not tell beforehand that something will be released.
        let fresh_until = now.later(ttl);
        let past_grace = fresh_until.later(policy.grace);
        let expires_at = loaded.expires_at.map_or(past_grace, |end| past_grace.min(end));
        let body = CachedBody {
            body: loaded.body.clone(),
            headers: loaded.headers.clone(),
            gzip: compressed(&loaded.body),
            etag: etag(&loaded.body),
            outcome: CacheOutcome::Hit,
            fresh_until,
        };
        Self::of(body, now, expires_at, snapshot)
    }

    pub(super) fn of(
        body: CachedBody,
        loaded_at: Timestamp,
        expires_at: Timestamp,
        snapshot: Snapshot,
    ) -> Self {
        let due_at = loaded_at.later(body.fresh_until.since(loaded_at).mul_f64(REFRESH_AT));
        Self {
            body: Arc::new(body),
            loaded_at,
            expires_at,
            snapshot,
            due_at,
            refreshed: AtomicU64::new(0),
        }
    }

    /// How the entry may be used at `now`. When the clock was set back to before the load, the age is
    /// unknown, and the entry counts as expired.
    pub(super) fn age(&self, now: Timestamp) -> Age {
        if now < self.loaded_at || now >= self.expires_at {
            Age::Expired
        } else if now < self.body.fresh_until {
            Age::Fresh
        } else {
            Age::Stale
        }
    }

    /// Whether it should be refreshed at `now`.
    pub(super) fn is_due_for_refresh(&self, now: Timestamp) -> bool {
        now >= self.due_at
    }

    /// Whether the caller is the one to start a refresh: of all callers, one in [`RETRY_REFRESH`].
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

    /// Bytes in memory, overhead included.
    pub(super) fn size(&self) -> u64 {
        let gzip = self.body.gzip.as_ref().map_or(0, Bytes::len);
        let headers: usize =
            self.body.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        (self.body.body.len() + gzip + headers + OVERHEAD) as u64
    }

    /// Until when it is served without a load.
    pub(super) fn fresh_until(&self) -> Timestamp {
        self.body.fresh_until.min(self.expires_at)
    }
}

/// The same body with another outcome.
pub(super) fn with_outcome(body: &CachedBody, outcome: CacheOutcome) -> Arc<CachedBody> {
    Arc::new(CachedBody {
        body: body.body.clone(),
        headers: body.headers.clone(),
        gzip: body.gzip.clone(),
        etag: body.etag.clone(),
        outcome,
        fresh_until: body.fresh_until,
    })
}

/// A strong validator: the first 16 bytes of the body's SHA-256, in hexadecimal digits and quotes.
pub(super) fn etag(body: &[u8]) -> String {
    let digest = Sha256::digest(body);
    format!("\"{}\"", hex::encode(&digest[..16]))
}

/// The body under gzip, if that is smaller.
pub(super) fn compressed(body: &Bytes) -> Option<Bytes> {
    if body.len() <= LONGEST_UNCOMPRESSED {
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
        Loaded { body: Bytes::from(body.to_owned()), headers: Vec::new(), expires_at }
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
    fn a_time_known_in_advance_ends_the_entry() {
        let now = Timestamp::from_seconds(1_000);
        let end = Timestamp::from_seconds(1_010);
        let entry = Entry::new(&loaded("x", Some(end)), &policy(), now, 0.0, Snapshot::default());
        assert_eq!(entry.age(Timestamp::from_seconds(1_009)), Age::Fresh);
        assert_eq!(entry.age(end), Age::Expired);
    }

    proptest::proptest! {
        /// The refresh shows in the time that an answer takes. What is going to be released decides how
        /// long a body is right, and nothing before then.
        #[test]
        fn what_will_be_released_moves_no_refresh(
            ttl in 1_u64..3_600_000,
            jitter in 0.0..0.5,
            end in 1_u64..7_200_000,
            asked in 0_u64..7_200_000,
        ) {
            let now = Timestamp::from_seconds(1_000);
            let policy = CachePolicy { ttl: Duration::from_millis(ttl), ..policy() };
            let end = now.later(Duration::from_millis(end));
            let entry = |end| Entry::new(&loaded("x", end), &policy, now, jitter, Snapshot::default());
            let (told, plain) = (entry(Some(end)), entry(None));
            let asked = now.later(Duration::from_millis(asked));
            proptest::prop_assert_eq!(
                told.is_due_for_refresh(asked), plain.is_due_for_refresh(asked)
            );
            let expected = if asked >= end { Age::Expired } else { plain.age(asked) };
            proptest::prop_assert_eq!(told.age(asked), expected);
        }
    }

    #[test]
    fn jitter_only_shortens() {
        let now = Timestamp::from_seconds(1_000);
        let entry = Entry::new(&loaded("x", None), &policy(), now, 0.1, Snapshot::default());
        assert_eq!(entry.body.fresh_until, Timestamp::from_seconds(1_054));
        assert_eq!(entry.age(Timestamp::from_seconds(1_083)), Age::Stale);
        assert_eq!(entry.age(Timestamp::from_seconds(1_084)), Age::Expired);
        assert_eq!(entry.age(Timestamp::from_seconds(999)), Age::Expired);
    }
}
