//! Why one sending of a call brought no complete reply: what may be repeated and what a breaker counts hang on it.

use crate::domain::{Effect, Failure, FailureKind};

/// What went wrong between us and an upstream, in one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TransportError {
    /// Nobody answered at the host's address, or it has none that is called: nothing was sent.
    Unreachable,
    /// The certificate was not accepted: nothing was sent.
    Certificate,
    /// The connection broke before the head of an answer.
    Broken,
    /// The answer broke off.
    CutOff,
    /// No answer began within the attempt's time.
    Silent,
    /// The answer stood still.
    Stalled,
    /// The answer went on, and the attempt's time ended before it.
    Slow,
    /// The answer is larger than we take.
    TooLarge,
    /// The answer could not be decompressed.
    Undecodable,
    /// The answer came in parts too small or too slow.
    Dripping,
    /// The answer is large, and the gateway holds as many bytes as it may.
    NoRoom,
    Unbuildable,
}

impl TransportError {
    /// What the caller is told, and what a write may have done.
    pub(super) fn failure(self) -> Failure {
        let lost = |kind, detail: &'static str| Failure::new(kind, detail).with_effect(Effect::Unknown);
        match self {
            // One wording, whether the host is away, refuses, has no address, or has one that is not called.
            Self::Unreachable => {
                Failure::new(FailureKind::UpstreamUnreachable, "The CRM could not be reached.")
            }
            Self::Certificate => {
                Failure::new(FailureKind::UpstreamTls, "The CRM's TLS certificate was not accepted.")
            }
            Self::Broken => {
                lost(FailureKind::UpstreamUnreachable, "The connection to the CRM broke before it answered.")
            }
            Self::CutOff => lost(FailureKind::UpstreamInvalidResponse, "The CRM's answer broke off."),
            Self::Silent | Self::Slow => {
                lost(FailureKind::UpstreamTimeout, "The CRM did not answer in time.")
            }
            Self::Stalled => {
                lost(FailureKind::UpstreamTimeout, "The CRM's answer stalled: it began and did not go on.")
            }
            Self::TooLarge => {
                lost(FailureKind::UpstreamInvalidResponse, "The CRM's answer is larger than 5 MiB.")
            }
            Self::Undecodable => {
                lost(FailureKind::UpstreamInvalidResponse, "The CRM's answer could not be decompressed.")
            }
            Self::Dripping => lost(
                FailureKind::UpstreamInvalidResponse,
                "The CRM's response came in too many tiny parts, or too slowly.",
            ),
            Self::NoRoom => lost(
                FailureKind::Overloaded,
                "The CRM's reply is large, and the gateway holds as many bytes of replies as it may.",
            ),
            Self::Unbuildable => Failure::internal("a call could not be built"),
        }
    }
}
