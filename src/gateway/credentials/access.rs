//! Who may do what with a credential.

use crate::domain::{Caller, CredentialId, Failure, FailureKind, Result, Scope};

/// Succeeds when the key has the scope. Fails with `insufficient_scope`.
pub(super) fn allow(caller: &Caller, scope: Scope) -> Result<()> {
    caller.require(scope)
}

/// Succeeds when the key may name `id`. Fails as for an id that does not exist.
pub(super) fn may_name(caller: &Caller, id: &CredentialId) -> Result<()> {
    if caller.credentials.as_ref().is_none_or(|named| named.contains(id)) { Ok(()) } else { Err(not_found()) }
}

/// Succeeds when the key is not limited to a list: what it adds would be out of its own reach.
pub(super) fn check_unrestricted(caller: &Caller) -> Result<()> {
    if caller.credentials.is_none() {
        return Ok(());
    }
    Err(Failure::new(
        FailureKind::InsufficientScope,
        "This API key is limited to a list of credentials and cannot add one.",
    ))
}

/// The one answer for unknown, another tenant's, and outside the key's list.
pub(super) fn not_found() -> Failure {
    Failure::new(
        FailureKind::CredentialNotFound,
        "There is no credential with this id among those that this API key may use.",
    )
}
