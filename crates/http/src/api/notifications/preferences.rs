//! Of what a user wants to be told.

use std::borrow::Cow;

use actix_web::HttpResponse;
use alpine_domain::notification::{DigestEvery, MutedKinds, NotificationKind};
use serde::Serialize;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, schema::Schema},
};

use crate::{context::Context, doc::word_schema, problem::Result};

/// No digest.
const OFF: &str = "off";

/// How often a digest is sent.
pub(crate) struct DigestWord;

impl PartialSchema for DigestWord {
    fn schema() -> RefOr<Schema> {
        let mut words = vec![OFF];
        words.extend(DigestEvery::WORDS);
        word_schema(&words).build().into()
    }
}

impl ToSchema for DigestWord {
    fn name() -> Cow<'static, str> {
        "DigestWord".into()
    }
}

/// No digest, or how often.
fn digest(text: &str) -> Result<Option<DigestEvery>, String> {
    if text == OFF {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| "must be one of: off daily weekly".to_owned())
}

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
    /// How often what is unread comes by mail, to an address that was confirmed.
    #[schema(value_type = DigestWord)]
    pub digest: &'static str,
}

impl PreferencesView {
    pub(crate) fn new(muted: &MutedKinds, digest: Option<DigestEvery>) -> Self {
        Self {
            new_signal: muted.tells(NotificationKind::NewSignal),
            signal_closed: muted.tells(NotificationKind::SignalClosed),
            tier_changed: muted.tells(NotificationKind::TierChanged),
            payment_failed: muted.tells(NotificationKind::PaymentFailed),
            new_sign_in: muted.tells(NotificationKind::NewSignIn),
            security: muted.tells(NotificationKind::Security),
            digest: digest.map_or(OFF, DigestEvery::as_str),
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
    /// How often what is unread comes by mail, to an address that was confirmed: at this time of the day, from a day or a
    /// week from now on.
    #[schema(value_type = Option<DigestWord>)]
    digest: Option<String>,
}

/// `GET notifications/preferences`.
pub(crate) async fn show(context: Context) -> Result<HttpResponse> {
    let (user, cases) = (context.user()?, &context.state.services.use_cases);
    let muted = cases.notifications.muted(user).await?;
    context.ok(&PreferencesView::new(&muted, cases.digests.every(user).await?))
}

/// `PUT notifications/preferences`.
pub(crate) async fn choose(mut context: Context) -> Result<HttpResponse> {
    let user = context.user()?;
    let mut fields = context.json().await?;
    let choices = NotificationKind::ALL
        .iter()
        .filter_map(|kind| Some((*kind, fields.optional_flag(kind.as_str())?)))
        .collect();
    let digest = fields.optional_parsed("digest", digest);
    fields.finish()?;
    let cases = &context.state.services.use_cases;
    let muted = cases.notifications.choose(user, choices).await?;
    if let Some(every) = digest {
        cases.digests.set(user, every).await?;
    }
    context.ok(&PreferencesView::new(&muted, cases.digests.every(user).await?))
}
