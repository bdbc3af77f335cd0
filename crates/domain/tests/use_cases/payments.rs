//! A provider of payments that does what it is told, and is away when it is told so.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use alpine_domain::{
    Clock as _, Error, Result, Timestamp,
    account::Tier,
    billing::{BillingInterval, BillingSettings, PriceList, PricedPlan},
    plan::UsdCents,
    ports::payments::{
        Checkout, CustomerState, EventSubject, PaymentProvider, PriceChange, ProviderEvent,
        ProviderInvoice, ProviderPrice, ProviderSubscription, SubscriptionPage, SubscriptionStatus,
    },
    time::ManualClock,
};
use async_trait::async_trait;

pub(crate) const MONTH: Duration = Duration::from_hours(30 * 24);

const SOLD: [(Tier, BillingInterval, u32, &str); 4] = [
    (Tier::Starter, BillingInterval::Month, 4_900, "starter_month"),
    (Tier::Pro, BillingInterval::Month, 9_900, "pro_month"),
    (Tier::Elite, BillingInterval::Month, 24_900, "elite_month"),
    (Tier::Pro, BillingInterval::Year, 99_000, "pro_year"),
];

/// What is sold here.
pub(crate) fn billing_settings() -> BillingSettings {
    let plan = |&(tier, interval, cents, price): &(_, _, _, &str)| PricedPlan {
        tier,
        interval,
        amount: UsdCents::new(cents),
        price: Some(price.to_owned()),
    };
    let plans = SOLD.iter().map(plan).collect();
    let older = BTreeMap::from([("elite_of_before".to_owned(), Tier::Elite)]);
    BillingSettings {
        prices: PriceList { plans, older },
        return_to: "https://www.example.com".to_owned(),
        ..BillingSettings::default()
    }
}

#[derive(Default)]
pub(crate) struct Books {
    pub(crate) customers: BTreeMap<String, CustomerState>,
    pub(crate) charges: BTreeMap<String, String>,
    /// Of whom money went back, and when.
    pub(crate) reversed: Vec<(Timestamp, String)>,
    /// Keys of checkouts, with their pages. A key is good for one wish.
    pub(crate) checkouts: BTreeMap<String, (String, Checkout)>,
    /// Keys of changes of the price. A key is good for one wish.
    changes: BTreeMap<String, PriceChange>,
    /// How often a customer was read.
    pub(crate) reads: u32,
    made: u32,
    /// Another price than is said here.
    pub(crate) other_price: Option<ProviderPrice>,
    /// How many subscriptions one page lists.
    pub(crate) page: usize,
}

pub(crate) struct FakeProvider {
    books: Mutex<Books>,
    pub(crate) is_away: AtomicBool,
    clock: Arc<ManualClock>,
}

impl FakeProvider {
    pub(crate) fn new(clock: Arc<ManualClock>) -> Self {
        let books = Mutex::new(Books { page: 2, ..Books::default() });
        Self { books, is_away: AtomicBool::new(false), clock }
    }

    /// The books, whoever is away.
    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap()
    }

    fn asked(&self) -> Result<MutexGuard<'_, Books>> {
        if self.is_away.load(Ordering::SeqCst) {
            return Err(Error::unavailable("the payment provider", "no answer"));
        }
        Ok(self.books())
    }

    pub(crate) fn set_away(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::SeqCst);
    }

    /// A customer pays for a price: a new subscription.
    pub(crate) fn subscribe(&self, customer: &str, price: &str) -> String {
        let now = self.clock.now();
        let mut books = self.books();
        books.made += 1;
        let id = format!("sub_{}", books.made);
        let sold = SOLD.iter().find(|(.., it)| *it == price);
        let cents = sold.map(|(_, _, cents, _)| *cents);
        let every = sold.map_or(BillingInterval::Month, |(_, interval, ..)| *interval);
        let subscription = ProviderSubscription {
            id: id.clone(),
            customer: customer.to_owned(),
            item: format!("si_{}", books.made),
            status: SubscriptionStatus::Active,
            price: price.to_owned(),
            cents: Some(cents.unwrap_or(19_900).into()),
            every: every.as_str().to_owned(),
            currency: "usd".to_owned(),
            period_start: now,
            period_end: now.later(MONTH),
            is_ending: false,
            trial_end: None,
        };
        let state = books.customers.get_mut(customer).unwrap();
        state.subscriptions.insert(0, subscription);
        drop(books);
        self.bill(customer, &id, true);
        id
    }

    /// An invoice of what a subscription costs.
    pub(crate) fn bill(&self, customer: &str, subscription: &str, is_paid: bool) {
        let now = self.clock.now();
        let mut books = self.books();
        books.made += 1;
        let id = format!("in_{}", books.made);
        let state = books.customers.get_mut(customer).unwrap();
        let of = state.subscriptions.iter().find(|it| it.id == subscription).unwrap();
        let cents = of.cents.unwrap();
        let invoice = ProviderInvoice {
            number: Some(id.to_uppercase()),
            id,
            subscription: Some(subscription.to_owned()),
            status: if is_paid { "paid" } else { "open" }.to_owned(),
            due_cents: cents,
            paid_cents: if is_paid { cents } else { 0 },
            refunded_cents: 0,
            is_disputed: false,
            currency: "usd".to_owned(),
            created_at: now,
            paid_at: is_paid.then_some(now),
            url: None,
            pdf: None,
        };
        state.invoices.insert(0, invoice);
        state.invoices.truncate(100);
    }

    /// Changes a subscription of a customer.
    pub(crate) fn change(
        &self,
        subscription: &str,
        change: impl FnOnce(&mut ProviderSubscription),
    ) {
        let mut books = self.books();
        let mut all = books.customers.values_mut().flat_map(|it| &mut it.subscriptions);
        change(all.find(|it| it.id == subscription).unwrap());
    }
}

#[async_trait]
impl PaymentProvider for FakeProvider {
    fn name(&self) -> &'static str {
        "fake"
    }

    async fn create_customer(
        &self,
        reference: &str,
        _email: &str,
        gone: Option<&str>,
    ) -> Result<String> {
        let mut books = self.asked()?;
        let is_it = |state: &CustomerState| state.reference.as_deref() == Some(reference);
        let known = books.customers.iter().find(|(id, state)| is_it(state) && gone != Some(id));
        if let Some((id, _)) = known {
            return Ok(id.clone());
        }
        let id = format!("cus_{}", books.customers.len() + 1);
        let reference = Some(reference.to_owned());
        books.customers.insert(id.clone(), CustomerState { reference, ..CustomerState::default() });
        Ok(id)
    }

    async fn checkout(&self, checkout: &Checkout, key: &str) -> Result<String> {
        let mut books = self.asked()?;
        let page = format!("https://pay.example.com/{}", books.checkouts.len() + 1);
        let begun = books.checkouts.entry(key.to_owned());
        let (page, wish) = begun.or_insert_with(|| (page, checkout.clone()));
        if wish != checkout {
            return Err(Error::internal("the key was sent with another checkout before"));
        }
        Ok(page.clone())
    }

    async fn portal(&self, customer: &str, return_url: &str) -> Result<String> {
        drop(self.asked()?);
        Ok(format!("https://portal.example.com/{customer}?{return_url}"))
    }

    async fn change_price(&self, change: &PriceChange) -> Result<()> {
        let mut books = self.asked()?;
        if let Some(key) = &change.key {
            let wish = books.changes.entry(key.clone()).or_insert_with(|| change.clone());
            if wish != change {
                return Err(Error::internal("the key was sent with another change before"));
            }
        }
        drop(books);
        let price = &change.price;
        let (_, interval, cents, _) = SOLD.iter().find(|(.., it)| it == price).unwrap();
        self.change(&change.subscription, |it| {
            (it.price, it.cents) = (price.clone(), Some((*cents).into()));
            interval.as_str().clone_into(&mut it.every);
        });
        Ok(())
    }

    async fn set_ending(&self, subscription: &str, is_ending: bool) -> Result<()> {
        drop(self.asked()?);
        self.change(subscription, |it| it.is_ending = is_ending);
        Ok(())
    }

    async fn cancel(&self, subscription: &str) -> Result<()> {
        drop(self.asked()?);
        self.change(subscription, |it| it.status = SubscriptionStatus::Canceled);
        Ok(())
    }

    async fn customer(&self, customer: &str) -> Result<Option<CustomerState>> {
        let mut books = self.asked()?;
        books.reads += 1;
        // A customer is deleted by taking its subscriptions and its reference.
        let found = books.customers.get(customer).cloned();
        Ok(found.filter(|state| state.reference.is_some()))
    }

    async fn customer_of_charge(&self, charge: &str) -> Result<Option<String>> {
        Ok(self.asked()?.charges.get(charge).cloned())
    }

    async fn live_subscriptions(&self, after: Option<&str>) -> Result<SubscriptionPage> {
        let books = self.asked()?;
        let all = books.customers.values().flat_map(|it| &it.subscriptions);
        let live: Vec<_> = all.filter(|it| !it.status.has_ended()).cloned().collect();
        let from = after.map_or(0, |id| {
            live.iter().position(|it| it.id == id).map_or(live.len(), |place| place + 1)
        });
        let subscriptions: Vec<_> = live[from..].iter().take(books.page).cloned().collect();
        let last = from + subscriptions.len() == live.len();
        let next = subscriptions.last().filter(|_| !last).map(|it| it.id.clone());
        Ok(SubscriptionPage { subscriptions, next })
    }

    async fn reversals_since(&self, since: Timestamp) -> Result<Vec<String>> {
        let books = self.asked()?;
        let late = books.reversed.iter().filter(|(at, _)| *at >= since);
        Ok(late.map(|(_, customer)| customer.clone()).collect())
    }

    async fn price(&self, price: &str) -> Result<Option<ProviderPrice>> {
        let books = self.asked()?;
        let sold = SOLD.iter().find(|(.., it)| *it == price);
        let price = sold.map(|(_, interval, cents, _)| ProviderPrice {
            cents: Some((*cents).into()),
            currency: "usd".to_owned(),
            period: (interval.as_str().to_owned(), 1),
        });
        Ok(books.other_price.clone().or(price))
    }

    /// The body is the event's id, and whom it concerns.
    fn event(&self, signature: &str, body: &[u8], _now: Timestamp) -> Result<ProviderEvent> {
        if signature != "good" {
            return Err(Error::malformed("Stripe-Signature", "is not good"));
        }
        let text = String::from_utf8(body.to_vec()).unwrap();
        let (id, subject) = text.split_once(' ').unwrap();
        let subject = match subject.split_once('_') {
            Some(("cus", _)) => EventSubject::Customer(subject.to_owned()),
            Some(("ch", _)) => EventSubject::Charge(subject.to_owned()),
            _ => EventSubject::Nobody,
        };
        Ok(ProviderEvent { id: id.to_owned(), kind: "something.happened".to_owned(), subject })
    }
}
