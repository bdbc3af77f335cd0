//! The user's own API keys.

use actix_web::{
    HttpResponse,
    http::{
        StatusCode,
        header::{HeaderValue, LOCATION},
    },
};
use alpine_domain::account::{AccountState, Caller};

use super::views::{ApiKeyView, ApiKeysView, NewApiKeyView};
use crate::{
    context::Context,
    problem::{Challenge, Problem, Result},
};

fn state(context: &Context) -> Result<AccountState> {
    match context.caller {
        Caller::User { state, .. } => Ok(state),
        _ => Err(Problem::unauthenticated(Challenge::Bearer, "sign in first")),
    }
}

/// `GET users/api-keys`.
pub(crate) async fn list(context: Context) -> Result<HttpResponse> {
    let keys = context.state.services.use_cases.accounts.list_api_keys(context.user()?).await?;
    context
        .ok(&ApiKeysView { items: keys.iter().map(ApiKeyView::from).collect(), total: keys.len() })
}

/// `POST users/api-keys`. The key itself is shown in this answer and never again.
pub(crate) async fn create(mut context: Context) -> Result<HttpResponse> {
    let (user, state) = (context.user()?, state(&context)?);
    let mut fields = context.json().await?;
    let name = fields.text("name");
    let scopes = fields.optional_texts("scopes");
    let expires_at = fields.optional_timestamp("expires_at");
    fields.finish()?;
    let (key, secret) = context
        .state
        .services
        .use_cases
        .accounts
        .create_api_key(user, state, &name, scopes.as_deref(), expires_at)
        .await?;
    let view = NewApiKeyView { details: ApiKeyView::from(&key), key: secret.reveal() };
    let mut answer = context.answer(StatusCode::CREATED, &view)?;
    if let Ok(location) = HeaderValue::try_from(format!("/api/v1/users/api-keys/{}", key.id)) {
        answer.headers_mut().insert(LOCATION, location);
    }
    Ok(answer)
}

/// `DELETE users/api-keys/{id}`.
pub(crate) async fn revoke(context: Context) -> Result<HttpResponse> {
    let id = context.segment("id", "API key")?;
    context.state.services.use_cases.accounts.revoke_api_key(context.user()?, id).await?;
    context.message("API key revoked")
}
