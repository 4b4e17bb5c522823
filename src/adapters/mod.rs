//! Translation between the unified contact and each CRM's own shapes.
//!
//! [`Adapter`] is the seam: what the gateway asks of a CRM. [`AdapterSpec`] is what a CRM declares: fields, filters,
//! settings, as plain tables from which the gateway's rules, the documents and the tests are driven.
//!
//! # Adding a CRM
//!
//! One folder and its simulator, a `mod` line for each, a row in [`ADAPTERS`], and a row in the lists of simulators
//! (`app/simulate.rs`, `tests/support/worlds/mod.rs`); gateway, api, store and upstream stay as they are.
//!
//! 1. Make `src/adapters/<provider>/` with the seven files that the others have:
//!    - `mod.rs`: the `SPEC` (start from another CRM's and decide the fate of every field), and the adapter, in which
//!      operations of several calls show their order;
//!    - `endpoints.rs`: which [`Call`](crate::upstream::Call) each operation is. A list with numbered pages is a
//!      `ContactList`: paging and lookups are then shared code. A list of cursors is [`Paging::Cursor`], and its
//!      `ListPosition` makes the tokens;
//!    - `wire.rs`: structs spelled like the CRM's JSON;
//!    - `translate.rs`: between wire and domain, without async; take structs apart without `..`, so that a new field
//!      does not compile until somebody has decided about it. E-mails read as `main` and `secondary`, phones as what
//!      the CRM calls them or `primary` and `secondary`;
//!    - `failure.rs`: what the CRM's refusals mean, on top of what every status means;
//!    - `examples.json`: requests for the OpenAPI document, which a test sends to the simulator;
//!    - `docs.md`: printed from the `SPEC`.
//! 2. Add `mod <provider>;` and a row of [`ADAPTERS`] here. Settings are your own, but for `baseUrl`, which the gateway
//!    reads, and by convention `defaultRegion`, `createDefaults` and, where a removal takes more than the contact,
//!    `allowDelete`.
//! 3. Write a simulator in `src/simulators/<provider>/` from the CRM's documentation, not from the adapter: that the two
//!    agree is the point. Name it in `app/simulate.rs`, so that `demo` and `simulate` have it.
//! 4. Give it to the conformance suite: write its `World` in `tests/support/worlds/<provider>.rs` and name it in `WORLDS`
//!    there; a test fails where a row of [`ADAPTERS`] has no world. What only this CRM has is tested in
//!    `tests/conformance/<provider>/`; what the `SPEC` does not declare must be refused and send nothing.
//! 5. Print the documents anew: `UPDATE_DOCS=1 cargo test --test documents`, `UPDATE_OPENAPI=1 cargo test --test it`.

mod adapter;
mod aptly;
mod change;
mod contact_list;
pub mod documentation;
mod error_mapping;
mod identity;
mod lenient_reader;
mod matching;
mod paging;
mod pipeline;
mod reading;
mod remote;
mod session;
mod settings;
#[cfg(test)]
#[path = "../../tests/properties/strategies.rs"]
mod strategies;
mod struck_out;

pub use adapter::{
    Account, Adapter, AdapterConnection, AdapterSpec, Applied, FieldSpec, FilterSpec, FilterSupport,
    LookupResult, Match, Moves, Operations, Prepared, Pushed, RecordLocator, RemoteFieldSpec, Verify, Write,
    WriteKind,
};
pub use identity::{ContactIdentity, Identity, IdentityKey, IdentityKind, IdentitySource};
pub use lenient_reader::REMOTE_FIELDS_MOST;
pub use paging::Paging;
pub use reading::merge;
pub use settings::{CredentialSecret, SecretForm, SettingKind, SettingSpec, Settings, pointer_token};

/// Every CRM that the gateway speaks to.
pub static ADAPTERS: &[&AdapterSpec] = &[&aptly::SPEC, &pipeline::SPEC];

/// What the CRM of the provider `word` declares.
#[must_use]
pub fn spec(word: &str) -> Option<&'static AdapterSpec> {
    ADAPTERS.iter().copied().find(|spec| spec.provider.as_str() == word)
}
