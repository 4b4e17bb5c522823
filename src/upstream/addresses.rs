//! Which addresses are public. Calls of tenants go to no others.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// IPv4 networks that are not public: private, shared, special, or reserved.
const REFUSED_V4: &[Ipv4Net] = &[
    v4([0, 0, 0, 0], 8),        // this host
    v4([10, 0, 0, 0], 8),       // private
    v4([100, 64, 0, 0], 10),    // shared by carriers; one cloud's metadata
    v4([127, 0, 0, 0], 8),      // loopback
    v4([168, 63, 129, 16], 32), // one cloud's metadata, in a public range
    v4([169, 254, 0, 0], 16),   // link-local; most clouds' metadata
    v4([172, 16, 0, 0], 12),    // private
    v4([192, 0, 0, 0], 24),     // protocol assignments
    v4([192, 0, 2, 0], 24),     // documentation
    v4([192, 88, 99, 0], 24),   // 6to4 relays
    v4([192, 168, 0, 0], 16),   // private
    v4([198, 18, 0, 0], 15),    // benchmarks
    v4([198, 51, 100, 0], 24),  // documentation
    v4([203, 0, 113, 0], 24),   // documentation
    v4([224, 0, 0, 0], 4),      // multicast
    v4([240, 0, 0, 0], 4),      // reserved, and broadcast
];

/// The public part of IPv6. Loopback, unspecified, IPv4-mapped and -compatible, both NAT64 prefixes, unique-local, link-local,
/// site-local and multicast addresses are all outside.
const PUBLIC_V6: Ipv6Net = v6([0x2000, 0, 0], 3);

/// Networks inside [`PUBLIC_V6`] that are not public; many of them contain an IPv4 address.
const REFUSED_V6: &[Ipv6Net] = &[
    v6([0x2001, 0, 0], 23),     // protocol assignments, Teredo among them
    v6([0x2001, 0xdb8, 0], 32), // documentation
    v6([0x2002, 0, 0], 16),     // 6to4
    v6([0x3fff, 0, 0], 20),     // documentation
];

const fn v4([a, b, c, d]: [u8; 4], length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

const fn v6([a, b, c]: [u16; 3], length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), length)
}

/// Whether a public host can have `address`.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !REFUSED_V4.iter().any(|network| network.contains(&address)),
        IpAddr::V6(address) => {
            PUBLIC_V6.contains(&address) && !REFUSED_V6.iter().any(|network| network.contains(&address))
        }
    }
}

#[cfg(test)]
mod tests {
    use ipnet::IpNet;
    use proptest::prelude::*;

    use super::*;

    /// The promise, written down apart from the tables above.
    const REFUSED: &str = "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 \
        192.0.0.0/24 192.0.2.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 \
        240.0.0.0/4 255.255.255.255/32 168.63.129.16/32 192.88.99.0/24 \
        ::/128 ::1/128 ::/96 ::ffff:0:0/96 64:ff9b::/96 64:ff9b:1::/48 100::/64 2001::/32 2001:2::/48 \
        2001:10::/28 2001:20::/28 2001:db8::/32 2002::/16 3fff::/20 5f00::/16 fc00::/7 fe80::/10 fec0::/10 \
        ff00::/8 fd00:ec2::254/128";

    fn inside() -> impl Strategy<Value = IpAddr> {
        let networks: Vec<IpNet> = REFUSED.split_whitespace().map(|text| text.parse().unwrap()).collect();
        (prop::sample::select(networks), any::<u128>()).prop_map(|(network, random)| match network {
            IpNet::V4(network) => {
                let random = u32::try_from(random >> 96).unwrap();
                Ipv4Addr::from(u32::from(network.network()) | (random & u32::from(network.hostmask()))).into()
            }
            IpNet::V6(network) => {
                Ipv6Addr::from(u128::from(network.network()) | (random & u128::from(network.hostmask())))
                    .into()
            }
        })
    }

    proptest! {
        #![proptest_config(crate::proptest_config::cases(4000))]

        #[test]
        fn no_address_of_a_refused_network_is_public(address in inside()) {
            prop_assert!(!is_public(address), "{}", address);
        }

        #[test]
        fn an_ipv4_address_dressed_as_ipv6_is_never_public(bits in any::<u32>()) {
            let v4 = Ipv4Addr::from(bits);
            let [a, b, c, d] = v4.octets().map(u16::from);
            let (high, low) = (a << 8 | b, c << 8 | d);
            for dressed in [
                v4.to_ipv6_mapped(),
                Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, high, low),
                Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
                Ipv6Addr::new(0x2001, 0, 1, 1, 0, 0, !high, !low),
            ] {
                prop_assert!(!is_public(dressed.into()), "{}", dressed);
            }
        }
    }

    #[test]
    fn the_neighbours_of_refused_networks_are_public() {
        for text in "1.0.0.0 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 \
            168.63.129.15 168.63.129.17 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 191.255.255.255 \
            192.0.1.0 192.0.3.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 198.51.101.0 203.0.112.255 \
            203.0.114.0 223.255.255.255 8.8.8.8 2001:200::1 2001:4860:4860::8888 2001:db7:ffff::1 2001:db9::1 \
            2003::1 2606:4700::1111 3ffe:ffff::1 3fff:1000::1"
            .split_whitespace()
        {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }
}
