//! The proxies whose `X-Forwarded-For` is believed.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

/// Addresses and networks of proxies; none by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Reads addresses and networks between commas.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let nets = parts.map(|part| part.parse().or_else(|_| part.parse().map(|ip: IpAddr| ip.into())));
        nets.collect::<Result<_, _>>().map(Self).map_err(
            |_| "must be addresses and networks, comma-separated, such as 10.0.0.7, 10.1.0.0/16, fd00::/8",
        )
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|net| net.contains(&address))
    }

    /// The address of the client that a connection from `peer` is for: the last one in `X-Forwarded-For` that no trusted proxy
    /// has. What an untrusted peer sends is not read.
    #[must_use]
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if self.0.is_empty() {
            return client;
        }
        let values = headers.get_all("x-forwarded-for").iter().rev();
        let hops = values.flat_map(|value| value.to_str().unwrap_or_default().rsplit(','));
        for hop in hops {
            if !self.trusts(client) {
                break;
            }
            // Behind what is no address, nothing is known. Some proxies add the port.
            let hop = hop.trim();
            let with_port = || hop.parse::<SocketAddr>().map(|address| address.ip());
            let Ok(address) = hop.parse::<IpAddr>().or_else(|_| with_port()) else { break };
            client = address.to_canonical();
        }
        client
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_forwarded_address_is_believed_as_far_as_proxies_are_trusted() {
        let proxies = TrustedProxies::parse("10.0.0.0/8, 192.0.2.1,fd00::/8").unwrap();
        for (peer, values, expected) in [
            ("10.0.0.1", &[][..], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1", &["203.0.113.9:8080"], "203.0.113.9"),
            ("10.0.0.1", &["[2001:db8::1]:99"], "2001:db8::1"),
            ("::ffff:10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
            ("fd00::1", &["2001:db8::7"], "2001:db8::7"),
            // A client may send the header itself: only what the proxies added counts.
            ("10.0.0.1", &["198.51.100.1, 203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1", &["198.51.100.1", "203.0.113.9, 192.0.2.1"], "203.0.113.9"),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("203.0.113.5", &["198.51.100.1"], "203.0.113.5"),
            ("10.0.0.1", &["unknown"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1, 203.0.113.9:80"], "203.0.113.9"),
        ] {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("x-forwarded-for", HeaderValue::from_static(value));
            }
            let client = proxies.client(peer.parse().unwrap(), &headers);
            assert_eq!(client, expected.parse::<IpAddr>().unwrap(), "{peer} {values:?}");
        }
        let headers = HeaderMap::from_iter([(
            http::HeaderName::from_static("x-forwarded-for"),
            HeaderValue::from_static("203.0.113.9"),
        )]);
        let peer = "10.0.0.1".parse().unwrap();
        assert_eq!(TrustedProxies::default().client(peer, &headers), peer);
        assert!(TrustedProxies::parse("10.0.0.0/8, proxy.internal").is_err());
    }
}
