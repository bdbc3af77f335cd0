//! A notification, its number and its place in a list.

use std::{fmt, str::FromStr};

use crate::{
    Timestamp,
    account::{Tier, UserId},
    page::InvalidCursor,
    signal::SignalId,
    text_enum::text_enum,
};

text_enum!(
    /// What a notification tells of.
    NotificationKind, {
        /// A signal came into the user's sight.
        NewSignal = "new_signal",
        /// A signal in the user's sight was closed.
        SignalClosed = "signal_closed",
        /// The account has another tier.
        TierChanged = "tier_changed",
        /// A payment did not go through.
        PaymentFailed = "payment_failed",
        /// The account was signed in to from a place that it did not know.
        NewSignIn = "new_sign_in",
        /// Something that keeps strangers out of the account changed.
        Security = "security",
    }
);

/// Which notification: `notif-7` is a row of the user's own, `notif-s-7` tells that the signal 7 came into sight, and
/// `notif-c-7` that it was closed. Among those of one instant the greater one is the newer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NotificationId {
    /// A signal was published.
    Published(SignalId),
    /// A signal was closed.
    Closed(SignalId),
    /// The row with this number.
    Own(i64),
}

impl NotificationId {
    /// Characters of its text at most.
    pub const MAX_CHARS: usize = 26;
    /// An ECMA-262 pattern that its text matches.
    pub const PATTERN: &'static str = "^notif-([sc]-)?(0|[1-9][0-9]{0,17})$";
    /// The greatest number: all of eighteen digits are taken, so that the pattern says it all.
    const MOST: i64 = 999_999_999_999_999_999;

    /// The number of its row, if it is one of the user's own.
    pub const fn row(self) -> Option<i64> {
        match self {
            Self::Own(row) => Some(row),
            Self::Published(_) | Self::Closed(_) => None,
        }
    }
}

/// A text that is no id of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not the id of a notification, `notif-7` for example")]
pub struct InvalidNotificationId;

impl fmt::Display for NotificationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Published(signal) => write!(f, "notif-s-{signal}"),
            Self::Closed(signal) => write!(f, "notif-c-{signal}"),
            Self::Own(row) => write!(f, "notif-{row}"),
        }
    }
}

impl FromStr for NotificationId {
    type Err = InvalidNotificationId;

    /// Each id has one text: no sign, no zero in front.
    fn from_str(text: &str) -> Result<Self, InvalidNotificationId> {
        let rest = text.strip_prefix("notif-").ok_or(InvalidNotificationId)?;
        let (make, digits): (fn(i64) -> Self, _) = if let Some(digits) = rest.strip_prefix("s-") {
            (|id| Self::Published(SignalId::new(id)), digits)
        } else if let Some(digits) = rest.strip_prefix("c-") {
            (|id| Self::Closed(SignalId::new(id)), digits)
        } else {
            (Self::Own, rest)
        };
        let number: i64 = digits.parse().map_err(|_| InvalidNotificationId)?;
        let is_canonical = (0..=Self::MOST).contains(&number) && number.to_string() == digits;
        is_canonical.then(|| make(number)).ok_or(InvalidNotificationId)
    }
}

/// The place after the last notification that was read, newest first. Travels as `<microseconds>_<id>`; clients
/// treat it as opaque.
///
/// ```
/// use alpine_domain::notification::NotificationCursor;
/// let cursor: NotificationCursor = "1736937000000000_notif-42".parse()?;
/// assert_eq!(cursor.id.row(), Some(42));
/// assert_eq!(cursor.to_string(), "1736937000000000_notif-42");
/// # Ok::<(), alpine_domain::page::InvalidCursor>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct NotificationCursor {
    /// When the last one that was read was made.
    pub created_at: Timestamp,
    /// That one, which breaks ties.
    pub id: NotificationId,
}

impl NotificationCursor {
    /// Characters of its text at most.
    pub const MAX_CHARS: usize = 47;
    /// An ECMA-262 pattern that its text matches.
    pub const PATTERN: &'static str = "^-?[0-9]{1,19}_notif-([sc]-)?(0|[1-9][0-9]{0,17})$";
}

impl fmt::Display for NotificationCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.created_at.micros(), self.id)
    }
}

impl FromStr for NotificationCursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let (micros, id) = text.split_once('_').ok_or(InvalidCursor)?;
        let micros = micros.parse().map_err(|_| InvalidCursor)?;
        Ok(Self {
            created_at: Timestamp::try_from_micros(micros).map_err(|_| InvalidCursor)?,
            id: id.parse().map_err(|_| InvalidCursor)?,
        })
    }
}

/// A notification, as its user reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Its number.
    pub id: NotificationId,
    /// What it tells of.
    pub kind: NotificationKind,
    /// In a few words.
    pub title: String,
    /// In a sentence or two.
    pub message: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was marked as read; `None`: it is unread.
    pub read_at: Option<Timestamp>,
}

impl Notification {
    /// Whether it is not marked as read.
    pub const fn is_unread(&self) -> bool {
        self.read_at.is_none()
    }

    /// Where it stands in a list.
    pub const fn place(&self) -> NotificationCursor {
        NotificationCursor { created_at: self.created_at, id: self.id }
    }
}

/// A notification to be written for one user, in the transaction of its cause. No address and no name stands in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewNotification {
    /// Who is told.
    pub user: UserId,
    /// What it tells of.
    pub kind: NotificationKind,
    /// In a few words.
    pub title: String,
    /// In a sentence or two.
    pub message: String,
    /// When its cause happened.
    pub created_at: Timestamp,
}

impl NewNotification {
    /// For `user`, of what happened at `created_at`.
    pub fn new(
        user: UserId,
        kind: NotificationKind,
        (title, message): (&str, impl Into<String>),
        created_at: Timestamp,
    ) -> Self {
        Self { user, kind, title: title.to_owned(), message: message.into(), created_at }
    }

    /// The account has another tier.
    pub fn tier_changed(user: UserId, old: Tier, new: Tier, at: Timestamp) -> Self {
        let message = format!("Your plan was {old} and is {new} from now on.");
        Self::new(user, NotificationKind::TierChanged, ("Your plan changed", message), at)
    }

    /// A renewal was not paid.
    pub fn payment_failed(user: UserId, at: Timestamp) -> Self {
        let message = "The renewal of your plan could not be charged, and is tried again. Look at your way to pay: the \
                       plan ends if it stays unpaid.";
        Self::new(user, NotificationKind::PaymentFailed, ("A payment failed", message), at)
    }

    /// The account was signed in to from a place that it did not know.
    pub fn new_sign_in(user: UserId, at: Timestamp) -> Self {
        let message = "Your account was signed in to from a place that it did not know. If that was not you, \
                       change your password: that ends every session.";
        Self::new(user, NotificationKind::NewSignIn, ("Sign-in from a new place", message), at)
    }

    /// The account has another password.
    pub fn password_changed(user: UserId, at: Timestamp) -> Self {
        let message = "The password of your account was changed, and every session has ended. If that was not you, \
                       set another one by mail.";
        Self::new(user, NotificationKind::Security, ("Your password was changed", message), at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_text() {
        let signal = SignalId::new(NotificationId::MOST);
        let own = [0, 7, NotificationId::MOST].map(NotificationId::Own);
        let of_signals = [NotificationId::Published(signal), NotificationId::Closed(signal)];
        for id in own.into_iter().chain(of_signals) {
            assert_eq!(id.to_string().parse(), Ok(id));
            assert!(id.to_string().len() <= NotificationId::MAX_CHARS);
        }
        for other in [
            "",
            "7",
            "notif-",
            "notif-07",
            "notif-+7",
            "notif--7",
            "notif-7 ",
            "notif-1000000000000000000",
            "NOTIF-7",
            "notif-s-",
            "notif-x-7",
            "notif-s-07",
        ] {
            assert_eq!(other.parse::<NotificationId>(), Err(InvalidNotificationId), "{other}");
        }
    }

    #[test]
    fn a_cursor_is_an_instant_and_an_id() {
        let longest = NotificationCursor {
            created_at: Timestamp::MIN,
            id: NotificationId::Closed(SignalId::new(NotificationId::MOST)),
        };
        assert!(longest.to_string().len() <= NotificationCursor::MAX_CHARS);
        assert_eq!(longest.to_string().parse(), Ok(longest));
        for other in ["", "1_1", "1", "_notif-1", "x_notif-1", "1_notif-x"] {
            assert_eq!(other.parse::<NotificationCursor>(), Err(InvalidCursor), "{other}");
        }
    }
}
