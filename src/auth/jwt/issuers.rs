//! The configured issuers, and the library's validation of their tokens.

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use secrecy::ExposeSecret;
use serde::de::IgnoredAny;

use super::keys::KeySet;
use super::source::Source;
use super::{LEEWAY, TokenFault, TokenParts, Tokens};
use crate::config::{ConfigFault, JwtAlgorithm, JwtIssuer, JwtKeys};
use crate::domain::Text;
use crate::store::TenantStore;
use crate::upstream::{AllowList, FetchUrl, Transport};

/// How often a key set is fetched.
#[derive(Clone, Copy, Debug)]
pub(super) struct RefreshPolicy {
    /// The minimum time between two fetches, even for tokens with an unknown key.
    pub(super) at_least: Duration,
    /// A key set of this age is fetched again while it is used.
    pub(super) renewed_after: Duration,
    pub(super) within: Duration,
}

/// An issuer revokes a key by removing it from the set. After ten minutes at most, it is not accepted here.
const REFRESH: RefreshPolicy = RefreshPolicy {
    at_least: Duration::from_secs(30),
    renewed_after: Duration::from_mins(10),
    within: Duration::from_secs(5),
};

/// The checked issuers of the configuration. The default has none.
#[derive(Default)]
pub struct Issuers(Vec<CheckedKeys>);

struct CheckedKeys {
    configured: JwtIssuer,
    keys: VerificationKeys,
}

enum VerificationKeys {
    Held(Arc<KeySet>),
    At(FetchUrl),
}

impl Issuers {
    /// Checks key files and URLs. Fails with all faults.
    pub fn new(configured: &[JwtIssuer], allowed: &AllowList) -> Result<Self, Vec<ConfigFault>> {
        let mut faults = Vec::new();
        let checked = configured.iter().filter_map(|issuer| match keys(issuer, allowed) {
            Ok(keys) => Some(CheckedKeys { configured: issuer.clone(), keys }),
            Err(fault) => {
                faults.push(ConfigFault::new(&issuer.origin, fault));
                None
            }
        });
        let checked = Self(checked.collect());
        if faults.is_empty() { Ok(checked) } else { Err(faults) }
    }

    /// Accepts tokens of these issuers for `tenants`. `transport` fetches key sets on first use.
    #[must_use]
    pub fn tokens(self, tenants: TenantStore, transport: &Transport) -> Tokens {
        self.paced(tenants, transport, REFRESH)
    }

    pub(super) fn paced(self, tenants: TenantStore, transport: &Transport, policy: RefreshPolicy) -> Tokens {
        let issuers = self.0.into_iter().map(|checked| Issuer::new(checked, transport, policy));
        Tokens::new(issuers.collect(), tenants)
    }
}

fn keys(issuer: &JwtIssuer, allowed: &AllowList) -> Result<VerificationKeys, String> {
    match &issuer.keys {
        JwtKeys::Secret(secret) => {
            Ok(VerificationKeys::Held(Arc::new(KeySet::of_secret(secret.expose_secret()))))
        }
        JwtKeys::Set(text) => KeySet::read(text, &issuer.algorithms)
            .map(|keys| VerificationKeys::Held(Arc::new(keys)))
            .map_err(|fault| format!("the key set of `jwks_file` cannot be used: {fault}")),
        JwtKeys::Url(url) => FetchUrl::parse(url, allowed)
            .map(VerificationKeys::At)
            .map_err(|fault| format!("`jwks_url` {fault}")),
    }
}

pub(super) struct Issuer {
    pub(super) name: Text,
    audience: String,
    pub(super) algorithms: Vec<JwtAlgorithm>,
    pub(super) tenant_claim: String,
    pub(super) scope_claim: String,
    pub(super) max_lifetime: Duration,
    pub(super) source: Source,
}

impl Issuer {
    fn new(checked: CheckedKeys, transport: &Transport, policy: RefreshPolicy) -> Self {
        let CheckedKeys { configured, keys } = checked;
        let JwtIssuer {
            issuer,
            audience,
            algorithms,
            keys: _,
            tenant_claim,
            scope_claim,
            max_lifetime,
            origin: _,
        } = configured;
        let source = match keys {
            VerificationKeys::Held(keys) => Source::held(keys),
            VerificationKeys::At(url) => Source::at(url, transport.clone(), algorithms.clone(), policy),
        };
        let name = Text::from(issuer);
        Self { name, audience, algorithms, tenant_claim, scope_claim, max_lifetime, source }
    }

    /// Verifies signature, `iss`, `aud`, `exp` and `nbf` with the token's algorithm, which is one of the configured ones.
    pub(super) fn verify(&self, parts: &TokenParts<'_>, key: &DecodingKey) -> Result<(), TokenFault> {
        let mut validation = Validation::new(algorithm(parts.algorithm));
        validation.set_issuer(&[self.name.as_str()]);
        validation.set_audience(&[&self.audience]);
        // The library skips the check of an absent claim unless the claim is required.
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        match decode::<IgnoredAny>(parts.token, key, &validation) {
            Ok(_) => Ok(()),
            Err(error) => Err(fault(error.kind())),
        }
    }
}

const fn algorithm(configured: JwtAlgorithm) -> Algorithm {
    match configured {
        JwtAlgorithm::Hs256 => Algorithm::HS256,
        JwtAlgorithm::Rs256 => Algorithm::RS256,
        JwtAlgorithm::Es256 => Algorithm::ES256,
        JwtAlgorithm::EdDsa => Algorithm::EdDSA,
    }
}

fn fault(kind: &ErrorKind) -> TokenFault {
    match kind {
        ErrorKind::ExpiredSignature => TokenFault("expired"),
        ErrorKind::ImmatureSignature => TokenFault("nbf"),
        ErrorKind::InvalidAudience => TokenFault("audience"),
        ErrorKind::InvalidIssuer => TokenFault("issuer"),
        ErrorKind::MissingRequiredClaim(claim) | ErrorKind::InvalidClaimFormat(claim) => match claim.as_str()
        {
            "exp" => TokenFault("exp"),
            "nbf" => TokenFault("nbf"),
            "aud" => TokenFault("audience"),
            _ => TokenFault("issuer"),
        },
        ErrorKind::Json(_) => TokenFault("claims"),
        _ => TokenFault("signature"),
    }
}
