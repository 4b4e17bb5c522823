//! Where a public document may be fetched from: an address that the operator configured.

use url::Url;

use super::AllowList;

/// An address that passed: https, or http where the allow-list names the host; no user, no fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchUrl(Url);

impl FetchUrl {
    /// Reads an address. Fails with what is wrong, to be put behind its name.
    pub fn parse(text: &str, allowed: &AllowList) -> Result<Self, &'static str> {
        let url = Url::parse(text).map_err(|_| "is no URL such as https://login.example.com/jwks.json")?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("must hold no user name and no password");
        }
        if url.fragment().is_some() {
            return Err("must not hold a #");
        }
        match url.scheme() {
            "https" => Ok(Self(url)),
            "http" if allowed.names(&url) => Ok(Self(url)),
            _ => Err(
                "must begin with https://; plain http is taken for hosts that GATEWAY_UPSTREAM_ALLOW names",
            ),
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
