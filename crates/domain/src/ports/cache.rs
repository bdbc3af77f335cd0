//! A cache of response bodies: one entry with bytes, gzip and `ETag`, keyed by who may receive it.

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Result, Timestamp};

/// Who may receive a cached body. Part of every key, so that no body crosses scopes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The same answer for anybody.
    Public,
    /// Everybody in one group, a tier for example.
    Group(&'static str),
    /// One principal only.
    Principal(String),
}

/// What a cached body answers. Two keys are equal only if route, scope and parameters all are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CacheKey {
    /// The route's name, from the route table.
    pub route: &'static str,
    /// Who may receive the body.
    pub scope: Scope,
    /// Everything else that the body depends on, in one canonical form.
    pub parameters: String,
}

/// An unambiguous text: lengths stand before the variable parts, so that no two keys share one.
impl fmt::Display for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}|", self.route)?;
        match &self.scope {
            Scope::Public => f.write_str("p")?,
            Scope::Group(name) => write!(f, "g{}:{name}", name.len())?,
            Scope::Principal(id) => write!(f, "u{}:{id}", id.len())?,
        }
        write!(f, "|{}", self.parameters)
    }
}

/// A name that invalidates every entry stored under it, `signals` for example.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Tag(pub std::borrow::Cow<'static, str>);

impl Tag {
    /// A tag known at compile time.
    pub const fn of(name: &'static str) -> Self {
        Self(std::borrow::Cow::Borrowed(name))
    }
}

/// How long an entry lives and what invalidates it.
#[derive(Debug, Clone)]
pub struct CachePolicy {
    /// How long an entry is fresh. Adapters shorten it by a small random part.
    pub ttl: Duration,
    /// How long after that it may still be served while a new one is loaded, or when loading fails.
    pub grace: Duration,
    /// What invalidates it.
    pub tags: Vec<Tag>,
}

/// A freshly loaded body.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The body, uncompressed.
    pub body: Bytes,
    /// Headers that belong to this very body, a `Link` to the next page for example: name and value.
    pub headers: Vec<(String, String)>,
    /// The body is wrong from then on, whatever the policy says: something will appear in it by
    /// the mere passing of time. No grace after that.
    pub expires_at: Option<Timestamp>,
}

/// A boxed future, as a loader returns it.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Loads a body on a miss. May be called again later, to refresh an entry behind a reader.
pub type Loader = Arc<dyn Fn() -> BoxFuture<Result<Loaded>> + Send + Sync>;

/// A stored body, ready to be sent.
#[derive(Debug)]
pub struct CachedBody {
    /// The body, uncompressed.
    pub body: Bytes,
    /// The headers that were loaded with it.
    pub headers: Vec<(String, String)>,
    /// The same body under gzip, where that is worth it (above 1 KB).
    pub gzip: Option<Bytes>,
    /// A strong validator of the uncompressed body, quotes included (RFC 9110, section 8.8.3).
    pub etag: String,
    /// How the entry came about, for metrics and the `X-Cache` header.
    pub outcome: CacheOutcome,
    /// The instant after which the entry is no longer fresh.
    pub fresh_until: Timestamp,
}

/// Where an answer came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheOutcome {
    /// From the cache.
    Hit,
    /// Loaded for this call or by a concurrent one for the same key.
    Miss,
    /// From the cache, past its time, because loading failed or goes on behind.
    Stale,
}

/// A cache of response bodies. Never an authority: any entry may be gone at any time, and a cache
/// that is away behaves like an empty one.
#[async_trait]
pub trait ResponseCache: Send + Sync {
    /// The body that [`get_or_load`](Self::get_or_load) would answer at once with nothing left to do:
    /// one that is fresh and far from its end.
    fn get(&self, key: &CacheKey) -> Option<Arc<CachedBody>> {
        let _ = key;
        None
    }

    /// The entry under `key`, loading it when there is none. Concurrent callers of one key share
    /// one load. A body whose tags were invalidated while it was loaded is returned but not kept.
    ///
    /// # Errors
    /// What `load` returned, when there is nothing within its grace to serve instead.
    async fn get_or_load(
        &self,
        key: CacheKey,
        policy: &CachePolicy,
        load: Loader,
    ) -> Result<Arc<CachedBody>>;

    /// Makes every entry under any of `tags` unservable, at once on this instance. `at` is the number
    /// of the logged event that says so. All instances apply the same events, so the newest such
    /// number is a tag's generation everywhere: entries shared between instances are looked up under
    /// it, and nobody who applied the event can find an older one. A number that is not newer than the
    /// tag's generation changes nothing: what was loaded since has it already.
    fn invalidate(&self, tags: &[Tag], at: i64);

    /// Forgets everything, and learns the generations of the tags whose entries may be shared between
    /// instances: each with the number of the newest event that concerns it, 0 if there is none.
    /// Entries with any other tag, and those of one principal, stay with the instance that loaded
    /// them. Before the first call nothing is shared.
    fn restart(&self, shared: &[(Tag, i64)]);
}
