//! What an instance answers, counted in memory and added to the sums every few seconds.

use std::{
    collections::{BTreeSet, HashSet},
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use super::{Counted, Day, RollupKey, RollupName, RollupStore};
use crate::{Clock, Result, account::UserId};

/// Users that one transaction notes as active.
const AT_ONCE: usize = 500;

/// Users that are remembered as noted today, in each part, and those that are to be noted. Beyond that some are noted again,
/// which changes nothing, or later.
const REMEMBERED: usize = 8_192;

/// Parts of what is remembered, so that workers seldom wait for each other.
const PARTS: usize = 16;

/// What is counted of answers.
const NAMES: [RollupName; 4] =
    [RollupName::Requests, RollupName::Errors, RollupName::Limited, RollupName::Delivered];

/// What is counted of the cache, for each route.
const OF_CACHE: [RollupName; 2] = [RollupName::CacheHits, RollupName::CacheMisses];

/// How often the cache had what a route answers, and had it not.
pub struct RouteUsage {
    route: &'static str,
    /// Of even days and of odd ones, in the order of [`OF_CACHE`].
    counts: [[AtomicI64; OF_CACHE.len()]; 2],
}

/// Where a body came from, and how many signals it hands to a subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// Whether the cache had the body; `None`: the cache was not asked.
    pub is_hit: Option<bool>,
    /// Signals.
    pub signals: u32,
}

/// The counts of one day.
type Counts = [AtomicI64; NAMES.len()];

/// Who was seen on a day.
#[derive(Default)]
struct Seen {
    day: i64,
    /// Those that need not be noted again.
    users: HashSet<UserId>,
    /// Those that are not noted yet.
    new: BTreeSet<UserId>,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UsageFlush {
    /// Sums that were added to.
    pub sums: usize,
    /// Users that were noted as active.
    pub users: usize,
}

/// Counts what an instance answers until it is added to the sums. An instance that is killed loses what it counted since
/// the last [`flush`](Usage::flush); one that stops writes it. Of a write whose outcome is unknown it is taken that it
/// failed, so that ten seconds may count twice.
pub struct Usage {
    store: Arc<dyn RollupStore>,
    clock: Arc<dyn Clock>,
    /// Of even days and of odd ones: what was counted before midnight is not taken for the day after.
    counts: [Counts; 2],
    /// As many as there are routes.
    routes: Mutex<Vec<Arc<RouteUsage>>>,
    seen: [Mutex<Seen>; PARTS],
}

impl Usage {
    /// How often what was counted is written.
    pub const INTERVAL: Duration = Duration::from_secs(10);

    /// Counts that will be added to the sums in `store`.
    pub fn new(store: Arc<dyn RollupStore>, clock: Arc<dyn Clock>) -> Self {
        let (counts, seen) = Default::default();
        Self { store, clock, counts, routes: Mutex::default(), seen }
    }

    /// The counts of a route, the same ones for each caller.
    pub fn route(&self, route: &'static str) -> Arc<RouteUsage> {
        let mut routes = lock(&self.routes);
        if let Some(known) = routes.iter().find(|known| known.route == route) {
            return known.clone();
        }
        let new = Arc::new(RouteUsage { route, counts: Default::default() });
        routes.push(new.clone());
        new
    }

    /// A route of the API answered a request with this status.
    pub fn answered(&self, status: u16) {
        let counts = self.today();
        count(counts, RollupName::Requests, 1);
        if status >= 500 {
            count(counts, RollupName::Errors, 1);
        }
        if status == 429 {
            count(counts, RollupName::Limited, 1);
        }
    }

    /// A body of a route was served.
    pub fn served(&self, route: &RouteUsage, answer: Answer) {
        let today = Day::of(self.clock.now());
        if let Some(is_hit) = answer.is_hit {
            route.counts[parity(today)][usize::from(!is_hit)].fetch_add(1, Ordering::Relaxed);
        }
        count(self.of(today), RollupName::Delivered, answer.signals.into());
    }

    /// A user called.
    pub fn called(&self, user: UserId) {
        let today = Day::of(self.clock.now()).number();
        let part = user.as_uuid().as_bytes()[15] as usize % PARTS;
        let mut seen = lock(&self.seen[part]);
        if seen.day != today {
            // Who is not noted yet was active on the day before at the latest: they are noted now as well.
            seen.users.clear();
            seen.day = today;
        }
        // Who finds no room is noted by a later call.
        if !seen.users.contains(&user) && seen.new.len() < REMEMBERED {
            if seen.users.len() >= REMEMBERED {
                seen.users.clear();
            }
            seen.users.insert(user);
            seen.new.insert(user);
        }
    }

    /// Adds what was counted to the sums. What cannot be written is counted on.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn flush(&self) -> Result<UsageFlush> {
        let today = Day::of(self.clock.now());
        let sums = self.flush_counts(today).await?;
        let users = self.flush_users(today).await?;
        Ok(UsageFlush { sums, users })
    }

    async fn flush_counts(&self, today: Day) -> Result<usize> {
        let taken = [today.earlier(1), today].into_iter().flat_map(|day| {
            let counts = self.of(day);
            let take = move |(number, name): (usize, RollupName)| {
                (RollupKey::of(name, day), counts[number].swap(0, Ordering::Relaxed))
            };
            NAMES.into_iter().enumerate().map(take)
        });
        let routes = lock(&self.routes).clone();
        let of_routes = routes.iter().flat_map(|of| {
            let take = move |day: Day| {
                OF_CACHE.into_iter().enumerate().map(move |(number, name)| {
                    let key = RollupKey { day, name, key: of.route };
                    (key, of.counts[parity(day)][number].swap(0, Ordering::Relaxed))
                })
            };
            [today.earlier(1), today].into_iter().flat_map(take)
        });
        let counted: Vec<Counted> =
            taken.chain(of_routes).filter(|(_, value)| *value != 0).collect();
        if counted.is_empty() {
            return Ok(0);
        }
        let written = self.store.add(counted.clone()).await;
        if written.is_err() {
            for (key, value) in &counted {
                match OF_CACHE.iter().position(|name| *name == key.name) {
                    Some(number) => {
                        let counts = &self.route(key.key).counts[parity(key.day)];
                        counts[number].fetch_add(*value, Ordering::Relaxed);
                    }
                    None => count(self.of(key.day), key.name, *value),
                }
            }
        }
        written.map(|()| counted.len())
    }

    async fn flush_users(&self, today: Day) -> Result<usize> {
        let mut new: BTreeSet<UserId> = BTreeSet::new();
        for part in &self.seen {
            new.append(&mut mem::take(&mut lock(part).new));
        }
        let mut noted = 0;
        while !new.is_empty() {
            let users: Vec<UserId> = new.iter().copied().take(AT_ONCE).collect();
            if let Err(error) = self.store.note_active(users.clone(), today).await {
                for user in new {
                    let part = user.as_uuid().as_bytes()[15] as usize % PARTS;
                    lock(&self.seen[part]).new.insert(user);
                }
                return Err(error);
            }
            for user in &users {
                new.remove(user);
            }
            noted += users.len();
        }
        Ok(noted)
    }

    fn today(&self) -> &Counts {
        self.of(Day::of(self.clock.now()))
    }

    fn of(&self, day: Day) -> &Counts {
        &self.counts[parity(day)]
    }
}

/// 0 on even days, 1 on odd ones.
fn parity(day: Day) -> usize {
    usize::from(day.number().rem_euclid(2) == 1)
}

fn count(counts: &Counts, name: RollupName, value: i64) {
    if let Some(number) = NAMES.iter().position(|other| *other == name)
        && value != 0
    {
        counts[number].fetch_add(value, Ordering::Relaxed);
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
