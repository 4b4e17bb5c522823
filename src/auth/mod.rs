//! Who calls: API keys, tokens and the operator's token, from the `Authorization` header to a caller.

mod api_key;
mod authenticator;
mod jwt;
mod last_used;

pub use api_key::{ApiKey, KeyFault};
pub use authenticator::{Authenticator, shown_key};
pub use jwt::{Issuers, Tokens};
