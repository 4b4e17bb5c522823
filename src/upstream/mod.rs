//! The wire, made dependable: what a call is, what a reply is, and the one way of sending a call.
//!
//! A call runs inside the caller's deadline. It is sent once: nothing is repeated here yet, redirects are not
//! followed, proxies of the environment are not used, and no header of the caller's travels along.
//!
//! Tenants say where their CRM is, and must not reach into our network by it. [`BaseUrlGuard`] judges the URL when it
//! is stored and when it is read again; the addresses of its name are judged at each connection, and the connection
//! goes to those judged.

mod addresses;
mod allow_list;
mod authorization;
mod base_url;
mod call;
mod fetch;
mod resolver;
mod transport;

pub use allow_list::AllowList;
pub use authorization::Authorization;
pub use base_url::{BaseUrl, BaseUrlGuard};
pub use call::{Call, Method, Reply};
pub use fetch::FetchUrl;
pub use resolver::{Lookup, SystemLookup};
pub use transport::{Transport, Upstream};
