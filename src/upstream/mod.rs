//! The wire, made dependable: what a call is, what a reply is, and the one way of sending a call.
//!
//! A call runs inside the caller's deadline. It is sent once: nothing is repeated here yet, redirects are not
//! followed, proxies of the environment are not used, and no header of the caller's travels along.

mod base_url;
mod call;
mod fetch;
mod transport;

pub use base_url::{AllowList, BaseUrl, BaseUrlGuard};
pub use call::{Call, Method, Reply};
pub use fetch::FetchUrl;
pub use transport::{Authorization, Transport, Upstream};
