//! Who calls: the tenant behind an API key, and what the key may do.

use super::{CredentialId, Failure, FailureKind, KeyId, Result, TenantId};

/// The authenticated principal of one request.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Whose credentials the caller may name.
    pub tenant: TenantId,
    /// The API key that was shown.
    pub key: KeyId,
    /// What the key may do.
    pub scopes: Scopes,
    /// The only credentials the key may name; `None` means all of the tenant's.
    pub credentials: Option<Vec<CredentialId>>,
}

impl Caller {
    /// Passes where the caller has `scope`. Fails with `insufficient_scope`.
    pub fn require(&self, scope: Scope) -> Result<()> {
        if self.scopes.allow(scope) {
            return Ok(());
        }
        let detail = format!("This key lacks the scope `{}`.", scope.as_str());
        Err(Failure::new(FailureKind::InsufficientScope, detail))
    }
}

/// One thing that a key may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Scope {
    /// list, count, get, fields, export, search
    ContactsRead,
    /// create, update, upsert, delete; does not imply reading
    ContactsWrite,
    /// list, get and check credentials
    CredentialsRead,
    /// create, change and remove credentials; does not imply reading
    CredentialsWrite,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 4] =
        [Self::ContactsRead, Self::ContactsWrite, Self::CredentialsRead, Self::CredentialsWrite];

    /// The word in keys, tokens and documents.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ContactsRead => "contacts:read",
            Self::ContactsWrite => "contacts:write",
            Self::CredentialsRead => "credentials:read",
            Self::CredentialsWrite => "credentials:write",
        }
    }

    /// The scope that `word` names, if it names one.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == word)
    }
}

/// A set of scopes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(Vec<Scope>);

impl Scopes {
    /// The set of `scopes`; repeated ones count once, the order is that of [`Scope::ALL`].
    #[must_use]
    pub fn new(scopes: &[Scope]) -> Self {
        Self(Scope::ALL.into_iter().filter(|scope| scopes.contains(scope)).collect())
    }

    /// Whether `scope` is in the set.
    #[must_use]
    pub fn allow(&self, scope: Scope) -> bool {
        self.0.contains(&scope)
    }

    /// The scopes, in the order of [`Scope::ALL`].
    #[must_use]
    pub fn as_slice(&self) -> &[Scope] {
        &self.0
    }
}
