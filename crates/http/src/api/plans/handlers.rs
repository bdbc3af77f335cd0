//! What can be subscribed to.

use actix_web::HttpResponse;

use super::views::PlansView;
use crate::{context::Context, json::to_json, problem::Result};

/// `GET payments/plans`: made once, since it changes with the configuration only.
pub(crate) async fn plans(context: Context) -> Result<HttpResponse> {
    context.serve_fixed(|| to_json(&PlansView::new(&context.state.settings.plans)))
}
