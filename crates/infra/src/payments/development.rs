//! Payments where nothing is paid, so that everything around them can be tried.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use alpine_domain::{
    Clock, Error, Result, Timestamp,
    ports::payments::{
        Checkout, CustomerState, PaymentProvider, PlayedStep, PriceChange, ProviderEvent,
        ProviderInvoice, ProviderPrice, ProviderSubscription, SubscriptionPage, SubscriptionStatus,
    },
};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::task;

use crate::random_text;

/// A month, and a year, of this provider.
const MONTH: Duration = Duration::from_hours(30 * 24);
const YEAR: Duration = Duration::from_hours(365 * 24);

/// Customers, and checkouts that were begun, at most. Who needs more does not develop.
const MOST: usize = 10_000;

/// A provider that takes no money and keeps what it knows in one file. Whoever has the page of a checkout plays the payer.
pub struct DevelopmentPayments {
    book: Arc<Book>,
    clock: Arc<dyn Clock>,
    prices: BTreeMap<String, ProviderPrice>,
    /// Where the pages of checkouts are, without a slash at its end.
    pages: String,
}

struct Book {
    path: PathBuf,
    /// One change at a time.
    lock: Mutex<()>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct State {
    customers: BTreeMap<String, Customer>,
    checkouts: BTreeMap<String, Begun>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Customer {
    reference: String,
    /// Numbers what is made for it.
    made: u32,
    subscriptions: Vec<Subscription>,
    invoices: Vec<Invoice>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Subscription {
    id: String,
    status: SubscriptionStatus,
    price: String,
    from: i64,
    to: i64,
    is_ending: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Invoice {
    id: String,
    subscription: String,
    cents: i64,
    is_paid: bool,
    is_refunded: bool,
    at: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Begun {
    customer: String,
    price: String,
    key: String,
}

impl DevelopmentPayments {
    /// Kept in the file `path`, which is made with the first customer. `prices` are what it sells.
    pub fn new(
        path: PathBuf,
        prices: BTreeMap<String, ProviderPrice>,
        pages: String,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { book: Arc::new(Book { path, lock: Mutex::new(()) }), clock, prices, pages }
    }

    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut State) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let book = self.book.clone();
        task::spawn_blocking(move || book.with(work)).await.map_err(Error::internal)?
    }

    fn shown(&self, customer: &str, it: &Subscription) -> ProviderSubscription {
        ProviderSubscription {
            id: it.id.clone(),
            customer: customer.to_owned(),
            item: format!("{}_item", it.id),
            status: it.status,
            price: it.price.clone(),
            cents: Some(cents_of(&self.prices, &it.price)),
            every: self.prices.get(&it.price).map_or_else(String::new, |it| it.period.0.clone()),
            currency: "usd".to_owned(),
            period_start: Timestamp::from_seconds(it.from),
            period_end: Timestamp::from_seconds(it.to),
            is_ending: it.is_ending,
            trial_end: None,
        }
    }

    fn state(&self, id: &str, customer: &Customer) -> CustomerState {
        let invoice = |it: &Invoice| ProviderInvoice {
            id: it.id.clone(),
            number: Some(it.id.to_uppercase()),
            subscription: Some(it.subscription.clone()),
            status: if it.is_paid { "paid" } else { "open" }.to_owned(),
            due_cents: it.cents,
            paid_cents: if it.is_paid { it.cents } else { 0 },
            refunded_cents: if it.is_refunded { it.cents } else { 0 },
            is_disputed: false,
            currency: "usd".to_owned(),
            created_at: Timestamp::from_seconds(it.at),
            paid_at: it.is_paid.then(|| Timestamp::from_seconds(it.at)),
            url: None,
            pdf: None,
        };
        CustomerState {
            reference: Some(customer.reference.clone()),
            subscriptions: customer.subscriptions.iter().map(|it| self.shown(id, it)).collect(),
            invoices: customer.invoices.iter().rev().map(invoice).collect(),
        }
    }

    /// Changes the subscription with this id.
    async fn change(
        &self,
        subscription: &str,
        change: impl FnOnce(&mut Subscription) + Send + 'static,
    ) -> Result<()> {
        let id = subscription.to_owned();
        self.with(move |state| {
            let all = state.customers.values_mut().flat_map(|it| &mut it.subscriptions);
            let found = all.into_iter().find(|it| it.id == id);
            change(found.ok_or(Error::NotFound("subscription"))?);
            Ok(())
        })
        .await
    }
}

impl Book {
    /// What `work` changed is kept, if it succeeds.
    fn with<T>(&self, work: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        let _alone: MutexGuard<'_, ()> = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let away = |error: io::Error| Error::unavailable("the payment provider", error);
        let mut state = match fs::read(&self.path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(Error::internal)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => State::default(),
            Err(error) => return Err(away(error)),
        };
        let before = serde_json::to_vec(&state).map_err(Error::internal)?;
        let answer = work(&mut state)?;
        let after = serde_json::to_vec(&state).map_err(Error::internal)?;
        if before != after {
            write(&self.path, &after).map_err(away)?;
        }
        Ok(answer)
    }
}

/// Written beside its place and moved there, so that who reads finds all of it.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = path.with_extension("tmp");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&draft)?;
    io::Write::write_all(&mut file, bytes)?;
    file.sync_all()?;
    fs::rename(&draft, path)
}

impl Customer {
    fn next_id(&mut self, kind: &str, of: &str) -> String {
        self.made += 1;
        format!("{kind}_dev_{}_{}", of.trim_start_matches("cus_dev_"), self.made)
    }

    fn bill(&mut self, id: &str, cents: i64, is_paid: bool, now: Timestamp) {
        let invoice = self.next_id("in", id);
        let subscription = self.subscriptions.last().map(|it| it.id.clone()).unwrap_or_default();
        let at = now.seconds();
        let made = Invoice { id: invoice, subscription, cents, is_paid, is_refunded: false, at };
        self.invoices.push(made);
        // What one reading brings.
        let surplus = self.invoices.len().saturating_sub(100);
        self.invoices.drain(..surplus);
    }
}

#[async_trait]
impl PaymentProvider for DevelopmentPayments {
    fn name(&self) -> &'static str {
        "development"
    }

    async fn create_customer(
        &self,
        reference: &str,
        _email: &str,
        _gone: Option<&str>,
    ) -> Result<String> {
        let reference = reference.to_owned();
        self.with(move |state| {
            let known = state.customers.iter().find(|(_, it)| it.reference == reference);
            if let Some((id, _)) = known {
                return Ok(id.clone());
            }
            if state.customers.len() >= MOST {
                return Err(Error::internal("the development provider has 10,000 customers"));
            }
            let id = format!("cus_dev_{}", random_text());
            let (subscriptions, invoices) = (Vec::new(), Vec::new());
            let made = Customer { reference, made: 0, subscriptions, invoices };
            state.customers.insert(id.clone(), made);
            Ok(id)
        })
        .await
    }

    async fn checkout(&self, checkout: &Checkout, key: &str) -> Result<String> {
        let Checkout { customer, price, .. } = checkout.clone();
        let (key, pages) = (key.to_owned(), self.pages.clone());
        self.with(move |state| {
            let known = state.checkouts.iter().find(|(_, it)| it.key == key);
            let id = known.map(|(id, _)| id.clone());
            let id = id.unwrap_or_else(|| format!("{}{}", random_text(), random_text()));
            // One page of a customer is open at a time.
            state.checkouts.retain(|other, it| *other == id || it.customer != customer);
            if state.checkouts.len() >= MOST {
                state.checkouts.pop_first();
            }
            state.checkouts.insert(id.clone(), Begun { customer, price, key });
            Ok(format!("{pages}/{id}"))
        })
        .await
    }

    /// The page of the checkout that was begun last, where the payer can be played.
    async fn portal(&self, customer: &str, return_url: &str) -> Result<String> {
        let (customer, pages, otherwise) =
            (customer.to_owned(), self.pages.clone(), return_url.to_owned());
        self.with(move |state| {
            let begun = state.checkouts.iter().find(|(_, it)| it.customer == customer);
            Ok(begun.map_or(otherwise, |(id, _)| format!("{pages}/{id}")))
        })
        .await
    }

    /// What is dearer is billed, and a year begins anew; a real provider also counts what is left of the period.
    async fn change_price(&self, change: &PriceChange) -> Result<()> {
        let PriceChange { subscription, price, .. } = change.clone();
        let (prices, now) = (self.prices.clone(), self.clock.now());
        self.with(move |state| {
            let (id, customer) = state
                .customers
                .iter_mut()
                .find(|(_, it)| it.subscriptions.iter().any(|it| it.id == subscription))
                .ok_or(Error::NotFound("subscription"))?;
            let all = customer.subscriptions.iter_mut();
            let it = all.into_iter().find(|it| it.id == subscription);
            let it = it.ok_or(Error::NotFound("subscription"))?;
            let more = cents_of(&prices, &price) - cents_of(&prices, &it.price);
            let (old, new) = (end_of(&prices, &it.price, now), end_of(&prices, &price, now));
            if old != new {
                (it.from, it.to) = (now.seconds(), new);
            }
            (it.price, it.is_ending) = (price, false);
            if more > 0 {
                customer.bill(id, more, true, now);
            }
            Ok(())
        })
        .await
    }

    async fn set_ending(&self, subscription: &str, is_ending: bool) -> Result<()> {
        self.change(subscription, move |it| it.is_ending = is_ending).await
    }

    async fn cancel(&self, subscription: &str) -> Result<()> {
        self.change(subscription, |it| it.status = SubscriptionStatus::Canceled).await
    }

    async fn customer(&self, customer: &str) -> Result<Option<CustomerState>> {
        let id = customer.to_owned();
        let found = self.with(move |state| Ok(state.customers.get(&id).cloned())).await?;
        Ok(found.map(|it| self.state(customer, &it)))
    }

    async fn customer_of_charge(&self, _charge: &str) -> Result<Option<String>> {
        Ok(None)
    }

    async fn live_subscriptions(&self, _after: Option<&str>) -> Result<SubscriptionPage> {
        let customers = self.with(|state| Ok(state.customers.clone())).await?;
        let mut subscriptions = Vec::new();
        for (id, customer) in &customers {
            let live = customer.subscriptions.iter().filter(|it| !it.status.has_ended());
            subscriptions.extend(live.map(|it| self.shown(id, it)));
        }
        Ok(SubscriptionPage { subscriptions, next: None })
    }

    async fn reversals_since(&self, _since: Timestamp) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    async fn price(&self, price: &str) -> Result<Option<ProviderPrice>> {
        Ok(self.prices.get(price).cloned())
    }

    /// Nobody sends any.
    fn event(&self, _signature: &str, _body: &[u8], _now: Timestamp) -> Result<ProviderEvent> {
        Err(Error::malformed("Stripe-Signature", "is of nobody: payments are those of development"))
    }

    async fn play(&self, checkout: &str, step: PlayedStep) -> Result<String> {
        let (id, now) = (checkout.to_owned(), self.clock.now());
        let prices = self.prices.clone();
        self.with(move |state| {
            let begun = state.checkouts.get(&id).cloned().ok_or(Error::NotFound("checkout"))?;
            let customer =
                state.customers.get_mut(&begun.customer).ok_or(Error::NotFound("customer"))?;
            play(customer, &begun, step, &prices, now);
            Ok(begun.customer)
        })
        .await
    }
}

/// What is sold, by its id.
type Prices = BTreeMap<String, ProviderPrice>;

fn cents_of(prices: &Prices, price: &str) -> i64 {
    prices.get(price).and_then(|it| it.cents).unwrap_or(0)
}

/// When a period of this price ends that begins at `from`.
fn end_of(prices: &Prices, price: &str, from: Timestamp) -> i64 {
    let is_yearly = prices.get(price).is_some_and(|it| it.period.0 == "year");
    from.later(if is_yearly { YEAR } else { MONTH }).seconds()
}

/// What the payer, or time, does. A step that makes no sense right now does nothing.
fn play(customer: &mut Customer, begun: &Begun, step: PlayedStep, prices: &Prices, now: Timestamp) {
    let id = &begun.customer;
    let last = customer.subscriptions.last_mut().filter(|it| it.status.is_live());
    match (step, last) {
        (PlayedStep::Pay, None) => {
            let made = Subscription {
                id: customer.next_id("sub", id),
                status: SubscriptionStatus::Active,
                price: begun.price.clone(),
                from: now.seconds(),
                to: end_of(prices, &begun.price, now),
                is_ending: false,
            };
            customer.subscriptions.push(made);
            customer.bill(id, cents_of(prices, &begun.price), true, now);
        }
        (PlayedStep::Pay, Some(it)) if it.status == SubscriptionStatus::PastDue => {
            it.status = SubscriptionStatus::Active;
            if let Some(owed) = customer.invoices.iter_mut().rev().find(|it| !it.is_paid) {
                owed.is_paid = true;
            }
        }
        (PlayedStep::EndPeriod, Some(it)) if it.is_ending => {
            it.status = SubscriptionStatus::Canceled;
            it.to = now.seconds();
        }
        (PlayedStep::EndPeriod | PlayedStep::FailRenewal, Some(it)) => {
            let is_paid = step == PlayedStep::EndPeriod;
            (it.from, it.to) = (now.seconds(), end_of(prices, &it.price, now));
            if !is_paid {
                it.status = SubscriptionStatus::PastDue;
            }
            let cents = cents_of(prices, &it.price);
            customer.bill(id, cents, is_paid, now);
        }
        (PlayedStep::Refund, Some(_)) => {
            let paid = customer.invoices.iter_mut().rev().find(|it| it.is_paid);
            if let Some(invoice) = paid {
                invoice.is_refunded = true;
            }
        }
        (PlayedStep::Pay, Some(_)) | (_, None) => {}
    }
}
