//! The composition root: joins configuration, store, sealing, adapters, gateway and edge into one running whole.

mod components;
mod demo;
#[cfg(test)]
mod interleavings;
mod serve;
mod server;
mod simulate;
mod start;

pub use components::{Components, check};
pub use demo::demo;
pub use serve::{serve, stopped};
pub use simulate::{SIMULATED, Simulated};
