//! Strict JSON: the check that runs before any body or reply is decoded, and reading of raw members.
//!
//! Decoding works on slices of the checked text: a value is looked at by its first byte, so that what is only passed
//! on is never copied and numbers keep every digit.

mod canonical;
mod check;
mod read;
mod write;

pub use canonical::canonical;
pub use check::{Fault, REQUEST_DEPTH, UPSTREAM_DEPTH, check};
pub use read::{Kind, Members, Raw, elements, equal, kind, members, string};
pub use write::object;
