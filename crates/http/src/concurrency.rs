//! How many of something each caller has under way at once.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use alpine_domain::account::{Caller, UserId};

use crate::extract::address::{AddressGroup, ClientAddress};

/// Who is counted as one: an account with all its sessions and keys, everybody else by address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Who {
    Account(UserId),
    Address(AddressGroup),
}

/// What is under way, by caller. Clones are of the same counts.
#[derive(Clone)]
pub(crate) struct ConcurrencyLimit(Arc<Shared>);

struct Shared {
    at_most: usize,
    /// Callers with something under way: never more than there are requests.
    open: Mutex<HashMap<Who, usize>>,
}

/// One of the requests that the caller may have under way, for as long as it lives.
pub(crate) struct ConcurrencyPermit {
    shared: Arc<Shared>,
    who: Who,
}

impl ConcurrencyLimit {
    /// So many for each caller.
    pub(crate) fn new(at_most: usize) -> Self {
        Self(Arc::new(Shared { at_most, open: Mutex::default() }))
    }

    /// How many each caller may have.
    pub(crate) fn at_most(&self) -> usize {
        self.0.at_most
    }

    /// A permit for `caller`, who comes from `address`; none if it has as many requests under way as it may.
    pub(crate) fn take(
        &self,
        caller: &Caller,
        address: ClientAddress,
    ) -> Option<ConcurrencyPermit> {
        let who = caller.user().map_or_else(|| Who::Address(address.group()), Who::Account);
        let mut open = self.0.lock();
        let count = open.entry(who).or_default();
        if *count >= self.0.at_most {
            return None;
        }
        *count += 1;
        drop(open);
        Some(ConcurrencyPermit { shared: Arc::clone(&self.0), who })
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, HashMap<Who, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ConcurrencyPermit {
    fn drop(&mut self) {
        if let Entry::Occupied(mut count) = self.shared.lock().entry(self.who) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}
