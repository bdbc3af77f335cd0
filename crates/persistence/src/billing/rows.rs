//! Rows of payments, and what they stand for.

use alpine_domain::{
    Result,
    account::UserId,
    billing::{BillingRecord, CurrentSubscription, Paying, StoredInvoice},
    ports::payments::{ProviderInvoice, SubscriptionStatus},
};
use diesel::{Queryable, Selectable};

use crate::{
    rows::{instant, stored, stored_option},
    schema::{invoices, subscriptions},
};

#[derive(Queryable, Selectable)]
#[diesel(table_name = subscriptions)]
pub(super) struct SubscriptionRow {
    subscription_id: Option<String>,
    item_id: Option<String>,
    status: Option<String>,
    tier: Option<String>,
    paid_every: Option<String>,
    cents: Option<i64>,
    period_end: Option<i64>,
    is_ending: bool,
    trial_end: Option<i64>,
    subscribed: Option<String>,
    pub(super) given: Option<String>,
    problem: Option<String>,
    pub(super) applied: i64,
    read_at: Option<i64>,
    pub(super) attention_since: Option<i64>,
}

impl SubscriptionRow {
    fn current(&self) -> Result<Option<CurrentSubscription>> {
        let (Some(id), Some(item), Some(status), Some(period_end)) =
            (&self.subscription_id, &self.item_id, &self.status, self.period_end)
        else {
            return Ok(None);
        };
        Ok(Some(CurrentSubscription {
            id: id.clone(),
            item: item.clone(),
            status: stored("subscriptions.status", status)?,
            tier: stored_option("subscriptions.tier", self.tier.as_deref())?,
            interval: stored_option("subscriptions.paid_every", self.paid_every.as_deref())?,
            cents: self.cents,
            period_end: instant("subscriptions.period_end", period_end)?,
            is_ending: self.is_ending,
            trial_end: self
                .trial_end
                .map(|at| instant("subscriptions.trial_end", at))
                .transpose()?,
        }))
    }

    /// What the customer counts as.
    pub(super) fn paying(&self) -> Result<Paying> {
        let given = stored_option("subscriptions.given", self.given.as_deref())?;
        Ok(Paying::new(given, self.current()?.as_ref()))
    }

    /// Whether a renewal was not paid, which was not known before.
    pub(super) fn begins_to_owe(&self, found: Option<&CurrentSubscription>) -> bool {
        let owes = SubscriptionStatus::PastDue;
        found.is_some_and(|it| it.status == owes) && self.status.as_deref() != Some(owes.as_str())
    }

    pub(super) fn record(&self, user: UserId, customer: String) -> Result<BillingRecord> {
        Ok(BillingRecord {
            user,
            customer,
            subscription: self.current()?,
            subscribed: stored_option("subscriptions.subscribed", self.subscribed.as_deref())?,
            given: stored_option("subscriptions.given", self.given.as_deref())?,
            problem: self.problem.clone(),
            read_at: self.read_at.map(|at| instant("subscriptions.read_at", at)).transpose()?,
            differs_since: self
                .attention_since
                .map(|at| instant("subscriptions.attention_since", at))
                .transpose()?,
        })
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = invoices)]
pub(super) struct InvoiceRow {
    pub(super) id: i64,
    pub(super) provider_id: String,
    number: Option<String>,
    subscription_id: Option<String>,
    pub(super) tier: Option<String>,
    status: String,
    due_cents: i64,
    paid_cents: i64,
    refunded_cents: i64,
    is_disputed: bool,
    currency: String,
    created_at: i64,
    paid_at: Option<i64>,
    url: Option<String>,
    pdf: Option<String>,
}

impl InvoiceRow {
    pub(super) fn invoice(self) -> Result<StoredInvoice> {
        let invoice = ProviderInvoice {
            id: self.provider_id,
            number: self.number,
            subscription: self.subscription_id,
            status: self.status,
            due_cents: self.due_cents,
            paid_cents: self.paid_cents,
            refunded_cents: self.refunded_cents,
            is_disputed: self.is_disputed,
            currency: self.currency,
            created_at: instant("invoices.created_at", self.created_at)?,
            paid_at: self.paid_at.map(|at| instant("invoices.paid_at", at)).transpose()?,
            url: self.url,
            pdf: self.pdf,
        };
        Ok(StoredInvoice { invoice, row: self.id })
    }
}
