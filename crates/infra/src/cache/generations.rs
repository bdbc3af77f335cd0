//! The generation of each tag: it changes when the tag is invalidated.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{
        RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use alpine_domain::ports::cache::Tag;

use crate::sync;

/// Slots that tags are hashed into. Two tags in one slot are invalidated together, which costs a miss
/// now and then; in return the memory is fixed, however many accounts there are.
const SLOTS: usize = 65_536;
/// How long a change of this instance keeps its tags off the shared level, unless its event comes
/// first. By then the event was applied, or this instance says that it is not fresh.
const DISTRUST: Duration = Duration::from_secs(2);

/// The generations of some tags at one instant.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Snapshot {
    everything: u64,
    slots: Vec<(usize, u64)>,
    /// The logged generations, in the order of the policy's tags, if entries under all of them may be
    /// shared with other instances.
    pub(super) shared: Option<Vec<i64>>,
}

/// A tag whose generation all instances derive from the log alike.
#[derive(Debug)]
struct Shared {
    generation: i64,
    distrusted_until: Option<Instant>,
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
    shared: RwLock<HashMap<Tag, Shared>>,
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
                // Applied before: nothing that was loaded since is out of date.
                Some(known) if at <= known.generation => {}
                Some(known) => {
                    *known = Shared { generation: at, distrusted_until: None };
                    self.bump(tag);
                }
                None => self.bump(tag),
            }
        }
    }

    /// A change of this instance whose event it has not applied yet.
    pub(super) fn outdate(&self, tags: &[Tag]) {
        let mut shared = sync::write(&self.shared);
        for tag in tags {
            if let Some(known) = shared.get_mut(tag) {
                known.distrusted_until = Instant::now().checked_add(DISTRUST);
            }
            self.bump(tag);
        }
    }

    /// Invalidates everything, and learns which tags are shared.
    pub(super) fn restart(&self, generations: &[(Tag, i64)]) {
        let mut shared = sync::write(&self.shared);
        *shared = generations
            .iter()
            .map(|(tag, at)| (tag.clone(), Shared { generation: *at, distrusted_until: None }))
            .collect();
        self.everything.fetch_add(1, Ordering::SeqCst);
    }

    fn logged(&self, tags: &[Tag]) -> Option<Vec<i64>> {
        let shared = sync::read(&self.shared);
        if shared.is_empty() {
            return None;
        }
        tags.iter()
            .map(|tag| {
                let known = shared.get(tag)?;
                let is_trusted = known.distrusted_until.is_none_or(|until| until <= Instant::now());
                is_trusted.then_some(known.generation)
            })
            .collect()
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
        let again = generations.snapshot(std::slice::from_ref(&a));
        generations.outdate(std::slice::from_ref(&a));
        assert!(!generations.is_current(&again));
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

    #[test]
    fn a_change_of_ones_own_is_not_shared_until_its_event_comes() {
        let generations = Generations::default();
        let a = [Tag::of("a")];
        generations.restart(&[(a[0].clone(), 1)]);
        generations.outdate(&a);
        assert_eq!(generations.snapshot(&a).shared, None);
        generations.invalidate(&a, 2);
        assert_eq!(generations.snapshot(&a).shared, Some(vec![2]));
    }
}
