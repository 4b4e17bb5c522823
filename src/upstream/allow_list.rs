//! The operator's list of hosts, ports, addresses and networks that base URLs may reach although they are not public.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use url::{Host, Url};

/// Hosts, `host:port`, addresses and networks; each allows exactly what it names.
#[derive(Clone, Debug, Default)]
pub struct AllowList(Vec<Allowed>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Allowed {
    Network(IpNet),
    Host { name: String, port: Option<u16> },
}

impl AllowList {
    /// Parses a comma-separated list. Fails with the entry that cannot be parsed.
    pub fn parse(text: &str) -> Result<Self, String> {
        // A comma in a password would make parts of it entries.
        if text.contains('@') {
            return Err("it must not contain `@`: entries are hosts without user and password".to_owned());
        }
        text.split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
            .map(Allowed::parse)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether an entry covers the URL's host: by its name, or by a network that contains its literal address.
    pub(super) fn names(&self, url: &Url) -> bool {
        self.0.iter().any(|allowed| allowed.covers(url))
    }

    /// Whether a network of the list contains `address`, whatever name resolved to it.
    pub(super) fn holds(&self, address: IpAddr) -> bool {
        self.0
            .iter()
            .any(|allowed| matches!(allowed, Allowed::Network(network) if network.contains(&address)))
    }
}

impl Allowed {
    fn parse(entry: &str) -> Result<Self, String> {
        if let Ok(network) = IpNet::from_str(entry) {
            return Ok(Self::Network(network));
        }
        if let Ok(address) = IpAddr::from_str(entry.trim_start_matches('[').trim_end_matches(']')) {
            return Ok(Self::Network(IpNet::from(address)));
        }
        // With a scheme, the URL parser reads host and port by the same rules as base URLs.
        let url = Url::parse(&format!("http://{entry}")).map_err(|_| unreadable(entry))?;
        if url.path() != "/" || url.query().is_some() || !url.username().is_empty() {
            return Err(unreadable(entry));
        }
        let name = url.host_str().ok_or_else(|| unreadable(entry))?.to_owned();
        let port = entry.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        Ok(Self::Host { name, port })
    }

    fn covers(&self, url: &Url) -> bool {
        match (self, url.host()) {
            (Self::Network(network), Some(Host::Ipv4(address))) => network.contains(&IpAddr::V4(address)),
            (Self::Network(network), Some(Host::Ipv6(address))) => network.contains(&IpAddr::V6(address)),
            (Self::Host { name, port }, Some(_)) => {
                url.host_str().is_some_and(|host| host.eq_ignore_ascii_case(name))
                    && port.is_none_or(|port| url.port_or_known_default() == Some(port))
            }
            _ => false,
        }
    }
}

fn unreadable(entry: &str) -> String {
    format!(
        "`{entry}` is not a host, host:port, address or network (such as crm.internal:8443 or 10.0.0.0/8)"
    )
}
