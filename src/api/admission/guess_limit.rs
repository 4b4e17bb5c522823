//! A limit on wrong admin tokens, for each client. Another client is never refused because of it.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use super::token_buckets::TokenBuckets;
use crate::domain::{Failure, FailureKind, Result};
use crate::telemetry::{RepeatLimit, series};

/// So many wrong tokens may be sent at once, and then one in each [`EACH`].
const BURST: u32 = 10;
const EACH: Duration = Duration::from_secs(10);
/// How often it is logged of the same client.
const LOGGED_EVERY: Duration = Duration::from_mins(1);
const REASON: &str = "too many wrong admin tokens";

/// The wrong admin tokens of each client, by its address.
pub(in crate::api) struct GuessLimit {
    left: TokenBuckets<IpAddr>,
    logged: RepeatLimit,
}

impl GuessLimit {
    pub(super) fn new() -> Self {
        Self { left: TokenBuckets::new(EACH, BURST), logged: RepeatLimit::new(LOGGED_EVERY) }
    }

    /// Whether `client` may show an admin token. It is asked before the token is compared, as otherwise guessing would go on. Fails
    /// with `rate_limited`.
    pub(in crate::api) fn check(&self, client: IpAddr) -> Result<()> {
        self.left.check(&network(client)).map_err(|wait| {
            series::refused(REASON);
            if let Some(suppressed) = self.logged.due(&network(client).to_string()) {
                tracing::warn!(%client, suppressed, "too many wrong admin tokens; this client must wait");
            }
            let detail = "Too many wrong admin tokens were sent from this address.";
            Failure::new(FailureKind::RateLimited, detail).with_retry_after(Some(wait)).with_reason(REASON)
        })
    }

    /// Notes a wrong admin token.
    pub(in crate::api) fn note(&self, client: IpAddr) {
        // Several at the same time may pass the check; they all count.
        let _ = self.left.take(network(client));
    }
}

/// One client of IPv6 has all addresses of a network.
fn network(client: IpAddr) -> IpAddr {
    match client {
        IpAddr::V4(_) => client,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_client_may_be_wrong_ten_times_and_others_are_not_affected() {
        let limit = GuessLimit::new();
        let (one, other): (IpAddr, IpAddr) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        for _ in 0..BURST {
            limit.check(one).unwrap();
            limit.note(one);
        }
        let failure = limit.check(one).unwrap_err();
        assert_eq!((failure.kind, failure.retry_after), (FailureKind::RateLimited, Some(EACH)));
        limit.check(other).unwrap();
        tokio::time::advance(EACH).await;
        limit.check(one).unwrap();
        limit.note(one);
        assert!(limit.check(one).is_err());
    }

    #[test]
    fn a_client_of_ipv6_is_its_network() {
        let of = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(of("192.0.2.7"), "192.0.2.7");
    }
}
