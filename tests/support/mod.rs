//! What the suites of the gateway's own functions share: accounts at simulated CRMs, contacts written as JSON, servers
//! that answer as told.

pub(crate) mod account;
pub(crate) mod canned;
pub(crate) mod closing;
pub(crate) mod contract;
pub(crate) mod crm;
pub(crate) mod fixtures;
pub(crate) mod keyed;
pub(crate) mod person;
pub(crate) mod relay;
pub(crate) mod slice;
pub(crate) mod worlds;
