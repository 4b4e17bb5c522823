//! Which caller may do what with a credential.

use super::{CredentialPatch, settings};
use crate::adapters::{AdapterSpec, SettingKind};
use crate::domain::{Caller, CredentialId, Failure, FailureKind, Result};
use crate::json;
use crate::store::CredentialRecord;

/// Succeeds if the key may name `id`. Otherwise fails as if the id did not exist.
pub(super) fn may_name(caller: &Caller, id: &CredentialId) -> Result<()> {
    if caller.credentials.as_ref().is_none_or(|named| named.contains(id)) { Ok(()) } else { Err(not_found()) }
}

/// Succeeds if the key is not limited to a list. Fails with `insufficient_scope`, naming `what`. Such a key could not use
/// what it adds, and a taken name would disclose credentials that it may not name.
pub(super) fn check_unrestricted(caller: &Caller, what: &str) -> Result<()> {
    if caller.credentials.is_none() {
        return Ok(());
    }
    let detail = format!("This API key is limited to a list of credentials and cannot {what}.");
    Err(Failure::new(FailureKind::InsufficientScope, detail))
}

/// Succeeds if the change leaves the rate limit group unchanged, or the key is not limited to a list. In a group, calls of one
/// credential delay the others, which such a key may not affect.
pub(super) fn check_group(
    caller: &Caller,
    spec: &AdapterSpec,
    held: &CredentialRecord,
    patch: &CredentialPatch,
) -> Result<()> {
    let (Some(_), Some(given)) = (&caller.credentials, &patch.settings) else { return Ok(()) };
    let Some(setting) = spec.settings.iter().find(|setting| setting.kind == SettingKind::LimitGroup) else {
        return Ok(());
    };
    let group = |settings: &str| {
        let members = json::members(settings)?;
        Some(json::string(members.get(setting.name)?.get())?.into_owned())
    };
    let changed = settings::merged(&held.settings, given.as_str())?;
    if group(&changed) == group(&held.settings) {
        return Ok(());
    }
    let detail = format!(
        "This API key is limited to a list of credentials and cannot change `{}`, which affects other credentials.",
        setting.name
    );
    Err(Failure::new(FailureKind::InsufficientScope, detail))
}

/// The same failure for an unknown id, one of another tenant, and one outside the key's list.
pub(super) fn not_found() -> Failure {
    Failure::new(FailureKind::CredentialNotFound, "This API key can use no credential with this id.")
}
