//! What a user is told of: the rows that a change writes for one user, page by page, read or unread.

mod inbox;
mod model;
mod store;

pub use inbox::{NotificationPage, NotificationRequest, Notifications};
pub use model::{
    InvalidNotificationId, NewNotification, Notification, NotificationCursor, NotificationId,
    NotificationKind,
};
pub use store::{KEPT, KeptPage, KeptQuery, NotificationStore};
