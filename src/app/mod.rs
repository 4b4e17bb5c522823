//! The composition root: joins configuration, store, sealing, adapters, gateway and edge into one running whole.

mod demo;
#[cfg(test)]
mod interleavings;
mod parts;
mod serve;
mod server;
mod simulate;
mod start;

pub use demo::demo;
pub use parts::{Parts, check};
pub use serve::{serve, stopped};
pub use simulate::{SIMULATED, Simulated, simulate};
