//! The `Idempotency-Key` of a write, and the parts of the request that it identifies.

use axum::extract::{FromRequest, FromRequestParts, Request};
use http::request::Parts;
use http::{HeaderMap, Method};
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};

use super::body::{FromBody, deadline, read};
use super::decode::pairs;
use crate::api::openapi::parameters::idempotency_key;
use crate::api::problem::ProblemContext;
use crate::blocking;
use crate::domain::bounds::IDEMPOTENCY_KEY_MOST;
use crate::domain::{Failure, FailureKind, Result, TenantId, Text};
use crate::gateway::writes::RequestIdentity;
use crate::json;
use crate::sealing::length_prefixed;

const HEADER: &str = "idempotency-key";

/// The key of a write, if the caller sends one, and the request for its problems.
pub(in crate::api) struct IdempotencyKey {
    key: Option<Text>,
    method: Method,
    /// The parameters in canonical order and encoding.
    parameters: Vec<(String, String)>,
    pub(in crate::api) occurrence: ProblemContext,
}

impl<S: Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        Ok(Self {
            key: key(&parts.headers)?,
            method: parts.method.clone(),
            parameters: parameters(parts.uri.query().unwrap_or_default()),
            occurrence: ProblemContext::of(&parts.uri, &parts.extensions),
        })
    }
}

impl IntoParams for IdempotencyKey {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![idempotency_key()]
    }
}

impl IdempotencyKey {
    /// The key with the identity of the request. `body` is the canonical text of the body, or empty.
    pub(in crate::api) fn identity(&self, body: &str) -> Option<RequestIdentity> {
        let key = self.key.clone()?;
        let parameters = self.parameters.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]);
        let parts =
            [self.method.as_str(), self.occurrence.path()].into_iter().chain(parameters).chain([body]);
        let parts: Vec<&[u8]> = parts.map(str::as_bytes).collect();
        let fingerprint_input = length_prefixed(&parts);
        Some(RequestIdentity { key, fingerprint_input })
    }
}

/// A JSON body and the key of its write. It is a handler's last argument.
pub(in crate::api) struct IdempotentJson<T> {
    /// The body.
    pub(in crate::api) body: T,
    /// The key with the identity of the request.
    pub(in crate::api) identity: Option<RequestIdentity>,
    /// The key with the request, for its response.
    pub(in crate::api) keyed: IdempotencyKey,
}

impl<T: FromBody, S: Sync> FromRequest<S> for IdempotentJson<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        let (mut parts, body) = request.into_parts();
        let keyed = IdempotencyKey::from_request_parts(&mut parts, state).await?;
        let request = Request::from_parts(parts, body);
        let deadline = deadline(&request)?;
        let tenant: Option<TenantId> = request.extensions().get().cloned();
        let (body, text) = read(request).await?;
        let identity = match keyed.key {
            Some(_) => {
                let identity = || keyed.identity(&json::canonical(&text));
                blocking::until(deadline, tenant.as_ref(), text.len(), identity).await?
            }
            None => None,
        };
        Ok(Self { body, identity, keyed })
    }
}

/// The key without the quotes that its syntax allows. Fails with `idempotency_key_invalid`.
fn key(headers: &HeaderMap) -> Result<Option<Text>> {
    let mut values = headers.get_all(HEADER).iter();
    let Some(first) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(invalid("Must not be repeated."));
    }
    let text = first.to_str().map_err(|_| invalid("Must consist of visible ASCII characters."))?.trim();
    let bare = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    if bare.len() == text.len() && (text.starts_with('"') || text.ends_with('"')) {
        return Err(invalid("Must not have unbalanced quotes."));
    }
    if bare.is_empty() || bare.len() > IDEMPOTENCY_KEY_MOST {
        return Err(invalid(format!("Must have 1 to {IDEMPOTENCY_KEY_MOST} characters.")));
    }
    if !bare.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(invalid("Must consist of visible ASCII characters, without spaces."));
    }
    Ok(Some(Text::from(bare.to_owned())))
}

fn invalid(detail: impl Into<Text>) -> Failure {
    let detail = detail.into();
    let Failure { faults, .. } = Failure::parameter("Idempotency-Key", detail.clone());
    let detail = format!("Idempotency-Key: {}", detail.as_str());
    Failure::new(FailureKind::IdempotencyKeyInvalid, detail).with_faults(faults)
}

/// The parameters in order, by their current names: `connectionId` is the same parameter as `credentialId`.
fn parameters(query: &str) -> Vec<(String, String)> {
    let named = |(name, value): (String, Option<String>)| {
        let name = if name == "connectionId" { "credentialId".to_owned() } else { name };
        (name, value.unwrap_or_default())
    };
    let mut all: Vec<_> = pairs(query).into_iter().map(named).collect();
    all.sort_unstable();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(key: Option<&str>, method: &str, uri: &str, body: &str) -> Result<Option<RequestIdentity>> {
        let mut request = http::Request::builder().method(method).uri(uri);
        if let Some(key) = key {
            request = request.header(HEADER, key);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let keyed = IdempotencyKey {
            key: super::key(&parts.headers)?,
            method: parts.method.clone(),
            parameters: parameters(parts.uri.query().unwrap_or_default()),
            occurrence: ProblemContext::of(&parts.uri, &parts.extensions),
        };
        Ok(keyed.identity(body))
    }

    #[test]
    fn a_key_is_1_to_255_visible_characters_bare_or_quoted() {
        let key = |text: &str| of(Some(text), "POST", "/x", "{}");
        for (given, bare) in [
            ("a", "a"),
            ("\"a b\"", ""),
            ("\"ab\"", "ab"),
            ("\"", ""),
            ("\"ab", ""),
            ("ab\"", ""),
            (" a ", "a"),
        ] {
            match key(given) {
                Ok(identity) => assert_eq!(identity.unwrap().key.as_str(), bare, "{given}"),
                Err(failure) => assert_eq!((failure.kind, bare), (FailureKind::IdempotencyKeyInvalid, "")),
            }
        }
        assert!(key(&"k".repeat(255)).is_ok());
        for wrong in ["", "\"\"", "a b", "a\tb", &"k".repeat(256)] {
            assert_eq!(key(wrong).err().unwrap().kind, FailureKind::IdempotencyKeyInvalid, "{wrong:?}");
        }
        assert!(of(None, "POST", "/x", "{}").unwrap().is_none());
    }

    #[test]
    fn a_request_is_the_same_however_its_parameters_are_written() {
        let asked = |method, uri, body| of(Some("k"), method, uri, body).unwrap().unwrap().fingerprint_input;
        let one = asked("POST", "/crm/contacts?credentialId=c&strict=true", "{}");
        for same in [
            "/crm/contacts?strict=true&credentialId=c",
            "/crm/contacts?strict=true&connectionId=%63",
            "/crm/contacts?strict=true&connectionId=c&credentialId=c",
        ] {
            assert_eq!(asked("POST", same, "{}"), one, "{same}");
        }
        for (method, uri, body) in [
            ("PUT", "/crm/contacts?credentialId=c&strict=true", "{}"),
            ("POST", "/crm/contacts/x?credentialId=c&strict=true", "{}"),
            ("POST", "/crm/contacts?credentialId=d&strict=true", "{}"),
            ("POST", "/crm/contacts?credentialId=c", "{}"),
            ("POST", "/crm/contacts?credentialId=c&strict=true", "{\"a\":1}"),
        ] {
            assert_ne!(asked(method, uri, body), one, "{method} {uri} {body}");
        }
    }
}
