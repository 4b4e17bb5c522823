//! Which hosts a credential may point at: a CRM's own default, or what the operator's allow-list names.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use url::{Host, Url};

use crate::domain::{Failure, FailureKind, Result};

/// A base URL that passed the guard: http or https, a host, no user, no query, no fragment; no slash at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl(Url);

impl BaseUrl {
    /// The URL.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.0
    }

    /// The URL as text, without a slash at the end: it is part of what a secret is sealed with.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str().trim_end_matches('/')
    }
}

/// Decides which base URLs are called.
#[derive(Clone, Debug, Default)]
pub struct BaseUrlGuard {
    allowed: AllowList,
}

impl BaseUrlGuard {
    /// A guard that accepts a CRM's default and what `allowed` names.
    #[must_use]
    pub const fn new(allowed: AllowList) -> Self {
        Self { allowed }
    }

    /// Accepts `text` when it equals `default`, or when the allow-list names its host.
    /// Fails with `base_url_refused`; one wording for every reason that would tell about our network.
    pub fn check(&self, text: &str, default: Option<&str>) -> Result<BaseUrl> {
        let url =
            Url::parse(text).map_err(|_| refused("It is not a URL such as https://crm.example.com."))?;
        if !matches!(url.scheme(), "https" | "http") || url.host().is_none() {
            return Err(refused("It must begin with https:// and name a host."));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused(
                "It must hold no user name and no password; the secret has a place of its own.",
            ));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refused("It must end with its path, without ? and #."));
        }
        let is_default =
            default.is_some_and(|known| known.trim_end_matches('/') == url.as_str().trim_end_matches('/'));
        if is_default || self.allowed.names(&url) {
            return Ok(BaseUrl(url));
        }
        Err(refused(
            "The operator of this gateway has not allowed this host; see GATEWAY_UPSTREAM_ALLOW in the README.",
        ))
    }
}

fn refused(detail: &'static str) -> Failure {
    let faults = vec![crate::domain::FieldFault::member("/settings/baseUrl", "base_url_refused", detail)];
    Failure::new(FailureKind::BaseUrlRefused, format!("The base URL is refused. {detail}"))
        .with_faults(faults)
}

/// Hosts, `host:port`, addresses and networks that base URLs may reach although they are private.
#[derive(Clone, Debug, Default)]
pub struct AllowList(Vec<Allowed>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Allowed {
    Network(IpNet),
    Host { name: String, port: Option<u16> },
}

impl AllowList {
    /// The list that `text` names, comma-separated. Fails with the entry that cannot be read.
    pub fn parse(text: &str) -> std::result::Result<Self, String> {
        text.split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
            .map(Allowed::parse)
            .collect::<std::result::Result<_, _>>()
            .map(Self)
    }

    /// Whether an entry covers the host and port of `url`.
    pub(super) fn names(&self, url: &Url) -> bool {
        self.0.iter().any(|allowed| allowed.covers(url))
    }
}

impl Allowed {
    fn parse(entry: &str) -> std::result::Result<Self, String> {
        if let Ok(network) = IpNet::from_str(entry) {
            return Ok(Self::Network(network));
        }
        if let Ok(address) = IpAddr::from_str(entry.trim_start_matches('[').trim_end_matches(']')) {
            return Ok(Self::Network(IpNet::from(address)));
        }
        // A scheme makes the URL parser read host and port by the same rules as the base URLs themselves.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(list: &str) -> BaseUrlGuard {
        BaseUrlGuard::new(AllowList::parse(list).unwrap())
    }

    #[test]
    fn the_default_passes_and_other_hosts_need_the_allow_list() {
        let none = guard("");
        assert!(none.check("https://crm.example.com/", Some("https://crm.example.com")).is_ok());
        for url in [
            "http://crm.example.com",
            "https://other.example.com",
            "https://127.0.0.1",
            "ftp://x",
            "nonsense",
        ] {
            assert_eq!(
                none.check(url, Some("https://crm.example.com")).unwrap_err().kind,
                FailureKind::BaseUrlRefused,
                "{url}"
            );
        }
    }

    #[test]
    fn entries_are_hosts_ports_addresses_and_networks() {
        let some = guard("crm.internal, other.internal:8443, 127.0.0.1, 10.0.0.0/8, 127.0.0.1:9");
        for url in [
            "http://crm.internal:99",
            "https://other.internal:8443",
            "http://127.0.0.1:1234",
            "http://10.2.3.4",
            "http://2130706433/",
        ] {
            assert!(some.check(url, None).is_ok(), "{url}");
        }
        for url in ["https://other.internal", "http://192.168.0.1", "https://crm.internal.evil.example"] {
            assert!(some.check(url, None).is_err(), "{url}");
        }
        assert!(AllowList::parse("a b").is_err() && AllowList::parse("http://x/y").is_err());
    }

    #[test]
    fn a_url_with_a_password_a_query_or_a_fragment_is_refused() {
        for url in ["http://u:p@crm.internal", "http://crm.internal?x=1", "http://crm.internal/#x"] {
            assert!(guard("crm.internal").check(url, None).is_err(), "{url}");
        }
    }
}
