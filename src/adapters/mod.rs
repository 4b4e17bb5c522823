//! Translation between the unified contact and each CRM's own shapes.

mod adapter;
mod aptly;
#[cfg(test)]
mod awkward;
mod identity;
mod lenient;
mod phone;
mod pipeline;
mod refusal;
mod remote;
mod settings;

pub use adapter::{
    Account, Adapter, AdapterSpec, Applied, Connection, FieldSpec, FilterSpec, FilterSupport, Found,
    Identity, IdentityKind, Operations, Prepared, Pushed, RemoteFieldSpec, Trail, Verify, Write, WriteKind,
};
pub use phone::digits;
pub use settings::{Secret, SecretForm, SettingKind, SettingSpec, Settings, pointer_token};

use crate::domain::Provider;

/// Every CRM that the gateway speaks to.
pub static ADAPTERS: &[&AdapterSpec] = &[&aptly::SPEC, &pipeline::SPEC];

/// The adapter of the provider that `word` names.
#[must_use]
pub fn spec(word: &str) -> Option<&'static AdapterSpec> {
    ADAPTERS.iter().copied().find(|spec| spec.provider.as_str() == word)
}

/// Every provider's word.
pub fn providers() -> impl Iterator<Item = Provider> {
    ADAPTERS.iter().map(|spec| spec.provider)
}
