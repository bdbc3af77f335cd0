//! What Stripe's objects look like, as far as they are read: docs.stripe.com/api.

use alpine_domain::{
    Error, Result, Timestamp,
    ports::payments::{ProviderInvoice, ProviderPrice, ProviderSubscription, SubscriptionPage},
};
use serde::Deserialize;

#[derive(Deserialize)]
pub(super) struct List<T> {
    pub(super) data: Vec<T>,
    #[serde(default)]
    pub(super) has_more: bool,
}

/// Something that was made, or changed.
#[derive(Deserialize)]
pub(super) struct Made {
    pub(super) id: String,
    pub(super) url: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct CustomerShape {
    #[serde(default)]
    pub(super) deleted: bool,
    #[serde(default)]
    pub(super) metadata: Metadata,
}

#[derive(Deserialize, Default)]
pub(super) struct Metadata {
    pub(super) reference: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct SubscriptionShape {
    id: String,
    customer: Reference,
    status: String,
    currency: String,
    // Newer releases keep the period with the item.
    current_period_start: Option<i64>,
    current_period_end: Option<i64>,
    #[serde(default)]
    cancel_at_period_end: bool,
    cancel_at: Option<i64>,
    trial_end: Option<i64>,
    items: List<ItemShape>,
}

#[derive(Deserialize)]
struct ItemShape {
    id: String,
    price: PriceShape,
    quantity: Option<i64>,
    current_period_start: Option<i64>,
    current_period_end: Option<i64>,
}

#[derive(Deserialize)]
pub(super) struct PriceShape {
    id: String,
    unit_amount: Option<i64>,
    currency: String,
    recurring: Option<RecurringShape>,
}

#[derive(Deserialize)]
struct RecurringShape {
    interval: String,
    interval_count: u32,
}

impl PriceShape {
    /// How often it is paid, where one of it is a period.
    fn every(&self) -> String {
        let once = self.recurring.as_ref().filter(|it| it.interval_count == 1);
        once.map_or_else(|| "other".to_owned(), |it| it.interval.clone())
    }

    pub(super) fn price(self) -> ProviderPrice {
        let once = || ("once".to_owned(), 1);
        let period = self.recurring.map_or_else(once, |it| (it.interval, it.interval_count));
        ProviderPrice { cents: self.unit_amount, currency: self.currency, period }
    }
}

/// An id, or the object itself where it was expanded.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Reference {
    Id(String),
    Object { id: String },
}

impl Reference {
    pub(super) fn id(self) -> String {
        match self {
            Self::Id(id) | Self::Object { id } => id,
        }
    }
}

pub(super) fn subscriptions(list: List<SubscriptionShape>) -> Result<SubscriptionPage> {
    let next = list.data.last().map(|it| it.id.clone()).filter(|_| list.has_more);
    let read = list.data.into_iter().map(SubscriptionShape::subscription);
    Ok(SubscriptionPage { subscriptions: read.collect::<Result<_>>()?, next })
}

impl SubscriptionShape {
    /// Stripe sells several items in one subscription, and several of each. Alpine sells one: of anything else the
    /// amount is none that it knows.
    fn subscription(self) -> Result<ProviderSubscription> {
        let unreadable = |what| Error::internal(format!("Stripe's {}: {what}", self.id));
        let is_one = self.items.data.len() == 1;
        let Some(item) = self.items.data.into_iter().next() else {
            return Err(unreadable("no item"));
        };
        let start = self.current_period_start.or(item.current_period_start);
        let end = self.current_period_end.or(item.current_period_end);
        let (Some(start), Some(end)) = (start, end) else {
            return Err(unreadable("no period"));
        };
        let status = self.status.parse().map_err(|_| unreadable("a status that is not known"))?;
        let is_one = is_one && item.quantity.is_none_or(|quantity| quantity == 1);
        // It may end at another instant than with the period: what comes first counts.
        let (period_end, is_ending) = match self.cancel_at {
            Some(at) if at <= end => (at, true),
            _ => (end, self.cancel_at_period_end),
        };
        Ok(ProviderSubscription {
            customer: self.customer.id(),
            item: item.id,
            status,
            every: item.price.every(),
            price: item.price.id,
            cents: item.price.unit_amount.filter(|_| is_one),
            currency: self.currency,
            period_start: Timestamp::from_seconds(start),
            period_end: Timestamp::from_seconds(period_end),
            is_ending,
            trial_end: self.trial_end.map(Timestamp::from_seconds),
            id: self.id,
        })
    }
}

#[derive(Deserialize)]
pub(super) struct InvoiceShape {
    id: String,
    number: Option<String>,
    subscription: Option<Reference>,
    status: Option<String>,
    amount_due: i64,
    amount_paid: i64,
    currency: String,
    created: i64,
    #[serde(default)]
    status_transitions: Transitions,
    hosted_invoice_url: Option<String>,
    invoice_pdf: Option<String>,
    charge: Option<PaidBy>,
}

/// The charge that paid an invoice, expanded.
#[derive(Deserialize)]
#[serde(untagged)]
enum PaidBy {
    Charge(ChargeShape),
    Id(serde::de::IgnoredAny),
}

#[derive(Deserialize, Default)]
struct Transitions {
    paid_at: Option<i64>,
}

impl InvoiceShape {
    fn charge(&self) -> Option<&ChargeShape> {
        match self.charge.as_ref()? {
            PaidBy::Charge(charge) => Some(charge),
            PaidBy::Id(_) => None,
        }
    }

    /// The charge, if it ever was disputed.
    pub(super) fn disputed_charge(&self) -> Option<&str> {
        self.charge().filter(|charge| charge.disputed).map(|charge| charge.id.as_str())
    }

    pub(super) fn invoice(self, is_disputed: bool) -> ProviderInvoice {
        ProviderInvoice {
            refunded_cents: self.charge().map_or(0, |charge| charge.amount_refunded),
            is_disputed,
            number: self.number,
            subscription: self.subscription.map(Reference::id),
            status: self.status.unwrap_or_else(|| "draft".to_owned()),
            due_cents: self.amount_due,
            paid_cents: self.amount_paid,
            currency: self.currency,
            created_at: Timestamp::from_seconds(self.created),
            paid_at: self.status_transitions.paid_at.map(Timestamp::from_seconds),
            url: self.hosted_invoice_url,
            pdf: self.invoice_pdf,
            id: self.id,
        }
    }
}

/// A page on which somebody may pay.
#[derive(Deserialize)]
pub(super) struct SessionShape {
    pub(super) id: String,
    pub(super) url: Option<String>,
    #[serde(default)]
    metadata: SessionMetadata,
}

#[derive(Deserialize, Default)]
struct SessionMetadata {
    price: Option<String>,
}

impl SessionShape {
    pub(super) fn is_for(&self, price: &str) -> bool {
        self.url.is_some() && self.metadata.price.as_deref() == Some(price)
    }
}

#[derive(Deserialize)]
pub(super) struct ChargeShape {
    id: String,
    pub(super) customer: Option<String>,
    #[serde(default)]
    amount_refunded: i64,
    /// Whether it ever was: which says more than that it is.
    #[serde(default)]
    disputed: bool,
}

#[derive(Deserialize)]
pub(super) struct DisputeShape {
    status: String,
}

impl DisputeShape {
    /// Won, or an inquiry that came to nothing.
    pub(super) fn is_harmless(&self) -> bool {
        matches!(self.status.as_str(), "won" | "warning_closed")
    }
}

/// A refund, or a dispute, with its charge.
#[derive(Deserialize)]
pub(super) struct Reversal {
    pub(super) id: String,
    charge: Option<ReversedCharge>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ReversedCharge {
    Expanded { customer: Option<String> },
    Id(serde::de::IgnoredAny),
}

impl Reversal {
    pub(super) fn customer(&self) -> Option<String> {
        match &self.charge {
            Some(ReversedCharge::Expanded { customer }) => customer.clone(),
            Some(ReversedCharge::Id(_)) | None => None,
        }
    }
}
