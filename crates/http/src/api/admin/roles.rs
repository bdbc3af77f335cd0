//! Roles: what they permit, who has them.

use actix_web::HttpResponse;
use alpine_domain::account::{Account, Role, UserId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    context::Context,
    doc::{Doc, words},
    extract::fields::Fields,
    json::MEDIA_TYPE as JSON,
    problem::{self, Result},
};

words!(
    /// The words of [`Role`].
    RoleWord, Role
);

/// A role and what it permits.
#[derive(Serialize, ToSchema)]
#[schema(as = RoleDescription)]
struct RoleView {
    #[schema(value_type = RoleWord)]
    role: Role,
    #[schema(example = json!(["administer"]))]
    permissions: Vec<&'static str>,
}

/// Every role.
#[derive(Serialize, ToSchema)]
#[schema(as = Roles)]
struct RolesView {
    items: Vec<RoleView>,
    total: usize,
}

/// Whose role.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct RoleRequest {
    #[schema(format = "uuid")]
    user_id: String,
    #[schema(value_type = RoleWord)]
    role: String,
}

/// What a user is by now.
#[derive(Serialize, ToSchema)]
#[schema(as = UserRole)]
struct UserRoleView<'a> {
    message: &'a str,
    #[schema(value_type = String, format = "uuid")]
    user_id: UserId,
    #[schema(value_type = RoleWord)]
    role: Role,
}

/// `GET roles`.
pub(crate) async fn list(context: Context) -> Result<HttpResponse> {
    let view = |role: &Role| RoleView {
        role: *role,
        permissions: role.permissions().iter().map(|permission| permission.as_str()).collect(),
    };
    let items: Vec<RoleView> = Role::ALL.iter().map(view).collect();
    context.ok(&RolesView { total: items.len(), items })
}

/// `POST roles/assign`.
pub(crate) async fn assign(mut context: Context) -> Result<HttpResponse> {
    let (user, role) = read(context.json().await?)?;
    let account = context.state.services.use_cases.accounts.assign_role(user, role).await?;
    answer(&context, "role assigned", &account)
}

/// `DELETE roles/remove`.
pub(crate) async fn remove(mut context: Context) -> Result<HttpResponse> {
    let (user, role) = read(context.json().await?)?;
    let account = context.state.services.use_cases.accounts.remove_role(user, role).await?;
    answer(&context, "role removed", &account)
}

fn read(mut fields: Fields) -> Result<(UserId, Role)> {
    let user = fields.parsed("user_id", str::parse::<UserId>);
    let role = fields.parsed("role", str::parse::<Role>);
    fields.finish_with((user, role))
}

fn answer(context: &Context, message: &str, account: &Account) -> Result<HttpResponse> {
    context.ok(&UserRoleView { message, user_id: account.id, role: account.role })
}

fn doc(summary: &'static str, answer: &'static str) -> Doc {
    Doc::new("admin", summary, answer)
}

pub(crate) fn list_doc() -> Doc {
    doc("Roles and what they permit", "The roles.").gives::<RolesView>()
}

pub(crate) fn assign_doc() -> Doc {
    doc("Give a user a role", "Given; other instances know within two seconds.")
        .takes::<RoleRequest>(JSON)
        .gives::<UserRoleView<'_>>()
        .problems(&[&problem::NOT_FOUND, &problem::LAST_ADMIN, &problem::UNAVAILABLE])
}

pub(crate) fn remove_doc() -> Doc {
    doc("Take a role from a user, never from the last administrator", "Taken.")
        .takes::<RoleRequest>(JSON)
        .gives::<UserRoleView<'_>>()
        .problems(&[&problem::NOT_FOUND, &problem::LAST_ADMIN, &problem::UNAVAILABLE])
}
