//! Where a request comes from.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
};

use actix_web::{HttpRequest, http::header::X_FORWARDED_FOR};
use ipnet::IpNet;

/// The address of a client, behind the proxies that are trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientAddress(IpAddr);

impl ClientAddress {
    /// The client's address: the rightmost hop of `X-Forwarded-For` that is no trusted proxy. What
    /// stands further left could have been written by anybody.
    pub fn of(request: &HttpRequest, trusted: &[IpNet]) -> Self {
        let peer = request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
        let headers: Vec<&str> = if trusted.is_empty() {
            Vec::new()
        } else {
            request
                .headers()
                .get_all(X_FORWARDED_FOR)
                .map(|value| value.to_str().unwrap_or("unreadable"))
                .collect()
        };
        Self::behind(peer, &headers, trusted)
    }

    fn behind(peer: IpAddr, forwarded: &[&str], trusted: &[IpNet]) -> Self {
        let mut address = peer.to_canonical();
        let hops = forwarded.iter().rev().flat_map(|header| header.rsplit(','));
        for hop in hops {
            if !trusted.iter().any(|network| network.contains(&address)) {
                break;
            }
            // Who is trusted but told something unreadable stands for its client itself.
            let Some(next) = parse_hop(hop) else { break };
            address = next;
        }
        Self(address)
    }

    /// The address itself.
    pub const fn ip(self) -> IpAddr {
        self.0
    }

    /// What logs have of it: the network, which leads to no single customer.
    pub(crate) fn prefix(self) -> AddressPrefix {
        AddressPrefix(self.0)
    }

    /// Those who are counted together.
    pub(crate) const fn group(self) -> AddressGroup {
        match self.0 {
            IpAddr::V4(address) => AddressGroup::V4(address.octets()),
            // The upper half of the address.
            IpAddr::V6(address) => AddressGroup::V6((address.to_bits() >> 64) as u64),
        }
    }
}

/// The first 24 bits of an IPv4 address, the first 48 of an IPv6 address.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AddressPrefix(IpAddr);

impl fmt::Display for AddressPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => {
                let [a, b, c, _] = address.octets();
                write!(f, "{a}.{b}.{c}.0/24")
            }
            IpAddr::V6(address) => {
                let [a, b, c, ..] = address.segments();
                write!(f, "{a:x}:{b:x}:{c:x}::/48")
            }
        }
    }
}

/// The group that limits count by: an IPv4 address, or the /64 that an IPv6 customer is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum AddressGroup {
    V4([u8; 4]),
    V6(u64),
}

/// The group, as people write it.
impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.group() {
            AddressGroup::V4(address) => Ipv4Addr::from(address).fmt(f),
            AddressGroup::V6(network) => {
                let word = |at: u32| (network >> (48 - 16 * at)) & 0xffff;
                write!(f, "{:x}:{:x}:{:x}:{:x}::/64", word(0), word(1), word(2), word(3))
            }
        }
    }
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`.
fn parse_hop(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
        .map_or(text, |(address, _port)| address);
    bare.parse::<IpAddr>()
        .ok()
        .or_else(|| bare.parse::<std::net::SocketAddr>().ok().map(|s| s.ip()))
        .map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn nets(texts: &[&str]) -> Vec<IpNet> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn seen(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let address = ClientAddress::behind(peer.parse().unwrap(), forwarded, &nets(trusted)).ip();
        address.to_string()
    }

    #[test]
    fn logs_have_the_network_alone() {
        let prefix = |ip: &str| ClientAddress(ip.parse().unwrap()).prefix().to_string();
        assert_eq!(prefix("203.0.113.77"), "203.0.113.0/24");
        assert_eq!(prefix("2001:db8:1:2::77"), "2001:db8:1::/48");
    }

    #[test]
    fn the_rightmost_hop_that_is_not_trusted_counts() {
        let trusted = ["10.0.0.0/8", "fd00::/8"];
        assert_eq!(seen("192.0.2.9", &["1.2.3.4"], &trusted), "192.0.2.9");
        assert_eq!(seen("10.0.0.1", &["1.2.3.4"], &trusted), "1.2.3.4");
        assert_eq!(seen("10.0.0.1", &["6.6.6.6, 1.2.3.4, 10.9.9.9"], &trusted), "1.2.3.4");
        assert_eq!(seen("10.0.0.1", &["6.6.6.6", "1.2.3.4:5678"], &trusted), "1.2.3.4");
        assert_eq!(seen("fd00::1", &["[2001:db8::7]:443"], &trusted), "2001:db8::7");
        assert_eq!(seen("::ffff:10.0.0.1", &["::ffff:1.2.3.4"], &trusted), "1.2.3.4");
        assert_eq!(seen("10.0.0.1", &["6.6.6.6, nonsense"], &trusted), "10.0.0.1");
        assert_eq!(seen("10.0.0.1", &["10.0.0.2, 10.0.0.3"], &trusted), "10.0.0.2");
    }

    #[test]
    fn a_customers_whole_ipv6_network_is_one_caller() {
        let group = |text: &str| ClientAddress(text.parse().unwrap()).to_string();
        assert_eq!(group("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(group("2001:db8:1:2::1"), group("2001:db8:1:2:ffff::9"));
        assert_ne!(group("2001:db8:1:2::1"), group("2001:db8:1:3::1"));
    }

    proptest! {
        /// Whatever a client writes in front, the hop that the trusted proxy added decides.
        #[test]
        fn clients_cannot_choose_their_address(forged in "[ -~]{0,60}", real in any::<[u8; 4]>()) {
            let real = IpAddr::from(real);
            let trusted = nets(&["127.0.0.0/8"]);
            prop_assume!(!trusted[0].contains(&real));
            let header = format!("{forged}, {real}");
            let seen = ClientAddress::behind("127.0.0.1".parse().unwrap(), &[&header], &trusted);
            prop_assert_eq!(seen.ip(), real);
        }

        /// Nothing is believed of a peer that is not trusted.
        #[test]
        fn strangers_are_not_believed(forged in "[ -~]{0,60}", peer in any::<[u8; 16]>()) {
            let peer = IpAddr::from(peer).to_canonical();
            let seen = ClientAddress::behind(peer, &[&forged], &[]);
            prop_assert_eq!(seen.ip(), peer);
        }
    }
}
