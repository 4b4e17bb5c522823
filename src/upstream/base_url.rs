//! Which base URLs a credential may have: public https hosts, and what the operator's allow-list names.
//!
//! A URL tells little of where it leads: a name may resolve to any address, and to another one the next time. So the
//! check here is the first of two; `resolver.rs` and `transport.rs` ask [`BaseUrlGuard::reaches`] of every address
//! that a connection is about to be made to.

use std::net::IpAddr;
use std::sync::Arc;

use url::{Host, Url};

use super::addresses::is_public;
use super::allow_list::AllowList;
use crate::domain::{Failure, FailureKind, FieldFault, Result};

/// The lowest port beside 443 that is called: those below belong to well-known services that are no CRM.
const LOWEST_PORT: u16 = 1024;

/// One wording for every refusal that would tell about networks.
const NOT_PUBLIC: &str = "Its host must be a public one; the operator of this gateway can allow others, see GATEWAY_UPSTREAM_ALLOW in the README.";

/// Zones of names that lead nowhere public: into the machine, the house, or nowhere.
const LOCAL_ZONES: &[&str] = &[
    "localhost",
    "localdomain",
    "local",
    "internal",
    "intranet",
    "private",
    "corp",
    "home",
    "lan",
    "home.arpa",
    "onion",
    "alt",
    "test",
    "invalid",
];

/// A base URL that passed the guard: a host, no user, no query, no fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl(Url);

impl BaseUrl {
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

/// Decides which base URLs are called; clones share the list.
#[derive(Clone, Debug, Default)]
pub struct BaseUrlGuard {
    allowed: Arc<AllowList>,
}

impl BaseUrlGuard {
    /// A guard that accepts public hosts and what `allowed` names.
    #[must_use]
    pub fn new(allowed: AllowList) -> Self {
        Self { allowed: Arc::new(allowed) }
    }

    /// Accepts `text` when it is an https URL of a host that can be public, or when the allow-list names its host.
    /// Fails with `base_url_refused`.
    pub fn check(&self, text: &str) -> Result<BaseUrl> {
        let url = well_formed(text)?;
        if self.names(&url) {
            return Ok(BaseUrl(url));
        }
        if url.scheme() != "https" {
            return Err(refused("It must begin with https://."));
        }
        if url.port().is_some_and(|port| port < LOWEST_PORT) {
            return Err(refused("Its port must be 443, or 1024 and above."));
        }
        let passes = match url.host() {
            Some(Host::Domain(name)) => can_be_public(name),
            Some(Host::Ipv4(address)) => self.reaches(address.into()),
            Some(Host::Ipv6(address)) => self.reaches(address.into()),
            None => false,
        };
        if passes { Ok(BaseUrl(url)) } else { Err(refused(NOT_PUBLIC)) }
    }

    /// Whether the allow-list names the URL's host, and with it whatever address that has.
    pub(super) fn names(&self, url: &Url) -> bool {
        self.allowed.names(url)
    }

    /// Whether a connection may be made to `address`, by a host that the allow-list does not name.
    pub(super) fn reaches(&self, address: IpAddr) -> bool {
        is_public(address) || self.allowed.holds(address)
    }
}

/// Parses strictly. The URL parser mends much on its own (blanks, backslashes, missing slashes, empty user names);
/// what needs mending was not meant as it would be read.
fn well_formed(text: &str) -> Result<Url> {
    if text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '\\') {
        return Err(refused("It must hold no blanks, control characters and backslashes."));
    }
    let (scheme, rest) = text.split_once("://").unwrap_or_default();
    let known = ["https", "http"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if !known || authority.is_empty() {
        return Err(refused("It must begin with https:// and name a host."));
    }
    if authority.contains('@') {
        return Err(refused("It must hold no user name and no password; the secret has a place of its own."));
    }
    let url = Url::parse(text).map_err(|_| refused("It is not a URL such as https://crm.example.com."))?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(refused("It must end with its path, without ? and #."));
    }
    // Judged as written: the URL parser resolves dots, and other servers take more for dots than it does.
    let path = rest.split_once('/').map_or("", |(_, path)| path).trim_end_matches('/');
    if !path.is_empty() && !path.split('/').all(is_plain_segment) {
        return Err(refused(
            "Its path must hold no segment such as `..`, `.` or `..;`, no empty one, and no `%`.",
        ));
    }
    Ok(url)
}

/// Whether every server reads `segment` of a path as this one segment. Some take `..;x` for `..`, or decode `%2e` and `%2f`
/// once more than others.
#[must_use]
pub fn is_plain_segment(segment: &str) -> bool {
    let name = segment.split(';').next().unwrap_or_default();
    !name.is_empty()
        && name != "."
        && !name.starts_with("..")
        && segment.bytes().all(|byte| byte.is_ascii_graphic() && !b"/\\%?#".contains(&byte))
}

/// Whether the Internet can know `name`, which the URL parser wrote in lower case. A name that ends with a dot is
/// another text for the same host, under which the allow-list would miss it.
fn can_be_public(name: &str) -> bool {
    let inside = |zone: &&str| {
        name.strip_suffix(*zone).is_some_and(|before| before.is_empty() || before.ends_with('.'))
    };
    name.contains('.') && !name.ends_with('.') && !LOCAL_ZONES.iter().any(inside)
}

fn refused(detail: &'static str) -> Failure {
    let faults = vec![FieldFault::member("/settings/baseUrl", "base_url_refused", detail)];
    Failure::new(FailureKind::BaseUrlRefused, format!("The base URL is refused. {detail}"))
        .with_faults(faults)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct UrlCorpus {
        refused: Vec<String>,
        accepted: Vec<String>,
    }

    fn corpus() -> UrlCorpus {
        let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/base_urls.json"));
        serde_json::from_str(text).unwrap()
    }

    fn guard(list: &str) -> BaseUrlGuard {
        BaseUrlGuard::new(AllowList::parse(list).unwrap())
    }

    #[test]
    fn the_corpus_is_judged_as_written() {
        let (corpus, none) = (corpus(), guard(""));
        assert!(corpus.refused.len() >= 120, "{}", corpus.refused.len());
        let passed: Vec<&String> = corpus.refused.iter().filter(|url| none.check(url).is_ok()).collect();
        assert!(passed.is_empty(), "{passed:#?}");
        let failed: Vec<&String> = corpus.accepted.iter().filter(|url| none.check(url).is_err()).collect();
        assert!(failed.is_empty(), "{failed:#?}");
    }

    #[test]
    fn a_private_address_a_local_name_and_metadata_are_refused_in_the_same_words() {
        let urls = ["https://10.0.0.1", "https://printer", "https://x.internal", "https://169.254.169.254"];
        let all: Vec<Failure> = urls.iter().map(|url| guard("").check(url).unwrap_err()).collect();
        assert!(all.iter().all(|failure| *failure == all[0]));
        assert_eq!(all[0].kind, FailureKind::BaseUrlRefused);
    }

    #[test]
    fn the_allow_list_lets_pass_exactly_what_it_names() {
        let some = guard(
            "crm.internal, other.internal:8443, 127.0.0.1, 10.0.0.0/8, 192.168.0.9:81, [fd00::1]:99, web.example.com:80",
        );
        for url in [
            "http://crm.internal:99",
            "https://CRM.internal",
            "https://other.internal:8443",
            "http://127.0.0.1:1234",
            "http://10.2.3.4",
            "http://2130706433/",
            "http://192.168.0.9:81",
            "http://[fd00::1]:99",
            "http://web.example.com",
        ] {
            assert!(some.check(url).is_ok(), "{url}");
        }
        for url in [
            "https://other.internal",
            "http://192.168.0.1",
            "https://192.168.0.9",
            "https://[fd00::1]",
            "https://[fd00::2]:99",
            "https://[::ffff:10.0.0.1]",
            "https://crm.internal.",
            "https://a.crm.internal",
            "https://crm.internal.evil.example:22",
            "http://u:p@crm.internal",
            "http://crm.internal?x=1",
            "http://crm.internal/#x",
        ] {
            assert!(some.check(url).is_err(), "{url}");
        }
        // Beside the port that is named, the host is as any other: it passes, and its addresses must be public.
        let web = some.check("https://web.example.com").unwrap();
        assert!(!some.names(web.url()) && !some.reaches([192, 168, 0, 9].into()));
        assert!(AllowList::parse("a b").is_err() && AllowList::parse("http://x/y").is_err());
    }
}
