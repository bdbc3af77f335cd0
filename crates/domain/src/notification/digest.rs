//! What a user was told and has not read, by mail, once a day or a week.
//!
//! A digest is due at the time of day at which it was asked for. A task adds a job for each one that is due, in the
//! transaction that moves it to its next time; the job makes the mail of what is unread then.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use super::{Notification, NotificationKind, NotificationRequest, Notifications, Recipient};
use crate::{
    Clock, Result, Timestamp,
    account::{AccountStore, Letters, Role, UserId, Viewer},
    text_enum,
    time::days,
};

text_enum!(
    /// How often a digest is sent.
    DigestEvery, {
        /// Each day.
        Day = "daily",
        /// Each week.
        Week = "weekly",
    }
);

impl DigestEvery {
    /// The time from one to the next.
    pub fn period(self) -> Duration {
        match self {
            Self::Day => days(1),
            Self::Week => days(7),
        }
    }

    /// The first time after `now` that lies whole periods after `due`.
    pub fn next_after(self, due: Timestamp, now: Timestamp) -> Timestamp {
        let period = self.period();
        let missed = now.since(due).as_secs() / period.as_secs();
        due.later(
            period.saturating_mul(u32::try_from(missed).unwrap_or(u32::MAX).saturating_add(1)),
        )
    }
}

/// Who gets digests, and when.
#[async_trait]
pub trait DigestStore: Send + Sync {
    /// How often the user gets one, if at all.
    async fn every(&self, user: UserId) -> Result<Option<DigestEvery>>;

    /// Sends digests so often from now on, the first one a period after `now`, or none. The same choice again changes
    /// nothing.
    ///
    /// # Errors
    /// `NotFound` without such an account.
    async fn set(&self, user: UserId, every: Option<DigestEvery>, now: Timestamp) -> Result<()>;

    /// Adds a job ([`Job::DigestDue`](crate::jobs::Job::DigestDue)) for each of `limit` digests that are due at `now`,
    /// those that are due longest first, and moves them to their next time; says how many. What two callers find at once
    /// is added once.
    async fn add_due(&self, now: Timestamp, limit: u32) -> Result<u32>;
}

/// Sends digests.
#[derive(Clone)]
pub struct Digests {
    store: Arc<dyn DigestStore>,
    accounts: Arc<dyn AccountStore>,
    notifications: Notifications,
    letters: Letters,
    clock: Arc<dyn Clock>,
}

impl Digests {
    /// Digests for which one call of [`add_due`](Self::add_due) adds jobs at most.
    pub const MOST_AT_ONCE: u32 = 500;
    /// Notifications that one mail shows.
    pub const SHOWN: usize = 20;

    /// Digests of what `notifications` tells.
    pub fn new(
        store: Arc<dyn DigestStore>,
        accounts: Arc<dyn AccountStore>,
        notifications: Notifications,
        letters: Letters,
    ) -> Self {
        let clock = letters.clock.clone();
        Self { store, accounts, notifications, letters, clock }
    }

    /// How often the user gets a digest, if at all.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn every(&self, user: UserId) -> Result<Option<DigestEvery>> {
        self.store.every(user).await
    }

    /// See [`DigestStore::set`].
    ///
    /// # Errors
    /// `NotFound` without such an account.
    pub async fn set(&self, user: UserId, every: Option<DigestEvery>) -> Result<()> {
        self.store.set(user, every, self.clock.now()).await
    }

    /// Adds jobs for what is due now, [`MOST_AT_ONCE`](Self::MOST_AT_ONCE) at most; says how many.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn add_due(&self) -> Result<u32> {
        self.store.add_due(self.clock.now(), Self::MOST_AT_ONCE).await
    }

    /// Mails what the user was told after `since`, until `until`, and has not read. Nothing of that, an address that was
    /// not confirmed, or an account that is disabled gets no mail.
    ///
    /// # Errors
    /// As [`Mailer::send`](crate::ports::mail::Mailer::send).
    pub async fn send(&self, user: UserId, since: Timestamp, until: Timestamp) -> Result<()> {
        let Some(account) = self.accounts.account(user).await? else { return Ok(()) };
        if !account.is_active || !account.is_verified || self.store.every(user).await?.is_none() {
            return Ok(());
        }
        let viewer = match account.role {
            Role::Admin => Viewer::Admin,
            Role::User => Viewer::Subscriber(account.tier),
        };
        let request = NotificationRequest { unread_only: true, ..NotificationRequest::whole() };
        let page = self.notifications.page(Recipient { user, viewer }, request).await?;
        // What a late reader could not know of at the last mail comes with this one.
        let delay = self.notifications.delay(viewer);
        let is_new = |told: &Notification| {
            let is_of_signal =
                matches!(told.kind, NotificationKind::NewSignal | NotificationKind::SignalClosed);
            let known_at =
                if is_of_signal { told.created_at.later(delay) } else { told.created_at };
            known_at > since && known_at <= until
        };
        let told: Vec<_> = page.items.into_iter().filter(is_new).collect();
        if told.is_empty() {
            return Ok(());
        }
        let (subject, paragraphs) = self.written(&told);
        self.letters.send_text(&account.email, &subject, &paragraphs).await
    }

    fn written(&self, told: &[Notification]) -> (String, Vec<String>) {
        let subject = match told.len() {
            1 => "1 new notification".to_owned(),
            many => format!("{many} new notifications"),
        };
        let mut paragraphs =
            vec!["This is new since the last mail, and you have not read it:".to_owned()];
        let shown = told.iter().take(Self::SHOWN);
        paragraphs
            .extend(shown.map(|it| format!("{}: {} ({})", it.title, it.message, it.created_at)));
        if let Some(more) = told.len().checked_sub(Self::SHOWN).filter(|more| *more > 0) {
            paragraphs.push(format!("and {more} more."));
        }
        paragraphs.push(self.letters.website.as_ref().map_or_else(
            || "All of them: GET notifications. No more such mails: PUT notifications/preferences with \"digest\": \"off\".".to_owned(),
            |website| format!("All of them, and how to get no more such mails: {website}/notifications"),
        ));
        (subject, paragraphs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;

    #[test]
    fn what_was_missed_is_passed_over() {
        let at = Timestamp::from_seconds;
        for (now, next) in
            [(0, DAY), (1, DAY), (DAY - 1, DAY), (DAY, 2 * DAY), (5 * DAY + 1, 6 * DAY)]
        {
            assert_eq!(DigestEvery::Day.next_after(at(0), at(now)), at(next), "{now}");
        }
        assert_eq!(DigestEvery::Week.next_after(at(0), at(DAY)), at(7 * DAY));
        assert_eq!(DigestEvery::Week.next_after(at(0), at(7 * DAY)), at(14 * DAY));
    }
}
