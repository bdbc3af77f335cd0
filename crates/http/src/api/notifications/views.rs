//! Notifications, as their user reads them.

use alpine_domain::{
    Timestamp,
    account::UserId,
    notification::{Notification, NotificationId, NotificationKind, NotificationPage},
};
use serde::Serialize;
use utoipa::ToSchema;

crate::doc::words!(
    /// The words of [`NotificationKind`].
    KindWord, NotificationKind
);

/// What a user is told of. `notif-s-42` tells of the signal 42, and `notif-c-42` that it was closed.
#[derive(Serialize, ToSchema)]
#[schema(as = Notification)]
pub(crate) struct NotificationView<'a> {
    #[schema(example = "notif-7", max_length = 26)]
    pub id: String,
    #[schema(format = "uuid")]
    pub user_id: String,
    pub title: &'a str,
    pub message: &'a str,
    #[schema(value_type = KindWord)]
    pub r#type: NotificationKind,
    pub is_read: bool,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub read_at: Option<Timestamp>,
}

impl<'a> NotificationView<'a> {
    /// One of `user`.
    pub(crate) fn of(user: UserId, told: &'a Notification) -> Self {
        let Notification { id, kind, title, message, created_at, read_at } = told;
        Self {
            id: id.to_string(),
            user_id: user.to_string(),
            title,
            message,
            r#type: *kind,
            is_read: read_at.is_some(),
            created_at: *created_at,
            read_at: *read_at,
        }
    }
}

/// One page of a user's notifications.
#[derive(Serialize, ToSchema)]
#[schema(as = NotificationPage)]
pub(crate) struct NotificationPageView<'a> {
    pub items: Vec<NotificationView<'a>>,
    /// How many the list has: of the user's own the newest 500 are kept, and of signals that the user may see the newest
    /// hundred that were published, and that were closed, in thirty days are told.
    pub total: u32,
    /// How many of all are unread.
    pub unread_count: u32,
    pub limit: u32,
    pub offset: u32,
    pub has_more: bool,
    /// For `cursor`; null on the last page.
    #[schema(required = true)]
    pub next_cursor: Option<String>,
}

impl<'a> NotificationPageView<'a> {
    pub(crate) fn of(user: UserId, page: &'a NotificationPage, limit: u32, offset: u32) -> Self {
        Self {
            items: page.items.iter().map(|told| NotificationView::of(user, told)).collect(),
            total: page.total,
            unread_count: page.unread,
            limit,
            offset,
            has_more: page.next.is_some(),
            next_cursor: page.next.map(|cursor| cursor.to_string()),
        }
    }
}

/// What was done to how many.
#[derive(Serialize, ToSchema)]
#[schema(as = NotificationsChanged)]
pub(crate) struct ChangedView {
    pub message: &'static str,
    pub count: u32,
}

/// The ids of some notifications.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct ReadRequest {
    /// As a list gives them. Others, and those that are read, are passed over.
    #[schema(min_items = 1, max_items = 100, value_type = Vec<NotificationIdText>)]
    notification_ids: Vec<NotificationIdText>,
}

/// The id of a notification.
pub(crate) struct NotificationIdText;

impl utoipa::PartialSchema for NotificationIdText {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::Type::String)
            .min_length(Some(1))
            .max_length(Some(NotificationId::MAX_CHARS))
            .pattern(Some(NotificationId::PATTERN))
            .build()
            .into()
    }
}

impl ToSchema for NotificationIdText {
    fn name() -> std::borrow::Cow<'static, str> {
        "NotificationId".into()
    }
}
