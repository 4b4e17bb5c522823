//! The claims of a verified token: times, tenant, scopes, subject.

use super::token_parts::text;
use super::{Issuer, LEEWAY, TokenFault, TokenParts};
use crate::domain::{Scope, Scopes, Text};
use crate::json::{self, Kind, Members};

/// The longest tenant name or subject, in bytes.
const LONGEST: usize = 255;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Claims {
    pub(super) issuer: Text,
    pub(super) subject: Option<Text>,
    /// The tenant's id or name.
    pub(super) tenant: String,
    pub(super) scopes: Scopes,
    /// When the token expires, in seconds since 1970.
    pub(super) expires: u64,
}

impl Claims {
    /// Reads the claims of a token whose signature, issuer and audience are verified, at the time `now`.
    pub(super) fn read(issuer: &Issuer, parts: &TokenParts<'_>, now: u64) -> Result<Self, TokenFault> {
        let members = json::members(&parts.claims).unwrap_or_default();
        let expires = check_times(&members, issuer, now)?;
        let tenant = text(&members, &issuer.tenant_claim).filter(|tenant| is_name(tenant));
        let subject = match members.get("sub") {
            None => None,
            Some(_) => {
                Some(text(&members, "sub").filter(|subject| is_name(subject)).ok_or(TokenFault("sub"))?)
            }
        };
        Ok(Self {
            issuer: issuer.name.clone(),
            subject: subject.map(|subject| Text::from(subject.as_ref())),
            tenant: tenant.ok_or(TokenFault("tenant"))?.into_owned(),
            scopes: scopes(&members, &issuer.scope_claim),
            expires,
        })
    }
}

/// When the token expires. The library has checked `exp` and `nbf`, but accepts more forms of numbers.
fn check_times(members: &Members<'_>, issuer: &Issuer, now: u64) -> Result<u64, TokenFault> {
    let expires = time(members, "exp")?.ok_or(TokenFault("exp"))?;
    let begun = time(members, "iat")?.ok_or(TokenFault("iat"))?;
    if expires.saturating_add(LEEWAY) < now {
        return Err(TokenFault("expired"));
    }
    if time(members, "nbf")?.is_some_and(|begins| begins > now + LEEWAY) {
        return Err(TokenFault("nbf"));
    }
    if begun > now + LEEWAY {
        return Err(TokenFault("iat"));
    }
    match expires.checked_sub(begun) {
        Some(lifetime) if lifetime <= issuer.max_lifetime.as_secs() => Ok(expires),
        _ => Err(TokenFault("lifetime")),
    }
}

/// A time in whole seconds, without sign, fraction or exponent.
fn time(members: &Members<'_>, name: &'static str) -> Result<Option<u64>, TokenFault> {
    let Some(raw) = members.get(name) else { return Ok(None) };
    let digits = raw.get().bytes().all(|byte| byte.is_ascii_digit());
    raw.get().parse().ok().filter(|_| digits).map(Some).ok_or(TokenFault(name))
}

/// The known scopes; other words are ignored. A claim that is neither a string nor a list grants nothing.
fn scopes(members: &Members<'_>, claim: &str) -> Scopes {
    let Some(raw) = members.get(claim) else { return Scopes::default() };
    let known: Vec<Scope> = match json::kind(raw.get()) {
        Kind::String => {
            let words = json::string(raw.get()).unwrap_or_default();
            words.split(' ').filter_map(Scope::parse).collect()
        }
        Kind::List => {
            let words = json::elements(raw.get()).unwrap_or_default();
            let words = words.iter().filter_map(|word| json::string(word.get()));
            words.filter_map(|word| Scope::parse(&word)).collect()
        }
        _ => Vec::new(),
    };
    Scopes::new(&known)
}

/// Whether it can be recorded as a name: not blank, not too long, no control characters.
fn is_name(text: &str) -> bool {
    !text.trim().is_empty() && text.len() <= LONGEST && !text.chars().any(char::is_control)
}
