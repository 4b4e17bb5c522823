//! When the listener's certificate expires, so that the operator is warned before clients fail.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error, RootCertStore};

/// How long before its expiry the log warns of a certificate. ACME clients renew earlier.
const NEAR: Duration = Duration::from_hours(14 * 24);

/// When a certificate expires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateExpiry {
    pub(super) certificate: PathBuf,
    /// `None` if it has always been valid.
    valid_from: Option<Timestamp>,
    pub(in crate::app) at: Timestamp,
}

impl CertificateExpiry {
    /// The expiry of the first of `chain`; `None` if it cannot be read. Only the first certificate counts: clients may know other
    /// issuers.
    pub(super) fn of(certificate: PathBuf, chain: &[CertificateDer<'_>]) -> Option<Self> {
        let parsed = ParsedCertificate::try_from(chain.first()?).ok()?;
        let verify_at = |seconds: u64| {
            let at = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
            verify_server_cert_signed_by_trust_anchor(&parsed, &RootCertStore::empty(), &[], at, &[])
        };
        let timestamp = |time: UnixTime| {
            i64::try_from(time.as_secs()).ok().and_then(|at| Timestamp::from_second(at).ok())
        };
        // webpki checks the validity period before the issuer, so verifying at the end of time always returns the expiry.
        let Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) =
            verify_at(u64::MAX)
        else {
            return None;
        };
        // A date out of range means that the certificate has no expiry.
        let at = timestamp(not_after)?;
        let valid_from = match verify_at(0) {
            Err(Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. })) => {
                timestamp(not_before)
            }
            _ => None,
        };
        Some(Self { certificate, valid_from, at })
    }

    /// The start of its validity, if that is in the future.
    fn not_valid_before(&self) -> Option<Timestamp> {
        self.valid_from.filter(|from| crate::clock::now() < *from)
    }

    /// Whether it is not valid yet, has expired, or will soon.
    #[must_use]
    pub fn needs_warning(&self) -> bool {
        self.not_valid_before().is_some()
            || crate::clock::now() >= self.at.checked_sub(NEAR).unwrap_or(Timestamp::MIN)
    }
}

impl fmt::Display for CertificateExpiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(from) = self.not_valid_before() {
            return write!(
                f,
                "the TLS certificate {} is not valid before {from}",
                self.certificate.display()
            );
        }
        let verb = if crate::clock::now() >= self.at { "has expired" } else { "expires" };
        write!(f, "the TLS certificate {} {verb} at {}", self.certificate.display(), self.at)
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use rustls::pki_types::pem::PemObject;

    use super::*;
    use crate::clock::tests::set_shift;

    fn expiry(chain: &[&str]) -> Option<CertificateExpiry> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls");
        let read = |name: &&str| CertificateDer::from_pem_file(format!("{folder}/{name}")).unwrap();
        CertificateExpiry::of("tls.crt".into(), &chain.iter().map(read).collect::<Vec<_>>())
    }

    /// As `openssl x509 -enddate` prints them.
    #[test]
    fn the_end_of_every_kind_of_certificate_is_known() {
        for (chain, expected) in [
            // Of an authority, with and without that; its own; one that may issue others; an expired one.
            (&["valid.pem"][..], "2126-10-28T21:54:09Z"),
            (&["valid.pem", "ca.pem"], "2126-10-28T21:54:09Z"),
            (&["self_signed.pem"], "2126-10-28T21:54:09Z"),
            (&["ca.pem"], "2126-10-28T21:54:09Z"),
            (&["expired.pem"], "2021-01-01T00:00:00Z"),
            (&["expired.pem", "ca.pem"], "2021-01-01T00:00:00Z"),
        ] {
            assert_eq!(expiry(chain).unwrap().at, expected.parse().unwrap(), "{chain:?}");
        }
        assert_eq!(expiry(&[]), None);
    }

    #[test]
    fn the_operator_is_warned_two_weeks_before() {
        let valid = expiry(&["valid.pem"]).unwrap();
        let left = valid.at.duration_since(crate::clock::now());
        let day = SignedDuration::from_hours(24);
        for (days, is_near, says) in
            [(15, false, "expires at 2126"), (13, true, "expires at 2126"), (-1, true, "has expired at 2126")]
        {
            set_shift(left - day * days);
            assert_eq!(
                (valid.needs_warning(), valid.to_string().contains(says)),
                (is_near, true),
                "{days}: {valid}"
            );
        }
        set_shift(SignedDuration::ZERO);
    }

    #[test]
    fn the_operator_is_warned_of_a_certificate_that_is_not_valid_yet() {
        let valid = expiry(&["valid.pem"]).unwrap();
        let says = "is not valid before 2026-11-21T21:54:09Z";
        let from: Timestamp = "2026-11-21T21:54:09Z".parse().unwrap();
        for (seconds, is_early) in [(-60, true), (60, false)] {
            set_shift(from.duration_since(crate::clock::now()) + SignedDuration::from_secs(seconds));
            assert_eq!(
                (valid.needs_warning(), valid.to_string().contains(says)),
                (is_early, is_early),
                "{valid}"
            );
            set_shift(SignedDuration::ZERO);
        }
    }
}
