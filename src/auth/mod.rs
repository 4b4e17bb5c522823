//! Who calls: API keys and the operator's token, from the `Authorization` header to a caller.

mod api_key;
mod authenticator;

pub use api_key::{ApiKey, KeyFault};
pub use authenticator::Authenticator;
