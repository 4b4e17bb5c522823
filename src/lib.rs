//! One contacts API in front of several CRMs.

pub mod adapters;
pub mod api;
pub mod domain;
pub mod gateway;
pub mod json;
pub mod upstream;
