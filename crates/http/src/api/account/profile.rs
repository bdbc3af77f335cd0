//! The user's own profile.

use std::sync::Arc;

use actix_web::HttpResponse;
use alpine_domain::{
    account::{Email, FullName},
    event::tags,
    ports::cache::Scope,
};

use super::views::ProfileView;
use crate::{cached::loaded, context::Context, problem::Result};

/// `GET auth/me` and `GET users/profile`.
pub(crate) async fn profile(context: Context) -> Result<HttpResponse> {
    let user = context.user()?;
    let policy = context.cache_policy(context.state.settings.cache.profile, [tags::account(user)]);
    context
        .cached(policy, Scope::Principal(user.to_string()), String::new(), move |services| {
            let accounts = Arc::clone(&services.accounts);
            async move { loaded(&ProfileView::from(&accounts.profile(user).await?), None) }
        })
        .await
}

/// `PUT users/profile`. What is not sent stays as it is.
pub(crate) async fn update_profile(mut context: Context) -> Result<HttpResponse> {
    let user = context.user()?;
    let mut fields = context.json().await?;
    let full_name = fields.optional_checked("full_name", str::parse::<FullName>);
    let email = fields.optional_checked("email", str::parse::<Email>);
    fields.finish()?;
    let services = &context.state.services;
    let account =
        services.accounts.update_profile(user, full_name.as_deref(), email.as_deref()).await?;
    context.ok(&ProfileView::from(&account))
}
