//! Tags with generations, in this process.

use std::{collections::HashMap, sync::RwLock};

use alpine_domain::ports::cache::Tag;

use crate::sync;

/// Tags known at most. Tags come from code and from ids; past this many, everything is invalidated
/// once and counting starts anew.
const MAX_TAGS: usize = 65_536;

/// The generations of some tags at one instant, in the order of a policy's tags.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Snapshot {
    everything: u64,
    tags: Vec<(Tag, u64)>,
}

#[derive(Debug, Default)]
struct State {
    /// Moves when everything is forgotten.
    everything: u64,
    tags: HashMap<Tag, u64>,
}

impl State {
    fn of(&self, tag: &Tag) -> u64 {
        self.tags.get(tag).copied().unwrap_or(0)
    }
}

/// The current generation of every tag; one never named is in generation 0.
#[derive(Debug, Default)]
pub(super) struct Generations(RwLock<State>);

impl Generations {
    /// Takes a snapshot, before a load.
    pub(super) fn snapshot(&self, tags: &[Tag]) -> Snapshot {
        let state = sync::read(&self.0);
        Snapshot {
            everything: state.everything,
            tags: tags.iter().map(|t| (t.clone(), state.of(t))).collect(),
        }
    }

    /// Whether nothing in `snapshot` was invalidated since it was taken.
    pub(super) fn is_current(&self, snapshot: &Snapshot) -> bool {
        let state = sync::read(&self.0);
        snapshot.everything == state.everything
            && snapshot.tags.iter().all(|(tag, g)| state.of(tag) == *g)
    }

    /// Starts a new generation of each tag.
    pub(super) fn invalidate(&self, tags: &[Tag]) {
        let mut state = sync::write(&self.0);
        for tag in tags {
            if state.tags.len() >= MAX_TAGS && !state.tags.contains_key(tag) {
                state.tags.clear();
                state.everything += 1;
            }
            *state.tags.entry(tag.clone()).or_insert(0) += 1;
        }
    }

    /// Starts a new generation of everything.
    pub(super) fn invalidate_everything(&self) {
        let mut state = sync::write(&self.0);
        state.tags.clear();
        state.everything += 1;
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
        generations.invalidate(&[c]);
        assert!(generations.is_current(&snapshot));
        generations.invalidate(&[b]);
        assert!(!generations.is_current(&snapshot));
        let again = generations.snapshot(&[a]);
        generations.invalidate_everything();
        assert!(!generations.is_current(&again));
    }

    #[test]
    fn too_many_tags_invalidate_rather_than_grow() {
        let generations = Generations::default();
        let first = generations.snapshot(&[Tag::of("kept")]);
        for n in 0..=MAX_TAGS {
            generations.invalidate(&[Tag(format!("t{n}").into())]);
        }
        assert!(!generations.is_current(&first));
        assert!(sync::read(&generations.0).tags.len() <= MAX_TAGS);
    }
}
