//! A user's notifications: a page of them, reading and deleting them.

use std::{cmp::Reverse, sync::Arc, time::Duration};

use super::{
    KEPT, KeptQuery, MarkChange, MutedKinds, Notification, NotificationCursor, NotificationId,
    NotificationKind, NotificationStore, TOLD, UserState, news,
};
use crate::{
    Clock, Error, Result,
    account::{UserId, Viewer},
    error::Refusals,
    signal::Catalogue,
    time::days,
};

/// Who is told: a user, and the rules of visibility that apply now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recipient {
    /// The user.
    pub user: UserId,
    /// What the user may see of signals.
    pub viewer: Viewer,
}

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
    /// All that a user is told: [`KEPT`] rows, and of signals [`TOLD`] that were published and as many that were closed.
    pub const fn whole() -> Self {
        Self { unread_only: false, limit: KEPT + 2 * TOLD, offset: 0, after: None }
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

/// Tells users of what concerns them: by rows of their own, and of signals by what their tier may see when they ask.
#[derive(Clone)]
pub struct Notifications {
    store: Arc<dyn NotificationStore>,
    catalogue: Arc<Catalogue>,
    clock: Arc<dyn Clock>,
}

impl Notifications {
    /// Ids that one request may name.
    pub const MOST_IDS: usize = 100;
    /// Days for which a user is told of a signal.
    pub const DAYS: u32 = 30;

    /// Notifications kept in `store`, and those of the signals in `catalogue`.
    pub fn new(
        store: Arc<dyn NotificationStore>,
        catalogue: Arc<Catalogue>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { store, catalogue, clock }
    }

    /// A page of the user's notifications. A cursor wins over the offset.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn page(
        &self,
        recipient: Recipient,
        request: NotificationRequest,
    ) -> Result<NotificationPage> {
        let NotificationRequest { unread_only, limit, offset, after } = request;
        let offset = if after.is_some() { 0 } else { offset };
        // One more than is shown says whether more follow; nobody has more than are kept.
        let asked = offset.saturating_add(limit).min(KEPT).saturating_add(1);
        let query = KeptQuery { user: recipient.user, unread_only, after, limit: asked };
        let kept = self.store.page(query).await?;
        let of_signals = self.of_signals(recipient.viewer, &kept.state).await?;
        let unread = kept.unread + count(of_signals.iter().filter(|told| told.is_unread()));
        let all = kept.total + count(of_signals.iter());
        let is_asked = |told: &Notification| {
            (!unread_only || told.is_unread()) && after.is_none_or(|after| told.place() < after)
        };
        let mut items = kept.items;
        items.extend(of_signals.into_iter().filter(is_asked));
        items.sort_by_key(|told| Reverse(told.place()));
        let mut items: Vec<_> = items.into_iter().skip(offset as usize).collect();
        let has_more = items.len() > limit as usize;
        items.truncate(limit as usize);
        Ok(NotificationPage {
            next: has_more.then(|| items.last().map(Notification::place)).flatten(),
            items,
            total: if unread_only { unread } else { all },
            unread,
        })
    }

    /// How much later than it happens `viewer` is told of what concerns signals.
    pub fn delay(&self, viewer: Viewer) -> Duration {
        self.catalogue.delay(viewer)
    }

    /// Marks these as read, as far as they are the user's and unread; says how many.
    ///
    /// # Errors
    /// [`Error::Invalid`] for none, or for more than [`MOST_IDS`](Self::MOST_IDS).
    pub async fn mark_read(&self, recipient: Recipient, ids: &[NotificationId]) -> Result<u32> {
        if !(1..=Self::MOST_IDS).contains(&ids.len()) {
            let most = Self::MOST_IDS;
            let message = format!("must name 1 to {most} notifications");
            return Err(Error::invalid("notification_ids", message));
        }
        let now = self.clock.now();
        let rows: Vec<i64> = ids.iter().filter_map(|id| id.row()).collect();
        let mut marked = 0;
        if !rows.is_empty() {
            marked += self.store.mark_read(recipient.user, &rows, now).await?;
        }
        if rows.len() < ids.len() {
            let mut unread = self.unread_of_signals(recipient).await?;
            unread.retain(|told| ids.contains(&told.id));
            marked += count(unread.iter());
            if !unread.is_empty() {
                let named = MarkChange::Read(unread.iter().map(|told| told.id).collect());
                self.store.mark_signals(recipient.user, named, now).await?;
            }
        }
        Ok(marked)
    }

    /// Marks all that the user is told now as read; says how many were unread.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn mark_all_read(&self, recipient: Recipient) -> Result<u32> {
        let now = self.clock.now();
        let marked = self.store.mark_all_read(recipient.user, now).await?;
        let unread = self.unread_of_signals(recipient).await?;
        if let Some(newest) = unread.iter().map(|told| told.created_at).max() {
            let change = MarkChange::ReadUntil(newest);
            self.store.mark_signals(recipient.user, change, now).await?;
        }
        Ok(marked + count(unread.iter()))
    }

    /// Deletes one of the user's.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the user is told of no such thing.
    pub async fn delete(&self, recipient: Recipient, id: NotificationId) -> Result<()> {
        let is_deleted = if let Some(row) = id.row() {
            self.store.delete(recipient.user, row).await?
        } else {
            self.delete_of_signal(recipient, id).await?
        };
        is_deleted.then_some(()).ok_or(Error::NotFound("notification"))
    }

    /// Says whether the user was told of it.
    async fn delete_of_signal(&self, recipient: Recipient, id: NotificationId) -> Result<bool> {
        let state = self.store.state(recipient.user).await?;
        let told = self.of_signals(recipient.viewer, &state).await?;
        let is_told = told.iter().any(|told| told.id == id);
        if is_told {
            let now = self.clock.now();
            self.store.mark_signals(recipient.user, MarkChange::Delete(id), now).await?;
        }
        Ok(is_told)
    }

    /// Of what the user is told no more.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn muted(&self, user: UserId) -> Result<MutedKinds> {
        Ok(self.store.state(user).await?.muted)
    }

    /// Tells the user of these kinds from now on, or does so no more; says what is told no more.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the kinds that are told in any case.
    pub async fn choose(
        &self,
        user: UserId,
        choices: Vec<(NotificationKind, bool)>,
    ) -> Result<MutedKinds> {
        let mut refusals = Refusals::default();
        for (kind, is_told) in &choices {
            if !is_told && !kind.is_optional() {
                refusals.add(kind.as_str(), "is told in any case: it tells of strangers");
            }
        }
        refusals.into_result()?;
        self.store.choose(user, choices).await
    }

    async fn unread_of_signals(&self, recipient: Recipient) -> Result<Vec<Notification>> {
        let state = self.store.state(recipient.user).await?;
        let mut told = self.of_signals(recipient.viewer, &state).await?;
        told.retain(Notification::is_unread);
        Ok(told)
    }

    /// What the user is told of signals: nothing that happened before there was the account.
    async fn of_signals(&self, viewer: Viewer, state: &UserState) -> Result<Vec<Notification>> {
        let of_signals = [NotificationKind::NewSignal, NotificationKind::SignalClosed];
        if !of_signals.iter().any(|kind| state.muted.tells(*kind)) {
            return Ok(Vec::new());
        }
        let since = self.clock.now().earlier(days(Self::DAYS)).max(state.since);
        let news = self.catalogue.news(viewer, since, TOLD).await?;
        let mut told = news::notifications(&news, &state.marks);
        told.retain(|told| state.muted.tells(told.kind));
        Ok(told)
    }
}

fn count<T>(rows: impl Iterator<Item = T>) -> u32 {
    u32::try_from(rows.count()).unwrap_or(u32::MAX)
}
