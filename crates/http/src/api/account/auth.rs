//! Sign-up, sign-in, refresh, sign-out.

use actix_web::{
    HttpResponse,
    http::{
        StatusCode,
        header::{HeaderValue, LOCATION},
    },
};
use alpine_domain::account::{Caller, Email, FullName, NewPassword, Registration};

use super::views::SignedInView;
use crate::{
    context::Context,
    extract::{body::MediaType, fields::Fields},
    problem::{Challenge, Problem, Result},
};

/// `POST auth/signup`. What would grant something (`tier`, `role`, ids) is not even read.
pub(crate) async fn sign_up(mut context: Context) -> Result<HttpResponse> {
    let mut fields = context.json().await?;
    let email = fields.parsed("email", str::parse::<Email>);
    let password = fields.parsed("password", NewPassword::parse);
    let full_name = fields.parsed("full_name", str::parse::<FullName>);
    let (email, password, full_name) = fields.finish_with((email, password, full_name))?;
    let registration = Registration::new(email, password, full_name)?;
    context.count_attempt(registration.email().as_str()).await?;
    let (accounts, address) =
        (&context.state.services.use_cases.accounts, context.address_digest()?);
    let signed_in = accounts.sign_up_from(&address, registration).await?;
    let mut answer = context.answer(StatusCode::CREATED, &SignedInView::from(&signed_in))?;
    let profile = HeaderValue::from_static("/api/v1/users/profile");
    answer.headers_mut().insert(LOCATION, profile);
    Ok(answer)
}

/// `POST auth/login`: a form with `username` and `password` (OAuth 2.0, RFC 6749, section 4.3.2), or
/// JSON with `email` and `password`.
pub(crate) async fn sign_in(mut context: Context) -> Result<HttpResponse> {
    let (media_type, body) = context.body(&[MediaType::Json, MediaType::Form]).await?;
    let (mut fields, name) = match media_type {
        MediaType::Form => (Fields::from_form(&body)?, "username"),
        _ => (Fields::from_json(&body)?, "email"),
    };
    let (email, password) = (fields.text(name), fields.text("password"));
    fields.finish()?;
    let priority = context.count_guess(&email).await?;
    let (accounts, address) =
        (&context.state.services.use_cases.accounts, context.address_digest()?);
    let signed_in = accounts.sign_in(Some(&address), priority, &email, &password).await?;
    context.ok(&SignedInView::from(&signed_in))
}

/// `POST auth/refresh`.
pub(crate) async fn refresh(mut context: Context) -> Result<HttpResponse> {
    let mut fields = context.json().await?;
    let token = fields.text("refresh_token");
    fields.finish()?;
    let (accounts, address) =
        (&context.state.services.use_cases.accounts, context.address_digest()?);
    context.check_refusals()?;
    let session = context.counting_refusals(accounts.session_of(&token).await).await?;
    context.count_refresh(session).await?;
    let refreshed = accounts.refresh(Some(&address), &token).await;
    let signed_in = context.counting_refusals(refreshed).await?;
    context.ok(&SignedInView::from(&signed_in))
}

/// `POST auth/logout`.
pub(crate) async fn sign_out(context: Context) -> Result<HttpResponse> {
    let Caller::User { session, .. } = context.caller else {
        return Err(Problem::unauthenticated(Challenge::Bearer, "sign in first"));
    };
    context.state.services.use_cases.accounts.sign_out(session).await?;
    context.message("signed out")
}

/// `POST auth/logout-all`.
pub(crate) async fn sign_out_everywhere(context: Context) -> Result<HttpResponse> {
    context.state.services.use_cases.accounts.sign_out_everywhere(context.user()?).await?;
    context.message("signed out everywhere")
}
