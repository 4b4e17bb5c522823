//! Aptly: its declaration and its adapter.
//!
//! Its POST is an upsert by `_id` and by first e-mail address. Its lists are sorted by last update, in pages of
//! 200. Its responses use three spellings. This file shows the order of calls of every operation that needs
//! several.

#[cfg(test)]
#[path = "../../../tests/costs/aptly.rs"]
pub(super) mod costs;
mod endpoints;
mod failure;
mod translate;
mod wire;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use futures_util::future::join_all;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use self::endpoints::AptlyEndpoints;
use self::translate::{AptlyChange, ContactTypes, Format, Single};
use super::adapter::{
    Account, Adapter, AdapterConnection, AdapterSpec, Applied, FieldSpec, FilterSpec, LookupResult, Moves,
    Operations, Prepared, Pushed, RemoteFieldSpec, RemoteKind, Verify, Write, WriteKind,
};
use super::contact_list;
use super::definitions::{LiveDefinitions, LiveSource, SeenFields};
use super::error_mapping;
use super::identity::{ContactIdentity, IdentityKind};
use super::paging::{PageRows, Paging, Traversal};
use super::reading::merge;
use super::recent_definitions::{Age, RecentDefinitions, before_write, judged};
use super::settings::{SecretForm, SettingKind, SettingSpec};
use crate::blocking;
use crate::domain::{
    CallContext, Contact, ContactDraft, ContactPatch, Failure, FailureKind, Field, FilterName, Page,
    PageToken, Provider, ReadBy, Region, RemoteFields, RemoteId, Result, Text, Warning,
};
use crate::upstream::{Authorization, RateLimit, Reply, RetrySafety};

/// The version check may take one part in this many of a write's time.
const PART_FOR_VERSION: u32 = 4;

/// How many ids of custom fields are remembered for one credential.
const FIELD_IDS_MOST: usize = 2_000;

/// The declaration of Aptly.
pub(super) static SPEC: AdapterSpec = AdapterSpec {
    provider: Provider::new("aptly"),
    name: "Aptly",
    title: "Aptly",
    operations: Operations { create: true, update: true, delete: false },
    fields: FIELDS,
    remote_fields: REMOTE_FIELDS,
    live: LIVE,
    filters: FILTERS,
    paging: Paging::Numbered { rows: PageRows::Fixed(translate::PAGE_SIZE), traversal: Traversal::ByUpdate },
    identities: &[IdentityKind::EmailAddress, IdentityKind::PhoneNumber],
    create_upserts: true,
    settings: SETTINGS,
    secrets: &[SecretForm {
        members: &["apiKey"],
        note: "a company key, created in Aptly under Card Sources > API",
    }],
    default_base_url: Some("https://core-api.getaptly.com"),
    limits: &[
        RateLimit { calls: 120, per: Duration::from_mins(1) },
        RateLimit { calls: 20, per: Duration::from_secs(1) },
    ],
    examples: include_str!("examples.json"),
    docs: include_str!("docs.md"),
    connect,
};

const FIELDS: &[FieldSpec] = &[
    FieldSpec::of(
        Field::FirstName,
        Some("`firstname`, or the first word of the full name"),
        Write::Stored("`firstname`, legacy `First Name`"),
        Verify::Exact,
    ),
    FieldSpec::of(
        Field::LastName,
        Some("`lastname`, or the rest of the full name"),
        Write::Stored("`lastname`, legacy `Last Name`"),
        Verify::Exact,
    ),
    FieldSpec {
        in_lists: false,
        ..FieldSpec::of(
            Field::Account,
            Some("`company`; lists do not show it"),
            Write::Stored("`company`, legacy `Company`"),
            Verify::Exact,
        )
    },
    FieldSpec::of(
        Field::Addresses,
        Some("`address`: one, of type `main`"),
        Write::Never("Aptly's API has no address field"),
        Verify::Never,
    ),
    FieldSpec::of(
        Field::EmailAddresses,
        Some("`email`"),
        Write::Stored("`email`, legacy `Email` (one)"),
        Verify::Normalised,
    ),
    FieldSpec::of(
        Field::EmailAddressType,
        Some("the first is `main`, others `secondary`"),
        Write::Partly("only which one is the first"),
        Verify::Never,
    ),
    FieldSpec::of(
        Field::PhoneNumbers,
        Some("`phone`"),
        Write::Stored(
            "`phone`; legacy `Mobile Phone`, `Home Phone`, `Work Phone`, which do not keep the order",
        ),
        Verify::Normalised,
    ),
    FieldSpec::of(
        Field::PhoneNumberType,
        Some("`mobile`, `work`, `home`"),
        Write::Partly("`mobile`, `work`, `home`; other types become the first free one of these"),
        Verify::Normalised,
    ),
    FieldSpec::of(
        Field::RemoteFields,
        Some("every other key; lists show fewer"),
        Write::Partly("`contactType`, `typeId`, `title`, `isCompany`, `imageUrl`, `customFields`"),
        Verify::Exact,
    ),
    FieldSpec::read_only(Field::LastActivityAt, None),
    FieldSpec::read_only(Field::RemoteCreatedAt, Some("`createdAt` of the list")),
    FieldSpec::read_only(Field::RemoteUpdatedAt, Some("`updatedAt` of the list")),
    FieldSpec::read_only(Field::RemoteDeleted, None),
];

const REMOTE_FIELDS: &[RemoteFieldSpec] = &[
    RemoteFieldSpec {
        aliases: &["Contact Type"],
        kind: RemoteKind::Choice,
        moves: Moves::With(&["typeId"]),
        ..RemoteFieldSpec::of("contactType", "name of an existing contact type", Verify::Normalised)
    },
    RemoteFieldSpec {
        kind: RemoteKind::Choice,
        moves: Moves::With(&["contactType"]),
        ..RemoteFieldSpec::of("typeId", "id of an existing contact type", Verify::Exact)
    },
    RemoteFieldSpec { aliases: &["Title"], ..RemoteFieldSpec::of("title", "job title", Verify::Exact) },
    RemoteFieldSpec {
        kind: RemoteKind::Flag,
        ..RemoteFieldSpec::of("isCompany", "true for a company", Verify::Exact)
    },
    RemoteFieldSpec::of(
        "imageUrl",
        "absolute URL that ends in .jpg, .jpeg or .png; reads back as another URL",
        Verify::Never,
    ),
    RemoteFieldSpec {
        kind: RemoteKind::CustomFields { label: "name", data_type: "dataType" },
        ..RemoteFieldSpec::of(
            "customFields",
            "object of values by field id, or by field name if only one field has it",
            Verify::Values { inside: "value" },
        )
    },
];

const LIVE: &[LiveSource] = &[LiveSource {
    call: "GET /api/boards and /api/board/{id}/configuration",
    gives: "ids of contact types to which fields of boards are limited, of at most 10 boards",
    refuses: Some("a `typeId` that no board names and no contact has, if all boards could be read"),
}];
const BOARDS: &LiveSource = &LIVE[0];

/// How many boards are read. With more boards no type is refused.
const BOARDS_MOST: usize = 10;

const FILTERS: &[FilterSpec] = &[
    FilterSpec::narrows(FilterName::FirstName, "name"),
    FilterSpec::narrows(FilterName::FirstNameContains, "name"),
    FilterSpec::narrows(FilterName::LastName, "name"),
    FilterSpec::narrows(FilterName::LastNameContains, "name"),
    FilterSpec::exact(FilterName::EmailAddress, "email"),
    // It ignores all but digits, on both sides.
    FilterSpec::narrows(FilterName::PhoneNumber, "phone"),
    FilterSpec::narrows(FilterName::RemoteUpdatedAtMin, "updated_after"),
    FilterSpec::narrows(FilterName::RemoteUpdatedAtMax, "updated_before"),
];

const SETTINGS: &[SettingSpec] = &[
    SettingSpec::optional(
        "baseUrl",
        SettingKind::BaseUrl,
        "Base URL of the API. Default: https://core-api.getaptly.com.",
    ),
    SettingSpec::optional(
        "writeFormat",
        SettingKind::Word(&["auto", "legacy", "native"]),
        "Spelling of written keys: `native`, `legacy` or `auto` (default). `auto` uses native keys if the account has version 3 of the API (checked with `GET /api/app/me`). Otherwise it uses legacy keys, unless they cannot express the write.",
    ),
    SettingSpec::optional(
        "defaultRegion",
        SettingKind::Region,
        "Country of phone numbers without a country code. If it is not set, such numbers are sent unchanged.",
    ),
    SettingSpec::optional(
        "createDefaults",
        SettingKind::RemoteFields,
        "Default `remoteFields` of creates, such as {\"contactType\": \"Lead\"}.",
    ),
    SettingSpec::optional(
        "rateLimitGroup",
        SettingKind::LimitGroup,
        "A name that you choose for the company. Credentials with the same name share its rate limit. If it is not set, the credential has its own.",
    ),
    SettingSpec::optional(
        "rateLimitShare",
        SettingKind::LimitShare,
        "The part of Aptly's rate limit that this gateway may use: above 0, at most 1. Default: 1. The rest is left to other clients of the company.",
    ),
    SettingSpec::optional(
        "rateLimit",
        SettingKind::CallRates,
        "Calls that this gateway may send, as {\"perMinute\": 60, \"perSecond\": 5}. It only lowers the limit of the CRM or of the gateway's operator. Among credentials with one `rateLimitGroup`, the lowest limit counts.",
    ),
];

fn connect(connection: AdapterConnection<'_>) -> Result<Arc<dyn Adapter>> {
    let AdapterConnection { settings, secret, upstream } = connection;
    let authorization = Authorization::new("x-token", secret.expose("apiKey"))?;
    let format = Format::named(settings.text("writeFormat").as_deref());
    Ok(Arc::new(AptlyAdapter {
        endpoints: AptlyEndpoints::new(upstream.authorized(authorization)),
        region: Region::named(settings.text("defaultRegion").as_deref()),
        format,
        create_defaults: translate::defaults(settings.raw("createDefaults"), format)?,
        is_v3: OnceCell::new(),
        ignores_native: AtomicBool::new(false),
        field_ids: Mutex::default(),
        types: RecentDefinitions::default(),
    }))
}

struct AptlyAdapter {
    endpoints: AptlyEndpoints,
    region: Region,
    format: Format,
    create_defaults: RemoteFields,
    /// Whether the account has version 3 of the API, once it is known.
    is_v3: OnceCell<bool>,
    /// Set when a native create stored nothing.
    ignores_native: AtomicBool,
    /// Ids of custom fields that contacts showed. A write by such an id needs no definitions.
    field_ids: Mutex<HashSet<String>>,
    types: RecentDefinitions<ContactTypes>,
}

#[async_trait]
impl Adapter for AptlyAdapter {
    fn region(&self) -> Region {
        self.region
    }

    async fn probe(&self, context: &CallContext) -> Result<Account> {
        let account = if let Some(reply) = self.endpoints.me(context, RetrySafety::Safe).await? {
            let read = |reply: Reply| {
                Ok((reply.decode(translate::decode_account)?, translate::is_v3(&reply.json()?)))
            };
            let (account, is_v3) = reply.read(context, read).await?;
            let _ = self.is_v3.set(is_v3); // The first result counts.
            account
        } else {
            let _ = self.is_v3.set(false);
            // Older versions do not have this route. The first page of the list also checks the key.
            let reply = contact_list::first_page(&self.endpoints, context, &[]).await?;
            reply.read(context, |reply| reply.decode(translate::decode_page)).await?;
            Account { id: None, name: None }
        };
        self.check_defaults(context).await?;
        Ok(account)
    }

    async fn read_page(
        &self,
        context: &CallContext,
        pushed: &Pushed,
        at: Option<&PageToken>,
        limit: usize,
    ) -> Result<Page> {
        let filters = translate::encode_filters(pushed, self.region)?;
        contact_list::read_page(&self.endpoints, context, &filters, at, limit).await
    }

    async fn get_contact(&self, context: &CallContext, id: &RemoteId) -> Result<Contact> {
        let reply = self.endpoints.get(context, id).await?;
        let decode = |reply: Reply| reply.decode(|text| Single::decode(text, id));
        let single = reply.read(context, decode).await?;
        let contact = self.complete(context, single).await?;
        Ok(Contact { read_by: ReadBy::Id, ..contact })
    }

    async fn find_contacts(&self, context: &CallContext, by: &ContactIdentity) -> Result<LookupResult> {
        contact_list::find_contacts(&self.endpoints, context, by, self.region).await
    }

    async fn prepare_create(&self, context: &CallContext, draft: &ContactDraft) -> Result<Prepared> {
        let draft = translate::RULES.with_defaults(draft, &self.create_defaults);
        let definitions = self.definitions(context, &draft.remote_fields, None).await?;
        let change = || self.without_secrets(AptlyChange::of_draft(&draft, &definitions, self.region));
        let change = blocking::within(context, draft.remote_fields.size(), change).await??;
        self.check_type(context, &change).await?;
        let (body, expected, losses) = self.encoded(context, change, draft.remote_fields.size()).await?;
        Ok(Prepared::of(WriteKind::Create, &SPEC, None, endpoints::create(body), expected, losses))
    }

    async fn prepare_update(
        &self,
        context: &CallContext,
        held: &Contact,
        patch: &ContactPatch,
    ) -> Result<Prepared> {
        let definitions = self.definitions(context, &patch.remote_fields, Some(held)).await?;
        let change = || self.without_secrets(AptlyChange::of_patch(held, patch, &definitions, self.region));
        let size = held.size() + patch.remote_fields.size();
        let change = blocking::within(context, size, change).await??;
        self.check_type(context, &change).await?;
        let is_noop = change.is_empty();
        let (body, expected, losses) = self.encoded(context, change, size).await?;
        let call = endpoints::update(&held.remote_id, body);
        Ok(Prepared {
            is_noop,
            ..Prepared::of(WriteKind::Update, &SPEC, Some(&held.remote_id), call, expected, losses)
        })
    }

    async fn prepare_delete(&self, _context: &CallContext, _id: &RemoteId) -> Result<Prepared> {
        Err(Failure::new(
            FailureKind::OperationUnsupported,
            "Aptly's API cannot delete contacts. Delete the contact in Aptly.",
        ))
    }

    async fn send(&self, context: &CallContext, write: &Prepared) -> Result<Applied> {
        let reply = self.endpoints.send(context, write).await?;
        let applied = Applied::of(context, reply, translate::decode_written).await;
        if let Some(contact) = &applied.contact {
            self.note_if_ignored(write, contact);
        }
        Ok(applied)
    }

    async fn read_back(&self, context: &CallContext, write: &Prepared, applied: &Applied) -> Result<Contact> {
        let contact = self.read_written(context, write, applied).await?;
        self.note_if_ignored(write, &contact);
        Ok(contact)
    }

    async fn read_other_way(&self, context: &CallContext, known: &Contact) -> Result<Option<Contact>> {
        contact_list::read_other_way(&self.endpoints, context, known, self.region).await
    }

    async fn describe(&self, context: &CallContext, _: &SeenFields) -> LiveDefinitions {
        match self.types(context, Age::Kept).await {
            Ok((types, _)) => LiveDefinitions {
                fields: vec![types.definition()],
                unread: types.unread.iter().map(|failure| (BOARDS, failure.clone())).collect(),
            },
            Err(failure) => LiveDefinitions { fields: Vec::new(), unread: vec![(BOARDS, failure)] },
        }
    }
}

impl AptlyAdapter {
    /// Fails if the change sets a type by an id that neither a board nor a contact has. If the boards cannot be read, Aptly
    /// decides.
    async fn check_type(&self, context: &CallContext, change: &AptlyChange) -> Result<()> {
        let Some(id) = change.type_id() else { return Ok(()) };
        let context = &before_write(context);
        let read = |age| async move { Ok(self.types(context, age).await.unwrap_or_default()) }.boxed();
        match judged(read, |types| types.check(&id)).await {
            Err(refusal) if !self.may_have_type(context, &id).await => Err(refusal),
            _ => Ok(()),
        }
    }

    /// Whether a contact has the type, or this is not known. Only version 2 of the API can search by the id of a type.
    async fn may_have_type(&self, context: &CallContext, id: &str) -> bool {
        let search = [("contact_type", id.to_owned())];
        let read = async {
            let reply = contact_list::first_page(&self.endpoints, context, &search).await?;
            reply.read(context, |reply| reply.decode(translate::decode_page)).await
        };
        read.await.map_or(true, |rows| !rows.contacts.is_empty())
    }

    /// The types that boards name, and whether they are kept definitions.
    async fn types(&self, context: &CallContext, age: Age) -> Result<(Arc<ContactTypes>, bool)> {
        let read = async {
            let reply = self.endpoints.boards(context).await?;
            let boards = reply.read(context, |reply| reply.decode(translate::decode_boards)).await?;
            let configuration = |board: &Text| {
                let board = board.clone();
                async move {
                    let reply = self.endpoints.board_configuration(context, &board).await?;
                    reply.read(context, |reply| reply.decode(translate::decode_type_ids)).await
                }
            };
            let configurations = join_all(boards.iter().take(BOARDS_MOST).map(configuration)).await;
            Ok(ContactTypes::of(configurations, boards.len() <= BOARDS_MOST))
        };
        let known = self.types.get(context, "", age, read).await?;
        Ok((known.value, known.is_kept))
    }

    async fn read_written(
        &self,
        context: &CallContext,
        write: &Prepared,
        applied: &Applied,
    ) -> Result<Contact> {
        if let Some(id) = write.locator.remote_id.as_ref().or(applied.remote_id.as_ref()) {
            return self.get_contact(context, id).await;
        }
        let identity = write.locator.identity.identifying(SPEC.create_identity());
        let row = contact_list::found_again(self.find_contacts(context, &identity).await?, None)?;
        self.get_contact(context, &row.remote_id).await
    }

    /// The same outcome. A failure may quote custom fields of contacts, so the account's secrets are removed
    /// from it.
    fn without_secrets<T>(&self, outcome: Result<T>) -> Result<T> {
        outcome.map_err(|failure| error_mapping::without_secrets(failure, self.endpoints.secrets()))
    }

    /// Completes a single read with the list's row of the same contact, which shows several e-mails or phones,
    /// and the times. The search uses the texts exactly as Aptly shows them: a cleaned text may not match the
    /// stored one.
    async fn complete(&self, context: &CallContext, single: Single) -> Result<Contact> {
        let Single { contact, searches } = single;
        if translate::is_complete(&contact) {
            return Ok(contact);
        }
        // A contact without texts may be among the last changed ones, which the list shows first.
        let anybody: &[(&str, String)] = &[];
        let searches = if searches.is_empty() { vec![anybody] } else { searches.chunks(1).collect() };
        let row = contact_list::row(&self.endpoints, context, &contact.remote_id, searches).await?;
        Ok(match row {
            Some(row) => merge(contact, row),
            None => contact,
        })
    }

    /// The body of a change in the format of this write, the expected result, and the losses.
    async fn encoded(
        &self,
        context: &CallContext,
        change: AptlyChange,
        size: usize,
    ) -> Result<(String, ContactPatch, Vec<Warning>)> {
        // A change without content is not sent, so its format does not matter.
        let format = if change.is_empty() { self.format } else { self.write_format(context).await };
        blocking::within(context, size, || change.encode(format)).await?
    }

    /// The format of a write. `auto` checks the API version of the account before the first write. If the check
    /// fails, this write uses the legacy format, and the next one checks again.
    async fn write_format(&self, context: &CallContext) -> Format {
        if self.format != Format::Auto {
            return self.format;
        }
        if self.ignores_native.load(Ordering::Relaxed) {
            return Format::Legacy;
        }
        let time = context.remaining() / PART_FOR_VERSION;
        let with_timeout = context.with_timeout(time);
        let is_v3 = self.is_v3.get_or_try_init(|| self.ask_version(&with_timeout));
        match timeout(time, is_v3).await {
            Ok(Ok(true)) => Format::Native,
            _ => Format::Auto,
        }
    }

    async fn ask_version(&self, context: &CallContext) -> Result<bool> {
        let Some(reply) = self.endpoints.me(context, RetrySafety::AfterRefusal).await? else {
            return Ok(false);
        };
        reply.read(context, |reply| Ok(translate::is_v3(&reply.json()?))).await
    }

    /// Switches to legacy keys if the contact of a native create lacks what was sent.
    fn note_if_ignored(&self, write: &Prepared, shown: &Contact) {
        if write.kind == WriteKind::Create
            && translate::ignored_native(write.call.body.as_deref(), &write.expected, shown)
        {
            self.ignores_native.store(true, Ordering::Relaxed);
        }
    }

    /// Fails if `createDefaults` has custom fields that a create could not write.
    async fn check_defaults(&self, context: &CallContext) -> Result<()> {
        if !translate::has_custom_fields(&self.create_defaults) {
            return Ok(());
        }
        let definitions = self.definitions(context, &self.create_defaults, None).await?;
        self.without_secrets(translate::check_defaults(&self.create_defaults, &definitions, self.format))
    }

    /// The ids and names of custom fields, if a name must be resolved. Aptly shows them only on contacts.
    async fn definitions(
        &self,
        context: &CallContext,
        sent: &RemoteFields,
        held: Option<&Contact>,
    ) -> Result<translate::Definitions> {
        let read = || {
            let known = translate::Definitions::of(held);
            let needed = known.needed_for(sent, &self.field_ids());
            (known, needed)
        };
        let size = held.map_or(0, Contact::size) + sent.size();
        let (known, needed) = blocking::within(context, size, read).await?;
        if !needed {
            return Ok(known);
        }
        let reply = contact_list::first_page(&self.endpoints, context, &[]).await?;
        let learn = |reply: Reply| {
            let rows = reply.decode(translate::decode_page)?;
            Ok(rows.contacts.iter().flatten().fold(known, translate::Definitions::and))
        };
        let known = reply.read(context, learn).await?;
        let mut ids = self.field_ids();
        let left = FIELD_IDS_MOST.saturating_sub(ids.len());
        ids.extend(known.ids().take(left).map(str::to_owned));
        drop(ids);
        Ok(known)
    }

    fn field_ids(&self) -> MutexGuard<'_, HashSet<String>> {
        self.field_ids.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
