//! What the suites share: a small world of gateway and CRMs, contacts written as JSON, a server that answers as told.

pub(crate) mod canned;
pub(crate) mod closing;
pub(crate) mod contract;
pub(crate) mod fixtures;
pub(crate) mod keyed;
pub(crate) mod person;
pub(crate) mod relay;
pub(crate) mod slice;
pub(crate) mod world;
