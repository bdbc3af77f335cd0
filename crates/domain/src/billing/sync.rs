//! The account follows what the provider says.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{
    Applied, BillingSettings, BillingStore, Compared, CurrentSubscription, Entitlement, Reading,
    ReceivedEvent, entitlement,
};
use crate::{
    Clock, Error, Result, Timestamp,
    account::{AccountStore, Tier, UserId, placeholder},
    error::ConflictKind,
    jobs::{Job, JobStore, NewJob},
    ports::payments::{
        CustomerState, EventSubject, PaymentProvider, PlayedStep, ProviderInvoice,
        ProviderSubscription, SubscriptionStatus,
    },
};

/// Pages of subscriptions that one job compares at most, so that it ends before its deadline.
const PAGES_AT_ONCE: usize = 10;

/// How far back money that went back is looked for. Providers send an event again for three days.
const REVERSALS: Duration = Duration::from_hours(72);

/// Customers of one kind that a step looks at, at most.
const AT_ONCE: u32 = 1_000;

/// A customer whose state is due is looked at again after this, if it could not be read.
const AGAIN: Duration = Duration::from_mins(10);

/// An event that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The provider's id.
    pub id: String,
    /// The provider's name for its kind.
    pub kind: String,
    /// Whether it came for the first time.
    pub is_new: bool,
}

/// How far a comparison with the provider has come.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SweepStep {
    /// When it began; `None`: it begins.
    pub begun_at: Option<Timestamp>,
    /// The subscription that was compared last.
    pub after: Option<String>,
}

/// Reads the provider's state and has accounts follow it.
pub struct PaymentSync {
    provider: Option<Arc<dyn PaymentProvider>>,
    accounts: Arc<dyn AccountStore>,
    store: Arc<dyn BillingStore>,
    jobs: Arc<dyn JobStore>,
    clock: Arc<dyn Clock>,
    settings: BillingSettings,
}

impl PaymentSync {
    /// By these. Without a provider nobody pays, and nothing is compared.
    pub const fn new(
        provider: Option<Arc<dyn PaymentProvider>>,
        accounts: Arc<dyn AccountStore>,
        store: Arc<dyn BillingStore>,
        jobs: Arc<dyn JobStore>,
        clock: Arc<dyn Clock>,
        settings: BillingSettings,
    ) -> Self {
        Self { provider, accounts, store, jobs, clock, settings }
    }

    pub(super) const fn settings(&self) -> &BillingSettings {
        &self.settings
    }

    /// Who takes payments.
    ///
    /// # Errors
    /// [`ConflictKind::PaymentsOff`] where nobody does.
    pub(super) fn provider(&self) -> Result<&dyn PaymentProvider> {
        let none = || {
            let detail = "nobody takes payments here: tiers are given by whoever runs this service";
            Error::conflict(ConflictKind::PaymentsOff, detail)
        };
        self.provider.as_deref().ok_or_else(none)
    }

    pub(super) fn store(&self) -> &dyn BillingStore {
        &*self.store
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The provider's name; `None` where payments are off.
    pub fn provider_name(&self) -> Option<&'static str> {
        self.provider.as_ref().map(|provider| provider.name())
    }

    /// Takes an event: it is kept, with what is to be done, before this returns. The same one again has no further effect.
    ///
    /// # Errors
    /// [`Error::Malformed`] when the provider did not send it; [`Error::Unavailable`] when it cannot be kept.
    pub async fn receive(&self, signature: &str, body: &[u8]) -> Result<Received> {
        let now = self.clock.now();
        let event = self.provider()?.event(signature, body, now)?;
        let job = match event.subject {
            EventSubject::Customer(customer) => Some(Job::PaymentsChanged { customer }),
            EventSubject::Charge(charge) => Some(Job::ChargeReversed { charge }),
            EventSubject::Nobody => None,
        };
        let (id, kind) = (event.id, event.kind);
        let job = job.map(|job| NewJob::new(job, now));
        let event = ReceivedEvent { id: id.clone(), kind: kind.clone(), now, job };
        let is_new = self.store.receive(event).await?;
        Ok(Received { id, kind, is_new })
    }

    /// Reads a customer's state from the provider and has the account follow it. What is kept of it is from a reading that
    /// began no earlier than this one.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the provider or the database is away: nothing is changed then.
    pub async fn refresh(&self, customer: &str) -> Result<()> {
        let Ok(provider) = self.provider() else { return Ok(()) };
        if let Some(user) = self.store.user_of(customer).await? {
            return self.read(user, customer).await;
        }
        // It was made, and the instance that made it died before it could say so.
        let Some(state) = provider.customer(customer).await? else { return Ok(()) };
        let named = state.reference.as_ref().and_then(|text| text.parse::<UserId>().ok());
        let Some(user) = named else { return Ok(()) };
        let now = self.clock.now();
        match self.store.link(user, customer, now.later(AGAIN), now).await {
            Ok(linked) if linked == customer => self.read(user, customer).await,
            // Another installation's user, a user who is another customer by now, or an account that was deleted.
            Ok(_) | Err(Error::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Reads the state of a user who is this customer. Who deleted the account pays no more, whenever the payment was begun.
    async fn read(&self, user: UserId, customer: &str) -> Result<()> {
        let provider = self.provider()?;
        let number = self.store.begin_reading(user).await?;
        let mut state = provider.customer(customer).await?.unwrap_or_default();
        let account = self.accounts.account(user).await?;
        if account.is_some_and(|account| account.email.as_str() == placeholder(user)) {
            for it in state.subscriptions.iter_mut().filter(|it| !it.status.has_ended()) {
                provider.cancel(&it.id).await?;
                it.status = SubscriptionStatus::Canceled;
            }
        }
        self.keep(user, number, &state).await.map(|_| ())
    }

    /// The same for whoever made this payment.
    ///
    /// # Errors
    /// As [`refresh`](Self::refresh).
    pub async fn refresh_payer(&self, charge: &str) -> Result<()> {
        let Ok(provider) = self.provider() else { return Ok(()) };
        match provider.customer_of_charge(charge).await? {
            Some(customer) => self.refresh(&customer).await,
            None => Ok(()),
        }
    }

    async fn keep(&self, user: UserId, number: i64, state: &CustomerState) -> Result<Applied> {
        let now = self.clock.now();
        let BillingSettings { prices, grace, .. } = &self.settings;
        let found = entitlement(state, prices, *grace, now);
        let subscription = found.current.and_then(|place| state.subscriptions.get(place));
        let subscription = subscription.map(|it| self.current(it));
        self.store
            .apply(Reading {
                user,
                number,
                entitlement: found,
                subscription,
                invoices: self.tiers_of_invoices(state),
                now,
            })
            .await
    }

    fn tiers_of_invoices(&self, state: &CustomerState) -> Vec<(ProviderInvoice, Option<Tier>)> {
        let tier = |invoice: &ProviderInvoice| {
            let mut of = state.subscriptions.iter();
            let of = of.find(|it| invoice.subscription.as_ref() == Some(&it.id))?;
            self.settings.prices.tier_of(of).ok()
        };
        state.invoices.iter().map(|it| (it.clone(), tier(it))).collect()
    }

    fn current(&self, it: &ProviderSubscription) -> CurrentSubscription {
        let prices = &self.settings.prices;
        CurrentSubscription {
            id: it.id.clone(),
            item: it.item.clone(),
            status: it.status,
            tier: prices.tier_of(it).ok(),
            interval: it.every.parse().ok(),
            cents: it.cents,
            period_end: it.period_end,
            is_ending: it.is_ending,
            trial_end: it.trial_end,
        }
    }

    /// Plays a step of who began this checkout, where nothing is really paid, and has the account follow it.
    ///
    /// # Errors
    /// `NotFound` where payments are real, or no such checkout was begun.
    pub async fn play(&self, checkout: &str, step: PlayedStep) -> Result<()> {
        let customer = self.provider()?.play(checkout, step).await?;
        self.refresh(&customer).await
    }

    /// Has those read of whom something is due: the end of a period or of a grace, or a checkout that was begun. How many.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the database is away.
    pub async fn recheck(&self) -> Result<u32> {
        if self.provider.is_none() {
            return Ok(0);
        }
        let now = self.clock.now();
        self.store.due(now, now.later(AGAIN), AT_ONCE).await
    }

    /// Begins a comparison of everybody who pays with the provider's state, unless one is under way.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the database is away.
    pub async fn begin_sweep(&self) -> Result<()> {
        if self.provider.is_some() {
            let job = Job::PaymentsSwept { begun_at: None, after: None };
            self.jobs.add(NewJob::new(job, self.clock.now()).once_for("payments_swept")).await?;
        }
        Ok(())
    }

    /// A part of such a comparison: how many differ of those it looked at, and what is left.
    ///
    /// # Errors
    /// As [`refresh`](Self::refresh).
    pub async fn sweep(&self, step: SweepStep) -> Result<(u32, Option<SweepStep>)> {
        let Ok(provider) = self.provider() else { return Ok((0, None)) };
        let now = self.clock.now();
        let begun_at = step.begun_at.unwrap_or(now);
        if step.after.is_none() {
            for customer in provider.reversals_since(now.earlier(REVERSALS)).await? {
                let key = format!("payments_reversed:{customer}");
                let job = Job::PaymentsChanged { customer };
                self.jobs.add(NewJob::new(job, now).once_for(key)).await?;
            }
        }
        let (mut after, mut differing) = (step.after, 0);
        for _ in 0..PAGES_AT_ONCE {
            let page = provider.live_subscriptions(after.as_deref()).await?;
            differing += self.store.compare(self.listed(page.subscriptions, now), now).await?;
            after = page.next;
            if after.is_none() {
                differing += self.store.unlisted(begun_at, now, AT_ONCE).await?;
                return Ok((differing, None));
            }
        }
        Ok((differing, Some(SweepStep { begun_at: Some(begun_at), after })))
    }

    /// What follows from these subscriptions for each customer, by themselves.
    pub(super) fn listed(
        &self,
        subscriptions: Vec<ProviderSubscription>,
        now: Timestamp,
    ) -> Vec<Compared> {
        let mut customers: BTreeMap<String, CustomerState> = BTreeMap::new();
        for subscription in subscriptions {
            let state = customers.entry(subscription.customer.clone()).or_default();
            state.subscriptions.push(subscription);
        }
        let BillingSettings { prices, grace, .. } = &self.settings;
        let compared = customers.into_iter().map(|(customer, state)| {
            let Entitlement { subscribed, .. } = entitlement(&state, prices, *grace, now);
            Compared { customer, subscribed }
        });
        compared.collect()
    }

    /// Has the next part of a comparison done.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the database is away.
    pub async fn sweep_by_job(&self, step: SweepStep) -> Result<()> {
        let (_, left) = self.sweep(step).await?;
        if let Some(SweepStep { begun_at, after }) = left {
            let job = Job::PaymentsSwept { begun_at, after };
            self.jobs.add(NewJob::new(job, self.clock.now())).await?;
        }
        Ok(())
    }

    /// Ends whatever a user pays for, at once: the account was deleted.
    ///
    /// # Errors
    /// As [`refresh`](Self::refresh).
    pub async fn end(&self, user: UserId) -> Result<()> {
        let Ok(provider) = self.provider() else { return Ok(()) };
        let Some(record) = self.store.record(user).await? else { return Ok(()) };
        let state = provider.customer(&record.customer).await?.unwrap_or_default();
        for subscription in &state.subscriptions {
            if !subscription.status.has_ended() {
                provider.cancel(&subscription.id).await?;
            }
        }
        self.refresh(&record.customer).await
    }
}
