//! What requests carry, for the description.

use utoipa::ToSchema;

use super::views::IntervalWord;
use crate::api::account::views::TierWord;

/// What is wanted.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) struct UpgradeRequest {
    /// `starter`, `pro` or `elite`.
    #[schema(value_type = TierWord, example = "pro")]
    tier: String,
    /// `month` if it is not said.
    #[schema(value_type = Option<IntervalWord>)]
    interval: Option<String>,
}

/// An event: docs.stripe.com/api/events/object. The raw body is what is signed.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) struct StripeEvent {
    #[schema(min_length = 1, max_length = 255, example = "evt_1")]
    id: String,
    #[schema(min_length = 1, max_length = 255, example = "invoice.paid")]
    r#type: String,
    livemode: bool,
    #[schema(value_type = Object)]
    data: String,
}
