//! Which base URLs a credential may have: public https hosts, and those on the operator's allow-list.
//!
//! The name in a URL may resolve to any address, and to another one the next time. So this check is the first of two:
//! `resolver.rs` and `transport.rs` check every address with [`BaseUrlGuard::reaches`] before they connect.

use std::net::IpAddr;
use std::sync::Arc;

use url::{Host, Url};

use super::addresses::is_public;
use super::allow_list::AllowList;
use crate::domain::{Failure, FailureKind, FieldFault, Result};

/// The lowest allowed port besides 443. Lower ports belong to well-known services that are not CRMs.
const LOWEST_PORT: u16 = 1024;

/// One text for every refusal that would otherwise reveal networks.
const NOT_PUBLIC: &str = "Its host must be public. The operator of this gateway can allow others, see GATEWAY_UPSTREAM_ALLOW in the README.";

/// Top-level domains of names that are never public.
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

/// A base URL that passed the guard: it has a host, and no user, query or fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl(Url);

impl BaseUrl {
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.0
    }

    /// The URL as text, without a slash at the end. A secret is sealed with it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str().trim_end_matches('/')
    }
}

/// Checks base URLs; clones share the list.
#[derive(Clone, Debug, Default)]
pub struct BaseUrlGuard {
    allowed: Arc<AllowList>,
}

impl BaseUrlGuard {
    /// A guard that accepts public hosts and those of `allowed`.
    #[must_use]
    pub fn new(allowed: AllowList) -> Self {
        Self { allowed: Arc::new(allowed) }
    }

    /// Accepts an https URL of a host that can be public, or a URL whose host is on the allow-list. Fails with `base_url_refused`.
    pub fn check(&self, text: &str) -> Result<BaseUrl> {
        let url = well_formed(text)?;
        if self.names(&url) {
            return Ok(BaseUrl(url));
        }
        if url.scheme() != "https" {
            return Err(refused(
                "It must begin with https://, unless GATEWAY_UPSTREAM_ALLOW names its host.",
            ));
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

    /// Whether the URL's host is on the allow-list, whatever address it has.
    pub(super) fn names(&self, url: &Url) -> bool {
        self.allowed.names(url)
    }

    /// Whether a connection to `address` is allowed for a host that is not on the allow-list.
    pub(super) fn reaches(&self, address: IpAddr) -> bool {
        is_public(address) || self.allowed.holds(address)
    }
}

/// Parses strictly. The URL parser corrects mistakes (blanks, backslashes, missing slashes, empty user names), and the result
/// may not be what was meant.
fn well_formed(text: &str) -> Result<Url> {
    if text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '\\') {
        return Err(refused("It must not contain blanks, control characters or backslashes."));
    }
    let (scheme, rest) = text.split_once("://").unwrap_or_default();
    let known = ["https", "http"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if !known || authority.is_empty() {
        return Err(refused("It must begin with https:// and have a host."));
    }
    if authority.contains('@') {
        return Err(refused(
            "It must not contain a user name or password. Use the field `secret` for these.",
        ));
    }
    let url = Url::parse(text).map_err(|_| refused("It is not a URL such as https://crm.example.com."))?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(refused("It must not contain `?` or `#`."));
    }
    // Checked as written: the URL parser resolves dots, and other servers treat more segments as dots.
    let path = rest.split_once('/').map_or("", |(_, path)| path).trim_end_matches('/');
    if !path.is_empty() && !path.split('/').all(is_plain_segment) {
        return Err(refused("Its path must not contain empty segments, `.`, `..`, `..;` or `%`."));
    }
    Ok(url)
}

/// Whether every server reads `segment` as one path segment. Some treat `..;x` as `..`, or decode `%2e` and `%2f` once more.
#[must_use]
pub fn is_plain_segment(segment: &str) -> bool {
    let name = segment.split(';').next().unwrap_or_default();
    !name.is_empty()
        && name != "."
        && !name.starts_with("..")
        && segment.bytes().all(|byte| byte.is_ascii_graphic() && !b"/\\%?#".contains(&byte))
}

/// Whether `name`, in lower case, can be a public name. A name with a dot at its end is refused, because the allow-list would
/// not recognise it.
fn can_be_public(name: &str) -> bool {
    let inside = |zone: &&str| {
        name.strip_suffix(*zone).is_some_and(|before| before.is_empty() || before.ends_with('.'))
    };
    name.contains('.') && !name.ends_with('.') && !LOCAL_ZONES.iter().any(inside)
}

fn refused(detail: &'static str) -> Failure {
    let faults = vec![FieldFault::member("/settings/baseUrl", "base_url_refused", detail)];
    Failure::new(FailureKind::BaseUrlRefused, format!("The base URL is not allowed. {detail}"))
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
