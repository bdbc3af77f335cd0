//! How many connections one address may have open.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ipnet::IpNet;

/// The open connections of each address. Clones are of the same counts.
#[derive(Clone)]
pub(super) struct PerAddress(Arc<Shared>);

struct Shared {
    at_most: usize,
    /// Proxies, which connect for many clients.
    exempt: Vec<IpNet>,
    /// Addresses with a connection: never more than there are connections.
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// One connection's place among those of its address, for as long as it lives.
pub(super) struct CountedConnection {
    shared: Arc<Shared>,
    address: IpAddr,
}

impl PerAddress {
    pub(super) fn new(at_most: usize, exempt: Vec<IpNet>) -> Self {
        Self(Arc::new(Shared { at_most, exempt, open: Mutex::default() }))
    }

    /// A place for a connection from `peer`; none for a proxy, which needs none.
    ///
    /// # Errors
    /// When its address has as many as it may.
    pub(super) fn admit(&self, peer: IpAddr) -> Result<Option<CountedConnection>, Full> {
        let peer = peer.to_canonical();
        if self.0.exempt.iter().any(|network| network.contains(&peer)) {
            return Ok(None);
        }
        let address = counted_as(peer);
        let mut open = self.0.lock();
        let count = open.entry(address).or_default();
        if *count >= self.0.at_most {
            return Err(Full);
        }
        *count += 1;
        drop(open);
        Ok(Some(CountedConnection { shared: Arc::clone(&self.0), address }))
    }
}

/// The address has as many connections as it may.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

/// A customer of an IPv6 provider is given a /64 at least, so that is one address.
fn counted_as(peer: IpAddr) -> IpAddr {
    match peer {
        IpAddr::V4(_) => peer,
        IpAddr::V6(address) => {
            Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for CountedConnection {
    fn drop(&mut self) {
        if let Entry::Occupied(mut count) = self.shared.lock().entry(self.address) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_has_so_many_places_and_gets_them_back() {
        let limit = PerAddress::new(2, Vec::new());
        let first = limit.admit(ip("192.0.2.1")).ok().unwrap();
        let _second = limit.admit(ip("::ffff:192.0.2.1")).ok().unwrap();
        assert_eq!(limit.admit(ip("192.0.2.1")).err(), Some(Full));
        let other = limit.admit(ip("192.0.2.2")).ok().unwrap();
        drop(first);
        assert!(limit.admit(ip("192.0.2.1")).is_ok());
        drop(other);
        assert_eq!(*limit.0.lock(), HashMap::from([(ip("192.0.2.1"), 1)]));
    }

    #[test]
    fn a_network_of_64_bits_is_one_address_and_proxies_are_not_counted() {
        let limit = PerAddress::new(1, vec!["192.0.2.0/24".parse().unwrap()]);
        let _place = limit.admit(ip("2001:db8:0:1::1")).ok().unwrap();
        assert_eq!(limit.admit(ip("2001:db8:0:1:ffff::2")).err(), Some(Full));
        assert!(limit.admit(ip("2001:db8:0:2::1")).is_ok());
        for _ in 0..3 {
            assert!(limit.admit(ip("192.0.2.9")).ok().unwrap().is_none());
        }
    }
}
