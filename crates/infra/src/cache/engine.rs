//! What both caches do: look, join, load, keep.

use std::{sync::Arc, time::Duration};

use alpine_domain::{
    Clock, Error, Result, Timestamp,
    ports::cache::{CacheKey, CacheOutcome, CachePolicy, CachedBody, Loaded, Loader, Scope, Tag},
};
use prometheus::IntCounter;
use tokio::time::{Instant, sleep, timeout};

use super::{
    absent::Absences,
    entry::{Age, Entry, told_as},
    flight::{Boarding, Departure, Flights, Landed, landing},
    generations::{Generations, Snapshot},
    redis_level::{Lease, Place, RedisLevel, Turn},
    settings::CacheSettings,
    store::Store,
};
use crate::{
    InfraMetrics, SettingsError,
    mutants::{Mechanism, is_off},
};

/// How often the entry that another instance is loading is asked for.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(40);

/// Memory, and Redis behind it where there is one.
pub(super) struct Engine {
    settings: CacheSettings,
    clock: Arc<dyn Clock>,
    store: Store,
    generations: Generations,
    flights: Arc<Flights>,
    absent: Absences,
    second: Option<RedisLevel>,
    /// Counted at each hit, hence resolved once.
    hits: IntCounter,
    fresh: IntCounter,
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
            absent: Absences::new(settings.absent_ttl),
            settings,
            clock,
            generations: Generations::default(),
            flights: Arc::default(),
            second,
            hits: metrics.cache_hits.with_label_values(&["memory"]),
            fresh: metrics.cache_operations.with_label_values(&["get", "hit"]),
            metrics,
        })
    }

    /// A fresh body that is not due for a refresh.
    pub(super) fn get(&self, key: &CacheKey) -> Option<Arc<CachedBody>> {
        if is_off(Mechanism::CacheScope) {
            return None;
        }
        let now = self.clock.now();
        let (entry, age) = self.look(key, now)?;
        if age != Age::Fresh || entry.is_due(now) {
            return None;
        }
        self.hits.inc();
        self.fresh.inc();
        Some(Arc::clone(&entry.body))
    }

    pub(super) async fn get_or_load(
        self: &Arc<Self>,
        mut key: CacheKey,
        policy: &CachePolicy,
        load: Loader,
    ) -> Result<Arc<CachedBody>> {
        if is_off(Mechanism::CacheScope) {
            key.scope = Scope::Public;
        }
        let now = self.clock.now();
        let Some((entry, age)) = self.look(&key, now) else {
            if let Some(absent) = self.absent.get(&key, now, &self.generations) {
                self.count("get", "absent");
                return Err(absent);
            }
            self.metrics.cache_misses.with_label_values(&["memory"]).inc();
            self.count("get", "miss");
            return match self.board(&key, policy, load, Purpose::Answer) {
                Boarded::Waiting(wait) => landing(wait).await,
                Boarded::Found(body) => Ok(body),
            };
        };
        self.hits.inc();
        if entry.is_due(now) && entry.claim_refresh() {
            // Nobody waits for this one; if it fails, the entry serves on within its grace.
            drop(self.board(&key, policy, load, Purpose::Refresh));
        }
        if age == Age::Fresh {
            self.fresh.inc();
            Ok(Arc::clone(&entry.body))
        } else {
            self.count("get", "stale");
            Ok(told_as(&entry.body, CacheOutcome::Stale))
        }
    }

    pub(super) fn invalidate(&self, tags: &[Tag], at: i64) {
        self.generations.invalidate(tags, at);
        self.count("invalidate", "ok");
    }

    pub(super) fn outdate(&self, tags: &[Tag]) {
        self.generations.outdate(tags);
        self.count("outdate", "ok");
    }

    pub(super) fn restart(&self, shared: &[(Tag, i64)]) {
        self.generations.restart(shared);
        self.store.clear();
        self.absent.clear();
        self.measure();
        self.count("restart", "ok");
    }

    /// The entry under `key` if it may be served, fresh or stale.
    fn look(&self, key: &CacheKey, now: Timestamp) -> Option<(Arc<Entry>, Age)> {
        let entry = self.store.get(key)?;
        let age = entry.age(now);
        let is_current =
            self.generations.is_current(&entry.snapshot) || is_off(Mechanism::CacheGenerationCheck);
        if age == Age::Dead || !is_current {
            self.store.remove(key, &entry);
            self.measure();
            return None;
        }
        Some((entry, age))
    }

    /// Joins the load of `key` or starts it, on a task of its own: a caller that goes away takes
    /// nothing from the others.
    fn board(
        self: &Arc<Self>,
        key: &CacheKey,
        policy: &CachePolicy,
        load: Loader,
        purpose: Purpose,
    ) -> Boarded {
        let boarding = self.flights.board(
            key,
            |snapshot| self.generations.is_current(snapshot) && !is_off(Mechanism::SingleFlight),
            || self.generations.snapshot(&policy.tags),
            || match self.look(key, self.clock.now()) {
                Some((entry, Age::Fresh)) if purpose == Purpose::Answer => {
                    Some(Arc::clone(&entry.body))
                }
                _ => None,
            },
        );
        match boarding {
            Boarding::Joined(wait) => Boarded::Waiting(wait),
            Boarding::Found(body) => Boarded::Found(body),
            Boarding::Started(departure, wait) => {
                let engine = Arc::clone(self);
                let (key, policy) = (key.clone(), policy.clone());
                tokio::spawn(
                    async move { engine.fly(departure, key, policy, load, purpose).await },
                );
                Boarded::Waiting(wait)
            }
        }
    }

    /// The load itself: Redis first, then the source, which only one instance asks at a time.
    async fn fly(
        self: Arc<Self>,
        departure: Departure,
        key: CacheKey,
        policy: CachePolicy,
        load: Loader,
        purpose: Purpose,
    ) {
        let snapshot = departure.flight.snapshot.clone();
        let shared = self
            .second
            .as_ref()
            .and_then(|second| second.place(&key, &snapshot).map(|place| (second, place)));
        let mut lease = None;
        if let Some((second, place)) = &shared {
            let trip = Trip { second, place, policy: &policy, snapshot: &snapshot };
            match self.share(&trip, &key, purpose).await {
                Sharing::Found(entry) => {
                    let is_stale = entry.age(self.clock.now()) == Age::Stale;
                    let outcome = if is_stale { CacheOutcome::Stale } else { CacheOutcome::Hit };
                    let body = told_as(&entry.body, outcome);
                    self.keep(&key, entry);
                    departure.land(Ok(body));
                    if is_stale {
                        drop(self.board(&key, &policy, load, Purpose::Refresh));
                    }
                    return;
                }
                Sharing::Load(taken) => lease = taken,
            }
        }
        let (landed, entry) = match self.load(load).await {
            Ok(loaded) => self.landed(&key, &loaded, &policy, snapshot),
            Err(error) => {
                if let Error::NotFound(_) = error {
                    self.drop_entry(&key, shared.as_ref()).await;
                }
                self.absent.note(&key, &error, &policy, &snapshot, self.clock.now());
                (self.rescued(&key, error), None)
            }
        };
        departure.land(landed);
        if let (Some((second, place)), Some(entry)) = (&shared, entry) {
            second.put(place, &entry, self.clock.now()).await;
        }
        // Only now, so that whoever takes its turn next finds the entry.
        drop(lease);
    }

    /// What the other instances have, or the right to load; waits for the one that is loading, but no
    /// longer than a load may take.
    async fn share(&self, trip: &Trip<'_>, key: &CacheKey, purpose: Purpose) -> Sharing {
        let deadline = Instant::now() + self.settings.load_deadline;
        let mut pause = FIRST_PAUSE;
        loop {
            if let Some(entry) = self.fetch(trip, purpose).await {
                return Sharing::Found(entry);
            }
            match trip.second.take_turn(trip.place, self.settings.load_deadline).await {
                Turn::Nobodys => return Sharing::Load(None),
                Turn::Mine(lease) => {
                    // Stored and given back between our look and our turn?
                    return match self.fetch(trip, purpose).await {
                        Some(entry) => Sharing::Found(entry),
                        None => Sharing::Load(Some(lease)),
                    };
                }
                Turn::Theirs => {}
            }
            if purpose == Purpose::Refresh
                && let Some((entry, _)) = self.look(key, self.clock.now())
            {
                // It is being refreshed elsewhere, and there is something to serve meanwhile.
                return Sharing::Found(entry);
            }
            let is_outdated = !self.generations.is_current(trip.snapshot);
            if Instant::now() >= deadline || is_outdated {
                return Sharing::Load(None);
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// What Redis has for this purpose: anything servable for an answer, something better than what
    /// is about to be refreshed for a refresh.
    async fn fetch(&self, trip: &Trip<'_>, purpose: Purpose) -> Option<Arc<Entry>> {
        let now = self.clock.now();
        let entry = trip.second.fetch(trip.place, trip.policy, trip.snapshot, now).await?;
        let is_good = match purpose {
            Purpose::Answer => entry.age(now) != Age::Dead,
            Purpose::Refresh => entry.age(now) == Age::Fresh && !entry.is_due(now),
        };
        is_good.then(|| Arc::new(entry))
    }

    async fn load(&self, load: Loader) -> Result<Loaded> {
        let deadline = if is_off(Mechanism::LoadDeadline) {
            self.settings.load_deadline.saturating_mul(1_000)
        } else {
            self.settings.load_deadline
        };
        let result = match timeout(deadline, load()).await {
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
        mut snapshot: Snapshot,
    ) -> (Landed, Option<Arc<Entry>>) {
        if is_off(Mechanism::LoadRaceCheck) {
            snapshot = self.generations.snapshot(&policy.tags);
        }
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

    /// What does not exist any more is not served for the rest of its time, on no level.
    async fn drop_entry(&self, key: &CacheKey, shared: Option<&(&RedisLevel, Place)>) {
        if let Some(entry) = self.store.get(key) {
            self.store.remove(key, &entry);
            self.measure();
        }
        if let Some((second, place)) = shared {
            second.remove(place).await;
        }
    }

    /// A failed load is answered with what there is within its grace. What the source says does not
    /// exist (any more) is not kept alive that way.
    fn rescued(&self, key: &CacheKey, error: Error) -> Landed {
        match self.look(key, self.clock.now()) {
            Some((entry, _)) if !matches!(error, Error::NotFound(_)) => {
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

/// What a load is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// Somebody waits.
    Answer,
    /// The entry is served meanwhile.
    Refresh,
}

/// A load that may be shared with other instances.
struct Trip<'a> {
    second: &'a RedisLevel,
    place: &'a Place,
    policy: &'a CachePolicy,
    snapshot: &'a Snapshot,
}

/// What sharing a load came to.
enum Sharing {
    Found(Arc<Entry>),
    /// This instance loads, with the lease if there is one to have.
    Load(Option<Lease>),
}

/// How a caller gets its body.
enum Boarded {
    Waiting(tokio::sync::watch::Receiver<Option<Landed>>),
    Found(Arc<CachedBody>),
}
