//! Why one attempt brought no complete reply. Retries and breakers depend on it.

use crate::domain::{Effect, Failure, FailureKind};

/// Why there is no connection. For the log only: it would tell a tenant about the operator's network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConnectFault {
    Refused,
    TimedOut,
    NoName,
    /// The address is neither public nor on the allow-list.
    NotAllowed,
    Tls,
    Other,
}

/// Why the certificate was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CertificateFault {
    Expired,
    NotValidYet,
    UnknownIssuer,
    OtherName,
    /// A CA certificate (CA:TRUE) used by a server, as `openssl req -x509` makes it.
    CaAsEndEntity,
    Other,
}

impl CertificateFault {
    /// The reason for the caller, if it is known.
    const fn reason(self) -> Option<&'static str> {
        Some(match self {
            Self::Expired => "it has expired",
            Self::NotValidYet => "it is not valid yet",
            Self::UnknownIssuer => "its issuer is not trusted",
            Self::OtherName => "it is for another host name",
            Self::CaAsEndEntity => "it is a CA certificate (CA:TRUE), which a server must not use",
            Self::Other => return None,
        })
    }
}

/// The failure of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TransportError {
    /// The host did not accept a connection, or has no allowed address: nothing was sent.
    Unreachable(ConnectFault),
    /// The certificate was not accepted: nothing was sent.
    Certificate(CertificateFault),
    /// The connection broke before the head of the response.
    Broken,
    /// The response broke off.
    CutOff,
    /// No response began before the timeout.
    Silent,
    /// The response stalled.
    Stalled,
    /// The response was not complete before the timeout.
    Slow,
    /// The response is too large.
    TooLarge,
    /// The response could not be decompressed.
    Undecodable,
    /// The response arrived in too small parts, or too slowly.
    Dripping,
    /// The response is large, and the gateway's limit on bytes in memory is reached.
    NoRoom,
    Unbuildable,
}

impl TransportError {
    /// The cause in the words of logs and metrics.
    pub(super) const fn cause(self) -> &'static str {
        match self {
            Self::Unreachable(fault) => match fault {
                ConnectFault::Refused => "connection refused",
                ConnectFault::TimedOut => "connect timeout",
                ConnectFault::NoName => "name not resolved",
                ConnectFault::NotAllowed => "address not allowed",
                ConnectFault::Tls => "TLS handshake failed",
                ConnectFault::Other => "no connection",
            },
            Self::Certificate(fault) => match fault {
                CertificateFault::Expired => "certificate expired",
                CertificateFault::NotValidYet => "certificate not valid yet",
                CertificateFault::UnknownIssuer => "certificate of an unknown issuer",
                CertificateFault::OtherName => "certificate for another name",
                CertificateFault::CaAsEndEntity => "CA certificate used by a server",
                CertificateFault::Other => "certificate not accepted",
            },
            Self::Broken => "connection closed",
            Self::CutOff => "response cut off",
            Self::Silent => "no response in time",
            Self::Stalled => "response stalled",
            Self::Slow => "response not complete in time",
            Self::TooLarge => "response too large",
            Self::Undecodable => "response not decodable",
            Self::Dripping => "response too slow",
            Self::NoRoom => "no memory for the response",
            Self::Unbuildable => "call not buildable",
        }
    }

    /// The failure for the caller, with the possible effect of a write.
    pub(super) fn failure(self) -> Failure {
        let lost = |kind, detail: &'static str| Failure::new(kind, detail).with_effect(Effect::Unknown);
        match self {
            // One text, so that it does not reveal whether the host is down, refuses, has no address, or a forbidden one.
            Self::Unreachable(_) => {
                Failure::new(FailureKind::UpstreamUnreachable, "The CRM could not be reached.")
            }
            Self::Certificate(fault) => {
                let reason = fault.reason().map(|reason| format!(": {reason}")).unwrap_or_default();
                let detail = format!("The CRM's TLS certificate was not accepted{reason}.");
                Failure::new(FailureKind::UpstreamTls, detail)
            }
            Self::Broken => {
                lost(FailureKind::UpstreamUnreachable, "The connection to the CRM broke before the response.")
            }
            Self::CutOff => lost(FailureKind::UpstreamInvalidResponse, "The CRM's response broke off."),
            Self::Silent | Self::Slow => {
                lost(FailureKind::UpstreamTimeout, "The CRM did not respond in time.")
            }
            Self::Stalled => lost(FailureKind::UpstreamTimeout, "The CRM's response stalled."),
            Self::TooLarge => {
                lost(FailureKind::UpstreamInvalidResponse, "The CRM's response is larger than 5 MiB.")
            }
            Self::Undecodable => {
                lost(FailureKind::UpstreamInvalidResponse, "The CRM's response could not be decompressed.")
            }
            Self::Dripping => lost(
                FailureKind::UpstreamInvalidResponse,
                "The CRM's response arrived in too small parts, or too slowly.",
            ),
            Self::NoRoom => lost(
                FailureKind::Overloaded,
                "The CRM's response is large, and the gateway's limit on bytes in memory is reached. Try again.",
            ),
            Self::Unbuildable => Failure::internal("a call could not be built"),
        }
    }
}
