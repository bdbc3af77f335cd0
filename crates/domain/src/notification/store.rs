//! What must be kept of notifications. Changes write them in their own transactions.

use async_trait::async_trait;

use super::{Notification, NotificationCursor, NotificationId};
use crate::{Result, Timestamp, account::UserId};

/// Notifications of a user that are kept: what makes one more deletes the oldest. So what a page, a count and a
/// change of all of them read has a bound.
pub const KEPT: u32 = 500;

/// A part of a user's notifications, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptQuery {
    /// Whose.
    pub user: UserId,
    /// Only those that are unread.
    pub unread_only: bool,
    /// Only what comes after this place.
    pub after: Option<NotificationCursor>,
    /// So many at most.
    pub limit: u32,
}

/// Some of a user's notifications, and how many there are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeptPage {
    /// Newest first.
    pub items: Vec<Notification>,
    /// All of the user's, read or not.
    pub total: u32,
    /// Those that are unread.
    pub unread: u32,
}

/// Users' notifications, kept durably, the newest [`KEPT`] of each.
#[async_trait]
pub trait NotificationStore: Send + Sync {
    /// What the query asks for, in a constant number of statements.
    async fn page(&self, query: KeptQuery) -> Result<KeptPage>;

    /// Marks those of these that are the user's and unread as read; says how many.
    async fn mark_read(&self, user: UserId, ids: &[NotificationId], now: Timestamp) -> Result<u32>;

    /// Marks all of the user's as read; says how many were unread.
    async fn mark_all_read(&self, user: UserId, now: Timestamp) -> Result<u32>;

    /// Deletes one of the user's; says whether there was one.
    async fn delete(&self, user: UserId, id: NotificationId) -> Result<bool>;
}
