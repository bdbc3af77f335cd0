//! Entries in memory, bounded in bytes and in number.

use std::{hash::RandomState, sync::Arc};

use alpine_domain::ports::cache::CacheKey;
use quick_cache::{
    OptionsBuilder, Weighter,
    sync::{Cache, DefaultLifecycle},
};

use super::{entry::Entry, settings::CacheSettings};
use crate::SettingsError;

/// The weight of an entry, by which one sum bounds bytes and number: its bytes, and no less than the
/// bytes of the whole cache divided by the greatest number of entries.
#[derive(Debug, Clone)]
struct EntryWeighter {
    least: u64,
}

impl Weighter<CacheKey, Arc<Entry>> for EntryWeighter {
    fn weight(&self, key: &CacheKey, entry: &Arc<Entry>) -> u64 {
        (entry.size() + key.parameters.len() as u64).max(self.least)
    }
}

type Entries =
    Cache<CacheKey, Arc<Entry>, EntryWeighter, RandomState, DefaultLifecycle<CacheKey, Arc<Entry>>>;

/// The entries. Those that are read seldom are evicted first (S3-FIFO, as `quick_cache` implements it).
#[derive(Debug)]
pub(super) struct Store(Entries);

impl Store {
    pub(super) fn new(settings: &CacheSettings) -> Result<Self, SettingsError> {
        let bad = |problem: String| {
            SettingsError::new("cache.max_entries", problem, "give a smaller number")
        };
        // A shard holds its part of the bytes only, so shards stay several bodies large.
        let shards = settings.max_bytes / (settings.max_body as u64).saturating_mul(4).max(1);
        let options = OptionsBuilder::new()
            .shards(usize::try_from(shards.clamp(1, 64)).unwrap_or(1))
            .estimated_items_capacity(
                usize::try_from(settings.max_entries).map_err(|e| bad(e.to_string()))?,
            )
            .weight_capacity(settings.max_bytes)
            .build()
            .map_err(|e| bad(e.to_string()))?;
        let weigh = EntryWeighter { least: settings.max_bytes.div_ceil(settings.max_entries) };
        Ok(Self(Cache::with_options(
            options,
            weigh,
            // Parameters come from outside, so the hash is keyed at random.
            RandomState::new(),
            DefaultLifecycle::default(),
        )))
    }

    pub(super) fn get(&self, key: &CacheKey) -> Option<Arc<Entry>> {
        self.0.get(key)
    }

    pub(super) fn insert(&self, key: CacheKey, entry: Arc<Entry>) {
        self.0.insert(key, entry);
    }

    /// Removes `entry`, unless another one has taken its place.
    pub(super) fn remove(&self, key: &CacheKey, entry: &Arc<Entry>) {
        self.0.remove_if(key, |current| Arc::ptr_eq(current, entry));
    }

    pub(super) fn clear(&self) {
        self.0.clear();
    }

    pub(super) fn bytes(&self) -> u64 {
        self.0.weight()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
