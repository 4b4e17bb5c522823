//! The seam: what the gateway asks of a CRM, and what an adapter declares about it.

use std::sync::Arc;

use async_trait::async_trait;
use bytestring::ByteString;

use super::identity::{ContactIdentity, IdentityKind};
use super::paging::Paging;
use super::settings::{SecretForm, SettingSpec, Settings};
use crate::domain::{
    CallContext, Contact, ContactDraft, ContactPatch, Field, FilterName, Page, PageToken, Provider, Region,
    RemoteId, Result, Text, Timestamp, Warning, field_key,
};
use crate::upstream::{Call, RateLimit, Reply, Upstream};

/// One CRM account. An adapter translates and nothing else: the order of a write is `gateway`'s, the sending is
/// `upstream`'s. One instance per credential; secret and base URL live inside.
#[async_trait]
pub trait Adapter: Send + Sync + 'static {
    /// The country whose phone numbers the credential writes without a country code.
    fn region(&self) -> Region;

    /// Asks the CRM, with one cheap read, whose account the secret opens.
    ///
    /// - a refused secret is `upstream_credential_rejected`
    async fn probe(&self, context: &CallContext) -> Result<Account>;

    /// Reads rows of the CRM's list from `at` on, `None` from its beginning, hopefully `limit` of them.
    ///
    /// - there may be more rows than asked for, or fewer; `next` is `None` only at the end
    /// - a token behind the end is an empty page
    async fn read_page(
        &self,
        context: &CallContext,
        pushed: &Pushed,
        at: Option<&PageToken>,
        limit: usize,
    ) -> Result<Page>;

    /// Reads one contact as completely as the CRM tells it.
    ///
    /// - an unknown id is `contact_not_found`
    /// - what this way of reading does not show is named in [`Contact::unseen`] and [`Contact::partial`]
    async fn get_contact(&self, context: &CallContext, id: &RemoteId) -> Result<Contact>;

    /// Finds who has one of the identities, by full equality. Reads only.
    ///
    /// - no identities: nothing is sent, nobody is found
    async fn find_contacts(&self, context: &CallContext, by: &ContactIdentity) -> Result<LookupResult>;

    /// Translates a draft into the call that creates it. May read, never writes.
    ///
    /// - what breaks a rule of the CRM is `validation_failed` with pointers into the draft
    /// - what the CRM cannot hold is named in [`Prepared::losses`]
    async fn prepare_create(&self, context: &CallContext, draft: &ContactDraft) -> Result<Prepared>;

    /// Translates changes to `held` into the call that makes them; untouched members are not sent.
    ///
    /// - where `held` equals what is asked for, the answer says [`Prepared::is_noop`]
    async fn prepare_update(
        &self,
        context: &CallContext,
        held: &Contact,
        patch: &ContactPatch,
    ) -> Result<Prepared>;

    /// Translates a removal.
    ///
    /// - where the CRM has none, `operation_unsupported`; where the credential forbids it, `delete_not_allowed`
    async fn prepare_delete(&self, context: &CallContext, id: &RemoteId) -> Result<Prepared>;

    /// Sends a prepared write: the only method that writes.
    ///
    /// - a failure's effect says what the CRM may have done
    async fn send(&self, context: &CallContext, write: &Prepared) -> Result<Applied>;

    /// Reads what the CRM holds after the write, in a way that shows times and whole lists where any way does.
    async fn read_back(&self, context: &CallContext, write: &Prepared, applied: &Applied) -> Result<Contact>;

    /// Reads the contact in the CRM's other way, as the row of a list, for fields that [`get_contact`](Self::get_contact)
    /// did not show. `known` has the id, and the addresses, numbers and names by which the row may be found.
    ///
    /// - `None` where no list shows such a row
    async fn read_other_way(&self, context: &CallContext, known: &Contact) -> Result<Option<Contact>>;
}

/// Whose account a secret opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The CRM's id of the account, where it tells.
    pub id: Option<Text>,
    /// Its name, where it tells.
    pub name: Option<Text>,
}

/// Filters that the adapter passes to the CRM; only those that its [`AdapterSpec::filters`] declare, by canonical name.
pub type Pushed = crate::domain::ContactQuery;

/// A contact that a look-up found.
#[derive(Clone, Debug)]
pub struct Match {
    /// The contact, as the look-up showed it.
    pub contact: Contact,
    /// By what it was found.
    pub matched_by: Vec<IdentityKind>,
}

/// Who was found.
#[derive(Clone, Debug)]
pub struct LookupResult {
    /// The contacts, each once; the first 500, because more than one is ambiguous anyway.
    pub matches: Vec<Match>,
    /// Contacts whose number agrees only in its national digits: they may be the one, each once; the first 500.
    pub near: Vec<Match>,
    /// How many rows matched beyond `matches`.
    pub more: usize,
    /// Whether all matches were seen, and are among `matches`.
    pub complete: bool,
    /// The CRM's clock at the look-up.
    pub date: Option<Timestamp>,
}

/// A write, ready to be sent.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// What kind of write.
    pub kind: WriteKind,
    /// The request.
    pub call: Call,
    /// What the CRM cannot hold, member by member.
    pub losses: Vec<Warning>,
    /// What the CRM should hold afterwards, losses and defaults considered; members that are kept are not compared.
    pub expected: ContactPatch,
    /// How to find the record again.
    pub locator: RecordLocator,
    /// The CRM holds already what is asked for: nothing need be sent.
    pub is_noop: bool,
}

/// The kinds of writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteKind {
    /// A new record.
    Create,
    /// Changes to a record.
    Update,
    /// A removal.
    Delete,
}

/// How to find a written record again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordLocator {
    /// The record's id, where it is known before the write.
    pub remote_id: Option<RemoteId>,
    /// What identifies the record after the write.
    pub identity: ContactIdentity,
}

impl Prepared {
    /// A create by `call`, after which the CRM should hold `expected`.
    pub(super) fn create(
        spec: &AdapterSpec,
        call: Call,
        expected: ContactPatch,
        losses: Vec<Warning>,
    ) -> Self {
        let locator = RecordLocator::of(spec, None, &expected);
        Self { kind: WriteKind::Create, call, losses, expected, locator, is_noop: false }
    }

    /// A change of the record `id`.
    pub(super) fn update(
        spec: &AdapterSpec,
        id: &RemoteId,
        call: Call,
        expected: ContactPatch,
        losses: Vec<Warning>,
    ) -> Self {
        let locator = RecordLocator::of(spec, Some(id.clone()), &expected);
        Self { kind: WriteKind::Update, call, losses, expected, locator, is_noop: false }
    }
}

/// What the CRM said of a write.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The record's id, where the answer names it.
    pub remote_id: Option<RemoteId>,
    /// The record, where the answer shows it.
    pub contact: Option<Contact>,
}

impl Applied {
    /// What the reply to a write shows. A body that cannot be read does not undo the write: the read-back decides.
    pub(super) async fn of(
        context: &CallContext,
        reply: Reply,
        decode: fn(&ByteString) -> Result<Option<Contact>>,
    ) -> Self {
        let decode = |reply: Reply| reply.decode(decode).ok().flatten();
        let contact = reply.read_however_late(context, decode).await;
        Self { remote_id: contact.as_ref().map(|contact| contact.remote_id.clone()), contact }
    }
}

/// What an adapter declares about its CRM: plain tables from which the gateway's rules, the documents, the README
/// and the tests are driven.
#[derive(Debug)]
pub struct AdapterSpec {
    /// Which CRM.
    pub provider: Provider,
    /// The product's name.
    pub title: &'static str,
    /// What can be done.
    pub operations: Operations,
    /// The fate of each unified field, in the order of [`Field::ALL`].
    pub fields: &'static [FieldSpec],
    /// What `remoteFields` may write.
    pub remote_fields: &'static [RemoteFieldSpec],
    /// Which filters the CRM answers itself, by canonical name; what is not listed is applied by the gateway.
    pub filters: &'static [FilterSpec],
    /// How the CRM's list is read page by page.
    pub paging: Paging,
    /// By what the CRM can look people up, never empty. The first identifies them: nobody is created who has a value of it
    /// that another contact has.
    pub identities: &'static [IdentityKind],
    /// Whether the CRM's create changes a record of the same identity instead of refusing: then nobody may be
    /// created whose absence was not seen.
    pub create_upserts: bool,
    /// Settings of a credential.
    pub settings: &'static [SettingSpec],
    /// The forms that a credential's secret may have.
    pub secrets: &'static [SecretForm],
    /// The base URL that a credential without the setting has.
    pub default_base_url: Option<&'static str>,
    /// The limits that the CRM publishes for one account; empty where it publishes none.
    pub limits: &'static [RateLimit],
    /// Examples of requests for the OpenAPI document, by schema and name, as OpenAPI spells an example. A test sends each to
    /// a fresh demo of the CRM.
    pub examples: &'static str,
    /// Makes the adapter of one credential. Fails where the settings or the secret cannot be used.
    pub connect: fn(AdapterConnection<'_>) -> Result<Arc<dyn Adapter>>,
}

impl AdapterSpec {
    /// By what the CRM tells people apart when one is created.
    #[must_use]
    pub const fn create_identity(&self) -> IdentityKind {
        self.identities[0]
    }

    /// The declared fate of `field`.
    #[must_use]
    pub fn field(&self, field: Field) -> Option<&'static FieldSpec> {
        self.fields.iter().find(|spec| spec.field == field)
    }

    /// The declaration of the remote field `name`, in any of its spellings.
    #[must_use]
    pub fn remote_field(&self, name: &str) -> Option<&'static RemoteFieldSpec> {
        let key = field_key(name);
        self.remote_fields.iter().find(|spec| {
            std::iter::once(&spec.name).chain(spec.aliases).any(|spelling| field_key(spelling) == key)
        })
    }

    /// How the CRM answers the filter, by its canonical name.
    #[must_use]
    pub fn filter(&self, name: FilterName) -> Option<&'static FilterSpec> {
        self.filters.iter().find(|spec| spec.name == name.canonical())
    }
}

/// What an adapter is made of.
pub struct AdapterConnection<'a> {
    /// The credential's settings, checked against [`AdapterSpec::settings`].
    pub settings: &'a Settings,
    /// The secret's members, checked against [`AdapterSpec::secrets`].
    pub secret: &'a super::settings::CredentialSecret,
    /// The way to the CRM under the account's limits; nothing authorises its calls yet.
    pub upstream: Upstream,
}

/// Which operations a CRM has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operations {
    /// Contacts can be created.
    pub create: bool,
    /// Contacts can be changed.
    pub update: bool,
    /// Contacts can be removed.
    pub delete: bool,
}

/// What becomes of one unified field.
#[derive(Clone, Copy, Debug)]
pub struct FieldSpec {
    /// Which.
    pub field: Field,
    /// From where it is read; `None` where the CRM has no such thing.
    pub read: Option<&'static str>,
    /// Where it is stored, and what is lost; [`Write::Never`] with the reason where it has no home.
    pub write: Write,
    /// How a write is verified.
    pub verify: Verify,
    /// Whether a create without it is refused.
    pub required: bool,
    /// Whether rows of the CRM's list show it.
    pub in_lists: bool,
}

impl FieldSpec {
    /// A field that a create may leave out.
    pub(super) const fn of(field: Field, read: Option<&'static str>, write: Write, verify: Verify) -> Self {
        Self { field, read, write, verify, required: false, in_lists: true }
    }

    /// A field that only the CRM sets.
    pub(super) const fn read_only(field: Field, read: Option<&'static str>) -> Self {
        Self::of(field, read, Write::ReadOnly, Verify::Never)
    }
}

/// Where a written field goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// Stored whole, there.
    Stored(&'static str),
    /// Stored in part: where, and what is lost.
    Partly(&'static str),
    /// No home: the reason. A write that names it is warned about.
    Never(&'static str),
    /// Set by the CRM alone.
    ReadOnly,
}

/// How what was written is compared with what is read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verify {
    /// Equal but for blanks at either end and the normal form of Unicode.
    Exact,
    /// Equal after the normalisation that the CRM is known to do (case of e-mails and type names, digits of phones).
    Normalised,
    /// Fields that are many in one, each compared by itself. A date may read back as a timestamp.
    Values {
        /// A field that reads back as an object counts by this field of it.
        inside: &'static str,
    },
    /// Not compared: it reads back otherwise by design.
    Never,
}

/// A member that `remoteFields` may write.
#[derive(Clone, Copy, Debug)]
pub struct RemoteFieldSpec {
    /// The CRM's spelling on reads.
    pub name: &'static str,
    /// Other spellings that are accepted.
    pub aliases: &'static [&'static str],
    /// What it is, in a few words.
    pub note: &'static str,
    /// How it is verified.
    pub verify: Verify,
    /// When it changes.
    pub moves: Moves,
}

impl RemoteFieldSpec {
    /// A field of one spelling that changes when it is written.
    pub(super) const fn of(name: &'static str, note: &'static str, verify: Verify) -> Self {
        Self { name, aliases: &[], note, verify, moves: Moves::WhenWritten }
    }
}

/// When the value of a remote field changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moves {
    /// When it is written.
    WhenWritten,
    /// When it or one of these is written.
    With(&'static [&'static str]),
    /// Also without a write, when the CRM moves it.
    ByItself,
}

/// A filter that the CRM answers itself.
#[derive(Clone, Copy, Debug)]
pub struct FilterSpec {
    /// Which, by canonical name.
    pub name: FilterName,
    /// How well.
    pub support: FilterSupport,
    /// The CRM's own parameter.
    pub upstream: &'static str,
}

impl FilterSpec {
    /// A filter that the CRM answers exactly.
    pub(super) const fn exact(name: FilterName, upstream: &'static str) -> Self {
        Self { name, support: FilterSupport::Exact, upstream }
    }

    /// A filter that the CRM answers with all rows that match, and perhaps others.
    pub(super) const fn narrows(name: FilterName, upstream: &'static str) -> Self {
        Self { name, support: FilterSupport::Narrows, upstream }
    }
}

/// How well a CRM answers a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterSupport {
    /// Exactly the rows that match.
    Exact,
    /// All rows that match, and others.
    Narrows,
}
