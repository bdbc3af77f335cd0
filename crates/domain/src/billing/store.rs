//! What is kept of payments.

use async_trait::async_trait;

use super::{Entitlement, prices::BillingInterval};
use crate::{
    Result, Timestamp,
    account::{Tier, UserId},
    jobs::NewJob,
    ports::payments::{ProviderInvoice, SubscriptionStatus},
};

/// The subscription that counts, as it was read last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrentSubscription {
    /// The provider's id.
    pub id: String,
    /// The id of its one item.
    pub item: String,
    /// Where it stands.
    pub status: SubscriptionStatus,
    /// What it is for, where its price is known.
    pub tier: Option<Tier>,
    /// How often it is paid, where its price is one of today's.
    pub interval: Option<BillingInterval>,
    /// US cents for each period.
    pub cents: Option<i64>,
    /// When the period ends.
    pub period_end: Timestamp,
    /// Whether it ends then.
    pub is_ending: bool,
    /// When its trial ends, if it has one.
    pub trial_end: Option<Timestamp>,
}

/// What is kept of a user who is, or was, a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BillingRecord {
    /// Who.
    pub user: UserId,
    /// The provider's id of the customer.
    pub customer: String,
    /// What counts, once it was read.
    pub subscription: Option<CurrentSubscription>,
    /// The tier that the subscriptions by themselves were good for.
    pub subscribed: Option<Tier>,
    /// The tier that payment gave last, and did not take back.
    pub given: Option<Tier>,
    /// What the owner should look at.
    pub problem: Option<String>,
    /// When the state was read last.
    pub read_at: Option<Timestamp>,
    /// Since when the provider is known to say something else than this.
    pub differs_since: Option<Timestamp>,
}

/// A customer's state, read for a reading that was begun before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Whose.
    pub user: UserId,
    /// What [`BillingStore::begin_reading`] gave.
    pub number: i64,
    /// What follows from it.
    pub entitlement: Entitlement,
    /// The subscription that counts.
    pub subscription: Option<CurrentSubscription>,
    /// The newest invoices, and what they are for, where that is known.
    pub invoices: Vec<(ProviderInvoice, Option<Tier>)>,
    /// When it was read.
    pub now: Timestamp,
}

/// What became of a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// One that was begun later has been applied.
    Outdated,
    /// It is kept, and the account has the tier that it had.
    Same,
    /// It is kept, and the account has another tier.
    Changed {
        /// Before.
        from: Tier,
        /// Now.
        to: Tier,
    },
}

/// An event as it is received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedEvent {
    /// The provider's id.
    pub id: String,
    /// The provider's name for its kind.
    pub kind: String,
    /// When it came.
    pub now: Timestamp,
    /// What is to be done, if it concerns a customer.
    pub job: Option<NewJob>,
}

/// A customer as the provider lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// The provider's id.
    pub customer: String,
    /// What its subscriptions are good for.
    pub subscribed: Option<Tier>,
}

/// An invoice that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredInvoice {
    /// What the provider says.
    pub invoice: ProviderInvoice,
    /// Its number here, for the next page.
    pub row: i64,
}

/// A page of a user's invoices, the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InvoicePage {
    /// The invoices.
    pub invoices: Vec<StoredInvoice>,
    /// Whether there are older ones.
    pub has_more: bool,
}

/// What is kept of payments.
#[async_trait]
pub trait BillingStore: Send + Sync {
    /// What is kept of a user; `None` for who never was a customer.
    async fn record(&self, user: UserId) -> Result<Option<BillingRecord>>;

    /// Whose customer this is.
    async fn user_of(&self, customer: &str) -> Result<Option<UserId>>;

    /// A user is this customer from now on, unless it is one already: which customer it is. The state is to be read at
    /// `recheck_at` at the latest.
    ///
    /// # Errors
    /// `NotFound` without such a user, or for an account that was deleted; `Internal` when the customer is another user's.
    async fn link(
        &self,
        user: UserId,
        customer: &str,
        recheck_at: Timestamp,
        now: Timestamp,
    ) -> Result<String>;

    /// A user is this customer no more, if it is: the provider has deleted it.
    async fn unlink(&self, user: UserId, customer: &str, now: Timestamp) -> Result<()>;

    /// The state of a customer is to be read at `at`, if not sooner.
    async fn recheck(&self, user: UserId, at: Timestamp) -> Result<()>;

    /// Keeps an event and adds its job, once for each id: false for one that came before.
    async fn receive(&self, event: ReceivedEvent) -> Result<bool>;

    /// Numbers a reading of the provider's state, before it is read: of two, the one that was begun later counts.
    ///
    /// # Errors
    /// `NotFound` for who is no customer.
    async fn begin_reading(&self, user: UserId) -> Result<i64>;

    /// Keeps a reading, unless one that was begun later is kept already, and gives the account the tier that follows,
    /// if another one follows than before. What an administrator decided meanwhile so stays until payment changes.
    ///
    /// # Errors
    /// `NotFound` for who is no customer.
    async fn apply(&self, reading: Reading) -> Result<Applied>;

    /// Adds `job` for each customer whose state is to be read by `now`, `limit` at most, and looks at them again at
    /// `again` unless they are read before. How many there were.
    async fn due(&self, now: Timestamp, again: Timestamp, limit: u32) -> Result<u32>;

    /// Notes that the provider lists these; adds a reading for each of whom it says something else than what is kept.
    /// How many these were.
    async fn compare(&self, listed: Vec<Compared>, now: Timestamp) -> Result<u32>;

    /// Adds a reading for each customer whom payment gave a tier, and whom the provider has not listed since `since`,
    /// `limit` at most. How many these were.
    async fn unlisted(&self, since: Timestamp, now: Timestamp, limit: u32) -> Result<u32>;

    /// Those of whom the provider says something else than what is kept, or whom the owner should look at, `limit` at
    /// most, the oldest first.
    async fn differing(&self, limit: u32) -> Result<Vec<BillingRecord>>;

    /// Customers whom payment gave a tier, in the order of their users, after `after`, `limit` at most.
    async fn paying(&self, after: Option<UserId>, limit: u32) -> Result<Vec<BillingRecord>>;

    /// A user's invoices, the newest first, before the one with number `before`.
    async fn invoices(&self, user: UserId, before: Option<i64>, limit: u32) -> Result<InvoicePage>;
}
