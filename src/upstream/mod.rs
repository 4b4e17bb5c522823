//! HTTP to the CRMs: calls, replies, and the one way to send a call.
//!
//! `dependable.rs` shows the steps of a call in their order: deadline, retries, breaker, rate limit, send. A call runs within
//! the caller's deadline. A read may be repeated, a write only after a 429. Redirects are not followed, proxies of the
//! environment are not used, and no header of the caller is forwarded. Each credential has its own connections.
//!
//! The state from calls belongs to a tenant at a host (breaker, retry budget), to an account (rate limit, pauses,
//! concurrency) or to a user of the CRM (logins). It outlives the adapter that made the calls.
//!
//! Tenants choose their CRM's URL, and must not reach the operator's network by it. [`BaseUrlGuard`] checks the URL when it is
//! stored and when it is loaded. The addresses of its name are checked for each connection, which uses the checked ones.

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
mod rate_limit;
mod rate_limiter;
mod registry;
mod resolver;
mod retry;
mod retry_budget;
mod secrets;
mod transport;
mod transport_error;

pub use account::{AccountId, AccountLimits, AccountSpec};
pub use allow_list::AllowList;
pub use authorization::Authorization;
pub use base_url::{BaseUrl, BaseUrlGuard, is_plain_segment};
pub use bytes::{ByteBudget, BytesInFlight, Room, UNCOUNTED};
pub use call::{Call, Decoded, Reply, RetrySafety};
pub use client::is_ca_as_end_entity;
pub use concurrency_limit::{Permit, Visit};
pub use dependable::Upstream;
pub use fetch::FetchUrl;
pub use logins::{Logins, NextStep, TokenFor};
pub use rate_limit::RateLimit;
pub use resolver::{Lookup, SystemLookup};
pub use secrets::{STRUCK_OUT, Secrets};
pub use transport::Transport;
