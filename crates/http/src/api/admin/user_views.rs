//! Accounts, as administrators see them: never a hash, a token or a key.

use alpine_domain::{
    Timestamp,
    account::{Account, Role, Tier, UserDetail, UserId, UserPage},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::roles::RoleWord;
use crate::api::account::views::TierWord;

/// An account.
#[derive(Serialize, ToSchema)]
#[schema(as = AdminUser)]
pub(crate) struct AdminUserView<'a> {
    #[schema(value_type = String, format = "uuid")]
    id: UserId,
    /// Of a deleted account a placeholder below `deleted.invalid`.
    #[schema(format = Email)]
    email: &'a str,
    full_name: &'a str,
    #[schema(value_type = TierWord)]
    tier: Tier,
    #[schema(value_type = RoleWord)]
    role: Role,
    is_active: bool,
    is_verified: bool,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl<'a> From<&'a Account> for AdminUserView<'a> {
    fn from(account: &'a Account) -> Self {
        Self {
            id: account.id,
            email: account.email.as_str(),
            full_name: account.full_name.as_str(),
            tier: account.tier,
            role: account.role,
            is_active: account.is_active,
            is_verified: account.is_verified,
            created_at: account.created_at,
            updated_at: account.updated_at,
        }
    }
}

/// One page of accounts.
#[derive(Serialize, ToSchema)]
#[schema(as = AdminUsers)]
pub(crate) struct AdminUsersView<'a> {
    items: Vec<AdminUserView<'a>>,
    /// Exact up to 10,000.
    total: u32,
    /// There, and true, only if counting stopped at 10,000.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    total_capped: bool,
    limit: u32,
    offset: u32,
    has_more: bool,
    /// For `cursor`; null on the last page.
    #[schema(required = true)]
    next_cursor: Option<String>,
}

impl<'a> AdminUsersView<'a> {
    pub(crate) fn new(page: &'a UserPage, limit: u32, offset: u32) -> Self {
        Self {
            items: page.items.iter().map(AdminUserView::from).collect(),
            total: page.total,
            total_capped: page.total_capped,
            limit,
            offset,
            has_more: page.next.is_some(),
            next_cursor: page.next.as_ref().map(ToString::to_string),
        }
    }
}

/// An account with what belongs to it.
#[derive(Serialize, ToSchema)]
#[schema(as = AdminUserDetail)]
pub(crate) struct AdminUserDetailView<'a> {
    #[serde(flatten)]
    user: AdminUserView<'a>,
    /// Counted up to 100.
    live_sessions: u32,
    /// There, and true, only if counting stopped at 100.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    live_sessions_capped: bool,
    live_api_keys: u32,
    two_factor_enabled: bool,
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    two_factor_enabled_at: Option<Timestamp>,
    /// Null if no session of the account is kept any more.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    last_sign_in_at: Option<Timestamp>,
}

impl<'a> From<&'a UserDetail> for AdminUserDetailView<'a> {
    fn from(detail: &'a UserDetail) -> Self {
        Self {
            user: AdminUserView::from(&detail.account),
            live_sessions: detail.live_sessions,
            live_sessions_capped: detail.has_more_sessions,
            live_api_keys: detail.live_api_keys,
            two_factor_enabled: detail.second_factor_since.is_some(),
            two_factor_enabled_at: detail.second_factor_since,
            last_sign_in_at: detail.last_sign_in_at,
        }
    }
}

/// What to change of an account; what is not sent stays as it is.
#[derive(ToSchema)]
#[schema(as = UserChange)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct UserChangeRequest {
    #[schema(value_type = Option<TierWord>)]
    tier: Option<String>,
    /// Whether the account can be used. A deleted one stays disabled.
    is_active: Option<bool>,
    /// Why, for the audit log; name nobody in it.
    #[schema(min_length = 1, max_length = 200)]
    reason: String,
}
