//! Aptly: what it can hold and find, and its adapter.
//!
//! Its POST is an upsert by `_id` and by first e-mail address, its lists are sorted by last update in pages of 200,
//! and its answers are spelled in three ways. The order of every operation that needs several calls is in this file.

mod endpoints;
mod failure;
mod translate;
mod wire;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use self::endpoints::AptlyEndpoints;
use self::translate::{AptlyChange, Format, Single};
use super::adapter::{
    Account, Adapter, AdapterConnection, AdapterSpec, Applied, ContactIdentity, FieldSpec, FilterSpec,
    FilterSupport, IdentityKind, LookupResult, Moves, Operations, Prepared, Pushed, RecordLocator,
    RemoteFieldSpec, Verify, Write, WriteKind,
};
use super::error_mapping;
use super::reading::{Rows, merge};
use super::settings::{SecretForm, SettingKind, SettingSpec};
use crate::blocking;
use crate::domain::{
    CallContext, Contact, ContactDraft, ContactPatch, Failure, FailureKind, Field, FilterName, Page,
    Position, Provider, ReadBy, Region, RemoteFields, RemoteId, Result, Warning,
};
use crate::upstream::{Authorization, RateLimit, Reply};

/// What part of a write's time the question for the API's version may take.
const PART_FOR_VERSION: u32 = 4;

/// How many ids of custom fields are remembered for one credential.
const FIELD_IDS_MOST: usize = 2_000;

/// What is declared about Aptly.
pub(super) static SPEC: AdapterSpec = AdapterSpec {
    provider: Provider::new("aptly"),
    title: "Aptly",
    operations: Operations { create: true, update: true, delete: false },
    fields: FIELDS,
    remote_fields: REMOTE_FIELDS,
    filters: FILTERS,
    create_identity: IdentityKind::EmailAddress,
    create_upserts: true,
    settings: SETTINGS,
    secrets: &[SecretForm {
        members: &["apiKey"],
        note: "a company key made in Aptly under Card Sources > API",
    }],
    default_base_url: Some("https://core-api.getaptly.com"),
    limits: &[
        RateLimit { calls: 120, per: Duration::from_mins(1) },
        RateLimit { calls: 20, per: Duration::from_secs(1) },
    ],
    examples: include_str!("examples.json"),
    connect,
};

const FIELDS: &[FieldSpec] = &[
    field(
        Field::FirstName,
        Some("`firstname`, else the first word of the full name"),
        Write::Stored("`firstname`, legacy `First Name`"),
        Verify::Exact,
    ),
    field(
        Field::LastName,
        Some("`lastname`, else the rest of the full name"),
        Write::Stored("`lastname`, legacy `Last Name`"),
        Verify::Exact,
    ),
    field(
        Field::Account,
        Some("`company`; lists do not show it"),
        Write::Stored("`company`, legacy `Company`"),
        Verify::Exact,
    ),
    field(
        Field::Addresses,
        Some("`address`, one, of type `main`"),
        Write::Never("Aptly's API takes no address"),
        Verify::Never,
    ),
    field(
        Field::EmailAddresses,
        Some("`email`"),
        Write::Stored("`email`, legacy `Email` (one)"),
        Verify::Normalised,
    ),
    field(
        Field::EmailAddressType,
        Some("the first is `main`, others `secondary`"),
        Write::Partly("only which one is the first"),
        Verify::Never,
    ),
    field(
        Field::PhoneNumbers,
        Some("`phone`"),
        Write::Stored("`phone`; legacy `Mobile Phone`, `Home Phone`, `Work Phone`, which lose the order"),
        Verify::Normalised,
    ),
    field(
        Field::PhoneNumberType,
        Some("`mobile`, `work`, `home`"),
        Write::Partly("`mobile`, `work`, `home`; other words become the first that is free"),
        Verify::Normalised,
    ),
    field(
        Field::RemoteFields,
        Some("every other key; lists show fewer"),
        Write::Partly("`contactType`, `typeId`, `title`, `isCompany`, `imageUrl`, `customFields`"),
        Verify::Exact,
    ),
    field(Field::LastActivityAt, None, Write::ReadOnly, Verify::Never),
    field(Field::RemoteCreatedAt, Some("`createdAt` of the list"), Write::ReadOnly, Verify::Never),
    field(Field::RemoteUpdatedAt, Some("`updatedAt` of the list"), Write::ReadOnly, Verify::Never),
    field(Field::RemoteDeleted, None, Write::ReadOnly, Verify::Never),
];

const fn field(field: Field, read: Option<&'static str>, write: Write, verify: Verify) -> FieldSpec {
    FieldSpec { field, read, write, verify, required: false }
}

const REMOTE_FIELDS: &[RemoteFieldSpec] = &[
    RemoteFieldSpec {
        name: "contactType",
        aliases: &["Contact Type"],
        note: "name of an existing contact type",
        verify: Verify::Normalised,
        moves: Moves::With(&["typeId"]),
    },
    RemoteFieldSpec {
        name: "typeId",
        aliases: &[],
        note: "id of an existing contact type",
        verify: Verify::Exact,
        moves: Moves::With(&["contactType"]),
    },
    RemoteFieldSpec {
        name: "title",
        aliases: &["Title"],
        note: "job title",
        verify: Verify::Exact,
        moves: Moves::WhenWritten,
    },
    RemoteFieldSpec {
        name: "isCompany",
        aliases: &[],
        note: "true for a company",
        verify: Verify::Exact,
        moves: Moves::WhenWritten,
    },
    RemoteFieldSpec {
        name: "imageUrl",
        aliases: &[],
        note: "absolute, ends in .jpg, .jpeg or .png; reads back as another address",
        verify: Verify::Never,
        moves: Moves::WhenWritten,
    },
    RemoteFieldSpec {
        name: "customFields",
        aliases: &[],
        note: "object of values by field id, or by the field's name where that is unambiguous",
        verify: Verify::Values,
        moves: Moves::WhenWritten,
    },
];

const FILTERS: &[FilterSpec] = &[
    FilterSpec { name: FilterName::EmailAddress, support: FilterSupport::Exact, upstream: "email" },
    FilterSpec {
        name: FilterName::RemoteUpdatedAtMin,
        support: FilterSupport::Exact,
        upstream: "updated_after",
    },
    FilterSpec {
        name: FilterName::RemoteUpdatedAtMax,
        support: FilterSupport::Exact,
        upstream: "updated_before",
    },
];

const SETTINGS: &[SettingSpec] = &[
    setting("baseUrl", SettingKind::BaseUrl, "Where the API is; default https://core-api.getaptly.com."),
    setting(
        "writeFormat",
        SettingKind::Word(&["auto", "legacy", "native"]),
        "Spelling of written keys, `native`, `legacy` or `auto`. Default `auto`: native if the account has version 3 of the API (`GET /api/app/me` tells), else legacy unless only native can say it.",
    ),
    setting(
        "defaultRegion",
        SettingKind::Region,
        "Country of phone numbers written without a country code; without it they are passed on as they come.",
    ),
    setting(
        "createDefaults",
        SettingKind::RemoteFields,
        "remoteFields of every create that does not name them, such as {\"contactType\": \"Lead\"}.",
    ),
    setting(
        "rateLimitGroup",
        SettingKind::Name,
        "A name of your choice for the company, where it has several credentials here: those with the same name share its rate limit. Without it each has its own.",
    ),
    setting(
        "rateLimitShare",
        SettingKind::Share,
        "The part of Aptly's rate limit that this gateway may use, above 0 and at most 1; default 1. The rest is left to others with the company's keys.",
    ),
];

const fn setting(name: &'static str, kind: SettingKind, note: &'static str) -> SettingSpec {
    SettingSpec { name, kind, required: false, note }
}

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
    }))
}

struct AptlyAdapter {
    endpoints: AptlyEndpoints,
    region: Region,
    format: Format,
    create_defaults: RemoteFields,
    /// Whether the account has version 3 of the API, once Aptly told.
    is_v3: OnceCell<bool>,
    /// A native create stored nothing.
    ignores_native: AtomicBool,
    /// Ids of custom fields that contacts showed: what is written by such an id need not be asked for.
    field_ids: Mutex<HashSet<String>>,
}

#[async_trait]
impl Adapter for AptlyAdapter {
    fn region(&self) -> Region {
        self.region
    }

    async fn probe(&self, context: &CallContext) -> Result<Account> {
        let account = if let Some(reply) = self.endpoints.me(context).await? {
            let read = |reply: Reply| {
                Ok((reply.decode(translate::decode_account)?, translate::is_v3(&reply.json()?)))
            };
            let (account, is_v3) = reply.read(context, read).await?;
            let _ = self.is_v3.set(is_v3); // What was told first counts.
            account
        } else {
            let _ = self.is_v3.set(false);
            // Older versions have no such route; the first page tells as well whether the key opens anything.
            let reply = self.endpoints.list(context, 0, &[]).await?;
            decode_page(context, reply).await?;
            Account { id: None, name: None }
        };
        self.check_defaults(context).await?;
        Ok(account)
    }

    async fn read_page(
        &self,
        context: &CallContext,
        pushed: &Pushed,
        at: Position,
        _limit: usize,
    ) -> Result<Page> {
        let filters = translate::encode_filters(pushed)?;
        let mut size = translate::PAGE_SIZE;
        // The page size is the CRM's; where it echoes another one than we counted with, the page is another one too.
        for _ in 0..2 {
            let page = at.0 / size;
            let reply = self.endpoints.list(context, page, &filters).await?;
            let rows = decode_page(context, reply).await?;
            match rows.size {
                Some(echoed) if echoed != size => size = echoed,
                _ => return rows.from(at, page, page.saturating_mul(size), size),
            }
        }
        Err(super::lenient_reader::unreadable("pageSize", "the same in two answers"))
    }

    async fn get_contact(&self, context: &CallContext, id: &RemoteId) -> Result<Contact> {
        let reply = self.endpoints.get(context, id).await?;
        let decode = |reply: Reply| reply.decode(|text| Single::decode(text, id));
        let single = reply.read(context, decode).await?;
        let contact = self.complete(context, single).await?;
        Ok(Contact { read_by: ReadBy::Id, ..contact })
    }

    async fn find_contacts(&self, context: &CallContext, by: &ContactIdentity) -> Result<LookupResult> {
        let mut found = LookupResult::nobody();
        for (parameter, text, wanted) in translate::searches(by, self.region) {
            if found.is_full() {
                found.complete = false;
                break;
            }
            let reply = self.endpoints.list(context, 0, &[(parameter, text)]).await?;
            let add = |reply: Reply| {
                let rows = reply.decode(translate::decode_page)?.checked()?;
                let whole = rows.is_whole(rows.size.unwrap_or(translate::PAGE_SIZE));
                found.add(&wanted, whole, rows.readable(), reply.date, self.region);
                Ok(())
            };
            reply.read(context, add).await?;
        }
        Ok(found)
    }

    async fn prepare_create(&self, context: &CallContext, draft: &ContactDraft) -> Result<Prepared> {
        let draft = translate::RULES.with_defaults(draft, &self.create_defaults);
        let definitions = self.definitions(context, &draft.remote_fields, None).await?;
        let change = || self.discreet(AptlyChange::of_draft(&draft, &definitions, self.region));
        let change = blocking::within(context, draft.remote_fields.size(), change).await??;
        let (body, expected, losses) = self.encoded(context, change, draft.remote_fields.size()).await?;
        Ok(Prepared {
            kind: WriteKind::Create,
            call: endpoints::create(body),
            losses,
            locator: RecordLocator::of(None, &expected),
            expected,
            is_noop: false,
        })
    }

    async fn prepare_update(
        &self,
        context: &CallContext,
        held: &Contact,
        patch: &ContactPatch,
    ) -> Result<Prepared> {
        let definitions = self.definitions(context, &patch.remote_fields, Some(held)).await?;
        let change = || self.discreet(AptlyChange::of_patch(held, patch, &definitions, self.region));
        let size = held.size() + patch.remote_fields.size();
        let change = blocking::within(context, size, change).await??;
        let is_noop = change.is_empty();
        let (body, expected, losses) = self.encoded(context, change, size).await?;
        Ok(Prepared {
            kind: WriteKind::Update,
            call: endpoints::update(&held.remote_id, body),
            losses,
            locator: RecordLocator::of(Some(held.remote_id.clone()), &expected),
            expected,
            is_noop,
        })
    }

    async fn prepare_delete(&self, _context: &CallContext, _id: &RemoteId) -> Result<Prepared> {
        Err(Failure::new(
            FailureKind::OperationUnsupported,
            "Aptly's API cannot remove contacts; remove the contact in Aptly itself.",
        ))
    }

    async fn send(&self, context: &CallContext, write: &Prepared) -> Result<Applied> {
        let reply = self.endpoints.send(context, write).await?;
        // `{}` is a documented answer, and a body that cannot be read does not undo the write: the read-back decides.
        let decode = |reply: Reply| reply.decode(translate::decode_written).ok().flatten();
        let contact = reply.read_however_late(context, decode).await;
        if let Some(contact) = &contact {
            self.note_if_ignored(write, contact);
        }
        Ok(Applied { remote_id: contact.as_ref().map(|contact| contact.remote_id.clone()), contact })
    }

    async fn read_back(&self, context: &CallContext, write: &Prepared, applied: &Applied) -> Result<Contact> {
        let contact = self.read_written(context, write, applied).await?;
        self.note_if_ignored(write, &contact);
        Ok(contact)
    }

    async fn read_other_way(&self, context: &CallContext, known: &Contact) -> Result<Option<Contact>> {
        let searches = translate::searches_for(known, self.region);
        self.row(context, &known.remote_id, searches.chunks(1)).await
    }
}

impl AptlyAdapter {
    async fn read_written(
        &self,
        context: &CallContext,
        write: &Prepared,
        applied: &Applied,
    ) -> Result<Contact> {
        if let Some(id) = write.locator.remote_id.as_ref().or(applied.remote_id.as_ref()) {
            return self.get_contact(context, id).await;
        }
        let identity = write.locator.identity.clone().identifying(SPEC.create_identity);
        let mut found = self.find_contacts(context, &identity).await?.matches;
        match (found.pop(), found.is_empty()) {
            (Some(row), true) => self.get_contact(context, &row.contact.remote_id).await,
            _ => Err(Failure::new(
                FailureKind::ContactNotFound,
                "The contact just written could not be found again.",
            )),
        }
    }

    /// The same, with a failure that names custom fields as contacts show them made fit to be passed on.
    fn discreet<T>(&self, outcome: Result<T>) -> Result<T> {
        outcome.map_err(|failure| error_mapping::without_secrets(failure, self.endpoints.secrets()))
    }

    /// Completes what a single read does not tell (several e-mails or phones, the times) from the list's row of the
    /// same contact. The row is searched for by the texts of the single read exactly as Aptly shows them: a text that we
    /// cleaned may not be the one that is stored.
    async fn complete(&self, context: &CallContext, single: Single) -> Result<Contact> {
        let Single { contact, searches } = single;
        if translate::is_complete(&contact) {
            return Ok(contact);
        }
        // Somebody without any text may be among those who were changed last.
        let anybody: &[(&str, String)] = &[];
        let searches = if searches.is_empty() { vec![anybody] } else { searches.chunks(1).collect() };
        let row = self.row(context, &contact.remote_id, searches).await?;
        Ok(match row {
            Some(row) => merge(contact, row),
            None => contact,
        })
    }

    /// The row of the list that shows the contact `id`, as the first of `searches` that has it among its first rows finds it.
    async fn row(
        &self,
        context: &CallContext,
        id: &RemoteId,
        searches: impl IntoIterator<Item = &[(&'static str, String)]> + Send,
    ) -> Result<Option<Contact>> {
        for search in searches {
            let reply = self.endpoints.list(context, 0, search).await?;
            let find = |reply: Reply| Ok(reply.decode(translate::decode_page)?.row_of(id));
            if let Some(row) = reply.read(context, find).await? {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// The body of a change in the format of this write, what it should come to, and what is lost.
    async fn encoded(
        &self,
        context: &CallContext,
        change: AptlyChange,
        size: usize,
    ) -> Result<(String, ContactPatch, Vec<Warning>)> {
        // What changes nothing is not sent, so nothing need be asked.
        let format = if change.is_empty() { self.format } else { self.write_format(context).await };
        blocking::within(context, size, || change.encode(format)).await?
    }

    /// The format of a write. `auto` asks before the first write which version of the API the account has; where that
    /// cannot be told, this write is legacy and the next one asks again.
    async fn write_format(&self, context: &CallContext) -> Format {
        if self.format != Format::Auto {
            return self.format;
        }
        if self.ignores_native.load(Ordering::Relaxed) {
            return Format::Legacy;
        }
        let time = context.remaining() / PART_FOR_VERSION;
        let with_timeout = context.with_timeout(time);
        let told = self.is_v3.get_or_try_init(|| self.ask_version(&with_timeout));
        match timeout(time, told).await {
            Ok(Ok(true)) => Format::Native,
            _ => Format::Auto,
        }
    }

    async fn ask_version(&self, context: &CallContext) -> Result<bool> {
        let Some(reply) = self.endpoints.me_once(context).await? else { return Ok(false) };
        reply.read(context, |reply| Ok(translate::is_v3(&reply.json()?))).await
    }

    /// Writes legacy keys from now on where a native create left the contact without all that was sent.
    fn note_if_ignored(&self, write: &Prepared, shown: &Contact) {
        if write.kind == WriteKind::Create
            && translate::ignored_native(write.call.body.as_deref(), &write.expected, shown)
        {
            self.ignores_native.store(true, Ordering::Relaxed);
        }
    }

    /// Fails where `createDefaults` name custom fields that a create could not write.
    async fn check_defaults(&self, context: &CallContext) -> Result<()> {
        if !translate::has_custom_fields(&self.create_defaults) {
            return Ok(());
        }
        let definitions = self.definitions(context, &self.create_defaults, None).await?;
        self.discreet(translate::check_defaults(&self.create_defaults, &definitions, self.format))
    }

    /// The custom fields' ids and names, where a name must be resolved; Aptly shows them on contacts alone.
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
        let reply = self.endpoints.list(context, 0, &[]).await?;
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

async fn decode_page(context: &CallContext, reply: Reply) -> Result<Rows> {
    reply.read(context, |reply| reply.decode(translate::decode_page)).await
}
