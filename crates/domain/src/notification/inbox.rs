//! A user's notifications: a page of them, reading and deleting them.

use std::sync::Arc;

use super::{KEPT, KeptQuery, Notification, NotificationCursor, NotificationId, NotificationStore};
use crate::{Clock, Error, Result, account::UserId};

/// Which notifications are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotificationRequest {
    /// Only those that are unread.
    pub unread_only: bool,
    /// So many at most.
    pub limit: u32,
    /// So many are passed over, where there is no cursor.
    pub offset: u32,
    /// Where the page before ended.
    pub after: Option<NotificationCursor>,
}

impl NotificationRequest {
    /// All that are kept.
    pub const fn whole() -> Self {
        Self { unread_only: false, limit: KEPT, offset: 0, after: None }
    }
}

/// One page of a user's notifications.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotificationPage {
    /// Newest first.
    pub items: Vec<Notification>,
    /// How many the whole list has.
    pub total: u32,
    /// How many of all are unread.
    pub unread: u32,
    /// Where the next page starts, if there is one.
    pub next: Option<NotificationCursor>,
}

/// Tells users of what concerns them.
pub struct Notifications {
    store: Arc<dyn NotificationStore>,
    clock: Arc<dyn Clock>,
}

impl Notifications {
    /// Ids that one request may name.
    pub const MOST_IDS: usize = 100;

    /// Notifications kept in `store`.
    pub fn new(store: Arc<dyn NotificationStore>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// A page of the user's notifications. A cursor wins over the offset.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn page(
        &self,
        user: UserId,
        request: NotificationRequest,
    ) -> Result<NotificationPage> {
        let NotificationRequest { unread_only, limit, offset, after } = request;
        let offset = if after.is_some() { 0 } else { offset };
        // One more than is shown says whether more follow; nobody has more than are kept.
        let asked = offset.saturating_add(limit).min(KEPT).saturating_add(1);
        let kept = self.store.page(KeptQuery { user, unread_only, after, limit: asked }).await?;
        let mut items: Vec<_> = kept.items.into_iter().skip(offset as usize).collect();
        let has_more = items.len() > limit as usize;
        items.truncate(limit as usize);
        Ok(NotificationPage {
            next: has_more.then(|| items.last().map(Notification::place)).flatten(),
            items,
            total: if unread_only { kept.unread } else { kept.total },
            unread: kept.unread,
        })
    }

    /// Marks these as read, as far as they are the user's and unread; says how many.
    ///
    /// # Errors
    /// [`Error::Invalid`] for none, or for more than [`MOST_IDS`](Self::MOST_IDS).
    pub async fn mark_read(&self, user: UserId, ids: &[NotificationId]) -> Result<u32> {
        if !(1..=Self::MOST_IDS).contains(&ids.len()) {
            let most = Self::MOST_IDS;
            let message = format!("must name 1 to {most} notifications");
            return Err(Error::invalid("notification_ids", message));
        }
        self.store.mark_read(user, ids, self.clock.now()).await
    }

    /// Marks all of the user's as read; says how many were unread.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn mark_all_read(&self, user: UserId) -> Result<u32> {
        self.store.mark_all_read(user, self.clock.now()).await
    }

    /// Deletes one of the user's.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the user has no such notification.
    pub async fn delete(&self, user: UserId, id: NotificationId) -> Result<()> {
        let is_deleted = self.store.delete(user, id).await?;
        is_deleted.then_some(()).ok_or(Error::NotFound("notification"))
    }
}
