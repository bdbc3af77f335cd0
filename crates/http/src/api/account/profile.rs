//! The user's own profile.

use actix_web::{HttpResponse, http::StatusCode};
use alpine_domain::{
    account::{Email, FullName, MailPurpose},
    event::tags,
    ports::cache::Scope,
};

use super::views::ProfileView;
use crate::{
    cached::loaded,
    context::{Context, Message},
    problem::Result,
};

/// `GET auth/me` and `GET users/profile`.
pub(crate) async fn profile(context: Context) -> Result<HttpResponse> {
    let user = context.user()?;
    let policy = context.cache_policy(context.state.settings.cache.profile, [tags::account(user)]);
    let scope = Scope::Principal(user.to_string());
    context
        .cached(policy, scope, String::new(), user, |services, user| async move {
            loaded(&ProfileView::from(&services.use_cases.accounts.profile(user).await?), None)
        })
        .await
}

/// `PUT users/profile`. What is not sent stays as it is. Another address needs the password, and trying
/// one counts as a guess at it.
pub(crate) async fn update_profile(mut context: Context) -> Result<HttpResponse> {
    let user = context.user()?;
    let mut fields = context.json().await?;
    let full_name = fields.optional_parsed("full_name", str::parse::<FullName>);
    let email = fields.optional_parsed("email", str::parse::<Email>);
    let current_password = fields.optional_text("current_password");
    fields.refuse("password", "is not changed here");
    fields.finish()?;
    let services = &context.state.services;
    let proof = match &current_password {
        Some(password) if email.is_some() => {
            let own = services.use_cases.accounts.profile(user).await?.email;
            Some((password.as_str(), context.count_guess(own.as_str()).await?))
        }
        _ => None,
    };
    let accounts = &services.use_cases.accounts;
    if accounts.confirms_addresses()
        && let Some(email) = &email
    {
        let own = accounts.profile(user).await?.email;
        context.count_mail(MailPurpose::OldAddress, own.as_str()).await?;
        context.count_mail(MailPurpose::NewAddress, email.as_str()).await?;
    }
    let changed = accounts.update_profile(user, full_name, email, proof).await?;
    if changed.waits_for_mail {
        let message = "mails are on their way to both addresses; once both are confirmed, the address changes";
        return context.answer(StatusCode::ACCEPTED, &Message { message });
    }
    context.ok(&ProfileView::from(&changed.account))
}
