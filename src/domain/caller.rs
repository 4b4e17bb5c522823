//! Who calls: the tenant of an API key or token, and what it may do.

use super::{CallContext, CredentialId, Failure, FailureKind, KeyId, Result, TenantId, Text, string_enum};

/// The authenticated principal of one request.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The tenant whose credentials the caller may name.
    pub tenant: TenantId,
    /// The key or token that was sent, by a name that may be recorded.
    pub principal: Principal,
    pub scopes: Scopes,
    /// The only credentials the caller may name; `None` means all of the tenant's.
    pub credentials: Option<Vec<CredentialId>>,
}

impl Caller {
    /// Succeeds if the caller has `scope`. Fails with `insufficient_scope`.
    pub fn require(&self, scope: Scope) -> Result<()> {
        if self.scopes.allow(scope) {
            return Ok(());
        }
        let shown = self.principal.noun();
        let detail = format!("This {shown} lacks the scope `{}`.", scope.as_str());
        Err(Failure::new(FailureKind::InsufficientScope, detail))
    }
}

/// What authenticated a caller. The audit records it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Principal {
    Key(KeyId),
    /// A JWT of a configured issuer; the subject is the token's `sub`, if it has one.
    Token {
        issuer: Text,
        subject: Option<Text>,
    },
    /// The operator, by the admin token.
    Operator,
    /// The operator at the command line.
    CommandLine,
}

impl Principal {
    /// The noun for error messages.
    #[must_use]
    pub const fn noun(&self) -> &'static str {
        match self {
            Self::Key(_) => "key",
            Self::Token { .. } => "token",
            Self::Operator | Self::CommandLine => "operator",
        }
    }
}

/// Who changes something, and in which request.
#[derive(Clone, Debug)]
pub struct Actor {
    pub principal: Principal,
    pub request_id: Option<Text>,
}

impl Actor {
    #[must_use]
    pub fn of(caller: &Caller, context: &CallContext) -> Self {
        let request_id =
            Some(context.request_id.clone()).filter(|_| caller.principal != Principal::CommandLine);
        Self { principal: caller.principal.clone(), request_id }
    }

    /// The operator at the command line, who has no requests.
    #[must_use]
    pub const fn command_line() -> Self {
        Self { principal: Principal::CommandLine, request_id: None }
    }
}

string_enum! {
    /// One permission of a caller.
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

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(Vec<Scope>);

impl Scopes {
    /// The set of `scopes` without duplicates, in the order of [`Scope::ALL`].
    #[must_use]
    pub fn new(scopes: &[Scope]) -> Self {
        Self(Scope::ALL.into_iter().filter(|scope| scopes.contains(scope)).collect())
    }

    #[must_use]
    pub fn allow(&self, scope: Scope) -> bool {
        self.0.contains(&scope)
    }

    #[must_use]
    pub fn as_slice(&self) -> &[Scope] {
        &self.0
    }
}
