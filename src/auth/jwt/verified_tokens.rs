//! Tokens that were verified a moment ago, by digest, so that a signature is not checked on every request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::claims::Claims;
use super::keys::KeySet;
use super::seconds;
use crate::sealing::sha256;

const MOST: usize = 10_000;
/// In seconds.
const LONGEST: u64 = 300;

/// A bounded memory of good tokens. It holds no token.
#[derive(Default)]
pub(super) struct VerifiedTokens(Mutex<HashMap<[u8; 32], CachedToken>>);

struct CachedToken {
    claims: Arc<Claims>,
    /// A token is good as long as the keys by which it was found good: new keys ask anew.
    keys: Arc<KeySet>,
    until: u64,
}

impl VerifiedTokens {
    /// What the token was found to say, if that was a moment ago and by the same keys.
    pub(super) fn get(&self, token: &str, keys: &Arc<KeySet>) -> Option<Arc<Claims>> {
        let entries = self.entries();
        let entry = entries.get(&sha256(token.as_bytes()))?;
        (seconds() < entry.until && Arc::ptr_eq(&entry.keys, keys)).then(|| Arc::clone(&entry.claims))
    }

    /// Remembers a good token until it ends, at most five minutes.
    pub(super) fn keep(&self, token: &str, claims: Claims, keys: &Arc<KeySet>) -> Arc<Claims> {
        let claims = Arc::new(claims);
        let now = seconds();
        let until = claims.expires.min(now + LONGEST);
        let mut entries = self.entries();
        if entries.len() >= MOST {
            entries.retain(|_, entry| entry.until > now);
        }
        // Still full: forgetting all costs one signature a token, and no order has to be kept.
        if entries.len() >= MOST {
            entries.clear();
        }
        let entry = CachedToken { claims: Arc::clone(&claims), keys: Arc::clone(keys), until };
        entries.insert(sha256(token.as_bytes()), entry);
        claims
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<[u8; 32], CachedToken>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
