//! The seam: the trait that the gateway calls, and the tables that an adapter declares about its CRM.

use std::sync::Arc;

use super::definitions::{LiveDefinitions, LiveSource, SeenFields};
use super::identity::{ContactIdentity, IdentityKind};
use super::paging::Paging;
use super::settings::{SecretForm, SettingSpec, Settings};
use crate::domain::{
    CallContext, Contact, ContactDraft, ContactPatch, Failure, Field, FilterName, Page, PageToken, Provider,
    Region, RemoteId, Result, Text, Timestamp, Warning, is_same_field, string_enum,
};
use crate::json::CheckedJson;
use crate::upstream::{Call, RateLimit, Reply, Upstream};
use async_trait::async_trait;

/// One CRM account, one instance for each credential. The instance holds the secret and the base URL.
///
/// An adapter only translates. `gateway` decides the order of a write, `upstream` sends it.
#[async_trait]
pub trait Adapter: Send + Sync + 'static {
    /// The country of phone numbers that have no country code.
    fn region(&self) -> Region;

    /// Reads, with one cheap call, which account the secret belongs to.
    ///
    /// - fails with `upstream_credential_rejected` if the CRM refuses the secret
    async fn probe(&self, context: &CallContext) -> Result<Account>;

    /// Reads rows of the CRM's list from `at` on; `None` is the start of the list. `limit` is a hint.
    ///
    /// - the page may have more rows than `limit`, or fewer; `next` is `None` only at the end of the list
    /// - a token past the end gives an empty page
    async fn read_page(
        &self,
        context: &CallContext,
        pushed: &Pushed,
        at: Option<&PageToken>,
        limit: usize,
    ) -> Result<Page>;

    /// Reads one contact as completely as the CRM shows it.
    ///
    /// - fails with `contact_not_found` if the id is unknown
    /// - fields that this read does not show are listed in [`Contact::unseen`] and [`Contact::partial`]
    async fn get_contact(&self, context: &CallContext, id: &RemoteId) -> Result<Contact>;

    /// Finds the contacts that have one of the identities. Values must be equal as a whole. Reads only.
    ///
    /// - without identities nothing is sent and the result is empty
    async fn find_contacts(&self, context: &CallContext, by: &ContactIdentity) -> Result<LookupResult>;

    /// Translates a draft into the call that creates it. May read, never writes.
    ///
    /// - fails with `validation_failed` and pointers into the draft if it breaks a rule of the CRM
    /// - fields that the CRM cannot store are listed in [`Prepared::losses`]
    async fn prepare_create(&self, context: &CallContext, draft: &ContactDraft) -> Result<Prepared>;

    /// Translates changes to `held` into the call that makes them. Unchanged fields are not sent, except to a CRM
    /// that replaces the whole record: it gets the held values too.
    ///
    /// - for a CRM that replaces the whole record, fails if `held` does not show all of it
    /// - sets [`Prepared::is_noop`] if `held` already equals the patch
    async fn prepare_update(
        &self,
        context: &CallContext,
        held: &Contact,
        patch: &ContactPatch,
    ) -> Result<Prepared>;

    /// Translates a delete.
    ///
    /// - fails with `operation_unsupported` if the CRM has no delete, with `delete_not_allowed` if the
    ///   credential does not allow it
    async fn prepare_delete(&self, context: &CallContext, id: &RemoteId) -> Result<Prepared>;

    /// Sends a prepared write. The only method that writes.
    ///
    /// - the effect of a failure says what the CRM may have done
    async fn send(&self, context: &CallContext, write: &Prepared) -> Result<Applied>;

    /// Reads the contact after the write. Prefers a read that shows times and whole lists.
    async fn read_back(&self, context: &CallContext, write: &Prepared, applied: &Applied) -> Result<Contact>;

    /// Reads the contact from the CRM's list, for fields that [`get_contact`](Self::get_contact) did not show.
    /// `known` has the id, and the addresses, numbers and names to find the row by.
    ///
    /// - `None` if no list shows the row
    async fn read_other_way(&self, context: &CallContext, known: &Contact) -> Result<Option<Contact>>;

    /// Reads the CRM's own definitions of the account's fields, from the sources of [`AdapterSpec::live`]. Reads only. `seen`
    /// is what some contacts show, such as ids of which the CRM shows definitions one by one.
    ///
    /// - never fails: [`LiveDefinitions::unread`] names the sources that could not be read
    /// - the default is for a CRM that shows no definitions
    async fn describe(&self, _context: &CallContext, _seen: &SeenFields) -> LiveDefinitions {
        LiveDefinitions::default()
    }
}

/// The account that a secret belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// `None` if the CRM does not show it.
    pub id: Option<Text>,
    /// `None` if the CRM does not show it.
    pub name: Option<Text>,
}

/// Filters that the adapter sends to the CRM, by canonical name. All are declared in [`AdapterSpec::filters`].
pub type Pushed = crate::domain::ContactQuery;

#[derive(Clone, Debug)]
pub struct Match {
    /// The contact, as the lookup showed it.
    pub contact: Contact,
    pub matched_by: Vec<IdentityKind>,
}

#[derive(Clone, Debug)]
pub struct LookupResult {
    /// The contacts, each once. At most 500: more than one is ambiguous anyway.
    pub matches: Vec<Match>,
    /// Contacts that may match: only the national digits of a number are equal. Each once, at most 500.
    pub near: Vec<Match>,
    /// How many matching rows are not in `matches`.
    pub more: usize,
    /// Whether all matches were seen and are in `matches`.
    pub complete: bool,
    /// The CRM's clock at the time of the lookup.
    pub date: Option<Timestamp>,
}

/// A write, ready to be sent.
#[derive(Clone, Debug)]
pub struct Prepared {
    pub kind: WriteKind,
    pub call: Call,
    /// Fields that the CRM cannot store, one warning each.
    pub losses: Vec<Warning>,
    /// What the CRM should hold after the write, with losses and defaults applied.
    /// [`Patch::Keep`](crate::domain::Patch::Keep) fields are not compared.
    pub expected: ContactPatch,
    pub locator: RecordLocator,
    /// The CRM already holds what the write asks for, so nothing has to be sent.
    pub is_noop: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteKind {
    Create,
    Update,
    Delete,
}

/// How to find a written record again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordLocator {
    /// The record's id, if it is known before the write.
    pub remote_id: Option<RemoteId>,
    /// What identifies the record after the write.
    pub identity: ContactIdentity,
}

impl Prepared {
    /// A write of the record `id`; a create has none.
    pub(super) fn of(
        kind: WriteKind,
        spec: &AdapterSpec,
        id: Option<&RemoteId>,
        call: Call,
        expected: ContactPatch,
        losses: Vec<Warning>,
    ) -> Self {
        let identity = ContactIdentity::of(spec.identities, &expected);
        let locator = RecordLocator { remote_id: id.cloned(), identity };
        Self { kind, call, losses, expected, locator, is_noop: false }
    }
}

/// The CRM's response to a write.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The record's id, if the response names it.
    pub remote_id: Option<RemoteId>,
    /// The record, if the response shows it.
    pub contact: Option<Contact>,
}

impl Applied {
    /// Reads the response to a write. An unreadable body is no failure: the write is done, and the read-back
    /// decides.
    pub(super) async fn of(
        context: &CallContext,
        reply: Reply,
        decode: fn(&CheckedJson) -> Result<Option<Contact>>,
    ) -> Self {
        let decode = |reply: Reply| reply.decode(decode).ok().flatten();
        let contact = reply.read_however_late(context, decode).await;
        Self { remote_id: contact.as_ref().map(|contact| contact.remote_id.clone()), contact }
    }
}

/// What an adapter declares about its CRM. The gateway's rules, the documentation and the tests are generated
/// from these tables.
#[derive(Debug)]
pub struct AdapterSpec {
    pub provider: Provider,
    /// The CRM's name in sentences.
    pub name: &'static str,
    /// The name in lists, with the provider in parentheses if it differs: `Tether (pipeline)`.
    pub title: &'static str,
    pub operations: Operations,
    /// How each unified field is read and written, in the order of [`Field::ALL`].
    pub fields: &'static [FieldSpec],
    /// The keys of `remoteFields` that can be written.
    pub remote_fields: &'static [RemoteFieldSpec],
    /// Where the CRM shows its own definitions of fields; empty if nowhere.
    pub live: &'static [LiveSource],
    /// The filters that the CRM applies, by canonical name. The gateway applies the others.
    pub filters: &'static [FilterSpec],
    pub paging: Paging,
    /// The kinds of values by which the CRM can look up contacts, never empty. The first kind must be unique: a
    /// create fails if another contact has the same value.
    pub identities: &'static [IdentityKind],
    /// Whether the CRM's create overwrites a record with the same identity instead of failing. A create then
    /// needs a lookup that proves that there is none.
    pub create_upserts: bool,
    pub settings: &'static [SettingSpec],
    /// The accepted forms of a credential's secret.
    pub secrets: &'static [SecretForm],
    /// The base URL of credentials that do not set one.
    pub default_base_url: Option<&'static str>,
    /// The rate limits that the CRM publishes for one account; empty if it publishes none.
    pub limits: &'static [RateLimit],
    /// Examples for the OpenAPI document, by schema and name. Tests compare each with its schema, and send the requests to
    /// a fresh demo of the CRM.
    pub examples: &'static str,
    /// The page of the CRM in the guide: `docs.md`, which is printed from this declaration.
    pub docs: &'static str,
    /// Makes the adapter of one credential. Fails if the settings or the secret are unusable.
    pub connect: fn(AdapterConnection<'_>) -> Result<Arc<dyn Adapter>>,
}

impl AdapterSpec {
    /// The operations of the unified API, and whether the CRM has them.
    #[must_use]
    pub const fn operations_by_name(&self) -> [(&'static str, bool); 8] {
        let Operations { create, update, delete } = self.operations;
        [
            ("list", true),
            ("count", true),
            ("get", true),
            ("fields", true),
            ("create", create),
            ("update", update),
            ("upsert", create && update),
            ("delete", delete),
        ]
    }

    /// The kind of value that must be unique when a contact is created.
    #[must_use]
    pub const fn create_identity(&self) -> IdentityKind {
        self.identities[0]
    }

    #[must_use]
    pub fn field(&self, field: Field) -> Option<&'static FieldSpec> {
        self.fields.iter().find(|spec| spec.field == field)
    }

    /// The declaration of the remote field `name`, in any of its spellings.
    #[must_use]
    pub fn remote_field(&self, name: &str) -> Option<&'static RemoteFieldSpec> {
        // Almost all names come in their declared spelling, and folding each letter of each spelling costs more.
        let exact = self.remote_fields.iter().find(|spec| spec.name == name);
        exact.or_else(|| {
            self.remote_fields.iter().find(|spec| {
                std::iter::once(&spec.name).chain(spec.aliases).any(|spelling| is_same_field(spelling, name))
            })
        })
    }

    #[must_use]
    pub fn filter(&self, name: FilterName) -> Option<&'static FilterSpec> {
        self.filters.iter().find(|spec| spec.name == name.canonical())
    }

    /// Who applies the filter.
    #[must_use]
    pub fn filterable(&self, name: FilterName) -> Filterable {
        match (self.filter(name), self.field(name.field())) {
            (Some(_), _) => Filterable::Native,
            (None, Some(field)) if field.read.is_some() && field.in_lists => Filterable::Here,
            (None, _) => Filterable::No,
        }
    }

    /// The failure of a filter that was passed to the CRM although it is not declared: a bug.
    pub(super) fn undeclared(&self, name: FilterName) -> Failure {
        Failure::internal(format!("the filter {} is not declared for {}", name.parameter(), self.name))
    }
}

/// What [`AdapterSpec::connect`] gets.
pub struct AdapterConnection<'a> {
    /// The credential's settings, checked against [`AdapterSpec::settings`].
    pub settings: &'a Settings,
    /// The secret, checked against [`AdapterSpec::secrets`].
    pub secret: &'a super::settings::CredentialSecret,
    /// The CRM under the account's limits, without authorization.
    pub upstream: Upstream,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operations {
    pub create: bool,
    pub update: bool,
    pub delete: bool,
}

/// How one unified field is read and written.
#[derive(Clone, Copy, Debug)]
pub struct FieldSpec {
    pub field: Field,
    /// The CRM's field; `None` if the CRM has none.
    pub read: Option<&'static str>,
    /// The CRM's field and what is lost, or [`Write::Never`] with the reason.
    pub write: Write,
    pub verify: Verify,
    /// Whether a create without the field is refused.
    pub required: bool,
    /// Whether rows of the CRM's list show it.
    pub in_lists: bool,
}

impl FieldSpec {
    /// A field that is optional on create.
    pub(super) const fn of(field: Field, read: Option<&'static str>, write: Write, verify: Verify) -> Self {
        Self { field, read, write, verify, required: false, in_lists: true }
    }

    /// A field that only the CRM sets.
    pub(super) const fn read_only(field: Field, read: Option<&'static str>) -> Self {
        Self::of(field, read, Write::ReadOnly, Verify::Never)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// Stored completely, in this field of the CRM.
    Stored(&'static str),
    /// Stored in part: the CRM's field, and what is lost.
    Partly(&'static str),
    /// Not stored, for this reason. A write that names the field gets a warning.
    Never(&'static str),
    /// Set only by the CRM.
    ReadOnly,
}

/// How a written value is compared with the value that is read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verify {
    /// Equal after trimming and Unicode normalisation.
    Exact,
    /// Equal after the normalisation that the CRM does: case of e-mails and type names, digits of phones.
    Normalised,
    /// An object of values, each compared separately. A date may read back as a timestamp.
    Values {
        /// If a value reads back as an object, this field of the object is compared.
        inside: &'static str,
    },
    /// Not compared: the CRM changes the value by design.
    Never,
}

/// A key that `remoteFields` may write.
#[derive(Clone, Copy, Debug)]
pub struct RemoteFieldSpec {
    /// The CRM's spelling on reads.
    pub name: &'static str,
    /// Other accepted spellings.
    pub aliases: &'static [&'static str],
    /// A short description.
    pub note: &'static str,
    pub kind: RemoteKind,
    /// Whether only a create can write it.
    pub on_create_only: bool,
    pub verify: Verify,
    pub moves: Moves,
}

impl RemoteFieldSpec {
    /// A text with one spelling that changes only when it is written.
    pub(super) const fn of(name: &'static str, note: &'static str, verify: Verify) -> Self {
        Self {
            name,
            aliases: &[],
            note,
            kind: RemoteKind::Text,
            on_create_only: false,
            verify,
            moves: Moves::WhenWritten,
        }
    }
}

/// The kind of value of a remote field that can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemoteKind {
    Text,
    Flag,
    /// A text that the CRM knows, such as the name of a stage.
    Choice,
    /// An object of custom fields by id. A read shows each as an object; these of its fields have the name that people see, and
    /// the CRM's word for the type.
    CustomFields {
        label: &'static str,
        data_type: &'static str,
    },
}

impl RemoteKind {
    /// The JSON type of the value.
    #[must_use]
    pub const fn json_type(self) -> &'static str {
        match self {
            Self::Text | Self::Choice => "string",
            Self::Flag => "boolean",
            Self::CustomFields { .. } => "object",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moves {
    WhenWritten,
    /// When it or one of these fields is written.
    With(&'static [&'static str]),
    /// Also without a write: the CRM changes it.
    ByItself,
}

/// A filter that the CRM supports.
#[derive(Clone, Copy, Debug)]
pub struct FilterSpec {
    /// The canonical name.
    pub name: FilterName,
    pub support: FilterSupport,
    /// The CRM's own parameter.
    pub upstream: &'static str,
}

impl FilterSpec {
    pub(super) const fn exact(name: FilterName, upstream: &'static str) -> Self {
        Self { name, support: FilterSupport::Exact, upstream }
    }

    /// A filter to which the CRM returns all matching rows, and perhaps others.
    pub(super) const fn narrows(name: FilterName, upstream: &'static str) -> Self {
        Self { name, support: FilterSupport::Narrows, upstream }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterSupport {
    /// The CRM returns exactly the rows that match.
    Exact,
    /// The CRM returns all rows that match, and others.
    Narrows,
}

string_enum! {
    /// Who applies a filter.
    pub enum Filterable {
        /// The CRM: it gets a parameter. If it returns more than the matching contacts, the gateway checks each.
        Native = "native",
        /// The gateway, to the rows of the CRM's list.
        Here = "here",
        /// Nobody: the CRM's list does not show the field, or the CRM does not have it.
        No = "no",
    }
}
