//! How many of something each one has at once.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use alpine_domain::account::{Caller, UserId};

use crate::extract::address::{AddressGroup, ClientAddress};

/// Who counts as one: an account with all its sessions and keys, everybody else by address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Holder {
    Account(UserId),
    Address(AddressGroup),
}

impl Holder {
    pub(crate) fn of(caller: &Caller, address: ClientAddress) -> Self {
        caller.user().map_or_else(|| Self::Address(address.group()), Self::Account)
    }
}

/// What is open, by whoever has it. Clones are of the same counts.
pub struct ConcurrencyLimit<K: Copy + Eq + Hash>(Arc<Shared<K>>);

struct Shared<K> {
    at_most: usize,
    /// Those who have something open: never more than there are permits.
    open: Mutex<HashMap<K, usize>>,
}

/// One of those that somebody may have open, for as long as it lives.
pub struct ConcurrencyPermit<K: Copy + Eq + Hash> {
    shared: Arc<Shared<K>>,
    key: K,
}

impl<K: Copy + Eq + Hash> ConcurrencyLimit<K> {
    /// So many for each key.
    pub fn new(at_most: usize) -> Self {
        Self(Arc::new(Shared { at_most, open: Mutex::default() }))
    }

    /// How many each key may have.
    pub fn at_most(&self) -> usize {
        self.0.at_most
    }

    /// How many have something open.
    pub fn holders(&self) -> usize {
        self.0.lock().len()
    }

    /// A permit for `key`; none if it has as many as it may.
    pub fn take(&self, key: K) -> Option<ConcurrencyPermit<K>> {
        let mut open = self.0.lock();
        let count = open.entry(key).or_default();
        if *count >= self.0.at_most {
            return None;
        }
        *count += 1;
        drop(open);
        Some(ConcurrencyPermit { shared: Arc::clone(&self.0), key })
    }
}

impl<K: Copy + Eq + Hash> Clone for ConcurrencyLimit<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K> Shared<K> {
    fn lock(&self) -> MutexGuard<'_, HashMap<K, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Copy + Eq + Hash> Drop for ConcurrencyPermit<K> {
    fn drop(&mut self) {
        if let Entry::Occupied(mut count) = self.shared.lock().entry(self.key) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}
