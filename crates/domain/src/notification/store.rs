//! What must be kept of notifications. Changes write them in their own transactions.

use async_trait::async_trait;

use super::{
    MarkChange, MutedKinds, Notification, NotificationCursor, NotificationKind, SignalMarks,
};
use crate::{Result, Timestamp, account::UserId};

/// Notifications of a user's own that are kept: what makes one more deletes the oldest. So what a page, a count and a
/// change of all of them read has a bound.
pub const KEPT: u32 = 500;

/// A part of a user's own notifications, newest first.
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

/// Some of a user's own notifications, how many there are, and what bears on the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptPage {
    /// Newest first.
    pub items: Vec<Notification>,
    /// All of the user's own, read or not.
    pub total: u32,
    /// Those that are unread.
    pub unread: u32,
    /// What bears on those that are no rows.
    pub state: UserState,
}

/// What bears on the notifications of a user that are no rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserState {
    /// Since when there is the account.
    pub since: Timestamp,
    /// What the user did with notifications of signals.
    pub marks: SignalMarks,
    /// Of what the user does not want to be told.
    pub muted: MutedKinds,
}

/// Users' notifications, kept durably, the newest [`KEPT`] of each.
#[async_trait]
pub trait NotificationStore: Send + Sync {
    /// What the query asks for, in a constant number of statements.
    ///
    /// # Errors
    /// `NotFound` without such an account.
    async fn page(&self, query: KeptQuery) -> Result<KeptPage>;

    /// What bears on the user's notifications that are no rows.
    ///
    /// # Errors
    /// `NotFound` without such an account.
    async fn state(&self, user: UserId) -> Result<UserState>;

    /// Marks those of the rows with these numbers that are the user's and unread as read; says how many.
    async fn mark_read(&self, user: UserId, rows: &[i64], now: Timestamp) -> Result<u32>;

    /// Marks all of the user's own as read; says how many were unread.
    async fn mark_all_read(&self, user: UserId, now: Timestamp) -> Result<u32>;

    /// Deletes the row with this number, if it is the user's; says whether it was.
    async fn delete(&self, user: UserId, row: i64) -> Result<bool>;

    /// Notes what the user did with notifications of signals. Changes of one user wait for each other.
    ///
    /// # Errors
    /// `NotFound` without such an account.
    async fn mark_signals(&self, user: UserId, change: MarkChange, now: Timestamp) -> Result<()>;

    /// Tells the user of these kinds from now on, or does so no more; says what is told no more. No row of a kind that is
    /// told no more is written; those that there are stay. Changes of one user wait for each other.
    ///
    /// # Errors
    /// `NotFound` without such an account.
    async fn choose(
        &self,
        user: UserId,
        choices: Vec<(NotificationKind, bool)>,
    ) -> Result<MutedKinds>;
}
