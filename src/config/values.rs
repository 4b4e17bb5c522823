//! The types of settings, each with the rules that its text must follow.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue};
use secrecy::SecretString;
use tracing::level_filters::LevelFilter;
use url::Url;

use super::public_url::plain_url;
use super::{CorsOrigins, LogFormat, LoggedSuccesses, PublicUrl, TrustedProxies};

/// The value of a setting, from its text. The kind of the setting is checked before.
pub(super) trait FromSetting: Sized {
    /// Fails with what is wrong with the text.
    fn from_setting(text: &str) -> Result<Self, &'static str>;

    /// The value of a setting that is not given and has no default.
    fn absent() -> Option<Self> {
        None
    }
}

/// The fault of a number that its kind allows and its type does not; a test reads the bounds of every setting.
const OUTSIDE: &str = "is outside its bounds";

/// How the text of a setting becomes a value of each type.
macro_rules! from_text {
    ($($(#[$doc:meta])* $type:ty: $text:ident => $read:expr;)*) => {$(
        $(#[$doc])*
        impl FromSetting for $type {
            fn from_setting($text: &str) -> Result<Self, &'static str> {
                $read
            }
        }
    )*};
}

from_text! {
    u32: text => text.parse().map_err(|_| OUTSIDE);
    u64: text => text.parse().map_err(|_| OUTSIDE);
    /// 0 is no limit.
    Option<u32>: text => u32::from_setting(text).map(|number| Some(number).filter(|number| *number > 0));
    /// 0 is no limit.
    Option<u64>: text => u64::from_setting(text).map(|number| Some(number).filter(|number| *number > 0));
    Duration: text => u64::from_setting(text).map(Self::from_millis);
    SocketAddr: text =>
        text.parse().map_err(|_| "must be an address and a port, such as 127.0.0.1:8080 or [::1]:8080");
    String: text => Ok(text.to_owned());
    PathBuf: text => Ok(Self::from(text));
    SecretString: text => Ok(text.into());
    PublicUrl: text => Self::parse(text);
    CorsOrigins: text => Self::parse(text);
    TrustedProxies: text => Self::parse(text);
    LevelFilter: text => text.parse().map_err(|_| "is not a log level");
    LogFormat: text => Self::parse(text).ok_or("is not a format");
    LoggedSuccesses: text => Self::parse(text).ok_or("is not a choice of successes");
    CollectorUrl: text =>
        plain_url(text, "must not have a user or a password; give secrets in GATEWAY_OTLP_HEADERS").map(Self);
}

/// A type that a setting without a default can have.
trait SingleValue: FromSetting {}
impl SingleValue for AdminToken {}
impl SingleValue for CollectorUrl {}
impl SingleValue for PathBuf {}
impl SingleValue for PublicUrl {}
impl SingleValue for SecretString {}
impl SingleValue for SocketAddr {}

impl<T: SingleValue> FromSetting for Option<T> {
    fn from_setting(text: &str) -> Result<Self, &'static str> {
        T::from_setting(text).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

/// The secrets between commas. An empty one is kept, so that its parser reports it.
impl FromSetting for Vec<SecretString> {
    fn from_setting(text: &str) -> Result<Self, &'static str> {
        Ok(text.split(',').map(|one| one.trim().into()).collect())
    }

    fn absent() -> Option<Self> {
        Some(Self::new())
    }
}

/// The base URL of a collector of traces.
#[derive(Clone, Debug)]
pub struct CollectorUrl(pub Url);

/// Headers of requests to a collector. Their values may be secrets.
#[derive(Clone, Debug, Default)]
pub struct CollectorHeaders(pub Vec<(HeaderName, SecretString)>);

impl FromSetting for CollectorHeaders {
    fn from_setting(text: &str) -> Result<Self, &'static str> {
        let header = |pair: &str| {
            let (name, value) = pair.split_once('=')?;
            let value = value.trim();
            let is_value = !value.is_empty() && HeaderValue::from_str(value).is_ok();
            let name: HeaderName = name.trim().parse().ok().filter(|_| is_value)?;
            // These are the client's own.
            let is_free =
                ![HOST, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING, CONNECTION].contains(&name);
            is_free.then(|| (name, SecretString::from(value)))
        };
        let pairs = text.split(',').filter(|pair| !pair.trim().is_empty());
        let headers = pairs.map(header).collect::<Option<_>>();
        headers
            .map(Self)
            .ok_or("must be headers as name=value, comma-separated, such as authorization=Bearer x, and not those that the client sets, such as content-length")
    }

    fn absent() -> Option<Self> {
        Some(Self::default())
    }
}

/// The operator's token.
#[derive(Clone, Debug)]
pub struct AdminToken(pub SecretString);

impl FromSetting for AdminToken {
    fn from_setting(text: &str) -> Result<Self, &'static str> {
        if text.len() < 16 {
            return Err("must have at least 16 characters; `openssl rand -hex 32` makes a suitable one");
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(
                "must contain only visible ASCII characters, without spaces, because it is sent in a header",
            );
        }
        if text.starts_with("cg_") {
            return Err("must not begin with cg_, like the API keys of tenants");
        }
        if text.split('.').count() == 3 {
            return Err("must not have three parts separated by dots, like a JWT");
        }
        Ok(Self(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_admin_token_never_has_the_form_of_a_key_or_a_jwt() {
        for (text, says) in [
            ("cg_k7wq2zx9vbn4mtlp", "begin with cg_"),
            ("k7wq2zx9.vbn4mtlp.q", "three parts"),
            ("k7wq", "at least 16"),
        ] {
            assert!(AdminToken::from_setting(text).unwrap_err().contains(says), "{text}");
        }
        for text in ["k7wq2zx9vbn4mtlp", "k7wq2zx9.vbn4mtlp", "k7wq.2zx9.vbn4.mtlp"] {
            assert!(AdminToken::from_setting(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_collector_has_a_plain_url_and_headers_that_are_not_the_clients_own() {
        assert!(CollectorUrl::from_setting("http://127.0.0.1:4318/base").is_ok());
        for (text, says) in [
            ("127.0.0.1:4318", "http or https"),
            ("http://canary@127.0.0.1:4318", "GATEWAY_OTLP_HEADERS"),
            ("http://127.0.0.1:4318?canary", "query or a fragment"),
            ("http://127.0.0.1:4318/\ncanary", "control characters"),
        ] {
            let fault = CollectorUrl::from_setting(text).unwrap_err();
            assert!(fault.contains(says) && !fault.contains("canary"), "{text}: {fault}");
        }
        let headers = |text: &str| CollectorHeaders::from_setting(text).map(|headers| headers.0.len());
        assert_eq!(headers("authorization=Bearer a=b, x-scope = all ,"), Ok(2));
        for text in [
            "canary",
            "a b=c",
            "x=",
            "x=\u{1}",
            "Content-Length=5",
            "host=canary",
            "transfer-encoding=chunked",
        ] {
            assert!(headers(text).is_err_and(|fault| !fault.contains("canary")), "{text}");
        }
    }
}
