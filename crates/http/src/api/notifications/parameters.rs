//! What the queries for notifications may hold.

use alpine_domain::{notification::NotificationCursor, page::TOTAL_CAP};

use crate::extract::parameter::{Or, Param, Parameters};

const LIMIT: Or<Param<u32>> = Param::whole("limit", 1, 100, "Notifications at most.").or(20);
const OFFSET: Or<Param<u32>> =
    Param::whole("offset", 0, TOTAL_CAP, "Notifications to pass over, without a cursor.")
        .position()
        .or(0);
const CURSOR: Param<NotificationCursor> = Param::text(
    "cursor",
    Some(NotificationCursor::MAX_CHARS),
    Some(NotificationCursor::PATTERN),
    "next_cursor of the page before.",
)
.position();

/// Limit, offset, cursor.
pub(super) type Values = (u32, u32, Option<NotificationCursor>);

/// Of `notifications` and `notifications/unread`.
pub(super) fn page() -> impl Parameters<Values = Values> {
    (LIMIT, OFFSET, CURSOR)
}
