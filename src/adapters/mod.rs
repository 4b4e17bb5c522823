//! Translation between the unified contact and each CRM's own shapes.
//!
//! [`Adapter`] is the seam: what the gateway asks of a CRM. [`AdapterSpec`] is what a CRM declares: fields, filters,
//! settings, as plain tables from which the gateway's rules, the documents and the tests are driven.
//!
//! # Adding a CRM
//!
//! One folder, one `mod` line, one row in [`ADAPTERS`], one simulator; nothing else changes.
//!
//! 1. Make `src/adapters/<provider>/` with the six files that the others have:
//!    - `mod.rs`: the `SPEC` (start from another CRM's and decide the fate of every field), and the adapter, in which
//!      operations of several calls show their order;
//!    - `endpoints.rs`: which [`Call`](crate::upstream::Call) each operation is;
//!    - `wire.rs`: structs spelled like the CRM's JSON;
//!    - `translate.rs`: between wire and domain, without async; take structs apart without `..`, so that a new field
//!      does not compile until somebody has decided about it;
//!    - `failure.rs`: what the CRM's refusals mean, on top of what every status means;
//!    - `docs.md`: printed from the `SPEC` by `UPDATE_DOCS=1 cargo test --test documents`.
//! 2. Add `mod <provider>;` and a row of [`ADAPTERS`] here.
//! 3. Write a simulator in `src/simulators/<provider>/` from the CRM's documentation, not from the adapter: that the two
//!    agree is the point.
//! 4. Give the conformance suite the simulator: its cases run by themselves over every row of [`ADAPTERS`]. What the
//!    `SPEC` does not declare must be refused and send nothing.

mod adapter;
mod aptly;
#[cfg(test)]
mod awkward;
mod change;
pub mod documentation;
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

/// Every CRM that the gateway speaks to.
pub static ADAPTERS: &[&AdapterSpec] = &[&aptly::SPEC, &pipeline::SPEC];

/// What the CRM of the provider `word` declares.
#[must_use]
pub fn spec(word: &str) -> Option<&'static AdapterSpec> {
    ADAPTERS.iter().copied().find(|spec| spec.provider.as_str() == word)
}
