//! In-memory ports: only as much as the surface under test calls for.

use std::{
    collections::HashMap,
    io::Write as _,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering},
    },
    time::Duration,
};

use alpine_domain::{
    Error, Result, Timestamp,
    account::digest,
    page::Slice,
    ports::{
        blacklist::TokenBlacklist,
        cache::{
            CacheKey, CacheOutcome, CachePolicy, CachedBody, Loaded, Loader, ResponseCache, Tag,
        },
        channels::{Admission, ChannelNews, ChannelPlatform, Platform, Presence, Proved},
        health::{Condition, Probe, Report},
        mail::{Mail, Mailer},
        rate_limit::{Decision, RateLimiter, RatePolicy},
        sealing::{Opened, Sealing},
        secrets::{
            AccessClaims, AccessTokens, HashPriority, PasswordCheck, PasswordHasher, Randomness,
        },
    },
    producer::ProducerId,
    signal::{
        Ended, EndedQuery, ExternalId, OwnFilter, Record, Signal, SignalId, SignalQuery,
        SignalReader,
    },
};
use async_trait::async_trait;
use bytes::Bytes;

/// Hashes are the passwords themselves; tokens are their claims in plain text.
pub(super) struct Plain;

#[async_trait]
impl PasswordHasher for Plain {
    async fn hash(&self, password: &str, _: HashPriority) -> Result<String> {
        Ok(password.to_owned())
    }
    async fn check(
        &self,
        password: &str,
        hash: Option<&str>,
        _: HashPriority,
    ) -> Result<PasswordCheck> {
        Ok(if hash == Some(password) { PasswordCheck::Right } else { PasswordCheck::Wrong })
    }
}

#[async_trait]
impl Mailer for Plain {
    async fn send(&self, _: &Mail) -> Result<()> {
        Ok(())
    }
}

/// Nobody is ever in.
#[async_trait]
impl ChannelPlatform for Plain {
    fn platform(&self) -> Platform {
        Platform::Telegram
    }

    fn knows_members(&self) -> bool {
        false
    }

    async fn invite(&self, _: &str, invite: &str, _: Timestamp) -> Result<String> {
        Ok(format!("https://messenger.example/{invite}"))
    }

    async fn revoke(&self, _: &str, _: &str) -> Result<()> {
        Ok(())
    }

    async fn presence(&self, _: &str, _: &str) -> Result<Presence> {
        Ok(Presence::Out)
    }

    async fn admit(&self, _: &str, _: &str) -> Result<Admission> {
        Ok(Admission::NotAsking)
    }

    async fn refuse(&self, _: &str, _: &str) -> Result<()> {
        Ok(())
    }

    async fn remove(&self, _: &str, _: &str, _: Timestamp) -> Result<()> {
        Ok(())
    }

    fn news(&self, _: &str, _: &[u8]) -> Result<ChannelNews> {
        Ok(ChannelNews::Nothing)
    }

    async fn prove(&self, _: &str) -> Result<Proved> {
        Err(Error::NotFound("page"))
    }

    async fn bring(&self, _: &Proved) -> Result<()> {
        Ok(())
    }
}

/// Sealed is what about whom, in plain text.
impl Sealing for Plain {
    fn seal(&self, plain: &[u8], about: &[u8]) -> Result<String> {
        Ok(format!("{plain:?} {about:?}"))
    }
    fn open(&self, sealed: &str, about: &[u8]) -> Result<Opened> {
        let plain = sealed.strip_suffix(&format!(" {about:?}")).unwrap();
        let plain = serde_json::from_str(plain).unwrap();
        Ok(Opened { plain, is_outdated: false })
    }
}

impl AccessTokens for Plain {
    fn issue(&self, claims: &AccessClaims) -> Result<String> {
        Ok(format!("{}.{}.{}", claims.subject, claims.session, claims.generation))
    }
    fn verify(&self, token: &str, now: Timestamp) -> Result<Arc<AccessClaims>> {
        let parts: Vec<&str> = token.split('.').collect();
        let refused = Error::Unauthenticated("the access token is not valid");
        let [subject, session, generation] = parts[..] else { return Err(refused) };
        let (Ok(subject), Ok(session)) = (subject.parse(), session.parse()) else {
            return Err(refused);
        };
        Ok(Arc::new(AccessClaims {
            subject,
            session,
            id: "token".to_owned(),
            generation: generation.parse().unwrap_or(-1),
            issued_at: now,
            expires_at: now.later(Duration::from_mins(15)),
        }))
    }
}

#[derive(Default)]
pub(super) struct Blacklist(Mutex<Vec<String>>);

#[async_trait]
impl TokenBlacklist for Blacklist {
    fn deny(&self, id: &str, _: Timestamp) {
        self.0.lock().unwrap().push(id.to_owned());
    }
    fn capacity(&self) -> usize {
        1_000
    }
    async fn is_denied(&self, id: &str) -> Result<bool> {
        Ok(self.0.lock().unwrap().iter().any(|denied| denied == id))
    }
}

/// Counts one by one, so that ids differ.
#[derive(Default)]
pub(super) struct Counting(AtomicU8);

impl Randomness for Counting {
    fn fill(&self, buffer: &mut [u8]) {
        for byte in buffer {
            *byte = self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
}

type Entry = (Vec<Tag>, Arc<CachedBody>);

/// Never forgets by time, only by tag.
#[derive(Default)]
pub(super) struct Cache {
    entries: Mutex<HashMap<CacheKey, Entry>>,
    pub(super) keys: Mutex<Vec<CacheKey>>,
    /// When what was loaded would have ended, whatever its policy says.
    pub(super) ends: Mutex<Vec<Option<Timestamp>>>,
}

#[async_trait]
impl ResponseCache for Cache {
    async fn get_or_load(
        &self,
        key: CacheKey,
        policy: &CachePolicy,
        load: Loader,
    ) -> Result<Arc<CachedBody>> {
        self.keys.lock().unwrap().push(key.clone());
        if let Some((_, entry)) = self.entries.lock().unwrap().get(&key) {
            return Ok(Arc::new(CachedBody {
                body: entry.body.clone(),
                headers: entry.headers.clone(),
                gzip: entry.gzip.clone(),
                etag: entry.etag.clone(),
                outcome: CacheOutcome::Hit,
                fresh_until: entry.fresh_until,
            }));
        }
        let Loaded { body, headers, expires_at } = load().await?;
        self.ends.lock().unwrap().push(expires_at);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&body).unwrap();
        let entry = Arc::new(CachedBody {
            etag: format!("\"{}\"", digest(&String::from_utf8_lossy(&body))),
            gzip: (body.len() >= 1024).then(|| Bytes::from(gzip.finish().unwrap())),
            body,
            headers,
            outcome: CacheOutcome::Miss,
            fresh_until: Timestamp::from_seconds(0),
        });
        let stored = (policy.tags.clone(), Arc::clone(&entry));
        self.entries.lock().unwrap().insert(key, stored);
        Ok(entry)
    }
    fn invalidate(&self, tags: &[Tag], _at: i64) {
        let keep = |known: &[Tag]| !known.iter().any(|tag| tags.contains(tag));
        self.entries.lock().unwrap().retain(|_, (known, _)| keep(known));
    }
    fn restart(&self, _shared: &[(Tag, i64)]) {
        self.entries.lock().unwrap().clear();
    }
}

/// Counts by policy and caller, for ever.
#[derive(Default)]
pub(super) struct Limiter(pub(super) Mutex<HashMap<(&'static str, String), u32>>);

#[async_trait]
impl RateLimiter for Limiter {
    fn known_refusal(&self, policy: &RatePolicy, caller: &str) -> Option<Decision> {
        let window = policy.windows[0];
        let counts = self.0.lock().unwrap();
        let used = counts.get(&(policy.name, caller.to_owned())).copied().unwrap_or_default();
        (used >= window.limit).then(|| Decision {
            allowed: false,
            limit: window.limit,
            window: window.length,
            remaining: 0,
            reset_after: window.length,
            retry_after: Some(Duration::from_millis(12_300)),
        })
    }

    async fn admit(&self, policy: &RatePolicy, caller: &str) -> Decision {
        let window = policy.windows[0];
        let mut counts = self.0.lock().unwrap();
        let used = counts.entry((policy.name, caller.to_owned())).or_default();
        let allowed = *used < window.limit;
        *used += u32::from(allowed);
        Decision {
            allowed,
            limit: window.limit,
            window: window.length,
            remaining: window.limit - *used,
            reset_after: window.length,
            retry_after: (!allowed).then_some(Duration::from_millis(12_300)),
        }
    }
}

pub(super) struct Part {
    pub(super) name: &'static str,
    pub(super) essential: bool,
    pub(super) condition: Mutex<Condition>,
    pub(super) asked: AtomicUsize,
}

#[async_trait]
impl Probe for Part {
    fn name(&self) -> &'static str {
        self.name
    }
    fn is_essential(&self) -> bool {
        self.essential
    }
    async fn probe(&self) -> Report {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Report { condition: self.condition.lock().unwrap().clone(), detail: None }
    }
}

/// Fresh or not, as a test says.
pub(super) struct Switch(pub(super) AtomicBool);

#[async_trait]
impl crate::Freshness for Switch {
    fn is_fresh(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
    async fn catch_up(&self) -> Result<()> {
        Err(Error::unavailable("the event log", "gone"))
    }
}

/// A reader of signals that goes away in the middle, over the real one.
pub(super) struct Fading {
    pub(super) reader: Arc<dyn SignalReader>,
    /// Lists that it still gives.
    pub(super) lists_left: AtomicUsize,
}

#[async_trait]
impl SignalReader for Fading {
    async fn list(&self, query: &SignalQuery, slice: Slice) -> Result<Vec<Signal>> {
        let take = |left: usize| left.checked_sub(1);
        if self.lists_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_err() {
            return Err(Error::unavailable("the database", "10.1.2.3 hung up"));
        }
        self.reader.list(query, slice).await
    }
    async fn ended(&self, query: &SignalQuery, ended: EndedQuery) -> Result<Ended> {
        self.reader.ended(query, ended).await
    }
    async fn closings(
        &self,
        below: Option<f64>,
        record: Record,
        span: (Timestamp, Timestamp),
        limit: u32,
    ) -> Result<Vec<Signal>> {
        self.reader.closings(below, record, span, limit).await
    }
    async fn count(&self, query: &SignalQuery, cap: u32) -> Result<u32> {
        self.reader.count(query, cap).await
    }
    async fn find(&self, id: SignalId) -> Result<Option<Signal>> {
        self.reader.find(id).await
    }
    async fn find_external(&self, producer: ProducerId, id: &ExternalId) -> Result<Option<Signal>> {
        self.reader.find_external(producer, id).await
    }
    async fn own(
        &self,
        producer: ProducerId,
        filter: &OwnFilter,
        slice: Slice,
    ) -> Result<Vec<Signal>> {
        self.reader.own(producer, filter, slice).await
    }
    async fn count_own(&self, producer: ProducerId, filter: &OwnFilter, cap: u32) -> Result<u32> {
        self.reader.count_own(producer, filter, cap).await
    }
    async fn next_change_after(&self, query: &SignalQuery) -> Result<Option<Timestamp>> {
        self.reader.next_change_after(query).await
    }
}
