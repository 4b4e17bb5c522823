//! Who calls: API keys, tokens and the operator's token, from the `Authorization` header to a caller. A warm request needs no
//! database.

mod api_key;
mod jwt;
mod last_used;
mod operator_session;

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use self::jwt::looks_like_a_token;
use self::last_used::LastUsed;
use crate::domain::{Caller, Failure, FailureKind, KeyId, Principal, Result, TenantId};
use crate::sealing::{Sealer, constant_time_eq, sha256};
use crate::store::{KeyRecord, KeyStore, TtlCache, now};
pub use api_key::{ApiKey, KeyFault};
pub use jwt::{Issuers, Tokens};
pub use operator_session::SESSION_TIME;

const REMEMBERED_KEYS: u64 = 10_000;
/// The longest header that is read. Tokens with many claims are shorter.
const LONGEST: usize = 8 * 1024;
/// The same for all reasons, so that it does not reveal whether a key exists.
const REFUSED: &str = "The API key is unknown, revoked or expired.";

/// Verifies API keys, tokens of configured issuers, and the operator's token.
pub struct Authenticator {
    keys: KeyStore,
    recent: TtlCache<KeyId, Option<Arc<KeyRecord>>>,
    tokens: Tokens,
    uses: LastUsed,
    /// A digest, so that the comparison takes the same time for all lengths.
    admin: Option<[u8; 32]>,
    /// Signs the operator's sessions.
    sealer: Option<Arc<Sealer>>,
}

impl Authenticator {
    /// Accepts the keys of `keys`, and the operator by `admin_token`. Without it there is no operator.
    #[must_use]
    pub fn new(keys: KeyStore, admin_token: Option<&SecretString>) -> Self {
        let admin = admin_token.map(|token| sha256(token.expose_secret().as_bytes()));
        Self {
            keys,
            recent: TtlCache::new(REMEMBERED_KEYS),
            tokens: Tokens::default(),
            uses: LastUsed::default(),
            admin,
            sealer: None,
        }
    }

    /// Also opens sessions of the operator, which `sealer` signs.
    #[must_use]
    pub fn with_sessions(self, sealer: Arc<Sealer>) -> Self {
        Self { sealer: Some(sealer), ..self }
    }

    /// Also accepts `tokens`.
    #[must_use]
    pub fn with_tokens(self, tokens: Tokens) -> Self {
        Self { tokens, ..self }
    }

    /// Whether there is an operator. Without one, /admin does not exist.
    #[must_use]
    pub const fn admin_enabled(&self) -> bool {
        self.admin.is_some()
    }

    /// The caller of the key or token in the header.
    /// Fails with `unauthenticated`, `store_unavailable`, `issuer_unavailable`, `overloaded`, and for the admin token with
    /// `insufficient_scope`.
    pub async fn authenticate(&self, authorization: Option<&str>) -> Result<Caller> {
        let token = bearer(authorization)?;
        if self.is_admin_token(token) {
            return Err(Failure::new(
                FailureKind::InsufficientScope,
                "The admin token can only access /admin; use a key or token of a tenant here.",
            ));
        }
        self.caller(token).await
    }

    /// Succeeds if the header has the admin token.
    /// Fails with `unauthenticated`, `store_unavailable`, `issuer_unavailable`, `overloaded`, and for a key or token of a tenant
    /// with `insufficient_scope`.
    pub async fn is_operator(&self, authorization: Option<&str>) -> Result<()> {
        let token = bearer(authorization)?;
        if self.is_admin_token(token) {
            return Ok(());
        }
        if has_admin_token_form(token) {
            let detail = "This is not the admin token of this gateway.";
            return Err(unauthenticated(detail).with_reason("wrong admin token"));
        }
        self.caller(token).await?;
        Err(Failure::new(
            FailureKind::InsufficientScope,
            "Tenant keys and tokens cannot access /admin; use the admin token.",
        ))
    }

    /// Whether the header may have the admin token, right or wrong.
    #[must_use]
    pub fn may_be_admin_token(&self, authorization: Option<&str>) -> bool {
        self.admin_enabled() && bearer(authorization).is_ok_and(has_admin_token_form)
    }

    /// The tenant of the key in the header, whether it may be used or not; `None` if it is no key that exists, with its secret.
    pub async fn owner(&self, authorization: Option<&str>) -> Option<TenantId> {
        let shown = ApiKey::parse(bearer(authorization).ok()?).ok()?;
        let held = self.recent.get(shown.id(), || self.load(shown.id())).await.ok()??;
        constant_time_eq(&shown.digest(), &held.digest).then(|| held.tenant.clone())
    }

    /// Writes the last use of keys, to the minute. Fails with `store_unavailable`; the rest is written the next time.
    pub async fn write_uses(&self) -> Result<()> {
        self.uses.write(&self.keys).await
    }

    /// Forgets a key that this process revoked, so that its next use is refused.
    pub fn forget(&self, id: &KeyId) {
        self.recent.forget(id);
    }

    /// Forgets all keys and tenants, after a tenant was removed.
    pub fn forget_all(&self) {
        self.recent.forget_all();
        self.tokens.forget_tenants();
    }

    /// Only the form decides whether it is a key or a token, so that neither is ever tried as the other.
    async fn caller(&self, shown: &str) -> Result<Caller> {
        if is_key(shown) {
            return self.of_key(shown).await;
        }
        if looks_like_a_token(shown) {
            return self.tokens.caller(shown).await;
        }
        let detail = "This is neither an API key, which begins with `cg_`, nor a JWT.";
        Err(unauthenticated(detail).with_reason("neither key nor token"))
    }

    async fn of_key(&self, token: &str) -> Result<Caller> {
        let shown = ApiKey::parse(token).map_err(|_| {
            unauthenticated(
                "The API key is mistyped or incomplete: its checksum is wrong. Copy the whole key again.",
            )
            .with_reason("mistyped key")
        })?;
        let held = self.recent.get(shown.id(), || self.load(shown.id())).await?;
        // The digest is also compared if there is no such key, so that unknown and wrong keys look the same from outside.
        let expected = held.as_ref().map_or([0; 32], |key| key.digest);
        let fits = constant_time_eq(&shown.digest(), &expected);
        let key = match held.filter(|_| fits) {
            None => return Err(unauthenticated(REFUSED).with_reason("unknown or revoked key")),
            Some(key) if key.expires_at.is_some_and(|end| end <= now()) => {
                return Err(unauthenticated(REFUSED).with_reason("expired key"));
            }
            Some(key) => key,
        };
        self.uses.note(&key.id);
        Ok(Caller {
            tenant: key.tenant.clone(),
            principal: Principal::Key(key.id.clone()),
            scopes: key.scopes.clone(),
            credentials: key.credentials.clone(),
        })
    }

    #[cfg(test)]
    const fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    async fn load(&self, id: &KeyId) -> Result<Option<Arc<KeyRecord>>> {
        Ok(self.keys.get(id).await?.map(Arc::new))
    }

    fn is_admin_token(&self, token: &str) -> bool {
        self.admin.is_some_and(|admin| constant_time_eq(&sha256(token.as_bytes()), &admin))
    }
}

/// The public part of the API key in the header, if that is well formed. Whether the key exists is not checked.
#[must_use]
pub fn shown_key(authorization: Option<&str>) -> Option<KeyId> {
    let token = bearer(authorization).ok()?;
    ApiKey::parse(token).ok().map(|key| key.id().clone())
}

fn bearer(authorization: Option<&str>) -> Result<&str> {
    let header = authorization.ok_or_else(|| {
        let detail = "Send a key with the header `Authorization: Bearer cg_…`.";
        unauthenticated(detail).with_reason("no key or token")
    })?;
    if header.len() > LONGEST {
        return Err(unauthenticated("The header `Authorization` is longer than 8 KiB."));
    }
    let header = header.trim();
    let (scheme, token) = header.split_once(' ').unwrap_or((header, ""));
    let token = token.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        if !token.is_empty() {
            return Ok(token);
        }
        let detail = "The header has no key after `Bearer`: it must be `Bearer cg_…`. Is the variable with the key set?";
        return Err(unauthenticated(detail).with_reason("no key or token"));
    }
    Err(unauthenticated("The header `Authorization` must be `Bearer cg_…`; other schemes are not supported."))
}

/// The configuration accepts no admin token of another form.
fn has_admin_token_form(shown: &str) -> bool {
    !is_key(shown) && !looks_like_a_token(shown)
}

fn is_key(shown: &str) -> bool {
    shown.starts_with("cg_")
}

fn unauthenticated(detail: &'static str) -> Failure {
    Failure::new(FailureKind::Unauthenticated, detail)
}
