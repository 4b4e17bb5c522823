//! Connections that end before a request reaches the API, and so have no access log line.

use std::net::IpAddr;
use std::time::Duration;

use super::RepeatLimit;
use super::series;

/// How often a line with the same reason is logged.
const LOGGED_EVERY: Duration = Duration::from_secs(10);

/// Why a connection was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionRefusal {
    /// 400: the request line or a header is not valid.
    MalformedRequest,
    /// The preface of HTTP/2.
    Http2,
    /// 414.
    UriTooLong,
    /// 431.
    HeadTooLarge,
    HeadTooSlow,
    /// 400: a caller without TLS where TLS is served.
    PlainHttp,
    /// The client does not trust the certificate.
    CertificateRefused,
    /// No TLS version, or no cipher, in common.
    TlsIncompatible,
    /// The client offers protocols by ALPN, such as `h2`, and HTTP/1.1 is not one of them.
    NoHttp1,
    TlsTooSlow,
    /// The client left during the handshake.
    TlsAborted,
    TlsFailed,
    /// The limit on connections is reached, and none is idle.
    NoRoom,
}

impl ConnectionRefusal {
    pub const ALL: [Self; 13] = [
        Self::MalformedRequest,
        Self::Http2,
        Self::UriTooLong,
        Self::HeadTooLarge,
        Self::HeadTooSlow,
        Self::PlainHttp,
        Self::CertificateRefused,
        Self::TlsIncompatible,
        Self::NoHttp1,
        Self::TlsTooSlow,
        Self::TlsAborted,
        Self::TlsFailed,
        Self::NoRoom,
    ];

    /// For the log, and as a label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MalformedRequest => "malformed request",
            Self::Http2 => "http/2 is not supported",
            Self::UriTooLong => "uri too long",
            Self::HeadTooLarge => "head too large",
            Self::HeadTooSlow => "head not complete in time",
            Self::PlainHttp => "no tls",
            Self::CertificateRefused => "certificate refused by the client",
            Self::TlsIncompatible => "no tls version or cipher in common",
            Self::NoHttp1 => "no http/1.1 among the client's protocols",
            Self::TlsTooSlow => "tls handshake not complete in time",
            Self::TlsAborted => "client left during the tls handshake",
            Self::TlsFailed => "tls handshake failed",
            Self::NoRoom => "no free connection",
        }
    }

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
