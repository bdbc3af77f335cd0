//! Who takes payments, and what is sold.

use std::{collections::BTreeMap, sync::Arc};

use alpine_domain::{
    Clock,
    account::Tier,
    billing::{BillingInterval, BillingSettings, PriceList, PricedPlan},
    plan::UsdCents,
    ports::payments::{PaymentProvider, ProviderPrice},
};
use alpine_infra::payments::{DevelopmentPayments, StripePayments, StripeSettings};
use anyhow::Context as _;

use crate::config::{Config, PaymentsBy};

/// # Errors
/// A setting that the adapter refuses.
pub(super) fn provider(
    config: &Config,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Option<Arc<dyn PaymentProvider>>> {
    Ok(match config.payments() {
        PaymentsBy::Nobody => None,
        PaymentsBy::Development => Some(Arc::new(development(config, clock))),
        PaymentsBy::Stripe => {
            let billing = &config.billing;
            let key = billing.stripe_key.clone().context("`billing.stripe_key` is missing")?;
            let settings = StripeSettings {
                key,
                webhook_secrets: billing.webhook_secrets.clone(),
                url: billing.stripe_url.clone(),
                timeout: billing.timeout,
            };
            Some(Arc::new(StripePayments::new(settings).context("`billing`")?))
        }
    })
}

fn development(config: &Config, clock: &Arc<dyn Clock>) -> DevelopmentPayments {
    let priced = prices(config).plans.into_iter().filter_map(|plan| {
        let price = ProviderPrice {
            cents: Some(plan.amount.get().into()),
            currency: "usd".to_owned(),
            period: (plan.interval.as_str().to_owned(), 1),
        };
        Some((plan.price?, price))
    });
    let pages = format!("{}/api/v1/payments/development", own_address(config));
    let path = config.data_dir.join("development-payments.json");
    DevelopmentPayments::new(path, priced.collect::<BTreeMap<_, _>>(), pages, clock.clone())
}

/// How a browser on this machine reaches the API.
fn own_address(config: &Config) -> String {
    format!("http://{}", config.http.bind)
}

/// How billing behaves.
pub(super) fn settings(config: &Config) -> BillingSettings {
    BillingSettings {
        prices: prices(config),
        grace: config.billing.grace,
        return_to: config.website().unwrap_or_else(|| own_address(config)),
    }
}

/// Where nothing is really paid, everything is sold.
fn prices(config: &Config) -> PriceList {
    let is_development = config.payments() == PaymentsBy::Development;
    let (monthly, billing) = (&config.plans, &config.billing);
    let yearly = &monthly.yearly;
    let mut plans = Vec::new();
    for (tier, month, year) in [
        (Tier::Starter, monthly.starter, yearly.starter),
        (Tier::Pro, monthly.pro, yearly.pro),
        (Tier::Elite, monthly.elite, yearly.elite),
    ] {
        for (interval, cents, ids) in [
            (BillingInterval::Month, Some(month), &billing.monthly_prices),
            (BillingInterval::Year, year, &billing.yearly_prices),
        ] {
            let Some(cents) = cents else { continue };
            let given = ids.of(tier).cloned();
            let price =
                if is_development { Some(format!("price_dev_{tier}_{interval}")) } else { given };
            plans.push(PricedPlan { tier, interval, amount: UsdCents::new(cents), price });
        }
    }
    PriceList { plans, older: billing.older_prices.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Sources, load};

    fn sold(variables: &[(&str, &str)]) -> PriceList {
        let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        let environment = variables.iter().map(owned).collect();
        prices(&load(&Sources { environment, ..Sources::default() }).unwrap().config)
    }

    #[test]
    fn what_is_sold_is_what_is_configured() {
        let list = sold(&[
            ("STRIPE_SECRET_KEY", "sk_test_0123456789abcdef"),
            ("STRIPE_WEBHOOK_SECRET", "whsec_0123456789abcdef"),
            ("STRIPE_STARTER_PRICE_ID", "price_1"),
            ("ALPINE__BILLING__YEARLY_PRICES__STARTER", "price_2"),
            ("ALPINE__BILLING__YEARLY_PRICES__ELITE", "price_3"),
            ("ALPINE__PLANS__YEARLY__PRO", "0"),
            ("ALPINE__BILLING__OLDER_PRICES__PRICE_0", "elite"),
        ]);
        let shown: Vec<_> = list
            .plans
            .iter()
            .map(|it| (it.tier, it.interval.as_str(), it.amount.get(), it.price.as_deref()))
            .collect();
        assert_eq!(
            shown,
            [
                (Tier::Starter, "month", 4_900, Some("price_1")),
                (Tier::Starter, "year", 49_000, Some("price_2")),
                (Tier::Pro, "month", 9_900, None),
                (Tier::Elite, "month", 24_900, None),
                (Tier::Elite, "year", 249_000, Some("price_3")),
            ]
        );
        assert_eq!(list.older, BTreeMap::from([("price_0".to_owned(), Tier::Elite)]));
    }

    #[test]
    fn everything_is_sold_where_nothing_is_paid() {
        let list = sold(&[]);
        assert_eq!(list.plans.len(), 6);
        assert!(
            list.plans
                .iter()
                .all(|it| it.price.as_ref().is_some_and(|id| id.starts_with("price_dev_")))
        );
    }
}
