//! What can be subscribed to. A capability this small is one file.

use actix_web::HttpResponse;
use alpine_domain::{
    account::Tier,
    plan::{Plan, UsdCents},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    api::account::views::TierWord,
    context::Context,
    doc::{Doc, Extra},
    json::to_json,
    problem::Result,
};

/// `GET payments/plans`: made once, since it changes with the configuration only.
pub(crate) async fn plans(context: Context) -> Result<HttpResponse> {
    context.serve_fixed(|| to_json(&PlansView::new(&context.state.settings.plans)))
}

pub(crate) fn plans_doc() -> Doc {
    Doc::new("payments", "What can be subscribed to", "By price.")
        .with(Extra::Validator)
        .gives::<PlansView<'_>>()
}

/// Everything that can be subscribed to, lowest first.
#[derive(Serialize, ToSchema)]
#[schema(as = Plans)]
struct PlansView<'a> {
    items: Vec<PlanView<'a>>,
    total: usize,
}

/// A tier that is paid for by the month.
#[derive(Serialize, ToSchema)]
#[schema(as = Plan)]
struct PlanView<'a> {
    #[schema(value_type = TierWord)]
    tier: Tier,
    /// In `currency`, for each `interval`.
    #[schema(example = 49.0)]
    price: f64,
    /// The same in hundredths.
    #[schema(example = 4_900)]
    price_cents: u32,
    /// ISO 4217.
    #[schema(example = "USD")]
    currency: &'static str,
    #[schema(example = "month")]
    interval: &'static str,
    /// For a year, in hundredths; `null` where that is not sold.
    #[schema(required = true)]
    yearly_price_cents: Option<u32>,
    features: &'a [String],
}

impl<'a> PlansView<'a> {
    fn new(plans: &'a [Plan]) -> Self {
        let view = |plan: &'a Plan| PlanView {
            tier: plan.tier,
            price: plan.price.dollars(),
            price_cents: plan.price.get(),
            currency: "USD",
            interval: "month",
            yearly_price_cents: plan.yearly.map(UsdCents::get),
            features: &plan.features,
        };
        // The tier that nothing is paid for is no plan.
        let items: Vec<_> = plans.iter().filter(|plan| plan.price.get() > 0).map(view).collect();
        Self { total: items.len(), items }
    }
}
