//! One contacts API in front of several CRMs.

pub mod simulators;
