//! What payments bring, for administrators.

use std::time::Duration;

use actix_web::HttpResponse;
use alpine_domain::{
    Timestamp,
    account::Tier,
    analytics::{Revenue, Usage},
    event::tags,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    cached::loaded,
    context::Context,
    doc::{Doc, Extra},
    problem::{self, Result},
};

/// How long the figures are kept.
const KEPT: Duration = Usage::INTERVAL;

/// By tier, in US dollars.
#[derive(Serialize, ToSchema)]
#[schema(as = RevenueByTier)]
struct RevenueByTierView {
    starter: f64,
    pro: f64,
    elite: f64,
}

/// By tier.
#[derive(Serialize, ToSchema)]
#[schema(as = SubscriptionsByTier)]
struct SubscriptionsByTierView {
    starter: u64,
    pro: u64,
    elite: u64,
}

/// Amounts are US dollars, exact to the cent: what was paid for invoices, less what went back and what is disputed, on the
/// day on which it was paid. Days are UTC, weeks begin on Monday; rates are of the last 30 days, today included.
#[derive(Serialize, ToSchema)]
#[schema(as = Revenue)]
struct RevenueView {
    /// When they were put together.
    #[schema(value_type = String, format = DateTime)]
    as_of: Timestamp,
    total_revenue: f64,
    revenue_today: f64,
    revenue_this_week: f64,
    revenue_this_month: f64,
    /// By what was paid for.
    revenue_by_tier: RevenueByTierView,
    /// Customers to whom payment gives a tier now, those in their grace included.
    active_subscriptions: u64,
    active_by_tier: SubscriptionsByTierView,
    /// What they pay in a month; a year counts as twelve months.
    mrr: f64,
    /// Subscriptions that ended, in percent of those that were there when the 30 days began.
    #[schema(minimum = 0.0)]
    churn_rate: f64,
    /// Subscriptions that began, in percent of accounts that were made.
    #[schema(minimum = 0.0)]
    conversion_rate: f64,
}

#[expect(clippy::cast_precision_loss, reason = "cents of a business are far below 2^53")]
fn dollars(cents: u64) -> f64 {
    cents as f64 / 100.0
}

impl From<&Revenue> for RevenueView {
    fn from(revenue: &Revenue) -> Self {
        let of = |list: &[(Tier, u64)], tier| {
            list.iter().find(|(other, _)| *other == tier).map_or(0, |(_, value)| *value)
        };
        let cents = |tier| dollars(of(&revenue.by_tier, tier));
        let count = |tier| of(&revenue.subscribers, tier);
        Self {
            as_of: revenue.at,
            total_revenue: dollars(revenue.total_cents),
            revenue_today: dollars(revenue.cents.today),
            revenue_this_week: dollars(revenue.cents.this_week),
            revenue_this_month: dollars(revenue.cents.this_month),
            revenue_by_tier: RevenueByTierView {
                starter: cents(Tier::Starter),
                pro: cents(Tier::Pro),
                elite: cents(Tier::Elite),
            },
            active_subscriptions: revenue.active(),
            active_by_tier: SubscriptionsByTierView {
                starter: count(Tier::Starter),
                pro: count(Tier::Pro),
                elite: count(Tier::Elite),
            },
            mrr: dollars(revenue.monthly_cents),
            churn_rate: revenue.churn_rate(),
            conversion_rate: revenue.conversion_rate(),
        }
    }
}

/// `GET admin/revenue`.
pub(crate) async fn revenue(context: Context) -> Result<HttpResponse> {
    let policy = context.cache_policy(KEPT, [tags::signals(context.viewer())]);
    context
        .cached_for_group(policy, String::new(), (), |services, _, ()| async move {
            let revenue = services.use_cases.analytics.revenue().await?;
            loaded(&RevenueView::from(&revenue), Some(revenue.at.later(KEPT)))
        })
        .await
}

pub(crate) fn revenue_doc() -> Doc {
    Doc::new("admin", "What payments bring", "The figures.")
        .gives::<RevenueView>()
        .with(Extra::Validator)
        .problems(&[&problem::UNAVAILABLE])
}
