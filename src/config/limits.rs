//! How much is let in, and how long dependable writes take: one struct, given to whoever keeps to it.

use std::time::Duration;

/// Bounds and times. `None` is without bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests per second of one API key or token subject.
    pub key_rate: Option<u32>,
    /// Requests that a key may send at once after a pause.
    pub key_burst: u32,
    /// Requests of one tenant under way at a time.
    pub tenant_in_flight: Option<u32>,
    /// Requests on one credential under way at a time.
    pub credential_in_flight: Option<u32>,
    /// Requests on one credential that may wait for a place.
    pub credential_waiting: u32,
    /// Requests of the whole process under way at a time.
    pub in_flight: Option<u32>,
    /// MiB of CRMs' replies and of responses of one tenant in memory at a time.
    pub tenant_in_flight_mib: u32,
    /// MiB of CRMs' replies and of responses of the whole process in memory at a time.
    pub in_flight_mib: u32,
    /// Between the two looks that prove a create absent.
    pub settle: Duration,
    /// How long a write under an `Idempotency-Key` stays its owner's without a sign of life.
    pub lease: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            key_rate: Some(50),
            key_burst: 100,
            tenant_in_flight: Some(64),
            credential_in_flight: Some(16),
            credential_waiting: 32,
            in_flight: Some(512),
            tenant_in_flight_mib: 64,
            in_flight_mib: 256,
            settle: Duration::from_secs(5),
            lease: Duration::from_secs(30),
        }
    }
}
