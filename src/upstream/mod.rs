//! The wire, made dependable: what a call is, what a reply is, and the one way of sending a call.
//!
//! `dependable.rs` shows the steps of a call in their order: deadline, retries, breaker, pace, send. A call runs inside
//! the caller's deadline; a read may be repeated, a write only after a 429. Redirects are not followed, proxies of the
//! environment are not used, and no header of the caller's travels along. Each credential has connections of its own.
//!
//! What is learnt from calls belongs to a tenant at a host (breaker, retry budget), to an account (pace, pauses, places)
//! or to a user of the CRM (logins), and outlives the adapter that made them.
//!
//! Tenants say where their CRM is, and must not reach into our network by it. [`BaseUrlGuard`] judges the URL when it
//! is stored and when it is read again; the addresses of its name are judged at each connection, and the connection
//! goes to those judged.

mod account;
mod addresses;
mod allow_list;
mod authorization;
mod base_url;
mod body;
mod breaker;
mod bytes;
mod call;
mod client;
mod concurrency_limit;
mod dependable;
mod fetch;
mod headers;
mod host;
mod logins;
mod lookups;
mod rate_limiter;
mod registry;
mod resolver;
mod retry;
mod secrets;
mod transport;
mod transport_error;

pub use account::{AccountId, AccountLimits, AccountSpec};
pub use allow_list::AllowList;
pub use authorization::Authorization;
pub use base_url::{BaseUrl, BaseUrlGuard, is_plain_segment};
pub use bytes::{ByteBudget, BytesInFlight, Room, UNCOUNTED};
pub use call::{Call, Decoded, Reply, RetrySafety};
pub use concurrency_limit::{Permit, Visit};
pub use dependable::Upstream;
pub use fetch::FetchUrl;
pub use logins::{Logins, NextStep, TokenFor};
pub use rate_limiter::RateLimit;
pub use resolver::{Lookup, SystemLookup};
pub use secrets::{STRUCK_OUT, Secrets};
pub use transport::Transport;
