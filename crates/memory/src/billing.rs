//! What is kept of payments.

use alpine_domain::{
    Error, Result, Timestamp,
    account::{Tier, UserId, placeholder},
    audit::tier_and_role_changed,
    billing::{
        Applied, BillingRecord, BillingStore, Compared, CurrentSubscription, InvoicePage, Paying,
        Reading, ReceivedEvent, StoredInvoice, revenue,
    },
    event::Event,
    jobs::{Job, NewJob},
    notification::NewNotification,
    ports::payments::SubscriptionStatus,
};
use async_trait::async_trait;

use crate::{
    Memory, Unit,
    accounts::NO_ACCOUNT,
    tables::{BillingRow, InvoiceRow},
};

const NO_CUSTOMER: Error = Error::NotFound("customer");

impl Unit {
    fn billing_mut(&mut self, user: UserId) -> Option<&mut BillingRow> {
        self.tables.billing.iter_mut().find(|row| row.record.user == user)
    }

    /// A customer of before: what payment gave there is believed until its state was read.
    pub(crate) fn import_customer(
        &mut self,
        user: UserId,
        customer: String,
        tier: Tier,
        now: Timestamp,
    ) {
        let given = Some(tier).filter(|tier| *tier != Tier::Free);
        let record = BillingRecord {
            user,
            customer,
            subscription: None,
            subscribed: given,
            given,
            problem: None,
            read_at: None,
            differs_since: None,
        };
        for (key, value) in Paying::new(given, None).taken_over(now) {
            self.tables.count(key, value);
        }
        self.tables.billing.push(BillingRow {
            record,
            readings: 0,
            applied: 0,
            recheck_at: Some(now),
            listed_at: Some(now),
        });
    }

    /// Forgets what a person pays for, and where invoices can be read.
    pub(crate) fn forget_payments(&mut self, user: UserId, now: Timestamp) {
        if let Some(row) = self.billing_mut(user) {
            let paying = Paying::new(row.record.given, row.record.subscription.as_ref());
            for (key, value) in paying.becomes(Paying::default(), now) {
                self.tables.count(key, value);
            }
        }
        self.tables.billing.retain(|row| row.record.user != user);
        for row in self.tables.invoices.iter_mut().filter(|row| row.user == user) {
            (row.invoice.url, row.invoice.pdf) = (None, None);
        }
    }

    fn read_customer(&mut self, why: &str, customer: &str, now: Timestamp) {
        let job = Job::PaymentsChanged { customer: customer.to_owned() };
        self.enqueue(NewJob::new(job, now).once_for(format!("payments_{why}:{customer}")));
    }
}

fn sooner(row: &mut BillingRow, at: Timestamp) {
    row.recheck_at = Some(row.recheck_at.map_or(at, |set| set.min(at)));
}

fn apply(unit: &mut Unit, reading: &Reading) -> Result<Applied> {
    let Reading { user, number, entitlement, subscription, invoices, now } = reading;
    let row = unit.billing_mut(*user).ok_or(NO_CUSTOMER)?;
    if row.applied >= *number {
        return Ok(Applied::Outdated);
    }
    let before = row.record.given;
    let counted_before = Paying::new(before, row.record.subscription.as_ref());
    let owes = |it: Option<&CurrentSubscription>| {
        it.is_some_and(|it| it.status == SubscriptionStatus::PastDue)
    };
    let owes_now = owes(subscription.as_ref()) && !owes(row.record.subscription.as_ref());
    (row.applied, row.listed_at) = (*number, Some(*now));
    row.recheck_at = entitlement.recheck_at;
    let since = row.record.differs_since.unwrap_or(*now);
    row.record = BillingRecord {
        subscription: subscription.clone(),
        subscribed: entitlement.subscribed,
        given: entitlement.granted,
        problem: entitlement.problem.clone(),
        read_at: Some(*now),
        differs_since: entitlement.problem.as_ref().map(|_| since),
        ..row.record.clone()
    };
    if owes_now {
        unit.notify(NewNotification::payment_failed(*user, *now));
    }
    let after = Paying::new(entitlement.granted, subscription.as_ref());
    let mut changes = counted_before.becomes(after, *now);
    let mut told: Vec<_> = invoices.iter().collect();
    told.sort_by_key(|(it, _)| it.created_at);
    for (invoice, tier) in told {
        let rows = &mut unit.tables.invoices;
        if let Some(row) = rows.iter_mut().find(|row| row.invoice.id == invoice.id) {
            changes.extend(revenue(Some(&row.invoice), invoice, row.tier));
            row.invoice = invoice.clone();
        } else {
            changes.extend(revenue(None, invoice, *tier));
            rows.push(InvoiceRow { user: *user, tier: *tier, invoice: invoice.clone() });
        }
    }
    for (key, value) in changes {
        unit.tables.count(key, value);
    }
    let to = entitlement.granted.unwrap_or(Tier::Free);
    let account = &mut unit.tables.user_mut(*user).ok_or(NO_ACCOUNT)?.account;
    if before == entitlement.granted || account.tier == to {
        return Ok(Applied::Same);
    }
    let old = account.clone();
    (account.tier, account.updated_at) = (to, *now);
    for entry in tier_and_role_changed(&old, to, old.role, *now) {
        unit.audit(entry.because(Some("payment".to_owned())));
    }
    unit.tier_changed(&old, to, *now);
    unit.log(*now, Event::AccountChanged { user: *user })?;
    Ok(Applied::Changed { from: old.tier, to })
}

#[async_trait]
impl BillingStore for Memory {
    async fn record(&self, user: UserId) -> Result<Option<BillingRecord>> {
        let tables = self.read();
        let mut linked = tables.billing.iter().filter(|row| !row.record.customer.is_empty());
        Ok(linked.find(|row| row.record.user == user).map(|row| row.record.clone()))
    }

    async fn user_of(&self, customer: &str) -> Result<Option<UserId>> {
        let tables = self.read();
        let row = tables.billing.iter().find(|row| row.record.customer == customer);
        Ok(row.map(|row| row.record.user))
    }

    async fn link(
        &self,
        user: UserId,
        customer: &str,
        recheck_at: Timestamp,
        now: Timestamp,
    ) -> Result<String> {
        self.write(|unit| {
            let account = &mut unit.tables.user_mut(user).ok_or(NO_ACCOUNT)?.account;
            account.updated_at = now;
            let is_deleted = account.email.as_str() == placeholder(user);
            if is_deleted {
                return Err(NO_ACCOUNT);
            }
            if let Some(row) = unit.billing_mut(user) {
                sooner(row, recheck_at);
                if row.record.customer.is_empty() {
                    customer.clone_into(&mut row.record.customer);
                }
                return Ok(row.record.customer.clone());
            }
            if unit.tables.billing.iter().any(|row| row.record.customer == customer) {
                return Err(Error::internal("the customer is another user's"));
            }
            let record = BillingRecord {
                user,
                customer: customer.to_owned(),
                subscription: None,
                subscribed: None,
                given: None,
                problem: None,
                read_at: None,
                differs_since: None,
            };
            unit.tables.billing.push(BillingRow {
                record,
                readings: 0,
                applied: 0,
                recheck_at: Some(recheck_at),
                listed_at: None,
            });
            Ok(customer.to_owned())
        })
    }

    async fn unlink(&self, user: UserId, customer: &str, _now: Timestamp) -> Result<()> {
        self.write(|unit| {
            let is_it =
                |row: &BillingRow| row.record.user == user && row.record.customer == customer;
            if let Some(row) = unit.tables.billing.iter_mut().find(|row| is_it(row)) {
                row.record.customer.clear();
            }
            Ok(())
        })
    }

    async fn recheck(&self, user: UserId, at: Timestamp) -> Result<()> {
        self.write(|unit| {
            if let Some(row) = unit.billing_mut(user) {
                sooner(row, at);
            }
            Ok(())
        })
    }

    async fn receive(&self, event: ReceivedEvent) -> Result<bool> {
        self.write(|unit| {
            let is_known = unit.tables.payment_events.iter().any(|(id, _)| *id == event.id);
            if !is_known {
                unit.tables.payment_events.push((event.id, event.now));
                event.job.into_iter().for_each(|job| {
                    unit.enqueue(job);
                });
            }
            Ok(!is_known)
        })
    }

    async fn begin_reading(&self, user: UserId) -> Result<i64> {
        self.write(|unit| {
            let row = unit.billing_mut(user).filter(|row| !row.record.customer.is_empty());
            let row = row.ok_or(NO_CUSTOMER)?;
            row.readings += 1;
            Ok(row.readings)
        })
    }

    async fn apply(&self, reading: Reading) -> Result<Applied> {
        self.write(|unit| apply(unit, &reading))
    }

    async fn due(&self, now: Timestamp, again: Timestamp, limit: u32) -> Result<u32> {
        self.write(|unit| {
            let due = |row: &&mut BillingRow| row.recheck_at.is_some_and(|at| at <= now);
            let mut rows: Vec<_> = unit.tables.billing.iter_mut().filter(due).collect();
            rows.sort_by_key(|row| row.recheck_at);
            let mut customers = Vec::new();
            for row in rows.into_iter().take(limit as usize) {
                row.recheck_at = Some(again);
                customers.push(row.record.customer.clone());
            }
            for customer in customers.iter().filter(|it| !it.is_empty()) {
                unit.read_customer("due", customer, now);
            }
            Ok(u32::try_from(customers.len()).unwrap_or(u32::MAX))
        })
    }

    async fn compare(&self, listed: Vec<Compared>, now: Timestamp) -> Result<u32> {
        self.write(|unit| {
            let mut differing = 0;
            for Compared { customer, subscribed } in listed {
                let mut rows = unit.tables.billing.iter_mut();
                let row = rows.find(|row| row.record.customer == customer);
                let kept = row.and_then(|row| {
                    row.listed_at = Some(now);
                    if row.record.subscribed != subscribed {
                        row.record.differs_since.get_or_insert(now);
                    }
                    row.record.subscribed
                });
                if kept != subscribed {
                    differing += 1;
                    unit.read_customer("compared", &customer, now);
                }
            }
            Ok(differing)
        })
    }

    async fn unlisted(&self, since: Timestamp, now: Timestamp, limit: u32) -> Result<u32> {
        self.write(|unit| {
            let is_unlisted = |row: &&mut BillingRow| {
                row.record.given.is_some() && row.listed_at.is_some_and(|at| at < since)
            };
            let mut rows: Vec<_> = unit.tables.billing.iter_mut().filter(is_unlisted).collect();
            rows.sort_by_key(|row| row.listed_at);
            let mut customers = Vec::new();
            for row in rows.into_iter().take(limit as usize) {
                row.record.differs_since.get_or_insert(now);
                customers.push(row.record.customer.clone());
            }
            for customer in customers.iter().filter(|it| !it.is_empty()) {
                unit.read_customer("compared", customer, now);
            }
            Ok(u32::try_from(customers.len()).unwrap_or(u32::MAX))
        })
    }

    async fn differing(&self, limit: u32) -> Result<Vec<BillingRecord>> {
        let tables = self.read();
        let records = tables.billing.iter().map(|row| &row.record);
        let mut found: Vec<_> =
            records.filter(|record| record.differs_since.is_some()).cloned().collect();
        found.sort_by_key(|record| record.differs_since);
        found.truncate(limit as usize);
        Ok(found)
    }

    async fn paying(&self, after: Option<UserId>, limit: u32) -> Result<Vec<BillingRecord>> {
        let tables = self.read();
        let records = tables.billing.iter().map(|row| &row.record);
        let mut found: Vec<_> = records
            .filter(|record| record.given.is_some() && after.is_none_or(|user| record.user > user))
            .cloned()
            .collect();
        found.sort_by_key(|record| record.user);
        found.truncate(limit as usize);
        Ok(found)
    }

    async fn invoices(&self, user: UserId, before: Option<i64>, limit: u32) -> Result<InvoicePage> {
        let tables = self.read();
        let rows = (1..).zip(&tables.invoices).filter(|(number, row)| {
            row.user == user && before.is_none_or(|before| *number < before)
        });
        let mut invoices: Vec<_> = rows
            .map(|(number, row)| StoredInvoice { invoice: row.invoice.clone(), row: number })
            .collect();
        invoices.reverse();
        let has_more = invoices.len() > limit as usize;
        invoices.truncate(limit as usize);
        Ok(InvoicePage { invoices, has_more })
    }
}
