//! Connections that end before a request reaches the API, and so have no access log line.

use std::net::IpAddr;
use std::time::Duration;

use super::{RepeatLimit, series};
use crate::domain::string_enum;

/// How often a line with the same reason is logged.
const LOGGED_EVERY: Duration = Duration::from_secs(10);

string_enum! {
    /// Why a connection was refused, in the words of the log and of the label.
    pub enum ConnectionRefusal {
        /// 400: the request line or a header is not valid.
        MalformedRequest = "malformed request",
        /// The preface of HTTP/2.
        Http2 = "http/2 is not supported",
        /// 414.
        UriTooLong = "uri too long",
        /// 431.
        HeadTooLarge = "head too large",
        HeadTooSlow = "head not complete in time",
        /// 400: a caller without TLS where TLS is served.
        PlainHttp = "no tls",
        /// The client does not trust the certificate.
        CertificateRefused = "certificate refused by the client",
        /// No TLS version, or no cipher, in common.
        TlsIncompatible = "no tls version or cipher in common",
        /// The client offers protocols by ALPN, such as `h2`, and HTTP/1.1 is not one of them.
        NoHttp1 = "no http/1.1 among the client's protocols",
        TlsTooSlow = "tls handshake not complete in time",
        /// The client left during the handshake.
        TlsAborted = "client left during the tls handshake",
        TlsFailed = "tls handshake failed",
        /// The limit on connections is reached, and none is idle.
        NoRoom = "no free connection",
    }
}

impl ConnectionRefusal {
    /// The status of the response, if there is one.
    const fn status(self) -> Option<u16> {
        match self {
            Self::MalformedRequest | Self::PlainHttp => Some(400),
            Self::UriTooLong => Some(414),
            Self::HeadTooLarge => Some(431),
            _ => None,
        }
    }
}

/// Counts the refused connections of a listener, and logs some of them.
pub struct RefusedConnections {
    listener: &'static str,
    logged: RepeatLimit,
}

impl RefusedConnections {
    #[must_use]
    pub const fn of(listener: &'static str) -> Self {
        Self { listener, logged: RepeatLimit::new(LOGGED_EVERY) }
    }

    pub fn count(&self, refusal: ConnectionRefusal) {
        series::connection_refused(self.listener, refusal.as_str());
    }

    /// Counts one from `client`, the address of the connection, and logs it. Nothing that the client sent is logged.
    pub fn note(&self, refusal: ConnectionRefusal, client: Option<IpAddr>) {
        self.count(refusal);
        let (listener, reason) = (self.listener, refusal.as_str());
        if let Some(suppressed) = self.logged.due(reason) {
            let client = client.map(|client| client.to_canonical().to_string());
            tracing::info!(
                client,
                reason,
                status = refusal.status(),
                listener,
                suppressed,
                "a connection was refused before a request"
            );
        }
    }
}
