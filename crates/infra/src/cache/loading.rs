//! The load of a missing or old entry: from Redis, or from the source, which one instance at a time
//! asks.

use std::{sync::Arc, time::Duration};

use alpine_domain::{
    Error, Result, Timestamp,
    ports::cache::{CacheKey, CacheOutcome, CachePolicy, Loaded, Loader},
};
use tokio::time::{Instant, sleep, timeout};

use super::{
    engine::{Engine, Purpose},
    entry::{Age, Entry, with_outcome},
    generations::Snapshot,
    redis_level::{Lease, LeaseAttempt, RedisLevel, SharedKey},
    single_flight::{Leader, LoadResult, Role},
};

/// The pause between two look-ups of an entry that another instance is loading: the first one, doubled
/// up to the longest one.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(40);

/// One entry of the Redis level, as one load sees it.
struct SharedEntry<'a> {
    redis: &'a RedisLevel,
    key: &'a SharedKey,
    policy: &'a CachePolicy,
    snapshot: &'a Snapshot,
}

/// What the Redis level says about an entry.
enum SharedLookup {
    Found(Arc<Entry>),
    /// This instance loads. It holds the lease, unless Redis is away or waiting took too long.
    Load {
        lease: Option<Lease>,
        /// Another instance was loading it.
        was_held: bool,
    },
}

impl Engine {
    /// Joins the load of `key` or starts it. A load runs on a task of its own, so a caller that goes
    /// away does not end it for the others.
    pub(super) fn start_or_join_load(
        self: &Arc<Self>,
        key: &CacheKey,
        policy: &CachePolicy,
        load: Loader,
        purpose: Purpose,
    ) -> Role {
        let mut role = self.loads.join_or_lead(
            key,
            |snapshot| self.generations.is_current(snapshot),
            || self.generations.snapshot(&policy.tags),
            || match self.look_up(key, self.clock.now()) {
                Some((entry, Age::Fresh)) if purpose == Purpose::Answer => {
                    Some(Arc::clone(&entry.body))
                }
                _ => None,
            },
        );
        if let Role::Leader(leader, _) = &mut role
            && let Some(leader) = leader.take()
        {
            let engine = Arc::clone(self);
            let (key, policy) = (key.clone(), policy.clone());
            tokio::spawn(async move { engine.run_load(leader, key, policy, load, purpose).await });
        }
        role
    }

    async fn run_load(
        self: Arc<Self>,
        leader: Leader,
        key: CacheKey,
        policy: CachePolicy,
        load: Loader,
        purpose: Purpose,
    ) {
        let snapshot = leader.load.snapshot.clone();
        let shared = self
            .redis
            .as_ref()
            .and_then(|redis| redis.shared_key(&key, &snapshot).map(|shared| (redis, shared)));
        let (mut lease, mut is_wanted) = (None, purpose == Purpose::Refresh);
        if let Some((redis, shared_key)) = &shared {
            let shared =
                SharedEntry { redis, key: shared_key, policy: &policy, snapshot: &snapshot };
            match self.fetch_or_lease(&shared, &key, purpose).await {
                SharedLookup::Found(entry) => {
                    let is_stale = entry.age(self.clock.now()) == Age::Stale;
                    let outcome = if is_stale { CacheOutcome::Stale } else { CacheOutcome::Hit };
                    let result = good_result(&entry, outcome);
                    self.store_if_current(&key, entry);
                    let _ = leader.finish(result);
                    if is_stale {
                        drop(self.start_or_join_load(&key, &policy, load, Purpose::Refresh));
                    }
                    return;
                }
                SharedLookup::Load { lease: taken, was_held } => {
                    lease = taken;
                    is_wanted |= redis.budget.was_loaded(&key) || was_held;
                }
            }
        }
        // What is loaded is as old as the question.
        let asked = self.clock.now();
        let (result, entry) = match self.ask_source(load).await {
            Ok(loaded) => self.store_loaded(&key, &loaded, &policy, snapshot, asked),
            Err(error) => {
                if let Error::NotFound(_) = error {
                    self.drop_entry(&key, shared.as_ref()).await;
                }
                self.negative.insert(&key, &error, &policy, &snapshot, asked);
                (self.stale_or_error(&key, error, asked), None)
            }
        };
        is_wanted |= leader.finish(result) > 1;
        if let (Some((redis, shared_key)), Some(entry)) = (&shared, entry) {
            redis.put(shared_key, &entry, is_wanted, self.clock.now()).await;
        }
        // Released after the entry was written: whoever takes the lease next finds the entry.
        drop(lease);
    }

    /// Fetches the entry from Redis, or takes the lease to load it. Waits for another instance that
    /// holds the lease, for `load_deadline` at most.
    async fn fetch_or_lease(
        &self,
        shared: &SharedEntry<'_>,
        key: &CacheKey,
        purpose: Purpose,
    ) -> SharedLookup {
        let deadline = Instant::now() + self.settings.load_deadline;
        let (mut pause, mut was_held) = (FIRST_PAUSE, false);
        loop {
            if let Some(entry) = self.fetch(shared, purpose).await {
                return SharedLookup::Found(entry);
            }
            match shared
                .redis
                .acquire_lease(shared.key, self.settings.load_deadline, self.clock.now())
                .await
            {
                LeaseAttempt::Unavailable => {
                    return SharedLookup::Load { lease: None, was_held };
                }
                LeaseAttempt::Acquired(lease) => {
                    // Another instance may have stored the entry and released the lease between the
                    // fetch and the lease.
                    return match self.fetch(shared, purpose).await {
                        Some(entry) => SharedLookup::Found(entry),
                        None => SharedLookup::Load { lease: Some(lease), was_held },
                    };
                }
                LeaseAttempt::HeldElsewhere => was_held = true,
            }
            if purpose == Purpose::Refresh
                && let Some((entry, _)) = self.look_up(key, self.clock.now())
            {
                // Another instance refreshes it, and the old entry can be served meanwhile.
                return SharedLookup::Found(entry);
            }
            let is_outdated = !self.generations.is_current(shared.snapshot);
            if Instant::now() >= deadline || is_outdated {
                return SharedLookup::Load { lease: None, was_held };
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// The entry in Redis, if it serves the purpose: for an answer it must be servable, for a refresh
    /// it must not be due for a refresh itself.
    async fn fetch(&self, shared: &SharedEntry<'_>, purpose: Purpose) -> Option<Arc<Entry>> {
        let now = self.clock.now();
        let entry = shared.redis.fetch(shared.key, shared.policy, shared.snapshot, now).await?;
        let is_good = match purpose {
            Purpose::Answer => entry.age(now) != Age::Expired,
            Purpose::Refresh => entry.age(now) == Age::Fresh && !entry.is_due_for_refresh(now),
        };
        is_good.then(|| Arc::new(entry))
    }

    async fn ask_source(&self, load: Loader) -> Result<Loaded> {
        let result = match timeout(self.settings.load_deadline, load()).await {
            Ok(result) => result,
            Err(elapsed) => Err(Error::unavailable("the data source", elapsed)),
        };
        self.count("load", if result.is_ok() { "ok" } else { "error" });
        result
    }

    fn store_loaded(
        &self,
        key: &CacheKey,
        loaded: &Loaded,
        policy: &CachePolicy,
        snapshot: Snapshot,
        asked: Timestamp,
    ) -> (LoadResult, Option<Arc<Entry>>) {
        let entry = Arc::new(Entry::new(loaded, policy, asked, self.random_jitter(), snapshot));
        let result = good_result(&entry, CacheOutcome::Miss);
        let is_stored = entry.age(self.clock.now()) == Age::Fresh
            && loaded.body.len() <= self.settings.max_body
            && self.store_if_current(key, Arc::clone(&entry));
        (result, is_stored.then_some(entry))
    }

    /// Removes what the source says does not exist any more, from memory and from Redis.
    async fn drop_entry(&self, key: &CacheKey, shared: Option<&(&RedisLevel, SharedKey)>) {
        if let Some(entry) = self.store.get(key) {
            self.store.remove(key, &entry);
            self.measure();
        }
        if let Some((redis, shared_key)) = shared {
            redis.remove(shared_key).await;
        }
    }

    /// A failed load is answered with the old entry, within its grace; "not found" never is.
    fn stale_or_error(&self, key: &CacheKey, error: Error, asked: Timestamp) -> LoadResult {
        let is_absent = matches!(error, Error::NotFound(_));
        match self.look_up(key, self.clock.now()) {
            Some((entry, _)) if !is_absent => good_result(&entry, CacheOutcome::Stale),
            _ => {
                let known = is_absent.then(|| asked.later(self.settings.absent_ttl));
                LoadResult {
                    body: Err(Arc::new(error)),
                    good_until: known.unwrap_or(Timestamp::MAX),
                }
            }
        }
    }

    /// The part of a TTL to take off this time: 0 to `settings.jitter`.
    fn random_jitter(&self) -> f64 {
        let mut bytes = [0; 4];
        // Without randomness there is only no jitter.
        if getrandom::fill(&mut bytes).is_err() {
            return 0.0;
        }
        self.settings.jitter * f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
    }
}

/// The body of an entry for all who wait for it.
fn good_result(entry: &Entry, outcome: CacheOutcome) -> LoadResult {
    LoadResult { body: Ok(with_outcome(&entry.body, outcome)), good_until: entry.expires_at }
}
