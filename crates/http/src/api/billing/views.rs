//! What of payments is shown.

use alpine_domain::{
    Timestamp,
    account::{Tier, UserId},
    billing::{BillingInterval, BillingRecord, OwnPlan, StoredInvoice},
    plan::Plan,
    ports::payments::{ProviderInvoice, SubscriptionStatus},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::account::views::TierWord;

crate::doc::words!(
    /// The words of [`BillingInterval`].
    IntervalWord, BillingInterval
);

crate::doc::words!(
    /// The words of [`SubscriptionStatus`].
    SubscriptionStatusWord, SubscriptionStatus
);

/// What a user has, and pays. It is what was read from the provider last, at `checked_at`.
#[derive(Serialize, ToSchema)]
#[schema(as = OwnPlan)]
pub(crate) struct OwnPlanView<'a> {
    #[schema(value_type = TierWord)]
    tier: Tier,
    /// In US dollars, for each `interval`; 0 for what nothing is paid for.
    #[schema(example = 49.0)]
    price: f64,
    features: &'a [String],
    /// Whether a subscription is paid for, or in its grace.
    is_active: bool,
    #[schema(required = true)]
    stripe_subscription_id: Option<&'a str>,
    #[schema(value_type = Option<SubscriptionStatusWord>, required = true)]
    status: Option<SubscriptionStatus>,
    #[schema(value_type = Option<IntervalWord>, required = true)]
    interval: Option<BillingInterval>,
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    current_period_end: Option<Timestamp>,
    /// Whether it ends then.
    cancel_at_period_end: bool,
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    trial_end: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    checked_at: Option<Timestamp>,
}

impl<'a> OwnPlanView<'a> {
    pub(crate) fn new(own: &'a OwnPlan, plans: &'a [Plan]) -> Self {
        let record = own.record.as_ref();
        let current = record.and_then(|record| record.subscription.as_ref());
        let plan = plans.iter().find(|plan| plan.tier == own.tier);
        let is_active = record.is_some_and(|record| record.given.is_some());
        let paid = current.filter(|_| is_active).and_then(|it| it.cents);
        let cents = paid.and_then(|cents| u32::try_from(cents).ok()).unwrap_or(0);
        Self {
            tier: own.tier,
            price: f64::from(cents) / 100.0,
            features: plan.map_or(&[], |plan| &plan.features),
            is_active,
            stripe_subscription_id: current.map(|it| it.id.as_str()),
            status: current.map(|it| it.status),
            interval: current.and_then(|it| it.interval),
            current_period_end: current.map(|it| it.period_end),
            cancel_at_period_end: current.is_some_and(|it| it.is_ending),
            trial_end: current.and_then(|it| it.trial_end),
            checked_at: record.and_then(|record| record.read_at),
        }
    }
}

/// What became of the wish.
#[derive(Serialize, ToSchema)]
#[schema(as = Upgraded)]
pub(super) struct UpgradedView<'a> {
    pub(super) message: &'a str,
    #[schema(value_type = TierWord)]
    pub(super) tier: Tier,
    /// Where it is to be paid; `null` once it is.
    #[schema(required = true)]
    pub(super) checkout_url: Option<&'a str>,
}

/// A page of the provider's.
#[derive(Serialize, ToSchema)]
#[schema(as = Portal)]
pub(super) struct PortalView<'a> {
    pub(super) message: &'a str,
    pub(super) portal_url: &'a str,
}

/// Whether a subscription ends with its period.
#[derive(Serialize, ToSchema)]
#[schema(as = SubscriptionEnding)]
pub(super) struct EndingView<'a> {
    pub(super) message: &'a str,
    pub(super) cancel_at_period_end: bool,
    #[schema(value_type = String, format = DateTime)]
    pub(super) current_period_end: Timestamp,
}

/// An invoice of the provider's. Amounts are hundredths of `currency`.
#[derive(Serialize, ToSchema)]
#[schema(as = Invoice)]
pub(crate) struct InvoiceView<'a> {
    id: &'a str,
    #[schema(required = true)]
    number: Option<&'a str>,
    /// `draft`, `open`, `paid`, `uncollectible` or `void`.
    status: &'a str,
    amount_due: i64,
    amount_paid: i64,
    amount_refunded: i64,
    /// ISO 4217, in lower case.
    currency: &'a str,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    paid_at: Option<Timestamp>,
    #[schema(required = true)]
    hosted_invoice_url: Option<&'a str>,
    #[schema(required = true)]
    invoice_pdf: Option<&'a str>,
}

impl<'a> From<&'a StoredInvoice> for InvoiceView<'a> {
    fn from(StoredInvoice { invoice, .. }: &'a StoredInvoice) -> Self {
        let ProviderInvoice { id, number, status, currency, created_at, paid_at, url, pdf, .. } =
            invoice;
        Self {
            id,
            number: number.as_deref(),
            status,
            amount_due: invoice.due_cents,
            amount_paid: invoice.paid_cents,
            amount_refunded: invoice.refunded_cents,
            currency,
            created_at: *created_at,
            paid_at: *paid_at,
            hosted_invoice_url: url.as_deref(),
            invoice_pdf: pdf.as_deref(),
        }
    }
}

/// Invoices, the newest first. How many there are in all is not counted.
#[derive(Serialize, ToSchema)]
#[schema(as = InvoicePage)]
pub(super) struct InvoicePageView<'a> {
    pub(super) items: Vec<InvoiceView<'a>>,
    pub(super) limit: u32,
    pub(super) has_more: bool,
    /// For `cursor`.
    #[schema(required = true)]
    pub(super) next_cursor: Option<String>,
}

/// An event was taken.
#[derive(Serialize, ToSchema)]
#[schema(as = EventTaken)]
pub(super) struct EventTakenView<'a> {
    #[schema(example = "received")]
    pub(super) status: &'a str,
    pub(super) event_type: &'a str,
    pub(super) event_id: &'a str,
}

/// A customer at whom the owner should look.
#[derive(Serialize, ToSchema)]
#[schema(as = PaymentDifference)]
pub(super) struct DifferenceView<'a> {
    #[schema(value_type = String, format = "uuid")]
    user_id: UserId,
    customer: &'a str,
    #[schema(required = true)]
    stripe_subscription_id: Option<&'a str>,
    /// The tier that payment gave.
    #[schema(value_type = Option<TierWord>, required = true)]
    given: Option<Tier>,
    /// Since when.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    since: Option<Timestamp>,
    /// For how long, in seconds.
    age_seconds: u64,
    /// What is wrong; `null`: the provider says something else, and its state is being read.
    #[schema(required = true)]
    problem: Option<&'a str>,
}

impl<'a> DifferenceView<'a> {
    pub(super) fn new(record: &'a BillingRecord, now: Timestamp) -> Self {
        Self {
            user_id: record.user,
            customer: &record.customer,
            stripe_subscription_id: record.subscription.as_ref().map(|it| it.id.as_str()),
            given: record.given,
            since: record.differs_since,
            age_seconds: record.differs_since.map_or(0, |since| now.since(since).as_secs()),
            problem: record.problem.as_deref(),
        }
    }
}

/// Who takes payments, and at whom the owner should look, the oldest first, a hundred at most.
#[derive(Serialize, ToSchema)]
#[schema(as = PaymentsState)]
pub(super) struct PaymentsStateView<'a> {
    /// `stripe`, `development`, or `null`: nobody.
    #[schema(required = true)]
    pub(super) provider: Option<&'a str>,
    #[schema(max_items = 100)]
    pub(super) items: Vec<DifferenceView<'a>>,
    pub(super) has_more: bool,
}
