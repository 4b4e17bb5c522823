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
    pub(in crate::app) at: Timestamp,
}

impl CertificateExpiry {
    /// The expiry of the first of `chain`; `None` if it cannot be read. Only the first certificate counts: clients may know other
    /// issuers.
    pub(super) fn of(certificate: PathBuf, chain: &[CertificateDer<'_>]) -> Option<Self> {
        let parsed = ParsedCertificate::try_from(chain.first()?).ok()?;
        // webpki checks the validity period before the issuer, so verifying at the end of time always returns the expiry.
        let end = UnixTime::since_unix_epoch(Duration::from_secs(u64::MAX));
        let verified =
            verify_server_cert_signed_by_trust_anchor(&parsed, &RootCertStore::empty(), &[], end, &[]);
        let Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) = verified
        else {
            return None;
        };
        // A date out of range means that the certificate has no expiry.
        let at = i64::try_from(not_after.as_secs()).ok().and_then(|at| Timestamp::from_second(at).ok())?;
        Some(Self { certificate, at })
    }

    /// Whether it has expired, or will soon.
    pub fn is_near(&self) -> bool {
        crate::clock::now() >= self.at.checked_sub(NEAR).unwrap_or(Timestamp::MIN)
    }
}

impl fmt::Display for CertificateExpiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
                (valid.is_near(), valid.to_string().contains(says)),
                (is_near, true),
                "{days}: {valid}"
            );
        }
        set_shift(SignedDuration::ZERO);
    }
}
