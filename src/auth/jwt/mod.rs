//! Tokens (JWT) of the issuers that the configuration names.
//!
//! The unverified token decides only which configured issuer verifies it: neither the algorithm nor a key's location comes
//! from its header. Every failure has the same response; the log has the reason.

mod claims;
mod issuers;
mod keys;
mod source;
#[cfg(test)]
mod tests;
mod token_parts;
mod verified_tokens;

use std::sync::Arc;

use claims::Claims;
pub use issuers::Issuers;
use issuers::{Issuer, RefreshPolicy};
use keys::KeySet;
use token_parts::TokenParts;
pub(super) use token_parts::looks_like_a_token;
use verified_tokens::VerifiedTokens;

use crate::domain::{Caller, Failure, FailureKind, Principal, Result, TenantId};
use crate::store::{TenantStore, TtlCache, now};

/// The allowed difference of clocks, in seconds.
const LEEWAY: u64 = 60;
const REMEMBERED_TENANTS: u64 = 10_000;

/// Why a token is refused; a word for the log and the tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct TokenFault(&'static str);

/// The result of verifying a token.
enum VerifyOutcome {
    Good(Claims),
    Bad(TokenFault),
    /// A newer key set of the issuer may contain the right key.
    Miss(TokenFault),
}

/// Accepts tokens of the configured issuers; the default has none and accepts nothing.
#[derive(Default)]
pub struct Tokens(Option<TokenVerifier>);

struct TokenVerifier {
    issuers: Vec<Issuer>,
    tenants: TenantStore,
    /// Tenants by the id or name in tokens.
    named: TtlCache<String, Option<TenantId>>,
    verified: VerifiedTokens,
}

impl Tokens {
    fn new(issuers: Vec<Issuer>, tenants: TenantStore) -> Self {
        let named = TtlCache::new(REMEMBERED_TENANTS);
        let known = TokenVerifier { issuers, tenants, named, verified: VerifiedTokens::default() };
        Self((!known.issuers.is_empty()).then_some(known))
    }

    /// Forgets the tenants, so that a token of a removed one is refused at its next use.
    pub fn forget_tenants(&self) {
        if let Some(known) = &self.0 {
            known.named.forget_all();
        }
    }

    /// The caller of `token`. Fails with `unauthenticated`, `issuer_unavailable`, `overloaded`, `store_unavailable`.
    pub(super) async fn caller(&self, token: &str) -> Result<Caller> {
        let Some(known) = &self.0 else {
            return Err(Failure::new(
                FailureKind::Unauthenticated,
                "No token issuer is configured in this gateway; use an API key.",
            ));
        };
        let (claims, tenant) = known.admitted(token).await?.map_err(refused)?;
        let (issuer, subject) = (claims.issuer.clone(), claims.subject.clone());
        let principal = Principal::Token { issuer, subject };
        Ok(Caller { tenant, principal, scopes: claims.scopes.clone(), credentials: None })
    }
}

impl TokenVerifier {
    /// The claims of a valid token, and its tenant. The outer failure is the gateway's, the inner fault is the token's.
    async fn admitted(
        &self,
        token: &str,
    ) -> Result<std::result::Result<(Arc<Claims>, TenantId), TokenFault>> {
        let claims = match self.claims(token).await? {
            Ok(claims) => claims,
            Err(fault) => return Ok(Err(fault)),
        };
        let tenant = self.tenant(&claims.tenant).await?;
        Ok(tenant.map(|tenant| (claims, tenant)).ok_or(TokenFault("tenant")))
    }

    /// The claims of a valid token. The outer failure is the gateway's, the inner fault is the token's.
    async fn claims(&self, token: &str) -> Result<std::result::Result<Arc<Claims>, TokenFault>> {
        let parts = match TokenParts::read(token) {
            Ok(parts) => parts,
            Err(fault) => return Ok(Err(fault)),
        };
        let Some(issuer) = self.issuers.iter().find(|issuer| issuer.name.as_str() == parts.issuer) else {
            return Ok(Err(TokenFault("issuer")));
        };
        if !issuer.algorithms.contains(&parts.algorithm) {
            return Ok(Err(TokenFault("algorithm")));
        }
        let keys = issuer.source.keys().await?;
        if let Some(claims) = self.verified.get(token, &keys) {
            return Ok(Ok(claims));
        }
        let (outcome, keys) = match verify(issuer, &keys, &parts) {
            VerifyOutcome::Miss(fault) => match issuer.source.newer_than(&keys).await? {
                Some(newer) => (verify(issuer, &newer, &parts), newer),
                None => (VerifyOutcome::Bad(fault), keys),
            },
            outcome => (outcome, keys),
        };
        Ok(match outcome {
            VerifyOutcome::Good(claims) => Ok(self.verified.keep(token, claims, &keys)),
            VerifyOutcome::Bad(fault) | VerifyOutcome::Miss(fault) => Err(fault),
        })
    }

    /// The tenant with this id or name, as it was at most 5 s ago.
    async fn tenant(&self, called: &str) -> Result<Option<TenantId>> {
        let find = || async { Ok(self.tenants.find_either(called).await?.map(|tenant| tenant.id)) };
        self.named.get(&called.to_owned(), find).await
    }
}

/// Checks key, signature and claims against the issuer's configuration.
fn verify(issuer: &Issuer, keys: &KeySet, parts: &TokenParts<'_>) -> VerifyOutcome {
    let key = match keys.select(parts.algorithm, parts.kid.as_deref()) {
        Ok(key) => key,
        Err(fault) => return VerifyOutcome::Miss(fault),
    };
    match issuer.verify(parts, key).and_then(|()| Claims::read(issuer, parts, seconds())) {
        Ok(claims) => VerifyOutcome::Good(claims),
        // Without a key id, a changed key shows as a wrong signature.
        Err(fault @ TokenFault("signature")) if parts.kid.is_none() => VerifyOutcome::Miss(fault),
        Err(fault) => VerifyOutcome::Bad(fault),
    }
}

fn refused(fault: TokenFault) -> Failure {
    let detail = "The token is not valid here: malformed, expired, not for this gateway, or of an unknown issuer or tenant.";
    Failure::new(FailureKind::Unauthenticated, detail).with_reason(fault.0)
}

fn seconds() -> u64 {
    u64::try_from(now().as_second()).unwrap_or_default()
}
