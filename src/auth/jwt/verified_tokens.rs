//! Tokens that were verified before, by digest, so that a signature is not checked on every request.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;

use super::claims::Claims;
use super::keys::KeySet;
use super::seconds;
use crate::sealing::sha256;

const MOST: u64 = 10_000;
const KEPT_FOR: Duration = Duration::from_mins(5);

/// A bounded cache of valid tokens. It holds no token.
pub(super) struct VerifiedTokens(Cache<[u8; 32], CachedToken>);

#[derive(Clone)]
struct CachedToken {
    claims: Arc<Claims>,
    /// The token is valid only under the keys that verified it: with new keys it is verified again.
    keys: Arc<KeySet>,
}

impl Default for VerifiedTokens {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(MOST).time_to_live(KEPT_FOR).build())
    }
}

impl VerifiedTokens {
    /// The claims of the token, if it was verified lately by the same keys and has not expired.
    pub(super) fn get(&self, token: &str, keys: &Arc<KeySet>) -> Option<Arc<Claims>> {
        let cached = self.0.get(&sha256(token.as_bytes()))?;
        (seconds() < cached.claims.expires && Arc::ptr_eq(&cached.keys, keys)).then_some(cached.claims)
    }

    /// Remembers a valid token for at most five minutes.
    pub(super) fn keep(&self, token: &str, claims: Claims, keys: &Arc<KeySet>) -> Arc<Claims> {
        let cached = CachedToken { claims: Arc::new(claims), keys: Arc::clone(keys) };
        let claims = Arc::clone(&cached.claims);
        self.0.insert(sha256(token.as_bytes()), cached);
        claims
    }
}
