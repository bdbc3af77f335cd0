//! Applies the event log to what this instance holds in memory.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Event, tags};
use crate::{
    Clock, Result,
    account::{AccountStates, AccountStore, Authenticator},
    ports::{
        blacklist::TokenBlacklist,
        cache::{ResponseCache, Tag},
        events::{EventHandler, LoggedEvent},
    },
};

/// Denials that an instance starts with at most. Access tokens live for minutes, so that many
/// sign-outs within their life would be an attack or a defect.
const MAX_DENIALS: u32 = 1_000_000;

/// What this instance holds in memory and an event can change.
pub struct InstanceMemory {
    /// Where denials are read from at the start.
    pub accounts: Arc<dyn AccountStore>,
    /// What users are now.
    pub states: Arc<AccountStates>,
    /// What keys stand for.
    pub authenticator: Arc<Authenticator>,
    /// Revoked sessions.
    pub blacklist: Arc<dyn TokenBlacklist>,
    /// Cached bodies.
    pub cache: Arc<dyn ResponseCache>,
    /// Says what time it is.
    pub clock: Arc<dyn Clock>,
}

#[async_trait]
impl EventHandler for InstanceMemory {
    async fn apply(&self, row: &LoggedEvent) -> Result<()> {
        // A kind that a newer version wrote concerns nothing that this version holds.
        let Some(event) = Event::from_payload(&row.payload) else {
            return Ok(());
        };
        match &event {
            Event::SessionRevoked { session, until } => {
                self.blacklist.deny(&session.to_string(), *until).await;
            }
            Event::AccountChanged { user } => self.states.invalidate(*user),
            Event::EverybodySignedOut => self.states.clear(),
            Event::ProducersChanged | Event::ApiKeysChanged => self.authenticator.forget_keys(),
            Event::SignalPublished { .. }
            | Event::SignalClosed { .. }
            | Event::CacheInvalidated { .. } => {}
        }
        let mut tags = event.tags();
        if let Event::CacheInvalidated { .. } = event {
            // An instance that starts later sees the newest event of this kind only, so that each
            // one concerns every shared tag.
            tags.extend(tags::SHARED);
        }
        if !tags.is_empty() {
            self.cache.invalidate(&tags, row.seq).await;
        }
        Ok(())
    }

    async fn reset(&self, newest: &[LoggedEvent]) -> Result<()> {
        for revoked in self.accounts.revoked_sessions(self.clock.now(), MAX_DENIALS).await? {
            self.blacklist.deny(&revoked.session.to_string(), revoked.until).await;
        }
        self.states.clear();
        self.authenticator.forget_keys();
        self.cache.restart(&shared_generations(newest)).await;
        Ok(())
    }
}

/// The generation of each shared tag: the number of the newest event that concerns it. All events of a
/// kind concern the same shared tags, so the newest of each kind is enough. A kind whose rows have all
/// been deleted counts as never written: whatever was cached before its last row is longer gone than
/// the log keeps rows.
fn shared_generations(newest: &[LoggedEvent]) -> Vec<(Tag, i64)> {
    let concerns = |row: &&LoggedEvent, tag: &Tag| match Event::from_payload(&row.payload) {
        Some(Event::CacheInvalidated { .. }) => true,
        Some(event) => event.tags().contains(tag),
        None => false,
    };
    tags::SHARED
        .into_iter()
        .map(|tag| {
            let rows = newest.iter().filter(|row| concerns(row, &tag));
            let generation = rows.map(|row| row.seq).max().unwrap_or(0);
            (tag, generation)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Timestamp, signal::SignalId};

    fn row(seq: i64, event: &Event) -> LoggedEvent {
        LoggedEvent {
            seq,
            recorded_at: Timestamp::from_seconds(seq),
            kind: event.kind().to_owned(),
            payload: event.to_payload().unwrap(),
        }
    }

    #[test]
    fn generations_are_the_newest_events_that_concern_a_tag() {
        let signal = SignalId::new(1);
        let published = row(9, &Event::SignalPublished { signal });
        let closed = row(5, &Event::SignalClosed { signal });
        let rows = [row(11, &Event::ProducersChanged), published, closed];
        assert_eq!(shared_generations(&rows), [(tags::SIGNALS, 9), (tags::PERFORMANCE, 5)]);
        assert_eq!(shared_generations(&[]), [(tags::SIGNALS, 0), (tags::PERFORMANCE, 0)]);
        let everything = [row(12, &Event::CacheInvalidated { tags: vec![] })];
        assert_eq!(shared_generations(&everything), [(tags::SIGNALS, 12), (tags::PERFORMANCE, 12)]);
    }
}
