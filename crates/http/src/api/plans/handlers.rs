//! What can be subscribed to.

use actix_web::HttpResponse;

use crate::{context::Context, problem::Result};

/// `GET payments/plans`: made once, since it changes with the configuration only.
pub(crate) async fn plans(context: Context) -> Result<HttpResponse> {
    Ok(context.serve(&context.state.plans))
}
