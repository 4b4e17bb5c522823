//! Translation between the unified contact and the format of each CRM.
//!
//! [`Adapter`] is the seam: the trait that the gateway calls. [`AdapterSpec`] is what a CRM declares: fields, filters
//! and settings, as tables from which the gateway's rules, the documentation and the tests are generated.
//!
//! # Adding a CRM
//!
//! Add one folder and its simulator, a `mod` line for each, a row in [`ADAPTERS`], and a row in each list of simulators
//! (`app/simulate.rs`, `tests/support/worlds/mod.rs`). `gateway`, `store` and `upstream` do not change. Three texts name the
//! CRMs: the list of guide pages (`api/docs/guide.rs`), the examples of `GET /crm/contacts/fields`
//! (`api/openapi/examples.rs`), and the ports in the help of `simulate` (`cli/mod.rs`).
//!
//! 1. Make `src/adapters/<provider>/` with the same seven files as the other CRMs:
//!    - `mod.rs`: the `SPEC` (start from another CRM's and decide about every field), and the adapter. Operations of
//!      several calls show their order here. If the CRM shows definitions of its fields, name the calls in `live`, read
//!      them in `describe` with `RecentDefinitions`, and refuse writes by them with `judged`;
//!    - `endpoints.rs`: the [`Call`](crate::upstream::Call) of each operation. For a list with numbered pages implement
//!      `ContactList`: paging and lookups are then shared code. [`Traversal`] declares how a walk reads everybody, also while
//!      contacts change. For a list with cursors use [`Paging::Cursor`] and read `at` with `ListPosition::of`: ask for `skip`
//!      rows more than the limit, at most the CRM's largest page, leave out the first `skip`, and return
//!      `ListPosition { cursor: Some(next), skip: 0 }`. Write the lookups with `LookupKey` and `LookupResult::add`; a lookup is
//!      complete only without a next cursor. `ContactList` and `Rows::from` are for numbered pages;
//!    - `wire.rs`: structs spelled like the CRM's JSON;
//!    - `translate.rs`: conversion between wire and domain, without async. Destructure structs without `..`: a new
//!      field then does not compile until it is handled. Read the types of e-mails as `main` and `secondary`. Read the
//!      types of phones as the CRM names them, or as `primary` and `secondary`;
//!    - `failure.rs`: what the CRM's errors mean, in addition to the shared meaning of each status;
//!    - `examples.json`: examples for the OpenAPI document; a test sends the requests to the simulator;
//!    - `docs.md`: generated from the `SPEC`.
//! 2. Add `mod <provider>;` and a row of [`ADAPTERS`] here. Settings are your own, except `baseUrl`, which the gateway
//!    reads. By convention there are also `defaultRegion`, `createDefaults` and, if a delete removes more than the
//!    contact, `allowDelete`.
//! 3. Write a simulator in `src/simulators/<provider>/` from the CRM's documentation, not from the adapter: the tests
//!    check that the two agree. Name it in `app/simulate.rs`, so that `demo` and `simulate` have it.
//! 4. Describe the CRM's API in `openapi/upstream/<provider>.json`, as far as the adapter uses it. Tests check each call
//!    and response of the simulator against it.
//! 5. Add the CRM to the conformance suite: write its `World` in `tests/support/worlds/<provider>.rs` and name it in
//!    `WORLDS` there. A test fails if a row of [`ADAPTERS`] has no world. Test what only this CRM has in
//!    `tests/conformance/<provider>/`. What the `SPEC` does not declare must be refused, and nothing may be sent.
//! 6. Regenerate the documents and snapshots: `UPDATE_DOCS=1 cargo test --test documents`,
//!    `UPDATE_OPENAPI=1 cargo test --test it`, `INSTA_UPDATE=always cargo test --test conformance golden`.

mod adapter;
mod aptly;
mod change;
mod contact_list;
#[cfg(test)]
#[path = "../../tests/costs/adapters.rs"]
mod costs;
mod definitions;
pub mod documentation;
mod error_mapping;
mod identity;
mod lenient_reader;
mod matching;
mod paging;
mod pipeline;
mod reading;
mod recent_definitions;
mod remote;
mod seen_fields;
mod session;
mod settings;
#[cfg(test)]
#[path = "../../tests/properties/strategies.rs"]
mod strategies;
mod struck_out;

pub use adapter::{
    Account, Adapter, AdapterConnection, AdapterSpec, Applied, FieldSpec, FilterSpec, FilterSupport,
    Filterable, LookupResult, Match, Moves, Operations, Prepared, Pushed, RecordLocator, RemoteFieldSpec,
    RemoteKind, Verify, Write, WriteKind,
};
pub use definitions::{FieldChoice, LiveDefinitions, LiveSource, RemoteFieldDefinition, SeenFields};
pub use identity::{ContactIdentity, Identity, IdentityKey, IdentityKind, IdentitySource};
pub use lenient_reader::REMOTE_FIELDS_MOST;
pub use paging::{PageRows, Paging, Traversal, token_after};
pub use reading::{has_name_of_company, merge};
pub use recent_definitions::RecentDefinitions;
pub use settings::{
    CredentialSecret, MOST_CALLS, SecretForm, SettingKind, SettingSpec, Settings, pointer_token,
};

/// All supported CRMs.
pub static ADAPTERS: &[&AdapterSpec] = &[&aptly::SPEC, &pipeline::SPEC];

/// The declaration of the provider `word`.
#[must_use]
pub fn spec(word: &str) -> Option<&'static AdapterSpec> {
    ADAPTERS.iter().copied().find(|spec| spec.provider.as_str() == word)
}
