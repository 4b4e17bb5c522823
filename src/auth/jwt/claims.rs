//! What a verified token says: times, tenant, scopes, subject.

use super::token_parts::text;
use super::{Issuer, LEEWAY, TokenFault, TokenParts};
use crate::domain::{Scope, Scopes, Text};
use crate::json::{self, Kind, Members};

/// Longer than any name of a tenant, or any subject that is worth recording.
const LONGEST: usize = 255;

/// The claims that are used.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Claims {
    pub(super) issuer: Text,
    pub(super) subject: Option<Text>,
    /// What the issuer calls the tenant.
    pub(super) tenant: String,
    pub(super) scopes: Scopes,
    /// When the token ends, in seconds since 1970.
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

/// When the token ends. The library has looked at `exp` and `nbf`, reading more spellings of a number than one.
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

/// A time in whole seconds; a sign, a fraction, an exponent or a string is none.
fn time(members: &Members<'_>, name: &'static str) -> Result<Option<u64>, TokenFault> {
    let Some(raw) = members.get(name) else { return Ok(None) };
    let digits = raw.get().bytes().all(|byte| byte.is_ascii_digit());
    raw.get().parse().ok().filter(|_| digits).map(Some).ok_or(TokenFault(name))
}

/// The scopes we know; other words are for others. What is neither text nor a list grants nothing.
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

/// Whether it can name somebody in a record: not blank, not long, no control characters.
fn is_name(text: &str) -> bool {
    !text.trim().is_empty() && text.len() <= LONGEST && !text.chars().any(char::is_control)
}
