//! What a user is told of, read or unread, page by page: rows that a change writes for one user, and of signals what the
//! user's tier may see, which is made when it is read. So a signal for everybody costs no row of anybody.

mod digest;
mod inbox;
mod marks;
mod model;
mod news;
mod preferences;
mod store;

pub use digest::{DigestEvery, DigestStore, Digests};
pub use inbox::{NotificationPage, NotificationRequest, Notifications, Recipient};
pub use marks::{InvalidMarks, MarkChange, SignalMarks};
pub use model::{
    InvalidNotificationId, NewNotification, Notification, NotificationCursor, NotificationId,
    NotificationKind,
};
pub use news::TOLD;
pub use preferences::MutedKinds;
pub use store::{KEPT, KeptPage, KeptQuery, NotificationStore, UserState};
