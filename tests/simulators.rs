//! The simulators themselves, over a real socket: the documented examples as printed, the traps, the faults.

mod simulated {
    pub mod aptly;
    pub mod faults;
    pub mod pipeline;
    pub mod reply;
}
