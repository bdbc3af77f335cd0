//! Applies the event log to what this instance holds in memory.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;

use super::{CommitHandler, CommittedEvent, Event, Forgets, tags};
use crate::{
    Clock, Result,
    account::{AccountStates, AccountStore, Authenticator},
    ports::{
        blacklist::TokenBlacklist,
        cache::{ResponseCache, Tag},
        events::{EventHandler, EventLog, LoggedEvent},
    },
    signal::VisibilityPolicy,
};

/// What this instance holds in memory and an event can change.
pub struct InstanceMemory {
    accounts: Arc<dyn AccountStore>,
    states: Arc<AccountStates>,
    authenticator: Arc<Authenticator>,
    blacklist: Arc<dyn TokenBlacklist>,
    cache: Arc<dyn ResponseCache>,
    clock: Arc<dyn Clock>,
    policy: VisibilityPolicy,
    /// While a reset is under way: the newest number of each shared tag that was applied since it
    /// began. The reset may have read the log before.
    since_reset: Mutex<Option<HashMap<Tag, i64>>>,
}

impl InstanceMemory {
    /// The memory that consists of these; `accounts` is where denials are read from at the start.
    pub fn new(
        accounts: Arc<dyn AccountStore>,
        states: Arc<AccountStates>,
        authenticator: Arc<Authenticator>,
        blacklist: Arc<dyn TokenBlacklist>,
        cache: Arc<dyn ResponseCache>,
        clock: Arc<dyn Clock>,
        policy: VisibilityPolicy,
    ) -> Self {
        let since_reset = Mutex::new(None);
        Self { accounts, states, authenticator, blacklist, cache, clock, policy, since_reset }
    }

    /// Brings memory in line with committed events. Applying one again changes nothing, and the order
    /// does not matter: whoever looks up what was forgotten finds what is committed by then, so the
    /// newest number of a tag is its generation, also on an instance that learns of an older one later.
    pub fn apply(&self, events: &[CommittedEvent]) {
        let mut newest = HashMap::new();
        for CommittedEvent { seq, event } in events {
            match event.forgets() {
                Forgets::Nothing => {}
                Forgets::Session(session, until) => {
                    self.blacklist.deny(&session.to_string(), until);
                }
                Forgets::Account(user) => self.states.invalidate(user),
                Forgets::Accounts => self.states.clear(),
                Forgets::Keys => self.authenticator.forget_keys(),
            }
            for tag in event.tags(&self.policy) {
                raise(&mut newest, tag, *seq);
            }
        }
        // Held until the tags are invalidated, so that a reset comes before or after both.
        let mut since_reset = lock(&self.since_reset);
        for (tag, seq) in newest {
            self.cache.invalidate(std::slice::from_ref(&tag), seq);
            if let Some(applied) = &mut *since_reset
                && is_shared(&tag)
            {
                raise(applied, tag, seq);
            }
        }
    }
}

fn is_shared(tag: &Tag) -> bool {
    tags::shared().any(|shared| shared == *tag)
}

fn raise(generations: &mut HashMap<Tag, i64>, tag: Tag, seq: i64) {
    let newest = generations.entry(tag).or_insert(seq);
    *newest = seq.max(*newest);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// For an instance that has no others to tell.
impl CommitHandler for InstanceMemory {
    fn committed(&self, events: &[CommittedEvent]) {
        self.apply(events);
    }
}

#[async_trait]
impl EventHandler for InstanceMemory {
    async fn apply(&self, row: &LoggedEvent) -> Result<()> {
        // A kind that a newer version wrote concerns nothing that this version holds.
        if let Some(event) = Event::from_payload(&row.payload) {
            Self::apply(self, &[CommittedEvent { seq: row.seq, event }]);
        }
        Ok(())
    }

    async fn reset(&self, log: &dyn EventLog) -> Result<()> {
        *lock(&self.since_reset) = Some(HashMap::new());
        let newest = log.newest_of_each_kind().await?;
        // One more than the list holds: if there are as many, that one ends no earlier than those left
        // out, and until then the list refuses whatever it does not know.
        let limit = u32::try_from(self.blacklist.capacity()).unwrap_or(u32::MAX).saturating_add(1);
        for revoked in self.accounts.revoked_sessions(self.clock.now(), limit).await? {
            self.blacklist.deny(&revoked.session.to_string(), revoked.until);
        }
        self.states.clear();
        self.authenticator.forget_keys();
        let mut since_reset = lock(&self.since_reset);
        let mut generations = shared_generations(&newest, &self.policy);
        for (tag, seq) in since_reset.take().unwrap_or_default() {
            raise(&mut generations, tag, seq);
        }
        self.cache.restart(&generations.into_iter().collect::<Vec<_>>());
        Ok(())
    }
}

/// The generation of each shared tag: the number of the newest event that concerns it. The
/// newest event of a kind counts for every tag that its kind can concern, whatever the signal: no tag
/// gets an older number than it has elsewhere, and one with a newer number, which only makes entries be
/// loaded anew, is even with the others after the next event that concerns it. A kind whose rows have all
/// been deleted counts as never written: whatever was cached before its last row is longer gone than
/// the log keeps rows.
fn shared_generations(newest: &[LoggedEvent], policy: &VisibilityPolicy) -> HashMap<Tag, i64> {
    let mut generations = tags::shared().map(|tag| (tag, 0)).collect::<HashMap<_, _>>();
    for row in newest {
        let event = Event::from_payload(&row.payload);
        let tags = event.map(|event| event.tags_of_kind(policy)).unwrap_or_default();
        for tag in tags.into_iter().filter(is_shared) {
            raise(&mut generations, tag, row.seq);
        }
    }
    generations
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Timestamp, account::Viewer, signal::SignalId};

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
        let confidence = Some(99.0);
        let published = row(9, &Event::SignalPublished { signal, confidence });
        let closed = row(5, &Event::SignalClosed { signal, confidence });
        let rows = [row(11, &Event::ProducersChanged), published, closed];
        let generations = |signals, performance| {
            let policy = VisibilityPolicy::default();
            let both = |viewer| {
                let at_once = i64::from(policy.view(viewer).delay.is_zero());
                [
                    (tags::signals(viewer), signals * at_once),
                    (tags::performance(viewer), performance * at_once),
                ]
            };
            Viewer::ALL.into_iter().flat_map(both).collect::<HashMap<Tag, i64>>()
        };
        let policy = VisibilityPolicy::default();
        assert_eq!(shared_generations(&rows, &policy), generations(9, 9));
        assert_eq!(shared_generations(&rows[2..], &policy), generations(5, 5));
        assert_eq!(shared_generations(&[], &policy), generations(0, 0));
    }
}
