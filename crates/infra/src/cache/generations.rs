//! The generation of each tag: it changes when the tag is invalidated.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{
        RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use alpine_domain::ports::cache::Tag;

use crate::sync;

/// Slots that tags are hashed into. Two tags in one slot are invalidated together, which costs a miss
/// now and then; in return the memory is fixed, however many accounts there are.
const SLOTS: usize = 65_536;

/// The generations of some tags at one instant.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Snapshot {
    everything: u64,
    slots: Vec<(usize, u64)>,
    /// The logged generations, in the order of the policy's tags, if entries under all of them may be
    /// shared with other instances.
    pub(super) shared: Option<Vec<i64>>,
}

/// The current generations.
///
/// The order of two steps matters: an invalidation raises the logged generation before the slot, and a
/// snapshot reads the slots before the logged generations. So a current snapshot never holds an
/// outdated logged generation.
#[derive(Debug)]
pub(super) struct Generations {
    everything: AtomicU64,
    slots: Box<[AtomicU64]>,
    hasher: RandomState,
    /// The tags whose generation all instances derive from the log alike.
    shared: RwLock<HashMap<Tag, i64>>,
}

impl Default for Generations {
    fn default() -> Self {
        Self {
            everything: AtomicU64::new(0),
            slots: std::iter::repeat_with(AtomicU64::default).take(SLOTS).collect(),
            hasher: RandomState::new(),
            shared: RwLock::default(),
        }
    }
}

impl Generations {
    /// Takes a snapshot, before a load.
    pub(super) fn snapshot(&self, tags: &[Tag]) -> Snapshot {
        let everything = self.everything.load(Ordering::SeqCst);
        let slots = tags
            .iter()
            .map(|tag| {
                let slot = self.slot(tag);
                (slot, self.slots[slot].load(Ordering::SeqCst))
            })
            .collect();
        Snapshot { everything, slots, shared: self.logged(tags) }
    }

    /// Whether nothing in `snapshot` was invalidated since it was taken.
    pub(super) fn is_current(&self, snapshot: &Snapshot) -> bool {
        snapshot.everything == self.everything.load(Ordering::SeqCst)
            && snapshot
                .slots
                .iter()
                .all(|(slot, seen)| self.slots[*slot].load(Ordering::SeqCst) == *seen)
    }

    /// Applies the event `at`.
    pub(super) fn invalidate(&self, tags: &[Tag], at: i64) {
        let mut shared = sync::write(&self.shared);
        for tag in tags {
            match shared.get_mut(tag) {
                // Nothing that was loaded since the newer event was applied is out of date: events are
                // committed in the order of their numbers.
                Some(generation) if at <= *generation => {}
                Some(generation) => {
                    *generation = at;
                    self.bump(tag);
                }
                None => self.bump(tag),
            }
        }
    }

    /// Invalidates everything, and learns which tags are shared.
    pub(super) fn restart(&self, generations: &[(Tag, i64)]) {
        let mut shared = sync::write(&self.shared);
        *shared = generations.iter().cloned().collect();
        self.everything.fetch_add(1, Ordering::SeqCst);
    }

    fn logged(&self, tags: &[Tag]) -> Option<Vec<i64>> {
        let shared = sync::read(&self.shared);
        if shared.is_empty() {
            return None;
        }
        tags.iter().map(|tag| shared.get(tag).copied()).collect()
    }

    fn bump(&self, tag: &Tag) {
        self.slots[self.slot(tag)].fetch_add(1, Ordering::SeqCst);
    }

    fn slot(&self, tag: &Tag) -> usize {
        usize::try_from(self.hasher.hash_one(tag)).unwrap_or(usize::MAX) % SLOTS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_ends_with_any_of_its_tags_and_no_other() {
        let generations = Generations::default();
        let (a, b, c) = (Tag::of("a"), Tag::of("b"), Tag::of("c"));
        let snapshot = generations.snapshot(&[a.clone(), b.clone()]);
        if generations.slot(&c) != generations.slot(&a)
            && generations.slot(&c) != generations.slot(&b)
        {
            generations.invalidate(&[c], 1);
        }
        assert!(generations.is_current(&snapshot));
        generations.invalidate(&[b], 2);
        assert!(!generations.is_current(&snapshot));
        let again = generations.snapshot(&[a]);
        generations.restart(&[]);
        assert!(!generations.is_current(&again));
    }

    #[test]
    fn logged_generations_are_the_newest_events_whatever_comes_twice() {
        let generations = Generations::default();
        let (a, b) = (Tag::of("a"), Tag::of("b"));
        assert_eq!(generations.snapshot(std::slice::from_ref(&a)).shared, None);
        generations.restart(&[(a.clone(), 5), (b.clone(), 0)]);
        generations.invalidate(std::slice::from_ref(&a), 9);
        let snapshot = generations.snapshot(&[a.clone(), b]);
        assert_eq!(snapshot.shared, Some(vec![9, 0]));
        generations.invalidate(std::slice::from_ref(&a), 7);
        assert!(generations.is_current(&snapshot), "an event that was applied before");
        assert_eq!(generations.snapshot(&[a, Tag::of("account")]).shared, None);
    }
}
