//! Accounts, for administrators.

use actix_web::{
    HttpResponse,
    http::header::{HeaderName, HeaderValue},
};
use alpine_domain::account::{AccountChanges, ChangeReason, Tier, UserFilter, UserQuery};

use super::{
    parameters::{self, Users},
    user_views::{AdminUserDetailView, AdminUserView, AdminUsersView, UserChangeRequest},
};
use crate::{
    cached::next_link,
    context::Context,
    doc::{Doc, Extra},
    json::MEDIA_TYPE as JSON,
    problem::{self, Result},
};

fn query(values: &Users) -> UserQuery {
    let ((limit, offset, after), tier, is_active, role, search) = values.clone();
    UserQuery { filter: UserFilter { tier, is_active, role, search }, limit, offset, after }
}

/// `GET admin/users`: a page, with a link to the next one.
pub(crate) async fn list(context: Context) -> Result<HttpResponse> {
    let (values, _) = context.parameters(&parameters::users())?;
    let page = context.state.services.use_cases.administration.users(query(&values)).await?;
    let mut answer = context.ok(&AdminUsersView::new(&page, values.0.0, values.0.1))?;
    let path = context.canonical_path();
    let link = page.next.map(|next| next_link(path, &parameters::users(), &values, next));
    if let Some((name, value)) = link
        && let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value))
    {
        answer.headers_mut().insert(name, value);
    }
    Ok(answer)
}

/// `GET admin/users/{id}`.
pub(crate) async fn find(context: Context) -> Result<HttpResponse> {
    let id = context.segment("id", "account")?;
    let user = context.state.services.use_cases.administration.user(id).await?;
    context.ok(&AdminUserDetailView::from(&user))
}

/// `PATCH admin/users/{id}`. What is not sent stays as it is.
pub(crate) async fn change(mut context: Context) -> Result<HttpResponse> {
    let id = context.segment("id", "account")?;
    let mut fields = context.json().await?;
    let tier = fields.optional_parsed("tier", str::parse::<Tier>);
    let is_active = fields.optional_flag("is_active");
    let reason = fields.parsed("reason", str::parse::<ChangeReason>);
    fields.refuse("role", "is changed by roles/assign and roles/remove");
    let reason = fields.finish_with(reason)?;
    let changes = AccountChanges { tier, is_active };
    let administration = &context.state.services.use_cases.administration;
    let account = administration.change(id, changes, Some(reason)).await?;
    context.ok(&AdminUserView::from(&account))
}

fn doc(summary: &'static str, answer: &'static str) -> Doc {
    Doc::new("admin", summary, answer)
}

pub(crate) fn list_doc() -> Doc {
    doc(
        "Accounts, by tier, state, role or the beginning of the address",
        "The newest first; with search in order of addresses.",
    )
    .parameters(&parameters::users())
    .gives::<AdminUsersView<'_>>()
    .with(Extra::Link)
    .problems(&[&problem::UNAVAILABLE])
}

pub(crate) fn find_doc() -> Doc {
    doc("One account with what belongs to it", "The account.")
        .gives::<AdminUserDetailView<'_>>()
        .problems(&[&problem::NOT_FOUND, &problem::UNAVAILABLE])
}

pub(crate) fn change_doc() -> Doc {
    doc(
        "Give an account another tier, disable or enable it, and say why",
        "As it is now; other instances know within two seconds. Disabling ends every session.",
    )
    .takes::<UserChangeRequest>(JSON)
    .gives::<AdminUserView<'_>>()
    .problems(&[&problem::NOT_FOUND, &problem::LAST_ADMIN, &problem::UNAVAILABLE])
}
