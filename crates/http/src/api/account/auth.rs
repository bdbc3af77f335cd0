//! Sign-up, sign-in, refresh, sign-out.

use actix_web::{
    HttpResponse,
    http::{
        StatusCode,
        header::{HeaderValue, LOCATION},
    },
};
use alpine_domain::account::{
    AddressConfirmed, Email, FullName, MailPurpose, NewPassword, Registration, SignIn, SignOut,
    SignedIn,
};

use super::{sessions::own as own_session, views::SignedInView};
use crate::{
    context::{Context, Message},
    extract::{body::MediaType, fields::Fields},
    problem::Result,
};

/// `POST auth/signup`. What would grant something (`tier`, `role`, ids) is not even read. Where signing up is confirmed
/// by mail, the answer is the same for an address that has an account.
pub(crate) async fn sign_up(mut context: Context) -> Result<HttpResponse> {
    let mut fields = context.json().await?;
    let email = fields.parsed("email", str::parse::<Email>);
    let password = fields.parsed("password", NewPassword::parse);
    let full_name = fields.parsed("full_name", str::parse::<FullName>);
    let (email, password, full_name) = fields.finish_with((email, password, full_name))?;
    let registration = Registration::new(email, password, full_name)?;
    context.count_attempt(registration.email().as_str()).await?;
    let accounts = &context.state.services.use_cases.accounts;
    if accounts.confirms_addresses() {
        context.count_mail(MailPurpose::SignUp, registration.email().as_str()).await?;
        accounts.request_sign_up(registration).await?;
        let message = "a mail is on its way; its link finishes the sign-up";
        return context.answer(StatusCode::ACCEPTED, &Message { message });
    }
    let signed_in = accounts.sign_up_from(&context.address_digest()?, registration).await?;
    created(&context, &signed_in)
}

/// `POST auth/confirm-signup`. The password is that of the sign-up: who did not choose it makes no account. Tries are
/// counted for the token.
pub(crate) async fn confirm_sign_up(mut context: Context) -> Result<HttpResponse> {
    let mut fields = context.json().await?;
    let (token, password) = (fields.text("token"), fields.text("password"));
    fields.finish()?;
    context.count_attempt(&token).await?;
    let address = context.address_digest()?;
    let accounts = &context.state.services.use_cases.accounts;
    let signed_in = accounts.confirm_sign_up(&address, &token, &password).await?;
    created(&context, &signed_in)
}

/// 201, with where the account is.
fn created(context: &Context, signed_in: &SignedIn) -> Result<HttpResponse> {
    let mut answer = context.answer(StatusCode::CREATED, &SignedInView::from(signed_in))?;
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
    if media_type == MediaType::Json {
        // A form is OAuth's, which has members of its own.
        context.note_unknown(fields.names());
    }
    fields.finish()?;
    let priority = context.count_guess(&email).await?;
    let (accounts, address) =
        (&context.state.services.use_cases.accounts, context.address_digest()?);
    let sign_in = accounts.begin_sign_in(Some(&address), priority, &email, &password).await?;
    signed_in(&context, sign_in)
}

/// `POST auth/forgot-password`. Says and does the same whether or not there is such an account.
pub(crate) async fn forgot_password(mut context: Context) -> Result<HttpResponse> {
    let mut fields = context.json().await?;
    let email = fields.text("email");
    fields.finish()?;
    context.count_attempt(&email).await?;
    context.count_mail(MailPurpose::Reset, &email).await?;
    context.state.services.use_cases.recovery.request(&email).await?;
    context.message("if there is such an account, a mail is on its way")
}

/// `POST auth/reset-password`.
pub(crate) async fn reset_password(mut context: Context) -> Result<HttpResponse> {
    let mut fields = context.json().await?;
    let token = fields.text("token");
    let password = fields.parsed("password", NewPassword::parse);
    let (token, password) = fields.finish_with((Some(token), password))?;
    context.state.services.use_cases.recovery.reset(&token, password).await?;
    context.message("password changed; every session has ended")
}

/// `POST auth/sign-in-link`. Says and does the same whether or not there is such an account. Wrong guesses at the
/// password by others do not count here.
pub(crate) async fn request_sign_in_link(mut context: Context) -> Result<HttpResponse> {
    let mut fields = context.json().await?;
    let email = fields.text("email");
    fields.finish()?;
    context.count_attempt(&email).await?;
    context.count_mail(MailPurpose::SignIn, &email).await?;
    context.state.services.use_cases.links.request(&email).await?;
    context.message("if there is such an account, a mail is on its way")
}

/// `POST auth/sign-in-link/redeem`.
pub(crate) async fn sign_in_by_link(mut context: Context) -> Result<HttpResponse> {
    let mut fields = context.json().await?;
    let token = fields.text("token");
    fields.finish()?;
    let address = context.address_digest()?;
    let accounts = &context.state.services.use_cases.accounts;
    signed_in(&context, accounts.begin_sign_in_by_link(&address, &token).await?)
}

/// Tokens, or the question for a code.
fn signed_in(context: &Context, sign_in: SignIn) -> Result<HttpResponse> {
    match sign_in {
        SignIn::Complete(signed_in) => context.ok(&SignedInView::from(&*signed_in)),
        SignIn::NeedsCode(needed) => context.ok(&SignedInView::from(&*needed)),
    }
}

/// `POST auth/verify-email`.
pub(crate) async fn verify_email(mut context: Context) -> Result<HttpResponse> {
    let mut fields = context.json().await?;
    let token = fields.text("token");
    fields.finish()?;
    context.state.services.use_cases.verification.confirm(&token).await?;
    context.message("the address is confirmed")
}

/// `POST auth/confirm-email`.
pub(crate) async fn confirm_address(mut context: Context) -> Result<HttpResponse> {
    let mut fields = context.json().await?;
    let token = fields.text("token");
    fields.finish()?;
    let accounts = &context.state.services.use_cases.accounts;
    context.message(match accounts.confirm_address(&token).await? {
        AddressConfirmed::One => "confirmed; the other address is still to be confirmed",
        AddressConfirmed::Both => "the account has the new address",
    })
}

/// `POST auth/resend-verification`. Says the same to whoever is confirmed already, and sends nothing then.
pub(crate) async fn resend_verification(context: Context) -> Result<HttpResponse> {
    let user = context.user()?;
    let use_cases = &context.state.services.use_cases;
    let email = use_cases.accounts.profile(user).await?.email;
    context.count_mail(MailPurpose::Verify, email.as_str()).await?;
    use_cases.verification.request(user).await?;
    context.message("unless the address is confirmed, a mail is on its way")
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
    let session = own_session(&context)?;
    context.state.services.use_cases.accounts.sign_out(session).await?;
    context.message("signed out")
}

/// `POST auth/logout-all`, with or without a body.
pub(crate) async fn sign_out_everywhere(mut context: Context) -> Result<HttpResponse> {
    let mut fields = context.optional_json().await?;
    let and_keys = fields.optional_flag("api_keys");
    fields.finish()?;
    let (ended, message) = if and_keys == Some(true) {
        (SignOut::SessionsAndKeys, "signed out everywhere, and every API key has ended")
    } else {
        (SignOut::Sessions, "signed out everywhere; API keys stay good")
    };
    let accounts = &context.state.services.use_cases.accounts;
    accounts.sign_out_everywhere(context.user()?, ended).await?;
    context.message(message)
}
