//! Every change that something held in memory depends on.
//!
//! A store logs the event in the transaction of the change; that is the only place where a change is
//! told. After the commit the events are handed to one [`CommitHandler`], which applies them on this
//! instance before the use case returns; the other instances read them in the log.
//!
//! A new kind is a variant of [`Event`]: [`Event::kind`], [`Event::tags`] and [`InstanceMemory::apply`]
//! name every kind, so that it does not compile before each of them knows it.
//!
//! No personal data stands in an event, so that erasing an account stays possible.

mod apply;

pub use apply::InstanceMemory;
use serde::{Deserialize, Serialize};

use crate::{
    Error, Result, Timestamp,
    account::{SessionId, UserId},
    ports::cache::Tag,
    signal::SignalId,
};

/// A change, as it is written to the log in the same transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// A signal was accepted.
    SignalPublished {
        /// The signal.
        signal: SignalId,
    },
    /// A signal got its outcome, from its producer or by expiry.
    SignalClosed {
        /// The signal.
        signal: SignalId,
    },
    /// A session ended: its tokens are refused.
    SessionRevoked {
        /// The session.
        session: SessionId,
        /// When its last access token will have expired.
        until: Timestamp,
    },
    /// Tier, role, activity, generation or profile of a user changed.
    AccountChanged {
        /// The user.
        user: UserId,
    },
    /// The generation of every user was raised: each token issued before is refused.
    EverybodySignedOut,
    /// A producer or its key changed.
    ProducersChanged,
    /// A user's API key was made or revoked.
    ApiKeysChanged,
}

impl Event {
    /// The kind's name, as it stands in the log.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::SignalPublished { .. } => "signal_published",
            Self::SignalClosed { .. } => "signal_closed",
            Self::SessionRevoked { .. } => "session_revoked",
            Self::AccountChanged { .. } => "account_changed",
            Self::EverybodySignedOut => "everybody_signed_out",
            Self::ProducersChanged => "producers_changed",
            Self::ApiKeysChanged => "api_keys_changed",
        }
    }

    /// The event as it is stored.
    ///
    /// # Errors
    /// [`Error::Internal`] if it cannot be written as JSON, which no variant here can cause.
    pub fn to_payload(&self) -> Result<String> {
        serde_json::to_string(self).map_err(Error::internal)
    }

    /// Reads a stored event; `None` for a kind that a newer version wrote.
    pub fn from_payload(payload: &str) -> Option<Self> {
        serde_json::from_str(payload).ok()
    }

    /// The cache tags that this change makes out of date.
    pub fn tags(&self) -> Vec<Tag> {
        match self {
            Self::SignalPublished { .. } => vec![tags::SIGNALS],
            Self::SignalClosed { .. } => vec![tags::SIGNALS, tags::PERFORMANCE],
            Self::AccountChanged { user } => vec![tags::account(*user)],
            Self::SessionRevoked { .. }
            | Self::EverybodySignedOut
            | Self::ProducersChanged
            | Self::ApiKeysChanged => Vec::new(),
        }
    }
}

/// A change of a committed transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedEvent {
    /// Its number in the log.
    pub seq: i64,
    /// What changed.
    pub event: Event,
}

/// Is told what a transaction of this instance changed, after its commit and before whoever asked for
/// it learns of the success.
pub trait CommitHandler: Send + Sync {
    /// Applies the events on this instance and lets the others know that there are some. Called on a
    /// thread that may block, once for each transaction, in no particular order of transactions. Never
    /// called for a commit whose outcome is unknown: those events, like those of other instances, come
    /// by the log.
    fn committed(&self, events: &[CommittedEvent]);
}

/// The cache's tags, in one place.
pub mod tags {
    use crate::{account::UserId, ports::cache::Tag};

    /// Every list of signals.
    pub const SIGNALS: Tag = Tag::of("signals");
    /// Statistics over closed signals.
    pub const PERFORMANCE: Tag = Tag::of("performance");

    /// The tags whose bodies instances share with each other.
    pub const SHARED: [Tag; 2] = [SIGNALS, PERFORMANCE];

    /// What is shown of one account.
    pub fn account(user: UserId) -> Tag {
        Tag(format!("account:{user}").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_read_back_and_unknown_kinds_are_passed_over() {
        let event = Event::SignalClosed { signal: SignalId::new(7) };
        let payload = event.to_payload().unwrap();
        assert_eq!(Event::from_payload(&payload), Some(event.clone()));
        assert!(payload.contains(event.kind()));
        assert_eq!(Event::from_payload(r#"{"kind":"from_the_future"}"#), None);
    }
}
