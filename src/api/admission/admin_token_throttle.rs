//! A limit on wrong admin tokens, for each client. Another client is never refused because of it.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::Ipv6Net;

use super::token_buckets::TokenBuckets;
use crate::domain::{Failure, FailureKind, Result};

/// A client may send this many wrong tokens at once, then one every [`REFILL_INTERVAL`].
const BURST: u32 = 10;
const REFILL_INTERVAL: Duration = Duration::from_secs(10);
/// Why a client is refused, for the log and the metrics.
pub(in crate::api) const TOO_MANY_WRONG: &str = "too many wrong admin tokens";

/// The wrong admin tokens of each client, by its network.
pub(in crate::api) struct AdminTokenThrottle(TokenBuckets<IpAddr>);

impl AdminTokenThrottle {
    pub(super) fn new() -> Self {
        Self(TokenBuckets::new(REFILL_INTERVAL, BURST))
    }

    /// Fails with `rate_limited` if `client` sent too many wrong admin tokens. Call it before comparing the token, or guessing
    /// could continue.
    pub(in crate::api) fn check(&self, client: IpAddr) -> Result<()> {
        self.0.check(&network(client)).map_err(|wait| {
            let detail = "Too many invalid tokens were sent from this address. Wait as long as `Retry-After` says, then send a valid \
                          API key, JWT or admin token.";
            Failure::new(FailureKind::RateLimited, detail)
                .with_retry_after(Some(wait))
                .with_reason(TOO_MANY_WRONG)
        })
    }

    /// Notes a wrong admin token.
    pub(in crate::api) fn note(&self, client: IpAddr) {
        // Tokens that are compared at the same time, one on each thread, may pass the check together. Those beyond the burst do not
        // count.
        let _ = self.0.take(network(client));
    }
}

/// An IPv6 client usually controls a whole /64, so its network is counted.
pub(in crate::api) fn network(client: IpAddr) -> IpAddr {
    match client {
        IpAddr::V4(_) => client,
        IpAddr::V6(address) => Ipv6Net::new_assert(address, 64).network().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_client_may_be_wrong_ten_times_and_others_are_not_affected() {
        let throttle = AdminTokenThrottle::new();
        let (one, other): (IpAddr, IpAddr) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        for _ in 0..BURST {
            throttle.check(one).unwrap();
            throttle.note(one);
        }
        let failure = throttle.check(one).unwrap_err();
        assert_eq!((failure.kind, failure.retry_after), (FailureKind::RateLimited, Some(REFILL_INTERVAL)));
        throttle.check(other).unwrap();
        tokio::time::advance(REFILL_INTERVAL).await;
        throttle.check(one).unwrap();
        throttle.note(one);
        assert!(throttle.check(one).is_err());
    }

    #[test]
    fn a_client_of_ipv6_is_its_network() {
        let of = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(of("192.0.2.7"), "192.0.2.7");
    }
}
