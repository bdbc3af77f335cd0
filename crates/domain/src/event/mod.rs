//! Every change that something held in memory depends on.
//!
//! A store logs the event in the transaction of the change; that is the only place where a change is
//! told. After the commit the events are handed to one [`CommitHandler`], which applies them on this
//! instance before the use case returns; the other instances read them in the log.
//!
//! A new kind is a variant of [`Event`]: [`Event::kind`], [`Event::tags`] and `Event::forgets` name
//! every kind, so that it does not compile before each of them knows it.
//!
//! No personal data stands in an event, so that erasing an account stays possible.

mod apply;

pub use apply::InstanceMemory;
use serde::{Deserialize, Serialize};

use crate::{
    Error, Result, Timestamp,
    account::{SessionId, UserId, Viewer},
    ports::cache::Tag,
    signal::{SignalId, VisibilityPolicy},
};

/// A change, as it is written to the log in the same transaction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// A signal was accepted.
    SignalPublished {
        /// The signal.
        signal: SignalId,
        /// How sure its producer is, in percent: decides who may know of it. `None` when an older
        /// release wrote the event.
        #[serde(default, with = "digits", skip_serializing_if = "Option::is_none")]
        confidence: Option<f64>,
    },
    /// A signal got its outcome, from its producer or by expiry.
    SignalClosed {
        /// The signal.
        signal: SignalId,
        /// How sure its producer is, in percent: decides who may know of it. `None` when an older
        /// release wrote the event.
        #[serde(default, with = "digits", skip_serializing_if = "Option::is_none")]
        confidence: Option<f64>,
    },
    /// A signal that had expired got a late outcome from its producer; it stays expired.
    LateOutcomeRecorded {
        /// The signal.
        signal: SignalId,
        /// How sure its producer is, in percent: decides who may know of it.
        #[serde(default, with = "digits", skip_serializing_if = "Option::is_none")]
        confidence: Option<f64>,
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

/// What an event changes in the memory of an instance, besides the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Forgets {
    /// Nothing: all that it concerns lies in the cache.
    Nothing,
    /// The session is denied until then.
    Session(SessionId, Timestamp),
    /// What a user may do is looked up again.
    Account(UserId),
    /// What every user may do is looked up again.
    Accounts,
    /// Whose a key is is looked up again, for API keys and producers.
    Keys,
}

impl Event {
    /// The kinds that say when something happened to a signal.
    pub const KINDS_OF_SIGNALS: [&'static str; 3] =
        ["signal_published", "signal_closed", "late_outcome_recorded"];

    /// The kind's name, as it stands in the log.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::SignalPublished { .. } => "signal_published",
            Self::SignalClosed { .. } => "signal_closed",
            Self::LateOutcomeRecorded { .. } => "late_outcome_recorded",
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

    /// The cache tags that this change makes out of date under `policy`. What a reader may not see, or
    /// not yet, makes nothing of theirs out of date, so that no miss tells them of it.
    pub fn tags(&self, policy: &VisibilityPolicy) -> Vec<Tag> {
        match self {
            // The record counts open signals as well.
            Self::SignalPublished { confidence, .. }
            | Self::SignalClosed { confidence, .. }
            | Self::LateOutcomeRecorded { confidence, .. } => at_once(policy, *confidence)
                .flat_map(|viewer| [tags::signals(viewer), tags::performance(viewer)])
                .collect(),
            Self::AccountChanged { user } => vec![tags::account(*user)],
            Self::SessionRevoked { .. }
            | Self::EverybodySignedOut
            | Self::ProducersChanged
            | Self::ApiKeysChanged => Vec::new(),
        }
    }

    /// What this change makes an instance forget, besides the cached bodies of [`tags`](Self::tags).
    pub(crate) const fn forgets(&self) -> Forgets {
        match self {
            Self::SessionRevoked { session, until } => Forgets::Session(*session, *until),
            Self::AccountChanged { user } => Forgets::Account(*user),
            Self::EverybodySignedOut => Forgets::Accounts,
            Self::ProducersChanged | Self::ApiKeysChanged => Forgets::Keys,
            Self::SignalPublished { .. }
            | Self::SignalClosed { .. }
            | Self::LateOutcomeRecorded { .. } => Forgets::Nothing,
        }
    }

    /// The cache tags that some event of this kind can make out of date.
    pub fn tags_of_kind(mut self, policy: &VisibilityPolicy) -> Vec<Tag> {
        if let Self::SignalPublished { confidence, .. }
        | Self::SignalClosed { confidence, .. }
        | Self::LateOutcomeRecorded { confidence, .. } = &mut self
        {
            *confidence = None;
        }
        self.tags(policy)
    }
}

/// The viewers for whom something changes at once.
fn at_once(policy: &VisibilityPolicy, confidence: Option<f64>) -> impl Iterator<Item = Viewer> {
    let shows = move |viewer: &Viewer| policy.view(*viewer).shows_at_once(confidence);
    Viewer::ALL.into_iter().filter(shows)
}

/// A number as its shortest digits, in a text: they read back as the very same number, which a number
/// in JSON need not.
mod digits {
    use std::borrow::Cow;

    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    #[expect(clippy::ref_option, reason = "serde asks so")]
    pub(super) fn serialize<S: Serializer>(
        number: &Option<f64>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match number {
            Some(number) => serializer.collect_str(number),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<f64>, D::Error> {
        let text = Option::<Cow<'_, str>>::deserialize(deserializer)?;
        let number = text.map(|text| text.parse().map_err(D::Error::custom)).transpose()?;
        // What cannot be compared is unknown, and concerns everybody.
        Ok(number.filter(|number: &f64| number.is_finite()))
    }
}

/// A change of a committed transaction.
#[derive(Debug, Clone, PartialEq)]
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

    /// A transaction added jobs. Called after its commit, on a thread that may block. A hint: whoever works
    /// off jobs looks for them from time to time anyway.
    fn jobs_added(&self) {}
}

/// The cache's tags, in one place.
pub mod tags {
    use crate::{
        account::{Tier, UserId, Viewer},
        ports::cache::Tag,
    };

    /// Every list of signals that these viewers are shown.
    pub const fn signals(viewer: Viewer) -> Tag {
        match viewer {
            Viewer::Anonymous => Tag::of("signals:anonymous"),
            Viewer::Subscriber(Tier::Free) => Tag::of("signals:free"),
            Viewer::Subscriber(Tier::Starter) => Tag::of("signals:starter"),
            Viewer::Subscriber(Tier::Pro) => Tag::of("signals:pro"),
            Viewer::Subscriber(Tier::Elite) => Tag::of("signals:elite"),
            Viewer::Admin => Tag::of("signals:admin"),
        }
    }

    /// Statistics over closed signals, as these viewers are told them.
    pub const fn performance(viewer: Viewer) -> Tag {
        match viewer {
            Viewer::Anonymous => Tag::of("performance:anonymous"),
            Viewer::Subscriber(Tier::Free) => Tag::of("performance:free"),
            Viewer::Subscriber(Tier::Starter) => Tag::of("performance:starter"),
            Viewer::Subscriber(Tier::Pro) => Tag::of("performance:pro"),
            Viewer::Subscriber(Tier::Elite) => Tag::of("performance:elite"),
            Viewer::Admin => Tag::of("performance:admin"),
        }
    }

    /// The tags whose bodies instances share with each other.
    pub fn shared() -> impl Iterator<Item = Tag> {
        Viewer::ALL.into_iter().flat_map(|viewer| [signals(viewer), performance(viewer)])
    }

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
        // Digits that a parser of numbers may get wrong in the last place.
        let confidence = Some(84.999_999_999_999_99);
        let event = Event::SignalClosed { signal: SignalId::new(7), confidence };
        let payload = event.to_payload().unwrap();
        assert_eq!(Event::from_payload(&payload), Some(event.clone()));
        assert!(payload.contains(event.kind()));
        let older = r#"{"kind":"signal_published","signal":SIGNAL}"#
            .replace("SIGNAL", &serde_json::to_string(&SignalId::new(7)).unwrap());
        let unknown = Event::SignalPublished { signal: SignalId::new(7), confidence: None };
        assert_eq!(Event::from_payload(&older), Some(unknown.clone()));
        for text in ["NaN", "inf"] {
            let payload = payload.replace("84.99999999999999", text).replace("closed", "published");
            assert_eq!(Event::from_payload(&payload), Some(unknown.clone()), "{payload}");
        }
        assert_eq!(Event::from_payload(r#"{"kind":"from_the_future"}"#), None);
    }

    /// What stands in the log is read by older and newer releases: the names stay.
    #[test]
    fn each_kind_has_the_name_that_its_payload_says() {
        let (signal, confidence) = (SignalId::new(7), None);
        let session = SessionId::new(uuid::Uuid::nil());
        for (event, name) in [
            (Event::SignalPublished { signal, confidence }, "signal_published"),
            (Event::SignalClosed { signal, confidence }, "signal_closed"),
            (Event::LateOutcomeRecorded { signal, confidence }, "late_outcome_recorded"),
            (Event::SessionRevoked { session, until: Timestamp::MIN }, "session_revoked"),
            (Event::AccountChanged { user: UserId::new(uuid::Uuid::nil()) }, "account_changed"),
            (Event::EverybodySignedOut, "everybody_signed_out"),
            (Event::ProducersChanged, "producers_changed"),
            (Event::ApiKeysChanged, "api_keys_changed"),
        ] {
            let payload = event.to_payload().unwrap();
            assert_eq!(event.kind(), name);
            assert!(payload.starts_with(&format!(r#"{{"kind":"{name}""#)), "{payload}");
            assert_eq!(Event::from_payload(&payload), Some(event));
        }
    }

    #[test]
    fn an_event_makes_only_out_of_date_what_shows_it_at_once() {
        let policy = VisibilityPolicy::default();
        let tags = |confidence| {
            let event = Event::SignalPublished { signal: SignalId::new(7), confidence };
            event.tags(&policy).into_iter().map(|tag| tag.0.into_owned()).collect::<Vec<_>>()
        };
        let paid = ["signals:starter", "signals:pro", "signals:elite", "signals:admin"];
        assert_eq!(tags(Some(84.9)), paid);
        assert_eq!(tags(Some(85.0)), paid[1..]);
        assert_eq!(tags(Some(94.9)), paid[1..]);
        assert_eq!(tags(Some(95.0)), paid[2..]);
        assert_eq!(tags(None), paid);
        let closed = Event::SignalClosed { signal: SignalId::new(7), confidence: Some(95.0) };
        let found: Vec<_> =
            closed.tags(&policy).into_iter().map(|tag| tag.0.into_owned()).collect();
        let both = ["signals:elite", "performance:elite", "signals:admin", "performance:admin"];
        assert_eq!(found, both);
        let late = Event::LateOutcomeRecorded { signal: SignalId::new(7), confidence: Some(95.0) };
        assert_eq!(late.tags(&policy), closed.tags(&policy));
        assert_eq!(closed.tags_of_kind(&policy).len(), 8);
        assert_eq!(late.tags_of_kind(&policy).len(), 8);
    }
}
