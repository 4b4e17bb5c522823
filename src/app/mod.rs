//! The composition root: joins configuration, store, sealing, adapters and gateway into one running whole.

mod parts;

pub use parts::{Parts, check};
