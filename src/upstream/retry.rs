//! Whether a call is retried, and after which pause.

use std::time::Duration;

use tokio::time::Instant;

use super::call::LEAST_TIME;
use super::host::HostHandle;
use super::rate_limiter::DEFAULT_RETRY_AFTER;
use super::transport_error::TransportError;
use super::{Reply, RetrySafety};
use crate::sealing;

/// The pause before the first retry is random and at most this long. Each further one may be twice as long.
const BASE: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(1);
/// The minimum pause, whatever the random number is.
const SHORTEST_BACKOFF: Duration = Duration::from_millis(10);
/// How often a read is sent again.
const MOST_RETRIES_OF_READS: u32 = 2;
/// How often a write is sent again, after a refusal that proves that nothing was applied.
const MOST_RETRIES_OF_WRITES: u32 = 1;

/// The result of one attempt.
pub(super) type AttemptOutcome = std::result::Result<Reply, TransportError>;

pub(super) struct Retries<'a> {
    repeat: RetrySafety,
    host: &'a HostHandle,
    made: u32,
}

impl<'a> Retries<'a> {
    pub(super) const fn new(repeat: RetrySafety, host: &'a HostHandle) -> Self {
        Self { repeat, host, made: 0 }
    }

    /// The pause before the next retry. `None` if there is none: a retry would not help, is not safe, would be too late, or the
    /// tenant's retry budget for the host is used up.
    pub(super) fn after(&mut self, outcome: &AttemptOutcome, deadline: Instant) -> Option<Duration> {
        let asked = match self.repeat {
            RetrySafety::Safe if self.made < MOST_RETRIES_OF_READS => temporary(outcome)?,
            RetrySafety::AfterRefusal if self.made < MOST_RETRIES_OF_WRITES => rate_limited(outcome)?,
            RetrySafety::Safe | RetrySafety::AfterRefusal => return None,
        };
        let wait = asked.max(backoff(self.made));
        // Asked last, so that only retries that are made use the budget.
        if crate::clock::monotonic() + wait + LEAST_TIME > deadline || !self.host.may_retry() {
            return None;
        }
        self.made += 1;
        Some(wait)
    }
}

/// The pause after a failure that may be temporary.
fn temporary(outcome: &AttemptOutcome) -> Option<Duration> {
    match outcome {
        Ok(reply) => match reply.status {
            429 => rate_limited(outcome),
            503 => Some(reply.retry_after.unwrap_or_default()),
            status if host_failed(status) => Some(Duration::ZERO),
            _ => None,
        },
        Err(error) => match error {
            TransportError::Unreachable(_)
            | TransportError::Broken
            | TransportError::CutOff
            | TransportError::Silent
            | TransportError::Stalled => Some(Duration::ZERO),
            TransportError::Certificate(_)
            | TransportError::Slow
            | TransportError::TooLarge
            | TransportError::Undecodable
            | TransportError::Dripping
            | TransportError::NoRoom
            | TransportError::Unbuildable => None,
        },
    }
}

/// The pause after a complete 429, which proves that nothing was applied.
fn rate_limited(outcome: &AttemptOutcome) -> Option<Duration> {
    let reply = outcome.as_ref().ok().filter(|reply| reply.status == 429)?;
    Some(reply.retry_after.unwrap_or(DEFAULT_RETRY_AFTER))
}

/// Full jitter: a random pause up to a limit that doubles, so that calls that failed together are not retried together.
fn backoff(made: u32) -> Duration {
    let bound = BASE.saturating_mul(1 << made.min(8)).min(LONGEST_BACKOFF);
    // Without random bytes, the longest pause is safe.
    let random = sealing::random::<4>().map_or(u32::MAX, u32::from_le_bytes);
    bound.mul_f64(f64::from(random) / f64::from(u32::MAX)).max(SHORTEST_BACKOFF)
}

/// Whether a status means that the host failed: every 5xx, also of proxies, except those for what is not implemented.
pub(super) const fn host_failed(status: u16) -> bool {
    matches!(status, 500..=599) && !matches!(status, 501 | 505)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::Provider;
    use crate::upstream::host::Host;
    use crate::upstream::transport_error::{CertificateFault, ConnectFault};

    #[expect(clippy::unnecessary_wraps, reason = "it stands beside what failed")]
    fn status(status: u16, retry_after: Option<u64>) -> AttemptOutcome {
        AttemptOutcome::Ok(Reply {
            provider: Provider::new("fake"),
            status,
            content_type: String::new(),
            date: None,
            retry_after: retry_after.map(Duration::from_secs),
            body: bytes::Bytes::new(),
            secrets: crate::upstream::Secrets::default(),
            checked: std::sync::OnceLock::new(),
            counted: None,
        })
    }

    /// How often a call is sent again while every attempt brings `outcome`, and the longest pause.
    fn retries(repeat: RetrySafety, outcome: &AttemptOutcome, within: u64) -> (u32, Duration) {
        let guest = HostHandle::new(Arc::new(Host::new("https://crm.example.com")), "ten_1".into());
        let mut retries = Retries::new(repeat, &guest);
        let deadline = crate::clock::monotonic() + Duration::from_secs(within);
        let mut longest = Duration::ZERO;
        while let Some(wait) = retries.after(outcome, deadline) {
            longest = longest.max(wait);
        }
        (retries.made, longest)
    }

    #[test]
    fn what_may_pass_is_read_again_twice_and_written_again_only_after_a_429() {
        for (outcome, reads, writes) in [
            (status(500, None), 2, 0),
            (status(502, None), 2, 0),
            (status(503, None), 2, 0),
            (status(503, Some(1)), 2, 0),
            (status(504, None), 2, 0),
            (status(522, None), 2, 0),
            (status(429, None), 2, 1),
            (status(429, Some(0)), 2, 1),
            (status(429, Some(2)), 2, 1),
            (status(429, Some(60)), 0, 0),
            (status(503, Some(60)), 0, 0),
            (status(501, None), 0, 0),
            (status(200, None), 0, 0),
            (status(301, None), 0, 0),
            (status(401, None), 0, 0),
            (status(404, None), 0, 0),
            (status(422, Some(0)), 0, 0),
            (Err(TransportError::Unreachable(ConnectFault::Refused)), 2, 0),
            (Err(TransportError::Broken), 2, 0),
            (Err(TransportError::CutOff), 2, 0),
            (Err(TransportError::Silent), 2, 0),
            (Err(TransportError::Stalled), 2, 0),
            (Err(TransportError::Slow), 0, 0),
            (Err(TransportError::Certificate(CertificateFault::Expired)), 0, 0),
            (Err(TransportError::TooLarge), 0, 0),
            (Err(TransportError::Undecodable), 0, 0),
            (Err(TransportError::Dripping), 0, 0),
            (Err(TransportError::NoRoom), 0, 0),
            (Err(TransportError::Unbuildable), 0, 0),
        ] {
            assert_eq!(retries(RetrySafety::Safe, &outcome, 15).0, reads, "read: {outcome:?}");
            assert_eq!(retries(RetrySafety::AfterRefusal, &outcome, 15).0, writes, "write: {outcome:?}");
        }
    }

    #[test]
    fn pauses_are_random_bounded_and_never_nothing() {
        let waits: Vec<Duration> = (0..200).map(|_| backoff(0)).collect();
        assert!(waits.iter().all(|wait| (SHORTEST_BACKOFF..=BASE).contains(wait)));
        assert!(waits.iter().any(|wait| *wait < BASE / 3) && waits.iter().any(|wait| *wait > BASE * 2 / 3));
        assert!((0..40).all(|made| backoff(made) <= LONGEST_BACKOFF));
        assert!(retries(RetrySafety::Safe, &status(429, Some(0)), 15).1 >= SHORTEST_BACKOFF);
        assert_eq!(retries(RetrySafety::Safe, &status(429, None), 15).1, Duration::from_secs(1));
        assert_eq!(retries(RetrySafety::Safe, &status(503, Some(7)), 15).1, Duration::from_secs(7));
    }
}
