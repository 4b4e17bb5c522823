//! The URL at which callers reach the gateway, such as that of a proxy with a path prefix.

use std::fmt::{self, Display, Formatter};
use std::sync::Arc;

use url::Url;

/// An `http` or `https` URL without a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl(Arc<str>);

impl PublicUrl {
    /// Fails with what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let url = plain_url(text, "must not have a user or a password, because every caller sees it")?;
        Ok(Self(url.as_str().trim_end_matches('/').into()))
    }

    /// The URL of `path`, which begins with a slash.
    #[must_use]
    pub fn of(&self, path: &str) -> String {
        format!("{self}{path}")
    }
}

/// An `http` or `https` URL to whose end paths are added. Fails with what is wrong with the text: `no_secret` if it has a user or
/// a password.
pub(super) fn plain_url(text: &str, no_secret: &'static str) -> Result<Url, &'static str> {
    // The parser would leave them out.
    if text.contains(char::is_control) {
        return Err("must not have line breaks or other control characters");
    }
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let url = url.ok_or("must be an http or https URL, such as https://api.example.com/contacts")?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(no_secret);
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must not have a query or a fragment, because paths are added to its end");
    }
    Ok(url)
}

impl Display for PublicUrl {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_http_url_is_public() {
        let of = |text: &str| PublicUrl::parse(text).map(|url| url.of("/crm"));
        for (text, url) in [
            ("https://api.example.com", "https://api.example.com/crm"),
            ("HTTPS://API.example.com:443/contacts/", "https://api.example.com/contacts/crm"),
            ("http://10.0.0.1:8080/a/b", "http://10.0.0.1:8080/a/b/crm"),
        ] {
            assert_eq!(of(text).as_deref(), Ok(url));
        }
        for (text, says) in [
            ("api.example.com", "http or https"),
            ("/contacts", "http or https"),
            ("ftp://api.example.com", "http or https"),
            ("https://", "http or https"),
            ("https://gw:canary@api.example.com", "user or a password"),
            ("https://canary@api.example.com", "user or a password"),
            ("https://api.example.com/?key=canary", "query or a fragment"),
            ("https://api.example.com/#canary", "query or a fragment"),
            ("https://api.example.com/\nSet-Cookie: canary", "control characters"),
        ] {
            let fault = of(text).unwrap_err();
            assert!(fault.contains(says) && !fault.contains("canary"), "{text}: {fault}");
        }
    }
}
