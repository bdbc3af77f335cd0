//! What a user does about paying.

use std::{sync::Arc, time::Duration};

use super::{
    BillingInterval, BillingRecord, BillingStore, CurrentSubscription, InvoicePage, PaymentSync,
    PricedPlan, prices::CURRENCY,
};
use crate::{
    Clock, Error, Result, Timestamp,
    account::{Account, AccountStore, Tier, UserId, digest},
    error::ConflictKind,
    idempotency::IdempotencyKey,
    ports::payments::{Checkout, PaymentProvider, PriceChange, SubscriptionStatus},
};

/// The state of who began a checkout is read after this, though nothing is heard of it.
const CHECKOUT_RECHECK: Duration = Duration::from_mins(2);

/// Without a key of the client's, the same wish within this is the same checkout.
const SAME_WISH: Duration = Duration::from_mins(10);

/// What a user has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnPlan {
    /// What the user may see.
    pub tier: Tier,
    /// What is kept of the user's payments.
    pub record: Option<BillingRecord>,
}

/// What became of a wish for another tier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upgraded {
    /// It is to be paid here.
    Checkout(String),
    /// The subscription has another price now.
    Changed,
}

/// What a user does about paying.
pub struct Subscriptions {
    accounts: Arc<dyn AccountStore>,
    store: Arc<dyn BillingStore>,
    sync: Arc<PaymentSync>,
    clock: Arc<dyn Clock>,
}

impl Subscriptions {
    /// Over these.
    pub const fn new(
        accounts: Arc<dyn AccountStore>,
        store: Arc<dyn BillingStore>,
        sync: Arc<PaymentSync>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { accounts, store, sync, clock }
    }

    async fn account(&self, user: UserId) -> Result<Account> {
        self.accounts.account(user).await?.ok_or(Error::NotFound("account"))
    }

    /// What a user has, as it is kept: the provider is not asked.
    ///
    /// # Errors
    /// `NotFound` without such a user.
    pub async fn plan(&self, user: UserId) -> Result<OwnPlan> {
        let tier = self.account(user).await?.tier;
        Ok(OwnPlan { tier, record: self.store.record(user).await? })
    }

    /// A user's invoices, the newest first, before the one with number `before`.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the database is away.
    pub async fn invoices(
        &self,
        user: UserId,
        before: Option<i64>,
        limit: u32,
    ) -> Result<InvoicePage> {
        self.store.invoices(user, before, limit).await
    }

    /// A user wants to pay for `tier`: who does not pay yet is sent to the provider's page; who pays for another tier pays
    /// the difference, at once, and has this one. The same `key` again within a day has no further effect.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what is not for sale; [`ConflictKind::AlreadySubscribed`]; [`Error::Forbidden`] when the
    /// payment was refused; [`ConflictKind::PaymentsOff`]; [`Error::Unavailable`] when nobody can be reached.
    pub async fn upgrade(
        &self,
        user: UserId,
        tier: Tier,
        interval: BillingInterval,
        key: Option<&IdempotencyKey>,
    ) -> Result<Upgraded> {
        let provider = self.sync.provider()?;
        let (plan, price) = self.for_sale(tier, interval)?;
        let account = self.account(user).await?;
        let record = self.read_before_selling(user).await?;
        self.check_price(provider, plan, price).await?;
        let wish = Wish { user, tier, interval, price, key };
        match record.as_ref().and_then(|record| Some((record, record.subscription.as_ref()?))) {
            Some((record, current)) if current.status.is_paid() && record.given.is_some() => {
                self.change(provider, &wish, current).await
            }
            // Somebody pays, and it is not known what for: nothing of that is ended by a purchase.
            Some((record, current)) if current.status.is_paid() && record.problem.is_some() => {
                Err(Error::Forbidden("a payment of yours cannot be matched yet; write to us first"))
            }
            Some((_, current)) if current.status == SubscriptionStatus::PastDue => {
                Err(Error::Forbidden("a renewal is not paid: pay it at subscriptions/portal first"))
            }
            Some((_, current)) if !current.status.has_ended() => {
                // Nothing is given for it, and its money went back or never came: whoever buys anew has it no more.
                provider.cancel(&current.id).await?;
                self.sell(provider, &wish, &account, record).await
            }
            _ => self.sell(provider, &wish, &account, record).await,
        }
    }

    /// Who pays already pays for something else from now on.
    async fn change(
        &self,
        provider: &dyn PaymentProvider,
        wish: &Wish<'_>,
        current: &CurrentSubscription,
    ) -> Result<Upgraded> {
        let Wish { tier, interval, price, .. } = *wish;
        if current.tier == Some(tier) && current.interval == Some(interval) {
            // The answer to the same wish was lost.
            if wish.key.is_some() {
                return Ok(Upgraded::Changed);
            }
            let detail = format!("you have {tier} by the {interval} already");
            return Err(Error::conflict(ConflictKind::AlreadySubscribed, detail));
        }
        let change = PriceChange {
            subscription: current.id.clone(),
            item: current.item.clone(),
            is_ending: current.is_ending,
            price: price.to_owned(),
            // Without a key of the client's nothing is done twice: the same price again is no change.
            key: wish.key.map(|_| wish.key_for(&current.id, self.clock.now())),
        };
        provider.change_price(&change).await?;
        let now_paid = self.read_anew(wish.user).await?.and_then(|record| record.subscription);
        if now_paid.is_some_and(|it| it.tier == Some(tier) && it.interval == Some(interval)) {
            return Ok(Upgraded::Changed);
        }
        Err(Error::unavailable(
            "the payment provider",
            "it does not say yet that the price changed",
        ))
    }

    /// Who does not pay yet is sent to the provider's page.
    async fn sell(
        &self,
        provider: &dyn PaymentProvider,
        wish: &Wish<'_>,
        account: &Account,
        record: Option<BillingRecord>,
    ) -> Result<Upgraded> {
        let (user, now) = (wish.user, self.clock.now());
        let customer = self.customer(provider, account, record, now).await?;
        let back = &self.sync.settings().return_to;
        let key = wish.key_for(&customer, now);
        let checkout = Checkout {
            customer,
            reference: user.to_string(),
            price: wish.price.to_owned(),
            success_url: format!("{back}/?checkout=success"),
            cancel_url: format!("{back}/?checkout=cancelled"),
        };
        let url = provider.checkout(&checkout, &key).await?;
        self.store.recheck(user, now.later(CHECKOUT_RECHECK)).await?;
        Ok(Upgraded::Checkout(url))
    }

    fn for_sale(&self, tier: Tier, interval: BillingInterval) -> Result<(&PricedPlan, &str)> {
        if tier == Tier::Free {
            let message = "must be starter, pro or elite; to pay no more, cancel the subscription";
            return Err(Error::invalid("tier", message));
        }
        let plan = self.sync.settings().prices.plan(tier, interval);
        let sold = plan.and_then(|plan| Some((plan, plan.price.as_deref()?)));
        sold.ok_or_else(|| {
            Error::invalid("interval", format!("{tier} is not sold by the {interval}"))
        })
    }

    /// Refuses to sell what costs something else at the provider than is said here.
    async fn check_price(
        &self,
        provider: &dyn PaymentProvider,
        plan: &PricedPlan,
        price: &str,
    ) -> Result<()> {
        let found = provider.price(price).await?;
        let is_right = found.as_ref().is_some_and(|it| {
            it.cents == Some(plan.amount.get().into())
                && it.currency == CURRENCY
                && it.period.0 == plan.interval.as_str()
                && it.period.1 == 1
        });
        if is_right {
            return Ok(());
        }
        let (tier, interval, cents) = (plan.tier, plan.interval, plan.amount.get());
        let told = format!(
            "{tier} by the {interval} costs {cents} {CURRENCY} here, and the provider has {found:?} for {price}"
        );
        Err(Error::internal(told))
    }

    async fn customer(
        &self,
        provider: &dyn PaymentProvider,
        account: &Account,
        record: Option<BillingRecord>,
        now: Timestamp,
    ) -> Result<String> {
        let mut gone = None;
        if let Some(BillingRecord { customer, .. }) = record {
            if provider.customer(&customer).await?.is_some() {
                return Ok(customer);
            }
            self.store.unlink(account.id, &customer, now).await?;
            gone = Some(customer);
        }
        let (reference, email) = (account.id.to_string(), account.email.as_str());
        let made = provider.create_customer(&reference, email, gone.as_deref()).await?;
        self.store.link(account.id, &made, now.later(CHECKOUT_RECHECK), now).await
    }

    /// An event that was lost must not have anybody pay twice.
    async fn read_before_selling(&self, user: UserId) -> Result<Option<BillingRecord>> {
        self.read_anew(user).await
    }

    /// What the provider says of a customer now.
    async fn read_anew(&self, user: UserId) -> Result<Option<BillingRecord>> {
        let Some(record) = self.store.record(user).await? else { return Ok(None) };
        self.sync.refresh(&record.customer).await?;
        self.store.record(user).await
    }

    /// The subscription ends with its period, or no more.
    ///
    /// # Errors
    /// [`ConflictKind::NotSubscribed`]; [`Error::Unavailable`] as for [`upgrade`](Self::upgrade).
    pub async fn set_ending(&self, user: UserId, is_ending: bool) -> Result<CurrentSubscription> {
        let provider = self.sync.provider()?;
        let record = self.read_anew(user).await?;
        let current = record.as_ref().and_then(paid).ok_or_else(not_subscribed)?;
        if current.is_ending != is_ending {
            provider.set_ending(&current.id, is_ending).await?;
        }
        let record = self.read_anew(user).await?;
        record.and_then(|record| record.subscription).ok_or_else(not_subscribed)
    }

    /// A page of the provider's, for invoices, ways to pay and cancelling.
    ///
    /// # Errors
    /// [`ConflictKind::NotSubscribed`] for who never was a customer; [`Error::Unavailable`] as above.
    pub async fn portal(&self, user: UserId) -> Result<String> {
        let provider = self.sync.provider()?;
        let record = self.store.record(user).await?.ok_or_else(not_subscribed)?;
        provider.portal(&record.customer, &self.sync.settings().return_to).await
    }

    /// Those of whom the provider says something else than what is kept, or whom the owner should look at.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the database is away.
    pub async fn differing(&self, limit: u32) -> Result<Vec<BillingRecord>> {
        self.store.differing(limit).await
    }
}

/// The subscription that somebody pays for, or owes.
fn paid(record: &BillingRecord) -> Option<&CurrentSubscription> {
    record.subscription.as_ref().filter(|it| it.status.is_live())
}

fn not_subscribed() -> Error {
    Error::conflict(ConflictKind::NotSubscribed, "you have no subscription; see payments/plans")
}

/// What somebody wants to pay for.
struct Wish<'a> {
    user: UserId,
    tier: Tier,
    interval: BillingInterval,
    price: &'a str,
    /// The client's.
    key: Option<&'a IdempotencyKey>,
}

impl Wish<'_> {
    /// By what the provider knows the same wish again. `about` is what it changes, or who pays: one key is for one thing.
    fn key_for(&self, about: &str, now: Timestamp) -> String {
        let by_time = || {
            let part = i64::try_from(SAME_WISH.as_secs()).unwrap_or(i64::MAX);
            (now.seconds() / part).to_string()
        };
        let key = self.key.map_or_else(by_time, |key| format!("client:{}", key.as_str()));
        digest(&format!("{}:{about}:{}:{key}", self.user, self.price))
    }
}
