//! URLs of public documents, which the operator configures.

use url::Url;

use super::AllowList;

/// A checked URL: https, or http if its host is on the allow-list; no user, no fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchUrl(Url);

impl FetchUrl {
    /// Parses a URL. Fails with what is wrong, as the rest of a sentence.
    pub fn parse(text: &str, allowed: &AllowList) -> Result<Self, &'static str> {
        let url = Url::parse(text).map_err(|_| "is not a URL such as https://login.example.com/jwks.json")?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("must not contain a user name or password");
        }
        if url.fragment().is_some() {
            return Err("must not contain `#`");
        }
        match url.scheme() {
            "https" => Ok(Self(url)),
            "http" if allowed.names(&url) => Ok(Self(url)),
            _ => Err("must begin with https://; plain http is accepted for hosts in GATEWAY_UPSTREAM_ALLOW"),
        }
    }

    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_is_taken_and_plain_http_for_named_hosts_alone() {
        let allowed = AllowList::parse("127.0.0.1, login.internal").unwrap();
        for url in ["https://login.example.com/jwks?x=1", "http://127.0.0.1:9/k", "http://login.internal/"] {
            assert!(FetchUrl::parse(url, &allowed).is_ok(), "{url}");
        }
        for url in [
            "http://login.example.com/jwks",
            "http://127.0.0.2/k",
            "https://user:word@login.example.com/",
            "https://login.example.com/#x",
            "file:///etc/passwd",
            "login.example.com",
            "",
        ] {
            assert!(FetchUrl::parse(url, &allowed).is_err(), "{url}");
        }
    }
}
