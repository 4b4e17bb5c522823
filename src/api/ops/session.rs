//! The operator's session in the browser: the cookie, and which requests may act.

use http::uri::Authority;
use http::{HeaderMap, HeaderValue, header};

use crate::api::AppState;
use crate::auth::SESSION_TIME;
use crate::domain::{Failure, FailureKind, Result};

const COOKIE: &str = "contacts_gateway_ops";

/// Whether the request has a session that is valid.
pub(super) fn is_open(state: &AppState, headers: &HeaderMap) -> bool {
    cookies(headers).any(|session| state.authenticator.is_session(session))
}

/// The sessions in the request. Cookies of other paths of the host may have the same name.
pub(super) fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}

/// The header that stores a session. It has no `Path`: the browser then uses that of the request, which is `/ops` with the
/// prefix under which a proxy serves the page, and which the gateway does not know.
pub(super) fn cookie(session: &str, is_https: bool) -> HeaderValue {
    set_cookie(session, SESSION_TIME.as_secs(), is_https)
}

/// The header that removes the session.
pub(super) fn ended_cookie(is_https: bool) -> HeaderValue {
    set_cookie("", 0, is_https)
}

fn set_cookie(session: &str, seconds: u64, is_https: bool) -> HeaderValue {
    let secure = if is_https { "; Secure" } else { "" };
    let value = format!("{COOKIE}={session}; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    // A session is digits, letters, `-`, `_` and a dot.
    HeaderValue::try_from(value).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Whether the browser sees the page by HTTPS. The browser says so itself, so no proxy must be trusted for it.
pub(super) fn is_https(headers: &HeaderMap) -> bool {
    one(headers, "origin").is_some_and(|origin| origin.starts_with("https://"))
}

/// Refuses a request that another site may have made the browser send. `Sec-Fetch-Site` is sent to `https` and to localhost;
/// otherwise `Origin` must name the host of the request. Fails with `insufficient_scope`.
pub(super) fn check_same_site(headers: &HeaderMap) -> Result<()> {
    let is_same = if let Some(site) = one(headers, "sec-fetch-site") {
        site == "same-origin"
    } else {
        let origin = one(headers, "origin").and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
        let host = one(headers, "host").and_then(|host| host.parse::<Authority>().ok());
        origin.zip(host).is_some_and(|(origin, host)| origin.eq_ignore_ascii_case(host.as_str()))
    };
    if is_same {
        return Ok(());
    }
    let detail = "The form was sent from another site, or the headers do not show from where. Open the operator page and use \
                  its own buttons. A proxy in front of the gateway must pass the header `Host` unchanged.";
    Err(Failure::new(FailureKind::InsufficientScope, detail).with_reason("form of another site"))
}

/// The value of a header that is sent once.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    value.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)));
        pairs.fold(HeaderMap::new(), |mut headers, (name, value)| {
            headers.append(name, value);
            headers
        })
    }

    #[test]
    fn only_forms_of_the_page_itself_may_act() {
        let host = ("host", "gateway.internal:8080");
        for (pairs, expected) in [
            (&[host, ("sec-fetch-site", "same-origin")][..], true),
            // A proxy may have changed the host.
            (&[host, ("sec-fetch-site", "same-origin"), ("origin", "https://ops.example.com")], true),
            (&[host, ("origin", "http://gateway.internal:8080")], true),
            (&[host, ("origin", "https://GATEWAY.internal:8080")], true),
            (&[host, ("sec-fetch-site", "cross-site"), ("origin", "http://gateway.internal:8080")], false),
            (&[host, ("sec-fetch-site", "same-site")], false),
            (&[host, ("sec-fetch-site", "none")], false),
            (&[host, ("sec-fetch-site", "same-origin"), ("sec-fetch-site", "same-origin")], false),
            (&[host, ("origin", "http://gateway.internal")], false),
            (&[host, ("origin", "http://evil.example:8080")], false),
            (&[host, ("origin", "null")], false),
            (&[("origin", "http://gateway.internal:8080")], false),
            (&[host], false),
        ] {
            assert_eq!(check_same_site(&headers(pairs)).is_ok(), expected, "{pairs:?}");
        }
    }

    #[test]
    fn a_cookie_is_found_among_others_and_is_secure_where_the_browser_uses_https() {
        let sent = headers(&[
            ("cookie", "a=b; contacts_gateway_ops=one; x"),
            ("cookie", "contacts_gateway_ops=two"),
        ]);
        assert_eq!(cookies(&sent).collect::<Vec<_>>(), ["one", "two"]);
        let cookie_of = |origin| {
            let is_https = is_https(&headers(&[("origin", origin)]));
            cookie("1.x", is_https).to_str().unwrap().to_owned()
        };
        let plain = "contacts_gateway_ops=1.x; Max-Age=1800; HttpOnly; SameSite=Strict";
        assert_eq!(cookie_of("http://gateway.internal"), plain);
        assert_eq!(cookie_of("https://gateway.internal"), format!("{plain}; Secure"));
    }
}
