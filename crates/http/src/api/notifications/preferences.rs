//! Of what a user wants to be told.

use actix_web::HttpResponse;
use alpine_domain::notification::{MutedKinds, NotificationKind};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{context::Context, problem::Result};

/// Of what the user is told, by kind.
#[derive(Serialize, ToSchema)]
#[schema(as = NotificationPreferences)]
#[expect(clippy::struct_excessive_bools, reason = "a switch for each kind")]
pub(crate) struct PreferencesView {
    pub new_signal: bool,
    pub signal_closed: bool,
    pub tier_changed: bool,
    pub payment_failed: bool,
    /// Always true.
    pub new_sign_in: bool,
    /// Always true.
    pub security: bool,
}

impl From<&MutedKinds> for PreferencesView {
    fn from(muted: &MutedKinds) -> Self {
        Self {
            new_signal: muted.tells(NotificationKind::NewSignal),
            signal_closed: muted.tells(NotificationKind::SignalClosed),
            tier_changed: muted.tells(NotificationKind::TierChanged),
            payment_failed: muted.tells(NotificationKind::PaymentFailed),
            new_sign_in: muted.tells(NotificationKind::NewSignIn),
            security: muted.tells(NotificationKind::Security),
        }
    }
}

/// What to change; what is left out stays. Sign-ins from new places and what concerns security are told in any case.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct ChoiceRequest {
    new_signal: Option<bool>,
    signal_closed: Option<bool>,
    tier_changed: Option<bool>,
    payment_failed: Option<bool>,
}

/// `GET notifications/preferences`.
pub(crate) async fn show(context: Context) -> Result<HttpResponse> {
    let muted = context.state.services.use_cases.notifications.muted(context.user()?).await?;
    context.ok(&PreferencesView::from(&muted))
}

/// `PUT notifications/preferences`.
pub(crate) async fn choose(mut context: Context) -> Result<HttpResponse> {
    let user = context.user()?;
    let mut fields = context.json().await?;
    let choices = NotificationKind::ALL
        .iter()
        .filter_map(|kind| Some((*kind, fields.optional_flag(kind.as_str())?)))
        .collect();
    fields.finish()?;
    let muted = context.state.services.use_cases.notifications.choose(user, choices).await?;
    context.ok(&PreferencesView::from(&muted))
}
