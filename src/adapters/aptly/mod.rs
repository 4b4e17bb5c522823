//! Aptly: what it can hold and find, and its adapter.
//!
//! Its POST is an upsert by `_id` and by first e-mail address, its lists are sorted by last update in pages of 200,
//! and its answers are spelled in three ways. The order of every operation that needs several calls is in this file.

mod endpoints;
mod failure;
mod translate;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use self::endpoints::Endpoints;
use self::translate::{Change, Format};
use super::adapter::{
    Account, Adapter, AdapterSpec, Applied, Connection, FieldSpec, FilterSpec, FilterSupport, Found,
    Identity, IdentityKind, Operations, Prepared, Pushed, RemoteFieldSpec, Trail, Verify, Write, WriteKind,
};
use super::phone::Region;
use super::settings::{SecretForm, SettingKind, SettingSpec};
use crate::domain::{
    CallContext, Contact, ContactDraft, ContactPatch, Failure, FailureKind, Field, FilterName, Page,
    Position, Provider, RemoteFields, RemoteId, Result,
};
use crate::upstream::{Authorization, RateLimit};

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
    connect,
};

const FIELDS: &[FieldSpec] = &[
    field(
        Field::FirstName,
        Some("`firstname`, else the first word of the full name"),
        Write::Stored("`First Name`"),
        Verify::Exact,
    ),
    field(
        Field::LastName,
        Some("`lastname`, else the rest of the full name"),
        Write::Stored("`Last Name`"),
        Verify::Exact,
    ),
    field(Field::Account, Some("`company`; lists do not show it"), Write::Stored("`Company`"), Verify::Exact),
    field(
        Field::Addresses,
        Some("`address`, one, of type `main`"),
        Write::Never("Aptly's API takes no address"),
        Verify::Never,
    ),
    field(
        Field::EmailAddresses,
        Some("`email`"),
        Write::Stored("`Email`; several as native `email`"),
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
        Write::Stored("`Mobile Phone`, `Home Phone`, `Work Phone`; others as native `phone`"),
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
        verify: Verify::Exact,
    },
    RemoteFieldSpec {
        name: "typeId",
        aliases: &[],
        note: "id of an existing contact type",
        verify: Verify::Exact,
    },
    RemoteFieldSpec { name: "title", aliases: &["Title"], note: "job title", verify: Verify::Exact },
    RemoteFieldSpec { name: "isCompany", aliases: &[], note: "true for a company", verify: Verify::Exact },
    RemoteFieldSpec {
        name: "imageUrl",
        aliases: &[],
        note: "absolute, ends in .jpg, .jpeg or .png; reads back as another address",
        verify: Verify::Never,
    },
    RemoteFieldSpec {
        name: "customFields",
        aliases: &[],
        note: "object of values by field id, or by the field's name where that is unambiguous",
        verify: Verify::Values,
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
        "Spelling of written keys; default `auto`: legacy unless only native can say it.",
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

fn connect(connection: Connection<'_>) -> Result<Arc<dyn Adapter>> {
    let Connection { settings, secret, upstream } = connection;
    let authorization = Authorization::new("x-token", secret.expose("apiKey"))?;
    let format = Format::named(settings.text("writeFormat").as_deref());
    Ok(Arc::new(Aptly {
        endpoints: Endpoints::new(upstream.authorized(authorization)),
        region: Region::named(settings.text("defaultRegion").as_deref()),
        format,
        create_defaults: translate::defaults(settings.raw("createDefaults"), format)?,
    }))
}

struct Aptly {
    endpoints: Endpoints,
    region: Region,
    format: Format,
    create_defaults: RemoteFields,
}

#[async_trait]
impl Adapter for Aptly {
    async fn probe(&self, context: &CallContext) -> Result<Account> {
        if let Some(reply) = self.endpoints.me(context).await? {
            return reply.decode(translate::decode_account);
        }
        // Older versions have no such route; the first page tells as well whether the key opens anything.
        let reply = self.endpoints.list(context, 0, &[]).await?;
        reply.decode(translate::decode_page)?;
        Ok(Account { id: None, name: None })
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
            let rows = reply.decode(translate::decode_page)?;
            if rows.page_size == size {
                return rows.from(at, page);
            }
            size = rows.page_size;
        }
        Err(super::lenient::unreadable("pageSize", "the same in two answers"))
    }

    async fn get_contact(&self, context: &CallContext, id: &RemoteId) -> Result<Contact> {
        let reply = self.endpoints.get(context, id).await?;
        let single = reply.decode(|text| translate::decode_single(text, id))?;
        self.complete(context, single).await
    }

    async fn find_contacts(&self, context: &CallContext, by: &Identity) -> Result<Found> {
        let mut found = Found::nobody();
        for (parameter, text, wanted) in translate::searches(by, self.region) {
            let reply = self.endpoints.list(context, 0, &[(parameter, text)]).await?;
            let rows = reply.decode(translate::decode_page)?;
            found.add(&wanted, rows.is_whole(), rows.contacts, reply.date, self.region);
        }
        Ok(found)
    }

    async fn prepare_create(&self, context: &CallContext, draft: &ContactDraft) -> Result<Prepared> {
        let draft = translate::RULES.with_defaults(draft, &self.create_defaults);
        let definitions = self.definitions(context, &draft.remote_fields, None).await?;
        let change = Change::of_draft(&draft, &definitions, self.region)?;
        let (body, expected, losses) = change.encode(self.format)?;
        Ok(Prepared {
            kind: WriteKind::Create,
            call: endpoints::create(body),
            losses,
            trail: Trail::of(None, &expected),
            expected,
            nothing_to_do: false,
        })
    }

    async fn prepare_update(
        &self,
        context: &CallContext,
        held: &Contact,
        patch: &ContactPatch,
    ) -> Result<Prepared> {
        let definitions = self.definitions(context, &patch.remote_fields, Some(held)).await?;
        let change = Change::of_patch(held, patch, &definitions, self.region)?;
        let nothing_to_do = change.is_empty();
        let (body, expected, losses) = change.encode(self.format)?;
        Ok(Prepared {
            kind: WriteKind::Update,
            call: endpoints::update(&held.remote_id, body),
            losses,
            trail: Trail::of(Some(held.remote_id.clone()), &expected),
            expected,
            nothing_to_do,
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
        let contact = reply.decode(translate::decode_written).ok().flatten();
        Ok(Applied { remote_id: contact.as_ref().map(|contact| contact.remote_id.clone()), contact })
    }

    async fn read_back(&self, context: &CallContext, write: &Prepared, applied: &Applied) -> Result<Contact> {
        if let Some(id) = write.trail.remote_id.as_ref().or(applied.remote_id.as_ref()) {
            return self.get_contact(context, id).await;
        }
        let identity = write.trail.identity.clone().telling(SPEC.create_identity);
        let mut found = self.find_contacts(context, &identity).await?.matches;
        match (found.pop(), found.is_empty()) {
            (Some(row), true) => self.get_contact(context, &row.contact.remote_id).await,
            _ => Err(Failure::new(
                FailureKind::ContactNotFound,
                "The contact just written could not be found again.",
            )),
        }
    }
}

impl Aptly {
    /// Completes what a single read does not tell (several e-mails or phones, the times) from the list's row of the
    /// same contact, found by the first of e-mail, phone, name that it has.
    async fn complete(&self, context: &CallContext, single: Contact) -> Result<Contact> {
        let Some(search) = translate::search_for(&single, self.region) else { return Ok(single) };
        let reply = self.endpoints.list(context, 0, &[search]).await?;
        let rows = reply.decode(translate::decode_page)?.contacts;
        let row = rows.into_iter().find(|row| row.remote_id == single.remote_id);
        Ok(match row {
            Some(row) => translate::merge(single, row),
            None => single,
        })
    }

    /// The custom fields' ids and names, where a name must be resolved; Aptly shows them on contacts alone.
    async fn definitions(
        &self,
        context: &CallContext,
        sent: &RemoteFields,
        held: Option<&Contact>,
    ) -> Result<translate::Definitions> {
        let known = translate::Definitions::of(held);
        if !known.needed_for(sent) {
            return Ok(known);
        }
        let reply = self.endpoints.list(context, 0, &[]).await?;
        let rows = reply.decode(translate::decode_page)?;
        Ok(rows.contacts.iter().fold(known, translate::Definitions::and))
    }
}
