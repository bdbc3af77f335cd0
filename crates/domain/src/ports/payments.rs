//! Payments: what a provider such as Stripe knows of a customer, and what it is asked to do.
//!
//! The provider's own state is the truth. Its events say only that there is something to look at.

use async_trait::async_trait;

use crate::{Result, Timestamp, text_enum::text_enum};

text_enum!(
    /// Where a subscription stands: docs.stripe.com/api/subscriptions/object, `status`.
    SubscriptionStatus, {
        /// The first payment has not come yet.
        Incomplete = "incomplete",
        /// The first payment did not come within 23 hours.
        IncompleteExpired = "incomplete_expired",
        /// Nothing is to be paid yet.
        Trialing = "trialing",
        /// Paid.
        Active = "active",
        /// A renewal was not paid, and is tried again.
        PastDue = "past_due",
        /// It has ended.
        Canceled = "canceled",
        /// A renewal was not paid, and is not tried again.
        Unpaid = "unpaid",
        /// A trial ended without a way to pay.
        Paused = "paused",
    }
);

impl SubscriptionStatus {
    /// Whether nothing will ever be paid for it again.
    pub const fn has_ended(self) -> bool {
        matches!(self, Self::Canceled | Self::IncompleteExpired)
    }

    /// Whether it is paid for.
    pub const fn is_paid(self) -> bool {
        matches!(self, Self::Active | Self::Trialing)
    }

    /// Whether it is paid for, or owed.
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Active | Self::Trialing | Self::PastDue)
    }
}

/// A subscription as the provider has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderSubscription {
    /// The provider's id.
    pub id: String,
    /// Whose it is.
    pub customer: String,
    /// The id of its one item, by which its price is changed.
    pub item: String,
    /// Where it stands.
    pub status: SubscriptionStatus,
    /// The id of what is paid for.
    pub price: String,
    /// In hundredths of `currency`, for each period; `None` where the provider has no fixed amount.
    pub cents: Option<i64>,
    /// How often it is paid: `month` or `year`; anything else where several of them are one period.
    pub every: String,
    /// ISO 4217, in lower case.
    pub currency: String,
    /// When the period began that is paid for, or to be paid for.
    pub period_start: Timestamp,
    /// When it ends.
    pub period_end: Timestamp,
    /// Whether it ends with the period.
    pub is_ending: bool,
    /// When its trial ends, if it has one.
    pub trial_end: Option<Timestamp>,
}

/// An invoice as the provider has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderInvoice {
    /// The provider's id.
    pub id: String,
    /// The number that people see, once it is final.
    pub number: Option<String>,
    /// What it is for.
    pub subscription: Option<String>,
    /// `draft`, `open`, `paid`, `uncollectible` or `void`.
    pub status: String,
    /// What is to be paid, in hundredths of `currency`.
    pub due_cents: i64,
    /// What was paid.
    pub paid_cents: i64,
    /// What of that was given back.
    pub refunded_cents: i64,
    /// Whether the payer's bank has taken it back, or may: a dispute that was not won.
    pub is_disputed: bool,
    /// ISO 4217, in lower case.
    pub currency: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was paid.
    pub paid_at: Option<Timestamp>,
    /// A page of the provider that shows it.
    pub url: Option<String>,
    /// The same as a file.
    pub pdf: Option<String>,
}

/// What the provider knows of a customer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CustomerState {
    /// What the customer was made for: see [`PaymentProvider::create_customer`].
    pub reference: Option<String>,
    /// All of its subscriptions, those that have ended as well; a hundred at most.
    pub subscriptions: Vec<ProviderSubscription>,
    /// Its newest invoices, the newest first, a hundred at most.
    pub invoices: Vec<ProviderInvoice>,
}

/// Somebody who is about to pay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkout {
    /// Who.
    pub customer: String,
    /// What was said at [`PaymentProvider::create_customer`].
    pub reference: String,
    /// For what.
    pub price: String,
    /// Where the provider's page leads when it is paid.
    pub success_url: String,
    /// Where it leads when it is not.
    pub cancel_url: String,
}

/// Somebody who pays for something else from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceChange {
    /// The subscription.
    pub subscription: String,
    /// Its one item.
    pub item: String,
    /// Whether it ends with its period so far.
    pub is_ending: bool,
    /// What is to be paid for.
    pub price: String,
    /// By what the provider knows the same wish again within a day.
    pub key: Option<String>,
}

/// A price as the provider has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderPrice {
    /// In hundredths of `currency`.
    pub cents: Option<i64>,
    /// ISO 4217, in lower case.
    pub currency: String,
    /// `month` or `year`, and how many of it.
    pub period: (String, u32),
}

/// What an event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventSubject {
    /// A customer, by the provider's id.
    Customer(String),
    /// A payment, whose customer has to be asked for.
    Charge(String),
    /// Nothing that concerns a customer.
    Nobody,
}

/// An event that the provider has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderEvent {
    /// The provider's id: the same one comes again until it is answered.
    pub id: String,
    /// `invoice.paid` for example.
    pub kind: String,
    /// What it is about.
    pub subject: EventSubject,
}

/// A page of subscriptions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SubscriptionPage {
    /// In the provider's order.
    pub subscriptions: Vec<ProviderSubscription>,
    /// What the next page begins after; `None` at the end.
    pub next: Option<String>,
}

text_enum!(
    /// What the payer, or time, does where nothing is really paid.
    PlayedStep, {
        /// What is due is paid.
        Pay = "pay",
        /// The period ends, and the next one is paid for, unless the subscription ends with it.
        EndPeriod = "end_period",
        /// The period ends, and the next one cannot be paid for.
        FailRenewal = "fail_renewal",
        /// What was paid last is given back.
        Refund = "refund",
    }
);

/// Takes payments. Every call is bounded in time.
///
/// # Errors
/// Of each: [`Error::Unavailable`](crate::Error::Unavailable) when a later try may succeed,
/// [`Error::Internal`](crate::Error::Internal) for what the provider refuses or says in another form than it promises.
#[async_trait]
pub trait PaymentProvider: Send + Sync {
    /// Its name: `stripe` or `development`.
    fn name(&self) -> &'static str;

    /// Makes a customer for `reference`; the same reference again within a day is the same customer, unless it is to stand in
    /// the place of `gone`, another one that is no more.
    async fn create_customer(
        &self,
        reference: &str,
        email: &str,
        gone: Option<&str>,
    ) -> Result<String>;

    /// A page on which somebody pays. While one is open for this price, it is that one; any other page of the customer is
    /// good no more. The same `key` again within a day is the same page.
    async fn checkout(&self, checkout: &Checkout, key: &str) -> Result<String>;

    /// A page on which a customer sees invoices, changes the way to pay and cancels.
    async fn portal(&self, customer: &str, return_url: &str) -> Result<String>;

    /// A subscription that is paid for has another price from now on, and does not end with its period; the difference is
    /// charged at once, and if it cannot be, nothing changes.
    ///
    /// # Errors
    /// [`Error::Forbidden`](crate::Error::Forbidden) when the payment was refused.
    async fn change_price(&self, change: &PriceChange) -> Result<()>;

    /// A subscription ends with its period, or does not.
    async fn set_ending(&self, subscription: &str, is_ending: bool) -> Result<()>;

    /// A subscription ends at once; nothing is given back. One that has ended already is left as it is.
    async fn cancel(&self, subscription: &str) -> Result<()>;

    /// All that is known of a customer; `None` if it was deleted.
    ///
    /// # Errors
    /// [`Error::Internal`](crate::Error::Internal) also where there never was such a customer: it is of another account, or of
    /// the other mode, and says nothing of who pays.
    async fn customer(&self, customer: &str) -> Result<Option<CustomerState>>;

    /// Whose a payment is.
    async fn customer_of_charge(&self, charge: &str) -> Result<Option<String>>;

    /// Subscriptions that have not ended, a hundred at once.
    async fn live_subscriptions(&self, after: Option<&str>) -> Result<SubscriptionPage>;

    /// Customers who got money back since then, or whose bank asks for it; a bounded number.
    async fn reversals_since(&self, since: Timestamp) -> Result<Vec<String>>;

    /// A price.
    async fn price(&self, price: &str) -> Result<Option<ProviderPrice>>;

    /// Reads an event that came with this signature, at `now`.
    ///
    /// # Errors
    /// [`Error::Malformed`](crate::Error::Malformed) naming what is wrong: it is not the provider who sent it, it is
    /// too old, or of the provider's other mode.
    fn event(&self, signature: &str, body: &[u8], now: Timestamp) -> Result<ProviderEvent>;

    /// Plays a step of the customer who began this checkout, where nothing is really paid; the customer.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) where payments are real, or no such checkout was begun.
    async fn play(&self, checkout: &str, step: PlayedStep) -> Result<String> {
        let _ = (checkout, step);
        Err(crate::Error::NotFound("checkout"))
    }
}
