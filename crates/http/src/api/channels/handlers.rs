//! Where a member stands with the channels of messengers.

use actix_web::HttpResponse;
use alpine_domain::{Error, ports::channels::Platform};

use super::views::{ChannelView, ChannelsView};
use crate::{context::Context, extract::body::MediaType, problem::Result};

/// `GET users/channels`.
pub(crate) async fn list(context: Context) -> Result<HttpResponse> {
    let own = context.state.services.use_cases.channels.own(context.user()?).await?;
    context.ok(&ChannelsView { items: own.iter().map(ChannelView::from).collect() })
}

/// `POST users/channels/{name}/invite`.
pub(crate) async fn invite(context: Context) -> Result<HttpResponse> {
    let user = context.user()?;
    let platform: Platform = context.segment("name", "channel")?;
    let own = context.state.services.use_cases.channels.invite(user, platform).await?;
    context.ok(&ChannelView::from(&own))
}

/// `POST users/channels/{name}/connect`.
pub(crate) async fn connect(mut context: Context) -> Result<HttpResponse> {
    let user = context.user()?;
    let mut fields = context.json().await?;
    let (code, state) = (fields.text("code"), fields.text("state"));
    fields.finish()?;
    let platform: Platform = context.segment("name", "channel")?;
    let channels = &context.state.services.use_cases.channels;
    let own = channels.connect(user, platform, &code, &state).await?;
    context.ok(&ChannelView::from(&own))
}

/// `POST webhooks/telegram`. What is answered 200 is stored, with what is to be done; everything else comes again.
pub(crate) async fn hear_telegram(mut context: Context) -> Result<HttpResponse> {
    let (_, body) = context.body(&[MediaType::Json]).await?;
    let header = context.request.headers().get("x-telegram-bot-api-secret-token");
    let secret = header.and_then(|value| value.to_str().ok()).ok_or_else(|| {
        Error::malformed("X-Telegram-Bot-Api-Secret-Token", "is missing, or cannot be read")
    })?;
    let channels = &context.state.services.use_cases.channels;
    channels.hear(Platform::Telegram, secret, &body).await?;
    context.message("received")
}
