//! Who calls: the tenant behind an API key or a token, and what it may do.

use super::{CallContext, CredentialId, Failure, FailureKind, KeyId, Result, TenantId, Text, string_enum};

/// The authenticated principal of one request.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Whose credentials the caller may name.
    pub tenant: TenantId,
    /// What the caller showed, by a name that may be written down.
    pub principal: Principal,
    /// What the caller may do.
    pub scopes: Scopes,
    /// The only credentials the caller may name; `None` means all of the tenant's.
    pub credentials: Option<Vec<CredentialId>>,
}

impl Caller {
    /// Passes where the caller has `scope`. Fails with `insufficient_scope`.
    pub fn require(&self, scope: Scope) -> Result<()> {
        if self.scopes.allow(scope) {
            return Ok(());
        }
        let shown = self.principal.noun();
        let detail = format!("This {shown} lacks the scope `{}`.", scope.as_str());
        Err(Failure::new(FailureKind::InsufficientScope, detail))
    }
}

/// What authenticated a caller: who a record of a write names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Principal {
    /// An API key.
    Key(KeyId),
    /// A JWT of a configured issuer; the subject is the token's `sub`, where it has one.
    Token {
        /// The issuer.
        issuer: Text,
        /// Whom the issuer names.
        subject: Option<Text>,
    },
    /// The operator, by the admin token.
    Operator,
    /// The operator at the command line.
    CommandLine,
}

impl Principal {
    /// The word for sentences.
    #[must_use]
    pub const fn noun(&self) -> &'static str {
        match self {
            Self::Key(_) => "key",
            Self::Token { .. } => "token",
            Self::Operator | Self::CommandLine => "operator",
        }
    }
}

/// Who changes something, and as part of which request.
#[derive(Clone, Debug)]
pub struct Actor {
    /// Who.
    pub principal: Principal,
    /// The request, where there is one.
    pub request_id: Option<Text>,
}

impl Actor {
    /// The caller of one request.
    #[must_use]
    pub fn of(caller: &Caller, context: &CallContext) -> Self {
        let request_id =
            Some(context.request_id.clone()).filter(|_| caller.principal != Principal::CommandLine);
        Self { principal: caller.principal.clone(), request_id }
    }

    /// The operator at the command line, where there are no requests.
    #[must_use]
    pub const fn command_line() -> Self {
        Self { principal: Principal::CommandLine, request_id: None }
    }
}

string_enum! {
    /// One thing that a caller may do.
    pub enum Scope {
        /// list, count, get, fields, export, search
        ContactsRead = "contacts:read",
        /// create, update, upsert, delete; does not imply reading
        ContactsWrite = "contacts:write",
        /// list, get and check credentials
        CredentialsRead = "credentials:read",
        /// create, change and remove credentials; does not imply reading
        CredentialsWrite = "credentials:write",
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
