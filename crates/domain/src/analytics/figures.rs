//! What the sums say.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Day, RollupDifference, RollupName, RollupStore,
    sums::{Periods, Sums, percent},
};
use crate::{Clock, Result, Timestamp, account::Tier};

/// How many days a user counts as active for, today included.
pub const ACTIVE_DAYS: i64 = 30;

/// The figures at an instant.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// When they were put together.
    pub at: Timestamp,
    /// Accounts that were not deleted.
    pub total_users: u64,
    /// The same by tier, lowest first.
    pub users_by_tier: Vec<(Tier, u64)>,
    /// Users who signed in or called in [`ACTIVE_DAYS`].
    pub active_users: u64,
    /// Accounts that were made.
    pub new_users: Periods,
    /// Signals that were accepted, simulated ones aside.
    pub signals: Periods,
    /// Signals that were handed to subscribers in lists.
    pub delivered: Periods,
    /// Requests that routes of the API answered.
    pub requests: Periods,
    /// Those of today that were answered with 5xx.
    pub errors_today: u64,
    /// Those of today that were answered with 429.
    pub limited_today: u64,
    /// Of the bodies that the cache was asked for today, those that it had.
    pub cache_hits_today: u64,
    /// The others.
    pub cache_misses_today: u64,
    /// Both by route, in order of the routes' names.
    pub cache_by_route: Vec<RouteCache>,
}

/// How often the cache had what a route answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteCache {
    /// The route's name.
    pub route: String,
    /// How often it had it today.
    pub hits: u64,
    /// How often not.
    pub misses: u64,
}

impl RouteCache {
    /// Bodies that the cache had in percent of those that it was asked for; 0 if it was asked for none.
    pub fn hit_rate(&self) -> f64 {
        percent(self.hits, self.hits.saturating_add(self.misses))
    }

    fn all(sums: &Sums) -> Vec<Self> {
        let mut by_route: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for (route, hits) in sums.parts(RollupName::CacheHits) {
            by_route.entry(route).or_default().0 += hits;
        }
        for (route, misses) in sums.parts(RollupName::CacheMisses) {
            by_route.entry(route).or_default().1 += misses;
        }
        // What an older release counted is of no route.
        let named = by_route.into_iter().filter(|(route, _)| !route.is_empty());
        let of =
            |(route, (hits, misses)): (&str, _)| Self { route: route.to_owned(), hits, misses };
        named.map(of).collect()
    }
}

impl Figures {
    /// Answers with 5xx in percent of today's requests; 0 without requests.
    pub fn error_rate(&self) -> f64 {
        percent(self.errors_today, self.requests.today)
    }

    /// Bodies that the cache had in percent of those that it was asked for today; 0 if it was asked for none.
    pub fn cache_hit_rate(&self) -> f64 {
        percent(
            self.cache_hits_today,
            self.cache_hits_today.saturating_add(self.cache_misses_today),
        )
    }
}

/// Figures for administrators.
pub struct Analytics {
    store: Arc<dyn RollupStore>,
    clock: Arc<dyn Clock>,
}

impl Analytics {
    /// The figures of `store`.
    pub fn new(store: Arc<dyn RollupStore>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// The figures now: at most some forty days of sums are read. What instances answered is in them some ten seconds
    /// later.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn figures(&self) -> Result<Figures> {
        let at = self.clock.now();
        let today = Day::of(at);
        let active_from = today.earlier(ACTIVE_DAYS - 1);
        let first = active_from.min(today.week_begin()).min(today.month_begin());
        let sums = self.sums(first, today).await?;
        let users_by_tier: Vec<_> =
            Tier::ALL.iter().map(|tier| (*tier, sums.state(RollupName::Users, *tier))).collect();
        Ok(Figures {
            at,
            total_users: users_by_tier.iter().map(|(_, users)| users).sum(),
            users_by_tier,
            active_users: sums.from(RollupName::Active, "", active_from),
            new_users: sums.periods(RollupName::SignUps, ""),
            signals: sums.periods(RollupName::Signals, "live"),
            delivered: sums.periods(RollupName::Delivered, ""),
            requests: sums.periods(RollupName::Requests, ""),
            errors_today: sums.from(RollupName::Errors, "", today),
            limited_today: sums.from(RollupName::Limited, "", today),
            cache_hits_today: sums.parts(RollupName::CacheHits).map(|(_, hits)| hits).sum(),
            cache_misses_today: sums.parts(RollupName::CacheMisses).map(|(_, it)| it).sum(),
            cache_by_route: RouteCache::all(&sums),
        })
    }

    /// What the clock says.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The sums from `first` on.
    pub(super) async fn sums(&self, first: Day, today: Day) -> Result<Sums> {
        Ok(Sums { rows: self.store.since(first).await?, today })
    }

    /// Which sums are not what a count gives; with `repair` they are replaced.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn recount(&self, repair: bool) -> Result<Vec<RollupDifference>> {
        self.store.recount(repair.then(|| self.clock.now())).await
    }
}
