//! What is kept about a person, and its end.

use actix_web::{
    HttpResponse,
    http::header::{CONTENT_DISPOSITION, HeaderValue},
};
use alpine_domain::{
    Timestamp,
    account::UserId,
    audit::{AuditFilter, AuditQuery, Party},
    notification::{NotificationRequest, Recipient},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    sessions,
    views::{ApiKeyView, FactorStatusView, ProfileView, SessionView},
};
use crate::{
    api::{
        admin::views::AuditLineView,
        billing::views::{InvoiceView, OwnPlanView},
        channels::views::ChannelView,
        notifications::{preferences::PreferencesView, views::NotificationView},
    },
    context::Context,
    problem::Result,
};

/// Lines of the audit log that one file holds at most.
const MOST_LINES: u32 = 1_000;

/// Invoices that one file holds at most.
const MOST_INVOICES: u32 = 100;

/// All that is kept about a person. Passwords, keys and secrets are kept as digests, which tell nothing.
#[derive(Serialize, ToSchema)]
#[schema(as = PersonalData)]
pub(crate) struct PersonalDataView<'a> {
    #[schema(value_type = String, format = DateTime)]
    pub exported_at: Timestamp,
    pub profile: ProfileView<'a>,
    pub second_factor: FactorStatusView,
    /// The live ones, the newest first, a hundred at most.
    #[schema(max_items = 100)]
    pub sessions: Vec<SessionView<'a>>,
    pub has_more_sessions: bool,
    pub api_keys: Vec<ApiKeyView<'a>>,
    pub subscription: OwnPlanView<'a>,
    /// The newest first, a hundred at most.
    #[schema(max_items = 100)]
    pub invoices: Vec<InvoiceView<'a>>,
    pub has_more_invoices: bool,
    /// What the person did, the newest first, a thousand lines at most.
    #[schema(max_items = 1000)]
    pub activity: Vec<AuditLineView<'a>>,
    pub has_more_activity: bool,
    /// What the person is told of, the newest first: all that there is.
    #[schema(max_items = 700)]
    pub notifications: Vec<NotificationView<'a>>,
    pub notification_preferences: PreferencesView,
    #[schema(max_items = 2)]
    pub channels: Vec<ChannelView<'a>>,
}

/// `GET users/export`. Each part is read by itself: what changes meanwhile may stand in one and not in another.
pub(crate) async fn export(context: Context) -> Result<HttpResponse> {
    let (user, own) = (context.user()?, sessions::own(&context)?);
    let recipient = Recipient { user, viewer: context.viewer() };
    let cases = &context.state.services.use_cases;
    let account = cases.accounts.profile(user).await?;
    let factor = cases.accounts.factor_status(user).await?;
    let sessions = cases.accounts.sessions(user).await?;
    let keys = cases.accounts.list_api_keys(user).await?;
    let plan = cases.subscriptions.plan(user).await?;
    let invoices = cases.subscriptions.invoices(user, None, MOST_INVOICES).await?;
    let activity = cases.audit.page(of(user)).await?;
    let told = cases.notifications.page(recipient, NotificationRequest::whole()).await?;
    let muted = cases.notifications.muted(user).await?;
    let digest = cases.digests.every(user).await?;
    let channels = cases.channels.own(user).await?;
    let exported_at = context.state.services.clock.now();
    let view = PersonalDataView {
        exported_at,
        profile: ProfileView::from(&account),
        second_factor: FactorStatusView::from(factor),
        sessions: sessions.newest.iter().map(|session| SessionView::of(session, own)).collect(),
        has_more_sessions: sessions.has_more,
        api_keys: keys.iter().map(ApiKeyView::from).collect(),
        subscription: OwnPlanView::new(&plan, &context.state.settings.plans),
        invoices: invoices.invoices.iter().map(InvoiceView::from).collect(),
        has_more_invoices: invoices.has_more,
        activity: activity.lines.iter().map(AuditLineView::from).collect(),
        has_more_activity: activity.next.is_some(),
        notifications: told.items.iter().map(|one| NotificationView::of(user, one)).collect(),
        notification_preferences: PreferencesView::new(&muted, digest),
        channels: channels.iter().map(ChannelView::from).collect(),
    };
    let mut answer = context.ok(&view)?;
    let name = HeaderValue::from_static("attachment; filename=\"alpine_account.json\"");
    answer.headers_mut().insert(CONTENT_DISPOSITION, name);
    Ok(answer)
}

fn of(user: UserId) -> AuditQuery {
    let filter = AuditFilter::Actor(Party::User(user));
    AuditQuery { filter, since: None, until: None, after: None, limit: MOST_LINES }
}

/// `DELETE users/account`. Trying a password counts as a guess at it.
pub(crate) async fn delete(mut context: Context) -> Result<HttpResponse> {
    let user = context.user()?;
    let mut fields = context.json().await?;
    let password = fields.text("password");
    fields.finish()?;
    let accounts = &context.state.services.use_cases.accounts;
    let email = accounts.profile(user).await?.email;
    let priority = context.count_guess(email.as_str()).await?;
    let erase_at = accounts.delete(user, (&password, priority)).await?.to_string();
    let day = erase_at.split('T').next().unwrap_or_default();
    context.message(&format!(
        "the account is deleted; what is personal in it is erased on {day} (UTC)"
    ))
}
