//! A rate limit, and who may change it: the CRM publishes limits, the operator may replace them, a credential may lower them.

use std::time::Duration;

use crate::config::CallRates;

/// At most `calls` calls in any window of length `per`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    pub calls: usize,
    pub per: Duration,
}

impl RateLimit {
    /// The share that this gateway may use, at least one call. `share` is above 0 and at most 1.
    #[must_use]
    pub fn share(self, share: f64) -> Self {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "limits are small numbers, and the share makes them no larger"
        )]
        let calls = (self.calls as f64 * share).floor() as usize;
        Self { calls: calls.clamp(1, self.calls.max(1)), ..self }
    }

    /// The `published` limits with the rates of the operator in their place. A rate of 0 is unlimited.
    #[must_use]
    pub fn configured(published: &[Self], rates: CallRates) -> Vec<Self> {
        let mut limits = published.to_vec();
        for given in given(rates) {
            limits.retain(|limit| limit.per != given.per);
            limits.extend(Some(given).filter(|given| given.calls > 0));
        }
        limits
    }

    /// `limits`, each lowered to the rate of a credential. A higher rate changes nothing.
    #[must_use]
    pub fn lowered(mut limits: Vec<Self>, rates: CallRates) -> Vec<Self> {
        for given in given(rates).filter(|given| given.calls > 0) {
            match limits.iter_mut().find(|limit| limit.per == given.per) {
                Some(limit) => limit.calls = limit.calls.min(given.calls),
                None => limits.push(given),
            }
        }
        limits
    }
}

fn given(rates: CallRates) -> impl Iterator<Item = RateLimit> {
    let windows = [(rates.per_minute, Duration::from_mins(1)), (rates.per_second, Duration::from_secs(1))];
    windows
        .into_iter()
        .filter_map(|(calls, per)| Some(RateLimit { calls: usize::try_from(calls?).ok()?, per }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: RateLimit = RateLimit { calls: 120, per: Duration::from_mins(1) };
    const SECOND: RateLimit = RateLimit { calls: 20, per: Duration::from_secs(1) };

    fn rates(per_minute: impl Into<Option<u32>>, per_second: impl Into<Option<u32>>) -> CallRates {
        CallRates { per_minute: per_minute.into(), per_second: per_second.into() }
    }

    fn of(calls: usize, limit: RateLimit) -> RateLimit {
        RateLimit { calls, ..limit }
    }

    #[test]
    fn a_share_leaves_at_least_one_call() {
        for (calls, share, left) in [(120, 0.5, 60), (20, 0.01, 1), (20, 1.0, 20), (3, 0.99, 2), (1, 0.5, 1)]
        {
            assert_eq!(RateLimit { calls, per: Duration::from_secs(1) }.share(share).calls, left);
        }
    }

    #[test]
    fn the_operator_replaces_a_published_limit_and_0_is_unlimited() {
        let published = [MINUTE, SECOND];
        for (given, left) in [
            (rates(None, None), vec![MINUTE, SECOND]),
            (rates(600, None), vec![SECOND, of(600, MINUTE)]),
            (rates(None, 5), vec![MINUTE, of(5, SECOND)]),
            (rates(0, None), vec![SECOND]),
            (rates(0, 0), vec![]),
        ] {
            assert_eq!(RateLimit::configured(&published, given), left, "{given:?}");
        }
        assert_eq!(RateLimit::configured(&[], rates(None, 5)), [of(5, SECOND)]);
    }

    #[test]
    fn a_credential_lowers_a_limit_and_never_raises_it() {
        for (given, left) in [
            (rates(None, None), vec![MINUTE, SECOND]),
            (rates(60, None), vec![of(60, MINUTE), SECOND]),
            (rates(None, 1), vec![MINUTE, of(1, SECOND)]),
            (rates(121, 21), vec![MINUTE, SECOND]),
            (rates(0, 0), vec![MINUTE, SECOND]),
        ] {
            assert_eq!(RateLimit::lowered(vec![MINUTE, SECOND], given), left, "{given:?}");
        }
        assert_eq!(RateLimit::lowered(Vec::new(), rates(60, None)), [of(60, MINUTE)]);
    }
}
