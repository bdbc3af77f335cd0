//! What both caches do: look, join, load, keep.

use std::sync::Arc;

use alpine_domain::{
    Clock, Error, Result,
    ports::cache::{CacheKey, CacheOutcome, CachePolicy, CachedBody, Loaded, Loader, Tag},
};
use tokio::time::timeout;

use super::{
    entry::{Age, Entry, told_as},
    flight::{Boarding, Departure, Flights, Landed, landing},
    generations::{Generations, Snapshot},
    redis_level::{RedisLevel, Seen},
    settings::CacheSettings,
    store::Store,
};
use crate::{InfraMetrics, SettingsError};

/// Memory, and Redis behind it where there is one.
pub(super) struct Engine {
    settings: CacheSettings,
    clock: Arc<dyn Clock>,
    store: Store,
    generations: Generations,
    flights: Arc<Flights>,
    second: Option<RedisLevel>,
    metrics: Arc<InfraMetrics>,
}

impl Engine {
    pub(super) fn new(
        settings: CacheSettings,
        clock: Arc<dyn Clock>,
        second: Option<RedisLevel>,
        metrics: Arc<InfraMetrics>,
    ) -> Result<Self, SettingsError> {
        let settings = settings.checked()?;
        Ok(Self {
            store: Store::new(&settings)?,
            settings,
            clock,
            generations: Generations::default(),
            flights: Arc::default(),
            second,
            metrics,
        })
    }

    pub(super) async fn get_or_load(
        self: &Arc<Self>,
        key: CacheKey,
        policy: &CachePolicy,
        load: Loader,
    ) -> Result<Arc<CachedBody>> {
        match self.look(&key) {
            Some((entry, Age::Fresh)) => {
                self.metrics.cache_hits.with_label_values(&["memory"]).inc();
                self.count("get", "hit");
                Ok(Arc::clone(&entry.body))
            }
            Some((entry, _)) => {
                self.metrics.cache_hits.with_label_values(&["memory"]).inc();
                self.count("get", "stale");
                // Nobody waits for this one; if it fails, the entry serves on within its grace.
                drop(self.board(&key, policy, load));
                Ok(told_as(&entry.body, CacheOutcome::Stale))
            }
            None => {
                self.metrics.cache_misses.with_label_values(&["memory"]).inc();
                self.count("get", "miss");
                match self.board(&key, policy, load) {
                    Boarded::Waiting(wait) => landing(wait).await,
                    Boarded::Found(body) => Ok(body),
                }
            }
        }
    }

    pub(super) async fn invalidate(&self, tags: &[Tag]) {
        // Redis is barred for these tags before any reader can miss the memory because of them.
        if let Some(second) = &self.second {
            second.bar(tags);
        }
        self.generations.invalidate(tags);
        self.count("invalidate", "ok");
        if let Some(second) = &self.second {
            second.send_unsent().await;
        }
    }

    pub(super) async fn clear(&self) {
        if let Some(second) = &self.second {
            second.bar_everything();
        }
        self.generations.invalidate_everything();
        self.store.clear();
        self.measure();
        self.count("clear", "ok");
        if let Some(second) = &self.second {
            second.send_unsent().await;
        }
    }

    /// The entry under `key` if it may be served, fresh or stale.
    fn look(&self, key: &CacheKey) -> Option<(Arc<Entry>, Age)> {
        let entry = self.store.get(key)?;
        let age = entry.age(self.clock.now());
        if age == Age::Dead || !self.generations.is_current(&entry.snapshot) {
            self.store.remove(key, &entry);
            self.measure();
            return None;
        }
        Some((entry, age))
    }

    /// Joins the load of `key` or starts it, on a task of its own: a caller that goes away takes
    /// nothing from the others.
    fn board(self: &Arc<Self>, key: &CacheKey, policy: &CachePolicy, load: Loader) -> Boarded {
        let boarding = self.flights.board(
            key,
            |snapshot| self.generations.is_current(snapshot),
            || self.generations.snapshot(&policy.tags),
            || match self.look(key) {
                Some((entry, Age::Fresh)) => Some(Arc::clone(&entry.body)),
                _ => None,
            },
        );
        match boarding {
            Boarding::Joined(wait) => Boarded::Waiting(wait),
            Boarding::Found(body) => Boarded::Found(body),
            Boarding::Started(departure, wait) => {
                let engine = Arc::clone(self);
                let (key, policy) = (key.clone(), policy.clone());
                tokio::spawn(async move { engine.fly(departure, key, policy, load).await });
                Boarded::Waiting(wait)
            }
        }
    }

    /// The load itself: Redis first, then the source; what it brings is told before it is sent on.
    async fn fly(&self, departure: Departure, key: CacheKey, policy: CachePolicy, load: Loader) {
        let snapshot = departure.flight.snapshot.clone();
        let seen = match &self.second {
            Some(second) => second.fetch(&key, &policy.tags, self.clock.now()).await,
            None => None,
        };
        let (vector, kept) = match seen {
            Some(Seen { vector, kept }) => (Some(vector), kept),
            None => (None, None),
        };
        let now = self.clock.now();
        let mut spare = None;
        if let Some(entry) = kept.map(|kept| kept.into_entry(snapshot.clone(), &policy)) {
            match entry.age(now) {
                Age::Fresh => {
                    let body = Arc::clone(&entry.body);
                    self.keep(&key, Arc::new(entry));
                    departure.land(Ok(body));
                    return;
                }
                Age::Stale => spare = Some(entry),
                Age::Dead => {}
            }
        }
        let (landed, entry) = match self.load(load).await {
            Ok(loaded) => self.landed(&key, &loaded, &policy, snapshot),
            Err(error) => (self.rescued(spare, error), None),
        };
        departure.land(landed);
        if let (Some(second), Some(vector), Some(entry)) = (&self.second, vector, entry) {
            second.put(&key, &vector, &entry, self.clock.now()).await;
        }
    }

    async fn load(&self, load: Loader) -> Result<Loaded> {
        let result = match timeout(self.settings.load_deadline, load()).await {
            Ok(result) => result,
            Err(elapsed) => Err(Error::unavailable("the data source", elapsed)),
        };
        self.count("load", if result.is_ok() { "ok" } else { "error" });
        result
    }

    fn landed(
        &self,
        key: &CacheKey,
        loaded: &Loaded,
        policy: &CachePolicy,
        snapshot: Snapshot,
    ) -> (Landed, Option<Arc<Entry>>) {
        let now = self.clock.now();
        let entry = Arc::new(Entry::new(loaded, policy, now, self.part(), snapshot));
        let body = told_as(&entry.body, CacheOutcome::Miss);
        let kept = entry.age(now) == Age::Fresh
            && loaded.body.len() <= self.settings.max_body
            && self.keep(key, Arc::clone(&entry));
        (Ok(body), kept.then_some(entry))
    }

    /// Stores an entry, unless its tags were invalidated while it was loaded. An invalidation just
    /// after the look changes nothing: the entry carries the older generations.
    fn keep(&self, key: &CacheKey, entry: Arc<Entry>) -> bool {
        if !self.generations.is_current(&entry.snapshot) {
            self.count("set", "outdated");
            return false;
        }
        self.store.insert(key.clone(), entry);
        self.measure();
        self.count("set", "ok");
        true
    }

    /// A failed load is answered from Redis if that held something within its grace.
    fn rescued(&self, spare: Option<Entry>, error: Error) -> Landed {
        match spare {
            Some(entry) if self.generations.is_current(&entry.snapshot) => {
                Ok(told_as(&entry.body, CacheOutcome::Stale))
            }
            _ => Err(Arc::new(error)),
        }
    }

    /// A random part of the jitter.
    fn part(&self) -> f64 {
        let mut bytes = [0; 4];
        // Without randomness there is only no jitter.
        if getrandom::fill(&mut bytes).is_err() {
            return 0.0;
        }
        self.settings.jitter * f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
    }

    fn count(&self, operation: &str, outcome: &str) {
        self.metrics.cache_operations.with_label_values(&[operation, outcome]).inc();
    }

    fn measure(&self) {
        let as_gauge = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        self.metrics.cache_bytes.set(as_gauge(self.store.bytes()));
        self.metrics.cache_entries.set(as_gauge(self.store.len() as u64));
    }
}

/// How a caller gets its body.
enum Boarded {
    Waiting(tokio::sync::watch::Receiver<Option<Landed>>),
    Found(Arc<CachedBody>),
}
