//! What can be bought, by the provider's ids.

use std::collections::BTreeMap;

use crate::{
    account::Tier, plan::UsdCents, ports::payments::ProviderSubscription, text_enum::text_enum,
};

text_enum!(
    /// How often is paid.
    BillingInterval, {
        /// Every month.
        Month = "month",
        /// Every year.
        Year = "year",
    }
);

/// A tier at a price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PricedPlan {
    /// What is bought.
    pub tier: Tier,
    /// How often is paid.
    pub interval: BillingInterval,
    /// How much each time.
    pub amount: UsdCents,
    /// The provider's id; `None`: it cannot be bought.
    pub price: Option<String>,
}

/// The currency of every price, ISO 4217 as the provider writes it.
pub(super) const CURRENCY: &str = "usd";

/// What can be bought, and what could be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PriceList {
    /// What is for sale.
    pub plans: Vec<PricedPlan>,
    /// Prices of before, whose subscribers keep what they bought.
    pub older: BTreeMap<String, Tier>,
}

impl PriceList {
    /// What is sold as this.
    pub fn plan(&self, tier: Tier, interval: BillingInterval) -> Option<&PricedPlan> {
        self.plans.iter().find(|plan| plan.tier == tier && plan.interval == interval)
    }

    fn priced(&self, price: &str) -> Option<&PricedPlan> {
        self.plans.iter().find(|plan| plan.price.as_deref() == Some(price))
    }

    /// What a subscription is for.
    ///
    /// # Errors
    /// In words for the owner: its price is not in the list, or is another one at the provider than here.
    pub fn tier_of(&self, subscription: &ProviderSubscription) -> Result<Tier, String> {
        let ProviderSubscription { id, price, cents, currency, .. } = subscription;
        if let Some(tier) = self.older.get(price) {
            return Ok(*tier);
        }
        let plan = self.priced(price).ok_or_else(|| {
            format!("{id} has the price {price}, which billing.monthly_prices, yearly_prices and older_prices do not name")
        })?;
        let expected = i64::from(plan.amount.get());
        if *cents != Some(expected) || currency != CURRENCY {
            let cents = cents.map_or_else(|| "no fixed amount".to_owned(), |it| it.to_string());
            return Err(format!(
                "{id} costs {cents} {currency}, and {} by the {} costs {expected} {CURRENCY} here",
                plan.tier, plan.interval
            ));
        }
        Ok(plan.tier)
    }
}
