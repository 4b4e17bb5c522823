//! Tokens good and forged, and key sets that come, change and fail.

mod forged;
mod house;
mod key_set;
mod remote;
mod token;
