//! Users' notifications.

use std::cmp::Reverse;

use alpine_domain::{
    Result, Timestamp,
    account::{Account, Tier, UserId},
    notification::{
        KEPT, KeptPage, KeptQuery, MarkChange, MutedKinds, NewNotification, Notification,
        NotificationId, NotificationKind, NotificationStore, UserState,
    },
};
use async_trait::async_trait;

use crate::{Memory, Unit, accounts::NO_ACCOUNT, tables::Tables};

impl Tables {
    /// The user's, newest first.
    fn notifications_of(&self, user: UserId) -> Vec<&Notification> {
        let theirs = self.notifications.iter().filter(|(owner, _)| *owner == user);
        let mut theirs: Vec<_> = theirs.map(|(_, told)| told).collect();
        theirs.sort_by_key(|told| Reverse(told.place()));
        theirs
    }

    fn muted_by(&self, user: UserId) -> MutedKinds {
        let theirs = self.muted.iter().find(|(owner, _)| *owner == user);
        theirs.map(|(_, muted)| muted.clone()).unwrap_or_default()
    }

    fn told_state(&self, user: UserId) -> Result<UserState> {
        let since = self.user(user).ok_or(NO_ACCOUNT)?.account.created_at;
        let theirs = self.marks.iter().find(|(owner, _)| *owner == user);
        let marks = theirs.map(|(_, marks)| marks.clone()).unwrap_or_default();
        Ok(UserState { since, marks, muted: self.muted_by(user) })
    }

    /// Marks the user's unread ones for which `is_meant` holds; says how many.
    fn mark(
        &mut self,
        user: UserId,
        now: Timestamp,
        is_meant: impl Fn(NotificationId) -> bool,
    ) -> u32 {
        let mut marked = 0;
        for (owner, told) in &mut self.notifications {
            if *owner == user && told.read_at.is_none() && is_meant(told.id) {
                told.read_at = Some(now);
                marked += 1;
            }
        }
        marked
    }
}

impl Unit {
    /// The account `old` has this tier from now on: it is counted there, and its user is told.
    pub(crate) fn tier_changed(&mut self, old: &Account, tier: Tier, now: Timestamp) {
        if tier != old.tier {
            self.tables.move_tier(old, tier);
            self.followed_by_channels(old.id, now);
            self.notify(NewNotification::tier_changed(old.id, old.tier, tier, now));
        }
    }

    /// Tells a user of something, unless the user does not want to be told.
    pub(crate) fn notify(&mut self, new: NewNotification) {
        let NewNotification { user, kind, title, message, created_at } = new;
        let tables = &mut self.tables;
        if !tables.muted_by(user).tells(kind) {
            return;
        }
        tables.last_notification += 1;
        let id = NotificationId::Own(tables.last_notification);
        let told = Notification { id, kind, title, message, created_at, read_at: None };
        tables.notifications.push((user, told));
        let theirs = tables.notifications_of(user).into_iter();
        let old: Vec<_> = theirs.skip(KEPT as usize).map(|told| told.id).collect();
        tables.notifications.retain(|(_, told)| !old.contains(&told.id));
    }
}

fn length<T>(list: &[T]) -> u32 {
    u32::try_from(list.len()).unwrap_or(u32::MAX)
}

#[async_trait]
impl NotificationStore for Memory {
    async fn page(&self, query: KeptQuery) -> Result<KeptPage> {
        let KeptQuery { user, unread_only, after, limit } = query;
        let tables = self.read();
        let all = tables.notifications_of(user);
        let unread: Vec<_> = all.iter().filter(|told| told.read_at.is_none()).copied().collect();
        let (total, unread_count) = (length(&all), length(&unread));
        let asked = if unread_only { unread } else { all };
        let behind =
            asked.into_iter().filter(|told| after.is_none_or(|after| told.place() < after));
        let items = behind.take(limit as usize).cloned().collect();
        Ok(KeptPage { items, total, unread: unread_count, state: tables.told_state(user)? })
    }

    async fn state(&self, user: UserId) -> Result<UserState> {
        self.read().told_state(user)
    }

    async fn mark_read(&self, user: UserId, rows: &[i64], now: Timestamp) -> Result<u32> {
        let is_named = |id: NotificationId| id.row().is_some_and(|row| rows.contains(&row));
        self.write(|unit| Ok(unit.tables.mark(user, now, is_named)))
    }

    async fn mark_all_read(&self, user: UserId, now: Timestamp) -> Result<u32> {
        self.write(|unit| Ok(unit.tables.mark(user, now, |_| true)))
    }

    async fn delete(&self, user: UserId, row: i64) -> Result<bool> {
        let id = NotificationId::Own(row);
        self.write(|unit| {
            let is_it = |(owner, told): &(UserId, Notification)| *owner == user && told.id == id;
            let rows = &mut unit.tables.notifications;
            let before = rows.len();
            rows.retain(|row| !is_it(row));
            Ok(rows.len() < before)
        })
    }

    async fn mark_signals(&self, user: UserId, change: MarkChange, now: Timestamp) -> Result<()> {
        self.write(|unit| {
            let mut marks = unit.tables.told_state(user)?.marks;
            marks.apply(&change, now);
            unit.tables.marks.retain(|(owner, _)| *owner != user);
            unit.tables.marks.push((user, marks));
            Ok(())
        })
    }

    async fn choose(
        &self,
        user: UserId,
        choices: Vec<(NotificationKind, bool)>,
    ) -> Result<MutedKinds> {
        self.write(|unit| {
            let mut muted = unit.tables.told_state(user)?.muted;
            for (kind, is_told) in choices {
                muted.set(kind, is_told);
            }
            unit.tables.muted.retain(|(owner, _)| *owner != user);
            unit.tables.muted.push((user, muted.clone()));
            Ok(muted)
        })
    }
}
