//! How many connections one address may have open.

use std::net::{IpAddr, Ipv6Addr};

use alpine_http::{ConcurrencyLimit, ConcurrencyPermit};
use ipnet::IpNet;

/// The open connections of each address. Clones are of the same counts.
#[derive(Clone)]
pub(super) struct PerAddress {
    limit: ConcurrencyLimit<IpAddr>,
    /// Proxies, which connect for many clients.
    exempt: Vec<IpNet>,
}

/// One connection among those of its address, for as long as it lives.
pub(super) type CountedConnection = ConcurrencyPermit<IpAddr>;

impl PerAddress {
    pub(super) fn new(at_most: usize, exempt: Vec<IpNet>) -> Self {
        Self { limit: ConcurrencyLimit::new(at_most), exempt }
    }

    /// Counts a connection from `peer`; one of a proxy is not counted.
    ///
    /// # Errors
    /// When its address has as many as it may.
    pub(super) fn admit(&self, peer: IpAddr) -> Result<Option<CountedConnection>, Full> {
        let peer = peer.to_canonical();
        if self.exempt.iter().any(|network| network.contains(&peer)) {
            return Ok(None);
        }
        self.limit.take(counted_as(peer)).map(Some).ok_or(Full)
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
        assert_eq!(limit.limit.holders(), 1);
    }

    #[test]
    fn a_network_of_64_bits_is_one_address_and_proxies_are_not_counted() {
        let limit = PerAddress::new(1, vec!["192.0.2.0/24".parse().unwrap()]);
        let _place = limit.admit(ip("2001:db8:0:1::1")).ok().unwrap();
        assert_eq!(limit.admit(ip("2001:db8:0:1:ffff::2")).err(), Some(Full));
        assert!(limit.admit(ip("2001:db8:0:2::1")).is_ok());
        // The second as it comes to a listener of both families.
        for _ in 0..3 {
            for proxy in ["192.0.2.9", "::ffff:192.0.2.9"] {
                assert!(limit.admit(ip(proxy)).ok().unwrap().is_none(), "{proxy}");
            }
        }
    }
}
