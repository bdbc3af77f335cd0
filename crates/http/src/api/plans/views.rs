//! What can be subscribed to.

use alpine_domain::{account::Tier, plan::Plan};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::account::views::TierWord;

/// Everything that can be subscribed to, lowest first.
#[derive(Serialize, ToSchema)]
#[schema(as = Plans)]
pub(crate) struct PlansView<'a> {
    pub items: Vec<PlanView<'a>>,
    pub total: usize,
}

/// A tier that is paid for by the month.
#[derive(Serialize, ToSchema)]
#[schema(as = Plan)]
pub(crate) struct PlanView<'a> {
    #[schema(value_type = TierWord)]
    pub tier: Tier,
    /// In `currency`, for each `interval`.
    #[schema(example = 49.0)]
    pub price: f64,
    /// The same in hundredths.
    #[schema(example = 4_900)]
    pub price_cents: u32,
    /// ISO 4217.
    #[schema(example = "USD")]
    pub currency: &'static str,
    #[schema(example = "month")]
    pub interval: &'static str,
    pub features: &'a [String],
}

impl<'a> PlansView<'a> {
    pub(crate) fn new(plans: &'a [Plan]) -> Self {
        let view = |plan: &'a Plan| PlanView {
            tier: plan.tier,
            price: plan.price.dollars(),
            price_cents: plan.price.get(),
            currency: "USD",
            interval: "month",
            features: &plan.features,
        };
        Self { items: plans.iter().map(view).collect(), total: plans.len() }
    }
}
