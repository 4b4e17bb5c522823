//! Which caller may do what with a credential.

use super::{CredentialPatch, settings};
use crate::adapters::{AdapterSpec, SettingKind, Settings};
use crate::domain::{Caller, CredentialId, Failure, FailureKind, Principal, Result, abbreviated};
use crate::store::CredentialRecord;

/// Succeeds if the key may name `id`. Otherwise fails as if the id did not exist.
pub(super) fn may_name(caller: &Caller, id: &CredentialId) -> Result<()> {
    if caller.credentials.as_ref().is_none_or(|named| named.contains(id)) {
        Ok(())
    } else {
        Err(not_found(caller, id))
    }
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

/// Succeeds if the change leaves the rate limit group and the limits in it unchanged, or the key is not limited to a list. In a
/// group, the calls and limits of one credential delay the others, which such a key may not affect.
pub(super) fn check_group(
    caller: &Caller,
    spec: &AdapterSpec,
    held: &CredentialRecord,
    patch: &CredentialPatch,
) -> Result<()> {
    let (Some(_), Some(given)) = (&caller.credentials, &patch.settings) else { return Ok(()) };
    let changed = settings::merged(&held.settings, given.as_str())?;
    // Invalid settings are refused later, with a reason.
    let Ok(after) = Settings::read(spec.settings, &changed) else { return Ok(()) };
    let before = Settings::read(spec.settings, &held.settings).unwrap_or_default();
    let of_kind = |kind| spec.settings.iter().find(move |setting| setting.kind == kind);
    let changed = |kind| {
        let setting = of_kind(kind)?;
        (before.raw(setting.name) != after.raw(setting.name)).then_some(setting)
    };
    let in_group = before.limit_group().is_some();
    let limits = [SettingKind::LimitShare, SettingKind::CallRates].into_iter().filter(|_| in_group);
    let Some(setting) = std::iter::once(SettingKind::LimitGroup).chain(limits).find_map(changed) else {
        return Ok(());
    };
    let detail = format!(
        "This API key is limited to a list of credentials and cannot change `{}`, which affects other credentials.",
        setting.name
    );
    Err(Failure::new(FailureKind::InsufficientScope, detail))
}

/// The same failure for an unknown id, one of another tenant, and one outside the key's list: for a key in the same words, whatever
/// the id.
pub(super) fn not_found(caller: &Caller, id: &CredentialId) -> Failure {
    let detail = match caller.principal {
        Principal::CommandLine | Principal::Operator => {
            format!("This tenant has no credential `{}`.", abbreviated(id.as_str()))
        }
        _ => {
            "This API key can use no credential with this id. `GET /credentials` lists those that it can use."
                .to_owned()
        }
    };
    Failure::new(FailureKind::CredentialNotFound, detail)
}
