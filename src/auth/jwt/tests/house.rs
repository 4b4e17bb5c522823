//! A database with one tenant, and issuers made from the keys of the fixtures.

use std::time::Duration;

use crate::auth::jwt::{Issuers, RefreshPolicy, Tokens};
use crate::auth::{Authenticator, Issuers as Public};
use crate::config::{JwtAlgorithm, JwtIssuer, JwtKeys, SettingOrigin};
use crate::domain::Failure;
use crate::store::{Location, Store, TenantRecord, now};
use crate::upstream::{AllowList, BaseUrlGuard, Transport};

pub(super) const KEYS: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/jwt/jwks.json"));
pub(super) const SECRET: &str = "a secret of tests, longer than 32 characters";

pub(super) struct TestIssuer {
    pub(super) store: Store,
    pub(super) authenticator: Authenticator,
    _folder: tempfile::TempDir,
}

impl TestIssuer {
    pub(super) async fn new(issuers: &[JwtIssuer]) -> Self {
        let pace = RefreshPolicy {
            at_least: Duration::from_secs(30),
            renewed_after: Duration::from_mins(10),
            within: Duration::from_secs(5),
        };
        Self::paced(issuers, pace).await
    }

    pub(super) async fn paced(issuers: &[JwtIssuer], pace: RefreshPolicy) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&Location::Sqlite(folder.path().join("gateway.db"))).await.unwrap();
        let tenant = TenantRecord { id: "ten_acme".into(), name: "acme".into(), created_at: now() };
        store.tenants.insert(&tenant).await.unwrap();
        let allowed = AllowList::parse("127.0.0.1").unwrap();
        let issuers: Public = Issuers::new(issuers, &allowed).unwrap();
        let tokens: Tokens =
            issuers.paced(store.tenants.clone(), &Transport::new(&BaseUrlGuard::default()).unwrap(), pace);
        let authenticator = Authenticator::new(store.keys.clone(), None).with_tokens(tokens);
        Self { store, authenticator, _folder: folder }
    }

    pub(super) async fn ask(&self, token: &str) -> Result<crate::domain::Caller, Failure> {
        self.authenticator.authenticate(Some(&format!("Bearer {token}"))).await
    }

    /// Why the token is refused; `None` where it is taken.
    pub(super) async fn why(&self, token: &str) -> Option<&'static str> {
        let known = self.authenticator.tokens().0.as_ref().unwrap();
        known.admitted(token).await.unwrap().err().map(|fault| fault.0)
    }
}

pub(super) fn issuer(name: &str, algorithms: &[JwtAlgorithm], keys: JwtKeys) -> JwtIssuer {
    JwtIssuer {
        issuer: name.to_owned(),
        audience: "contacts-gateway".to_owned(),
        algorithms: algorithms.to_vec(),
        keys,
        tenant_claim: "tenant".to_owned(),
        scope_claim: "scope".to_owned(),
        max_lifetime: Duration::from_hours(24),
        origin: SettingOrigin::Default,
    }
}

/// The issuers that the cases name.
pub(super) fn issuers() -> Vec<JwtIssuer> {
    use JwtAlgorithm::{EdDsa, Es256, Hs256, Rs256};
    let set = |text: &str| JwtKeys::Set(text.to_owned());
    // The same keys, published for signing under two names.
    let two = KEYS
        .replace(r#""for-encryption", "use": "enc""#, r#""other""#)
        .replace(r#""for-another-algorithm", "alg": "RS512""#, r#""other-2""#);
    let curve = issuer("https://curve.example.com", &[Es256], set(KEYS));
    vec![
        issuer("https://login.example.com", &[Rs256, Es256, EdDsa], set(KEYS)),
        issuer("https://secret.example.com", &[Hs256], JwtKeys::Secret(SECRET.into())),
        issuer("https://two.example.com", &[Rs256], set(&two)),
        JwtIssuer { max_lifetime: Duration::from_mins(5), ..curve },
    ]
}
