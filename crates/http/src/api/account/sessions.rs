//! The user's own sessions, and another password, which ends them.

use actix_web::HttpResponse;
use alpine_domain::account::{Caller, NewPassword, SessionId};

use super::views::{PasswordChangedView, SessionView, SessionsView, SignedInView};
use crate::{
    context::Context,
    problem::{Challenge, Problem, Result},
};

/// The session of the access token.
pub(super) fn own(context: &Context) -> Result<SessionId> {
    match context.caller {
        Caller::User { session, .. } => Ok(session),
        _ => Err(Problem::unauthenticated(Challenge::Bearer, "sign in first")),
    }
}

/// `GET users/sessions`.
pub(crate) async fn list(context: Context) -> Result<HttpResponse> {
    let (user, own) = (context.user()?, own(&context)?);
    let sessions = context.state.services.use_cases.accounts.sessions(user).await?;
    let items = sessions.newest.iter().map(|session| SessionView::of(session, own)).collect();
    context.ok(&SessionsView { items, has_more: sessions.has_more })
}

/// `DELETE users/sessions/{id}`.
pub(crate) async fn end(context: Context) -> Result<HttpResponse> {
    let id = context.segment("id", "session")?;
    context.state.services.use_cases.accounts.end_session(context.user()?, id).await?;
    context.message("session ended")
}

/// `PUT users/password`. Trying a current password counts as a guess at it. What the caller goes on with
/// is in the answer, since the caller's own session ends with the others.
pub(crate) async fn change_password(mut context: Context) -> Result<HttpResponse> {
    let user = context.user()?;
    let mut fields = context.json().await?;
    let current = fields.text("current_password");
    let new = fields.parsed("new_password", NewPassword::parse);
    let (current, new) = fields.finish_with((Some(current), new))?;
    let accounts = &context.state.services.use_cases.accounts;
    let email = accounts.profile(user).await?.email;
    let priority = context.count_guess(email.as_str()).await?;
    let address = context.address_digest()?;
    let signed_in = accounts.change_password(user, &address, (&current, priority), &new).await?;
    context.ok(&PasswordChangedView {
        message: "password changed; every other session has ended",
        signed_in: SignedInView::from(&signed_in),
    })
}
