//! Payments by Stripe, by plain HTTP calls.

mod client;
mod events;
mod settings;
mod shapes;

use alpine_domain::{
    Error, Result, Timestamp,
    account::{Secret, digest},
    ports::payments::{
        Checkout, CustomerState, PaymentProvider, PriceChange, ProviderEvent, ProviderInvoice,
        ProviderPrice, SubscriptionPage,
    },
};
use async_trait::async_trait;

pub use self::{client::API_VERSION, settings::StripeSettings};
use self::{
    client::Client,
    shapes::{
        ChargeShape, CustomerShape, DisputeShape, InvoiceShape, List, Made, PriceShape,
        SessionShape,
    },
};
use super::signature;
use crate::SettingsError;

/// What of a customer is read at most: Stripe's largest page.
const PAGE: &str = "100";

/// Pages of refunds, and of disputes, that one look reads at most.
const MOST_PAGES: usize = 10;

/// Stripe.
pub struct StripePayments {
    client: Client,
    webhook_secrets: Vec<Secret>,
    is_live: bool,
}

impl StripePayments {
    /// Opens no connection yet.
    ///
    /// # Errors
    /// A key that is none of Stripe's, or a URL that cannot be read.
    pub fn new(settings: StripeSettings) -> Result<Self, SettingsError> {
        let is_live = is_live(settings.key.reveal())?;
        let webhook_secrets = settings.webhook_secrets.clone();
        Ok(Self { client: Client::new(settings)?, webhook_secrets, is_live })
    }

    /// A customer's newest invoices, with what of them went back.
    async fn invoices(&self, customer: &str) -> Result<Vec<ProviderInvoice>> {
        let query = [("customer", customer), ("limit", PAGE), ("expand[]", "data.charge")];
        let list: List<InvoiceShape> = self.client.list("invoices", &query).await?;
        let mut invoices = Vec::with_capacity(list.data.len());
        for invoice in list.data {
            // A charge says only that it ever was disputed.
            let is_disputed = match invoice.disputed_charge() {
                Some(charge) => self.is_lost(charge).await?,
                None => false,
            };
            invoices.push(invoice.invoice(is_disputed));
        }
        Ok(invoices)
    }

    /// Whether a disputed charge is not won, or not yet.
    async fn is_lost(&self, charge: &str) -> Result<bool> {
        let query = [("charge", charge), ("limit", PAGE)];
        let disputes = self.client.list::<DisputeShape>("disputes", &query).await?;
        Ok(disputes.data.iter().any(|it| !it.is_harmless()))
    }

    /// The page that is open for this price; whatever else is open is good no more, and named.
    async fn open_checkout(
        &self,
        customer: &str,
        price: &str,
    ) -> Result<(Option<String>, Vec<String>)> {
        let query = [("customer", customer), ("status", "open"), ("limit", PAGE)];
        let open: List<SessionShape> = self.client.list("checkout/sessions", &query).await?;
        let (mut found, mut ended) = (None, Vec::new());
        for session in open.data {
            if found.is_none() && session.is_for(price) {
                found = session.url;
                continue;
            }
            let path = format!("checkout/sessions/{}/expire", client::segment(&session.id));
            self.client.post::<Made>(&path, &[], None).await?;
            ended.push(session.id);
        }
        Ok((found, ended))
    }

    /// The customers of a kind of reversal.
    async fn reversed(&self, path: &str, since: Timestamp) -> Result<Vec<String>> {
        let since = since.seconds().to_string();
        let (mut customers, mut after) = (Vec::new(), None::<String>);
        for _ in 0..MOST_PAGES {
            let mut query = vec![
                ("created[gte]", since.as_str()),
                ("limit", PAGE),
                ("expand[]", "data.charge"),
            ];
            query.extend(after.as_deref().map(|id| ("starting_after", id)));
            let page: List<shapes::Reversal> = self.client.list(path, &query).await?;
            customers.extend(page.data.iter().filter_map(shapes::Reversal::customer));
            after = page.data.last().map(|it| it.id.clone()).filter(|_| page.has_more);
            if after.is_none() {
                break;
            }
        }
        Ok(customers)
    }
}

/// Whether a key moves money.
fn is_live(key: &str) -> Result<bool, SettingsError> {
    let kind = key.strip_prefix("sk_").or_else(|| key.strip_prefix("rk_"));
    match kind.and_then(|rest| rest.split_once('_')) {
        Some(("live", rest)) if !rest.is_empty() => Ok(true),
        Some(("test", rest)) if !rest.is_empty() => Ok(false),
        _ => Err(SettingsError::new(
            "stripe_key",
            "is no secret key of Stripe's",
            "it begins with sk_test_, sk_live_, rk_test_ or rk_live_; see the dashboard under Developers, API keys",
        )),
    }
}

#[async_trait]
impl PaymentProvider for StripePayments {
    fn name(&self) -> &'static str {
        "stripe"
    }

    async fn create_customer(
        &self,
        reference: &str,
        email: &str,
        gone: Option<&str>,
    ) -> Result<String> {
        let form = [("email", email), ("metadata[reference]", reference)];
        // One key is for one form.
        let key = digest(&format!("customer:{reference}:{email}:{}", gone.unwrap_or_default()));
        let made: Made = self.client.post("customers", &form, Some(&key)).await?;
        Ok(made.id)
    }

    async fn checkout(&self, checkout: &Checkout, key: &str) -> Result<String> {
        let Checkout { customer, reference, price, success_url, cancel_url } = checkout;
        let (open, ended) = self.open_checkout(customer, price).await?;
        if let Some(url) = open {
            return Ok(url);
        }
        let form = [
            ("mode", "subscription"),
            ("customer", customer),
            ("client_reference_id", reference),
            ("line_items[0][price]", price),
            ("line_items[0][quantity]", "1"),
            ("metadata[price]", price),
            ("success_url", success_url),
            ("cancel_url", cancel_url),
        ];
        // What was ended is not given out again.
        let key = digest(&format!("checkout:{key}:{}", ended.join(",")));
        let made: Made = self.client.post("checkout/sessions", &form, Some(&key)).await?;
        made.url.ok_or_else(|| Error::internal("Stripe made a checkout without a page"))
    }

    async fn portal(&self, customer: &str, return_url: &str) -> Result<String> {
        let form = [("customer", customer), ("return_url", return_url)];
        let made: Made = self.client.post("billing_portal/sessions", &form, None).await?;
        made.url.ok_or_else(|| Error::internal("Stripe made a portal without a page"))
    }

    async fn change_price(&self, change: &PriceChange) -> Result<()> {
        let PriceChange { subscription, item, is_ending, price, key } = change;
        let mut form = vec![
            ("items[0][id]", item.as_str()),
            ("items[0][price]", price),
            ("proration_behavior", "always_invoice"),
            ("payment_behavior", "error_if_incomplete"),
        ];
        if *is_ending {
            form.push(("cancel_at_period_end", "false"));
        }
        let path = format!("subscriptions/{}", client::segment(subscription));
        let key = key.as_ref().map(|key| digest(&format!("price:{key}")));
        self.client.post::<Made>(&path, &form, key.as_deref()).await.map(|_| ())
    }

    async fn set_ending(&self, subscription: &str, is_ending: bool) -> Result<()> {
        let form = [("cancel_at_period_end", if is_ending { "true" } else { "false" })];
        let path = format!("subscriptions/{}", client::segment(subscription));
        self.client.post::<Made>(&path, &form, None).await.map(|_| ())
    }

    async fn cancel(&self, subscription: &str) -> Result<()> {
        self.client.delete(&format!("subscriptions/{}", client::segment(subscription))).await
    }

    async fn customer(&self, customer: &str) -> Result<Option<CustomerState>> {
        let path = format!("customers/{}", client::segment(customer));
        let found = self.client.find::<CustomerShape>(&path).await?.ok_or_else(|| {
            let told = "of another account than the key, or of the other mode";
            Error::internal(format!("Stripe has no customer {customer}: it is {told}"))
        })?;
        if found.deleted {
            return Ok(None);
        }
        let query = [("customer", customer), ("status", "all"), ("limit", PAGE)];
        let subscriptions = self.client.list("subscriptions", &query).await?;
        Ok(Some(CustomerState {
            reference: found.metadata.reference,
            subscriptions: shapes::subscriptions(subscriptions)?.subscriptions,
            invoices: self.invoices(customer).await?,
        }))
    }

    async fn customer_of_charge(&self, charge: &str) -> Result<Option<String>> {
        let path = format!("charges/{}", client::segment(charge));
        Ok(self.client.find::<ChargeShape>(&path).await?.and_then(|charge| charge.customer))
    }

    async fn live_subscriptions(&self, after: Option<&str>) -> Result<SubscriptionPage> {
        // Without `status`, Stripe lists those that were not cancelled.
        let mut query = vec![("limit", PAGE)];
        query.extend(after.map(|id| ("starting_after", id)));
        shapes::subscriptions(self.client.list("subscriptions", &query).await?)
    }

    async fn reversals_since(&self, since: Timestamp) -> Result<Vec<String>> {
        let mut customers = self.reversed("refunds", since).await?;
        customers.extend(self.reversed("disputes", since).await?);
        customers.sort_unstable();
        customers.dedup();
        Ok(customers)
    }

    async fn price(&self, price: &str) -> Result<Option<ProviderPrice>> {
        let path = format!("prices/{}", client::segment(price));
        Ok(self.client.find::<PriceShape>(&path).await?.map(PriceShape::price))
    }

    fn event(&self, header: &str, body: &[u8], now: Timestamp) -> Result<ProviderEvent> {
        signature::verify(header, body, &self.webhook_secrets, now)?;
        events::read(body, self.is_live)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_says_whether_it_moves_money() {
        for (key, expected) in [
            ("sk_test_1", Some(false)),
            ("sk_live_1", Some(true)),
            ("rk_live_1", Some(true)),
            ("rk_test_1", Some(false)),
            ("pk_live_1", None),
            ("whsec_1", None),
            ("sk_live_", None),
            ("sk_other_1", None),
            ("", None),
        ] {
            assert_eq!(is_live(key).ok(), expected, "{key}");
        }
    }
}
