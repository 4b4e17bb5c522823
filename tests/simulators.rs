//! The simulators themselves, over a real socket: the documented examples as printed, the traps, the faults.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and is a client of its own"
)]

mod simulated {
    pub mod altered;
    pub mod aptly;
    pub mod faults;
    pub mod pipeline;
    pub mod reply;
}
