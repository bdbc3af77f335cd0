//! Sums that are kept beside what they count.

use async_trait::async_trait;

use super::Day;
use crate::{
    Result, Timestamp,
    account::{Tier, UserId},
    text_enum::text_enum,
};

text_enum!(
    /// What a sum is of.
    RollupName, {
        /// Accounts that were not deleted, by tier: how many there are now, on the day 0 alone.
        Users = "users",
        /// Accounts by the day on which they were made, deleted ones included.
        SignUps = "sign_ups",
        /// Signals by the day on which they were accepted, `live` and `simulated` apart.
        Signals = "signals",
        /// Users by the last day on which they signed in or called.
        Active = "active",
        /// Those to whom payment gave a tier, by tier: how many there are now, on the day 0 alone.
        Subscribers = "subscribers",
        /// What they pay in a month, in US cents, on the day 0 alone.
        MonthlyRevenue = "monthly_revenue",
        /// What was paid less what went back, in US cents, by the day on which it was paid and by tier.
        Revenue = "revenue",
        /// The same of all days, on the day 0 alone.
        TotalRevenue = "total_revenue",
        /// How often payment gave a tier to who had none by it.
        SubscriptionsBegun = "subscriptions_begun",
        /// How often it gave no more.
        SubscriptionsEnded = "subscriptions_ended",
        /// Requests that a route of the API answered.
        Requests = "requests",
        /// Those of them that were answered with 5xx.
        Errors = "errors",
        /// Those of them that were answered with 429.
        Limited = "limited",
        /// Signals that were handed to a subscriber in a list.
        Delivered = "delivered",
        /// Bodies that the cache had, by route; an older release counted all as one.
        CacheHits = "cache_hits",
        /// Bodies that were loaded, in the same way.
        CacheMisses = "cache_misses",
    }
);

impl RollupName {
    /// Those that rows of other tables can be counted for.
    pub const RECOUNTABLE: [Self; 8] = [
        Self::Users,
        Self::SignUps,
        Self::Signals,
        Self::Active,
        Self::Subscribers,
        Self::MonthlyRevenue,
        Self::Revenue,
        Self::TotalRevenue,
    ];
}

/// Which sum. In this order rows are written, so that of two transactions none waits for the other in a circle.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RollupKey {
    /// Of which day.
    pub day: Day,
    /// Of what.
    pub name: RollupName,
    /// Of which part of it: a tier, for example; empty where there are no parts.
    pub key: &'static str,
}

impl RollupKey {
    /// The accounts of a tier.
    pub const fn users(tier: Tier) -> Self {
        Self { day: Day::new(0), name: RollupName::Users, key: tier.as_str() }
    }

    /// The signals of a day.
    pub const fn signals(day: Day, is_simulated: bool) -> Self {
        let key = if is_simulated { "simulated" } else { "live" };
        Self { day, name: RollupName::Signals, key }
    }

    /// The part of a tier; without one what belongs to none.
    pub const fn tier(name: RollupName, day: Day, tier: Option<Tier>) -> Self {
        let key = match tier {
            Some(tier) => tier.as_str(),
            None => "",
        };
        Self { day, name, key }
    }

    /// What has no parts.
    pub const fn of(name: RollupName, day: Day) -> Self {
        Self { day, name, key: "" }
    }
}

/// What is added to a sum.
pub type Counted = (RollupKey, i64);

/// A sum as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rollup {
    /// Of which day.
    pub day: Day,
    /// Of what.
    pub name: RollupName,
    /// Of which part of it.
    pub key: String,
    /// The sum.
    pub value: i64,
}

/// A sum that is not what a count gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollupDifference {
    /// What was counted.
    pub counted: Rollup,
    /// What was stored.
    pub stored: i64,
}

/// Sums, kept durably. What accounts and signals count is added by the transactions that change them.
#[async_trait]
pub trait RollupStore: Send + Sync {
    /// Adds to sums.
    async fn add(&self, counted: Vec<Counted>) -> Result<()>;

    /// Notes that these users were active on `day`, and moves them to the sum of it. Users who are disabled, unknown or
    /// were active later are passed over. All in one transaction: a few hundred at once.
    async fn note_active(&self, users: Vec<UserId>, day: Day) -> Result<()>;

    /// The sums of the day 0 and of each day from `first` on: two statements, by the primary key. A name that a newer
    /// release counts is left out.
    async fn since(&self, first: Day) -> Result<Vec<Rollup>>;

    /// Counts what [can be counted](RollupName::RECOUNTABLE), and says which sums are others; they are replaced if it is
    /// told when. Nobody adds to any sum meanwhile: who signs up waits, and so does who publishes.
    async fn recount(&self, repaired_at: Option<Timestamp>) -> Result<Vec<RollupDifference>>;
}
