//! A bounded memory of what was looked up, safe against look-ups that race an invalidation.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{PoisonError, RwLock},
};

/// Values by key, at most `capacity` of them. When it is full it forgets everything: simple, bounded,
/// and rare enough with a capacity above the number of active users.
pub(crate) struct Memo<K, V> {
    state: RwLock<State<K, V>>,
    capacity: usize,
}

struct State<K, V> {
    values: HashMap<K, V>,
    /// Raised by every invalidation: a value looked up before it must not be kept after it.
    epoch: u64,
}

/// Proof of when a look-up began.
#[derive(Clone, Copy)]
pub(crate) struct Ticket(u64);

impl<K: Eq + Hash, V: Clone> Memo<K, V> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            state: RwLock::new(State { values: HashMap::new(), epoch: 0 }),
            capacity: capacity.max(1),
        }
    }

    /// The remembered value, or a ticket to bring along with the one that is looked up now.
    pub(crate) fn get(&self, key: &K) -> Result<V, Ticket> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        state.values.get(key).cloned().ok_or(Ticket(state.epoch))
    }

    /// Remembers a value, unless something was invalidated since `ticket` was drawn.
    pub(crate) fn put(&self, ticket: Ticket, key: K, value: V) {
        self.change(|state, capacity| {
            if state.epoch == ticket.0 {
                if state.values.len() >= capacity {
                    state.values.clear();
                }
                state.values.insert(key, value);
            }
        });
    }

    pub(crate) fn forget(&self, key: &K) {
        self.change(|state, _| {
            state.epoch += 1;
            state.values.remove(key);
        });
    }

    pub(crate) fn clear(&self) {
        self.change(|state, _| {
            state.epoch += 1;
            state.values.clear();
        });
    }

    fn change(&self, apply: impl FnOnce(&mut State<K, V>, usize)) {
        apply(&mut self.state.write().unwrap_or_else(PoisonError::into_inner), self.capacity);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_up_that_raced_an_invalidation_is_not_kept() {
        let memo = Memo::new(10);
        let Err(ticket) = memo.get(&1) else { panic!("empty memo answered") };
        memo.forget(&1);
        memo.put(ticket, 1, "old");
        assert!(memo.get(&1).is_err());
    }

    #[test]
    fn it_never_holds_more_than_its_capacity() {
        let memo = Memo::new(3);
        for key in 0..100 {
            if let Err(ticket) = memo.get(&key) {
                memo.put(ticket, key, key);
            }
        }
        assert!((0..100).filter(|key| memo.get(key).is_ok()).count() <= 3);
    }
}
