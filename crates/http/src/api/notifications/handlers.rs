//! A user's notifications, page by page, and what is done to them.

use actix_web::{
    HttpResponse,
    http::header::{HeaderName, HeaderValue},
};
use alpine_domain::{
    Error,
    notification::{NotificationId, NotificationRequest, Recipient},
};

use super::{
    parameters,
    views::{ChangedView, NotificationPageView},
};
use crate::{cached::next_link, context::Context, problem::Result};

/// `GET notifications`.
pub(crate) async fn list(context: Context) -> Result<HttpResponse> {
    page(&context, false).await
}

/// `GET notifications/unread`.
pub(crate) async fn unread(context: Context) -> Result<HttpResponse> {
    page(&context, true).await
}

/// Who is told.
fn recipient(context: &Context) -> Result<Recipient> {
    Ok(Recipient { user: context.user()?, viewer: context.viewer() })
}

async fn page(context: &Context, unread_only: bool) -> Result<HttpResponse> {
    let recipient = recipient(context)?;
    let (values, _) = context.parameters(&parameters::page())?;
    let (limit, offset, after) = values;
    let request = NotificationRequest { unread_only, limit, offset, after };
    let page = context.state.services.use_cases.notifications.page(recipient, request).await?;
    let mut answer = context.ok(&NotificationPageView::of(recipient.user, &page, limit, offset))?;
    let link = |next| next_link(context.canonical_path(), &parameters::page(), &values, next);
    if let Some((name, value)) = page.next.map(link)
        && let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value))
    {
        answer.headers_mut().insert(name, value);
    }
    Ok(answer)
}

/// `POST notifications/read`.
pub(crate) async fn mark_read(mut context: Context) -> Result<HttpResponse> {
    const FIELD: &str = "notification_ids";
    let recipient = recipient(&context)?;
    let mut fields = context.json().await?;
    let ids = fields.optional_texts(FIELD);
    fields.finish()?;
    let ids = ids.ok_or_else(|| Error::invalid(FIELD, "is required"))?;
    let ids: std::result::Result<Vec<NotificationId>, _> =
        ids.iter().map(|id| id.parse()).collect();
    let ids = ids.map_err(|reason| Error::invalid(FIELD, format!("one {reason}")))?;
    let notifications = &context.state.services.use_cases.notifications;
    let count = notifications.mark_read(recipient, &ids).await?;
    context.ok(&ChangedView { message: "marked as read", count })
}

/// `POST notifications/read-all`.
pub(crate) async fn mark_all_read(context: Context) -> Result<HttpResponse> {
    let notifications = &context.state.services.use_cases.notifications;
    let count = notifications.mark_all_read(recipient(&context)?).await?;
    context.ok(&ChangedView { message: "all are marked as read", count })
}

/// `DELETE notifications/{id}`.
pub(crate) async fn delete(context: Context) -> Result<HttpResponse> {
    let id: NotificationId = context.segment("id", "notification")?;
    context.state.services.use_cases.notifications.delete(recipient(&context)?, id).await?;
    context.ok(&ChangedView { message: "deleted", count: 1 })
}
