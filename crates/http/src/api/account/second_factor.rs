//! The user's own second factor, and signing in with it.

use actix_web::HttpResponse;
use alpine_domain::{
    account::{Email, FactorCode, UserId},
    ports::secrets::HashPriority,
};

use super::{
    qr,
    views::{BackupCodesView, FactorSetupView, FactorStatusView, SignedInView},
};
use crate::{context::Context, extract::fields::Fields, problem::Result};

/// `POST auth/verify-2fa`. Each token is good for a few codes; besides, codes are counted for the account as
/// guesses at its password are, apart from those.
pub(crate) async fn verify_sign_in(mut context: Context) -> Result<HttpResponse> {
    let mut fields = context.json().await?;
    let token = fields.text("mfa_token");
    let code = fields.parsed("token", FactorCode::parse);
    let (token, code) = fields.finish_with((Some(token), code))?;
    context.check_refusals()?;
    let accounts = &context.state.services.use_cases.accounts;
    let account = context.counting_refusals(accounts.challenged(&token).await).await?;
    count_code(&context, account.id, &account.email).await?;
    let address = context.address_digest()?;
    let signed_in = accounts.sign_in_with_code(Some(&address), &token, &code).await;
    let signed_in = context.counting_refusals(signed_in).await?;
    context.ok(&SignedInView::from(&signed_in))
}

/// `GET 2fa/status`.
pub(crate) async fn status(context: Context) -> Result<HttpResponse> {
    let accounts = &context.state.services.use_cases.accounts;
    context.ok(&FactorStatusView::from(accounts.factor_status(context.user()?).await?))
}

/// `POST 2fa/setup`. Nothing is asked for before it is enabled.
pub(crate) async fn set_up(context: Context) -> Result<HttpResponse> {
    let accounts = &context.state.services.use_cases.accounts;
    let setup = accounts.set_up_factor(context.user()?).await?;
    let qr_code = qr::data_uri(setup.uri.reveal())?;
    context.ok(&FactorSetupView::of(&setup, &qr_code))
}

/// `POST 2fa/enable`.
pub(crate) async fn enable(mut context: Context) -> Result<HttpResponse> {
    let (password, code) = password_and_code(context.json().await?)?;
    let (user, priority) = count_both(&context).await?;
    let accounts = &context.state.services.use_cases.accounts;
    accounts.enable_factor(user, (&password, priority), &code).await?;
    context.message("two-factor sign-in is on")
}

/// `POST 2fa/verify`.
pub(crate) async fn verify(mut context: Context) -> Result<HttpResponse> {
    let mut fields = context.json().await?;
    let code = fields.parsed("token", FactorCode::parse);
    let code = fields.finish_with(code)?;
    let user = context.user()?;
    let accounts = &context.state.services.use_cases.accounts;
    let email = accounts.profile(user).await?.email;
    count_code(&context, user, &email).await?;
    accounts.try_factor(user, &code).await?;
    context.message("the code is right, and used up")
}

/// `POST 2fa/backup-codes`.
pub(crate) async fn renew_backup_codes(mut context: Context) -> Result<HttpResponse> {
    let (password, code) = password_and_code(context.json().await?)?;
    let (user, priority) = count_both(&context).await?;
    let accounts = &context.state.services.use_cases.accounts;
    let codes = accounts.renew_backup_codes(user, (&password, priority), &code).await?;
    context.ok(&BackupCodesView::from(&codes[..]))
}

/// `POST 2fa/disable`.
pub(crate) async fn disable(mut context: Context) -> Result<HttpResponse> {
    let (password, code) = password_and_code(context.json().await?)?;
    let (user, priority) = count_both(&context).await?;
    let accounts = &context.state.services.use_cases.accounts;
    accounts.disable_factor(user, (&password, priority), &code).await?;
    context.message("two-factor sign-in is off")
}

fn password_and_code(mut fields: Fields) -> Result<(String, FactorCode)> {
    let password = fields.text("password");
    let code = fields.parsed("token", FactorCode::parse);
    fields.finish_with((Some(password), code))
}

/// Counts a guess at the caller's password, and one at the code.
async fn count_both(context: &Context) -> Result<(UserId, HashPriority)> {
    let user = context.user()?;
    let email = context.state.services.use_cases.accounts.profile(user).await?.email;
    let priority = context.count_guess(email.as_str()).await?;
    count_code(context, user, &email).await?;
    Ok((user, priority))
}

/// Counts a guess at a code of this account.
async fn count_code(context: &Context, user: UserId, email: &Email) -> Result<()> {
    context.count_guess_as(&format!("second factor of {user}"), email.as_str()).await?;
    Ok(())
}
