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

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use alpine_domain::account::{
        AccountState, ApiKeyId, Caller, Role, Scopes, SessionId, Tier, UserId,
    };
    use uuid::Uuid;

    use super::{ConcurrencyLimit, Holder};
    use crate::extract::address::ClientAddress;

    #[test]
    fn an_account_is_one_with_all_its_sessions_and_keys() {
        let request = TestRequest::default().peer_addr("192.0.2.7:4711".parse().unwrap());
        let address = ClientAddress::of(&request.to_http_request(), &[]);
        let (id, other) = (UserId::new(Uuid::from_u128(1)), UserId::new(Uuid::from_u128(2)));
        let (tier, role) = (Tier::Elite, Role::User);
        let state = AccountState { tier, role, is_active: true, generation: 0 };
        let session = SessionId::new(Uuid::nil());
        let user = |id| Holder::of(&Caller::User { id, session, state }, address);
        let key = ApiKeyId::new(Uuid::nil());
        let scopes = Scopes::UNNAMED;
        let program = |owner| Holder::of(&Caller::ApiKey { key, owner, scopes, state }, address);
        assert_eq!((user(id), program(id)), (Holder::Account(id), Holder::Account(id)));
        assert_ne!(program(id), program(other));
        let nobody = Holder::of(&Caller::Anonymous, address);
        assert_eq!(nobody, Holder::Address(address.group()));
    }

    #[test]
    fn each_key_has_so_many_at_once_and_gives_them_back() {
        for at_most in [1, 3] {
            let limit = ConcurrencyLimit::new(at_most);
            assert_eq!((limit.at_most(), limit.holders()), (at_most, 0));
            let mut permits: Vec<_> = (0..at_most).map(|_| limit.take('a').unwrap()).collect();
            assert!(limit.take('a').is_none());
            let other = limit.clone().take('b');
            assert!(other.is_some());
            assert_eq!(limit.holders(), 2);
            permits.pop();
            permits.push(limit.take('a').unwrap());
            assert!(limit.take('a').is_none());
            drop((permits, other));
            assert_eq!(limit.holders(), 0);
        }
    }
}
