//! What administrators are shown.

use alpine_domain::{
    Timestamp,
    account::AddressDigest,
    audit::{Action, Action as AuditAction, AuditCount, AuditPage, DayCounts, Outcome, StoredLine},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::doc::words;

words!(
    /// What was done, or refused.
    AuditActionWord, AuditAction
);
words!(
    /// What came of it.
    OutcomeWord, Outcome
);

/// A line of the audit log: who did what, to whom, when and from where. `user:`, `session:`, `api_key:`, `producer:` and
/// `job:` stand before ids.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditLine)]
pub(crate) struct AuditLineView<'a> {
    pub id: i64,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    #[schema(value_type = AuditActionWord)]
    pub action: Action,
    #[schema(value_type = OutcomeWord)]
    pub outcome: Outcome,
    /// Who did it.
    #[schema(example = "operator", max_length = 64)]
    pub actor: String,
    /// To whom or what; `null` where that is nobody in particular.
    #[schema(required = true, max_length = 64)]
    pub subject: Option<String>,
    /// Stands for the client's address, as in `users/sessions`; `null` if no client did it.
    #[schema(required = true, max_length = 64)]
    pub address_digest: Option<&'a str>,
    #[schema(required = true, max_length = 128)]
    pub request_id: Option<&'a str>,
    /// Why it was refused, or the words of who did it.
    #[schema(required = true)]
    pub reason: Option<&'a str>,
    /// What changed.
    #[schema(required = true)]
    pub detail: Option<&'a str>,
    /// How many refusals that were alike this line stands for; the first one's time and request are told.
    #[schema(minimum = 1)]
    pub count: u32,
}

impl<'a> From<&'a StoredLine> for AuditLineView<'a> {
    fn from(StoredLine { id, line }: &'a StoredLine) -> Self {
        Self {
            id: *id,
            created_at: line.at,
            action: line.action,
            outcome: line.outcome,
            actor: line.actor.to_string(),
            subject: line.subject.map(|subject| subject.to_string()),
            address_digest: line.address.as_ref().map(AddressDigest::as_str),
            request_id: line.request_id.as_deref(),
            reason: line.reason.as_deref(),
            detail: line.detail.as_deref(),
            count: line.count,
        }
    }
}

/// Lines of the audit log, the newest first. How many there are in all is not counted.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditPage)]
pub(crate) struct AuditPageView<'a> {
    pub items: Vec<AuditLineView<'a>>,
    pub limit: u32,
    pub has_more: bool,
    /// For `cursor`.
    #[schema(required = true)]
    pub next_cursor: Option<String>,
}

impl<'a> AuditPageView<'a> {
    pub(crate) fn new(page: &'a AuditPage, limit: u32, next_cursor: Option<String>) -> Self {
        let items = page.lines.iter().map(AuditLineView::from).collect();
        Self { items, limit, has_more: next_cursor.is_some(), next_cursor }
    }
}

/// How often something was done.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditCount)]
pub(crate) struct AuditCountView {
    #[schema(value_type = AuditActionWord)]
    pub action: Action,
    #[schema(value_type = OutcomeWord)]
    pub outcome: Outcome,
    pub count: u64,
}

/// What concerns security, in 24 hours: those of the clock that have begun, the current one included. Refusals are
/// counted some ten seconds after they happened.
#[derive(Serialize, ToSchema)]
#[schema(as = SecurityMetrics)]
pub(crate) struct SecurityMetricsView {
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub until: Timestamp,
    /// Sessions that were opened.
    pub successful_logins: u64,
    /// Sign-ins with a wrong password, an unknown address or a disabled account.
    pub failed_logins: u64,
    /// Attempts beyond the limits of signing in and proving a password.
    pub rate_limited_attempts: u64,
    /// Requests for what only administrators may.
    pub access_denied: u64,
    /// Refresh tokens that came a second time.
    pub refresh_replays: u64,
    /// Passwords that were changed, or set by a mailed token.
    pub password_changes: u64,
    pub accounts_created: u64,
    pub api_keys_created: u64,
    pub api_keys_revoked: u64,
    pub role_changes: u64,
    /// The same and everything else, by action.
    pub counts: Vec<AuditCountView>,
}

impl From<&DayCounts> for SecurityMetricsView {
    fn from(day: &DayCounts) -> Self {
        let done = |action| day.of(action, Outcome::Success);
        let denied = |action| day.of(action, Outcome::Denied);
        let counts = day.counts.iter().map(|AuditCount { action, outcome, count }| {
            AuditCountView { action: *action, outcome: *outcome, count: *count }
        });
        Self {
            since: day.since,
            until: day.until,
            successful_logins: done(Action::SignIn),
            failed_logins: denied(Action::SignIn),
            rate_limited_attempts: denied(Action::AttemptsLimited),
            access_denied: denied(Action::AccessDenied),
            refresh_replays: denied(Action::RefreshReplayed),
            password_changes: done(Action::PasswordChanged) + done(Action::PasswordReset),
            accounts_created: done(Action::AccountCreated),
            api_keys_created: done(Action::ApiKeyCreated),
            api_keys_revoked: done(Action::ApiKeyRevoked),
            role_changes: done(Action::RoleChanged) + done(Action::AdminPromoted),
            counts: counts.collect(),
        }
    }
}
