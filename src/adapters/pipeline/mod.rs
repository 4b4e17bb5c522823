//! The pipeline CRM (its product name is Tether): what it can hold and find, and its adapter.
//!
//! Its phones are required and unique, its pages are counted from one, its POST on the plural path is a list, its
//! create answer is thin and oddly worded, and the paths of get and delete are documented nowhere: they are settings.

mod endpoints;
mod failure;
mod translate;
mod wire;

use std::sync::Arc;

use async_trait::async_trait;

use self::endpoints::PipelineEndpoints;
use self::translate::{PipelineChange, StagePair};
use super::adapter::{
    Account, Adapter, AdapterConnection, AdapterSpec, Applied, ContactIdentity, FieldSpec, FilterSpec,
    FilterSupport, IdentityKind, LookupResult, Moves, Operations, Prepared, Pushed, RecordLocator,
    RemoteFieldSpec, Verify, Write, WriteKind,
};
use super::identity::LookupKey;
use super::session::{Login, Session};
use super::settings::{SecretForm, SettingKind, SettingSpec};
use crate::blocking;
use crate::domain::{
    CallContext, Contact, ContactDraft, ContactPatch, Effect, Failure, FailureKind, Field, FilterName, Page,
    Position, Provider, ReadBy, Region, RemoteFields, RemoteId, Result,
};
use crate::upstream::Reply;

/// What is declared about the pipeline CRM.
pub(super) static SPEC: AdapterSpec = AdapterSpec {
    provider: Provider::new("pipeline"),
    title: "Tether (pipeline)",
    operations: Operations { create: true, update: true, delete: true },
    fields: FIELDS,
    remote_fields: REMOTE_FIELDS,
    filters: FILTERS,
    create_identity: IdentityKind::PhoneNumber,
    create_upserts: false,
    settings: SETTINGS,
    secrets: &[
        SecretForm {
            members: &["token"],
            note: "a session token of a user who sees all contacts, best an administrator",
        },
        SecretForm {
            members: &["email", "password"],
            note: "a login of such a user; the gateway logs in when it is needed and keeps the token in memory only",
        },
    ],
    default_base_url: None,
    limits: &[],
    examples: include_str!("examples.json"),
    connect,
};

const FIELDS: &[FieldSpec] = &[
    field(Field::FirstName, Some("`firstName`"), Write::Stored("`firstName`"), Verify::Exact),
    field(Field::LastName, Some("`lastName`"), Write::Stored("`lastName`"), Verify::Exact),
    field(Field::Account, None, Write::Never("the pipeline CRM has no company on a contact"), Verify::Never),
    field(
        Field::Addresses,
        None,
        Write::Never("the pipeline CRM has no address on a contact"),
        Verify::Never,
    ),
    field(Field::EmailAddresses, Some("`email`"), Write::Stored("`email`, lower-cased"), Verify::Normalised),
    field(
        Field::EmailAddressType,
        Some("`main` where `isPrimary`, else `secondary`"),
        Write::Partly("only which one is primary"),
        Verify::Never,
    ),
    FieldSpec {
        field: Field::PhoneNumbers,
        read: Some("`phoneNumber` and `secondaryPhoneNumber`"),
        write: Write::Stored("`phoneNumber`, as E.164, unique in the organisation; one is required"),
        verify: Verify::Normalised,
        required: true,
    },
    field(
        Field::PhoneNumberType,
        Some("`primary` where `isPrimary`, else `secondary`"),
        Write::Partly("only which one is primary; mobile, work and home do not survive"),
        Verify::Normalised,
    ),
    field(
        Field::RemoteFields,
        Some("every other key"),
        Write::Partly("`status`, `pipelineStage`, `pipelineId`; `process` on create"),
        Verify::Exact,
    ),
    field(Field::LastActivityAt, Some("`lastMessageTime`"), Write::ReadOnly, Verify::Never),
    field(Field::RemoteCreatedAt, Some("`createdAt`"), Write::ReadOnly, Verify::Never),
    field(Field::RemoteUpdatedAt, Some("`updatedAt`"), Write::ReadOnly, Verify::Never),
    field(Field::RemoteDeleted, None, Write::ReadOnly, Verify::Never),
];

const fn field(field: Field, read: Option<&'static str>, write: Write, verify: Verify) -> FieldSpec {
    FieldSpec { field, read, write, verify, required: false }
}

const REMOTE_FIELDS: &[RemoteFieldSpec] = &[
    RemoteFieldSpec {
        name: "status",
        aliases: &[],
        note: "name of a stage",
        verify: Verify::Normalised,
        moves: Moves::ByItself,
    },
    RemoteFieldSpec {
        name: "pipelineStage",
        aliases: &[],
        note: "id of a stage; null clears it",
        verify: Verify::Exact,
        moves: Moves::ByItself,
    },
    RemoteFieldSpec {
        name: "pipelineId",
        aliases: &[],
        note: "id of a pipeline",
        verify: Verify::Exact,
        moves: Moves::ByItself,
    },
    RemoteFieldSpec {
        name: "process",
        aliases: &[],
        note: "free tag, on create",
        verify: Verify::Exact,
        moves: Moves::WhenWritten,
    },
];

const FILTERS: &[FilterSpec] = &[
    FilterSpec {
        name: FilterName::RemoteCreatedAtMin,
        support: FilterSupport::Exact,
        upstream: "dateRange.start",
    },
    FilterSpec {
        name: FilterName::RemoteCreatedAtMax,
        support: FilterSupport::Exact,
        upstream: "dateRange.end",
    },
];

const SETTINGS: &[SettingSpec] = &[
    SettingSpec {
        name: "baseUrl",
        kind: SettingKind::BaseUrl,
        required: true,
        note: "Where your instance is, such as https://crm.example.com.",
    },
    setting("defaultRegion", SettingKind::Region, "Country of phone numbers written without a country code."),
    setting(
        "createDefaults",
        SettingKind::RemoteFields,
        "remoteFields of every create that does not name them, such as {\"status\": \"New Lead\"}.",
    ),
    setting(
        "allowDelete",
        SettingKind::Flag,
        "Whether contacts may be removed; the CRM removes their conversations and messages too. Default false.",
    ),
    setting("getPath", SettingKind::PathTemplate, "Path that reads one contact; default /api/contacts/{id}."),
    setting(
        "deletePath",
        SettingKind::PathTemplate,
        "Path that removes one contact; default: the documented bulk removal with one id.",
    ),
];

const fn setting(name: &'static str, kind: SettingKind, note: &'static str) -> SettingSpec {
    SettingSpec { name, kind, required: false, note }
}

fn connect(connection: AdapterConnection<'_>) -> Result<Arc<dyn Adapter>> {
    let AdapterConnection { settings, secret, upstream: anonymous } = connection;
    let session = match secret.expose("token") {
        "" => {
            let (user, password) = (secret.expose("email"), secret.expose("password"));
            Session::Login(Box::new(Login::new(
                anonymous,
                user,
                password,
                endpoints::PasswordLogin::of(secret),
            )))
        }
        token => Session::Fixed(Box::new(anonymous.authorized(endpoints::bearer(token)?))),
    };
    Ok(Arc::new(PipelineAdapter {
        endpoints: PipelineEndpoints::new(session, settings.text("getPath"), settings.text("deletePath")),
        region: Region::named(settings.text("defaultRegion").as_deref()),
        create_defaults: translate::defaults(settings.raw("createDefaults"))?,
        allow_delete: settings.flag("allowDelete"),
    }))
}

struct PipelineAdapter {
    endpoints: PipelineEndpoints,
    region: Region,
    create_defaults: RemoteFields,
    allow_delete: bool,
}

#[async_trait]
impl Adapter for PipelineAdapter {
    fn region(&self) -> Region {
        self.region
    }

    async fn probe(&self, context: &CallContext) -> Result<Account> {
        self.endpoints.verify_token(context).await?;
        // The token check names nobody; the first row of the list names the organisation.
        let reply = self.endpoints.list(context, 1, 1, &[]).await?;
        reply.read(context, |reply| reply.decode(translate::decode_account)).await
    }

    async fn read_page(
        &self,
        context: &CallContext,
        pushed: &Pushed,
        at: Position,
        limit: usize,
    ) -> Result<Page> {
        let filters = translate::encode_filters(pushed)?;
        let mut size = translate::page_size(at, limit);
        // The CRM may cap the size; with the one it echoes, the page is another one too.
        for _ in 0..2 {
            let page = (at.0 / size).saturating_add(1);
            let reply = self.endpoints.list(context, page, size, &filters).await?;
            let rows = reply.read(context, |reply| reply.decode(translate::decode_page)).await?;
            match rows.size {
                Some(echoed) if echoed != size => size = echoed,
                _ => return rows.from(at, page, page.saturating_sub(1).saturating_mul(size), size),
            }
        }
        Err(super::lenient_reader::unreadable("size", "the same in two answers"))
    }

    async fn get_contact(&self, context: &CallContext, id: &RemoteId) -> Result<Contact> {
        let reply = self.endpoints.get(context, id).await?;
        let decode = |reply: Reply| reply.decode(|text| translate::decode_single(text, id));
        let contact = reply.read(context, decode).await?;
        Ok(Contact { read_by: ReadBy::Id, ..contact })
    }

    async fn find_contacts(&self, context: &CallContext, by: &ContactIdentity) -> Result<LookupResult> {
        let mut found = LookupResult::nobody();
        for (term, wanted) in translate::searches(by, self.region) {
            if found.is_full() {
                found.complete = false;
                break;
            }
            let reply = self.endpoints.search(context, term).await?;
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
        let size = draft.remote_fields.size();
        let change =
            blocking::within(context, size, || PipelineChange::of_draft(&draft, self.region)).await??;
        let change = self.with_one_stage(context, change).await?;
        let (body, expected, losses) = blocking::within(context, size, || change.encode()).await??;
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
        let size = held.size() + patch.remote_fields.size();
        let change = || PipelineChange::of_patch(held, patch, self.region);
        let change = blocking::within(context, size, change).await??;
        let change = self.with_one_stage(context, change).await?;
        let is_noop = change.is_empty();
        let (body, expected, losses) = blocking::within(context, size, || change.encode()).await??;
        Ok(Prepared {
            kind: WriteKind::Update,
            call: endpoints::update(&held.remote_id, body),
            losses,
            locator: RecordLocator::of(Some(held.remote_id.clone()), &expected),
            expected,
            is_noop,
        })
    }

    async fn prepare_delete(&self, context: &CallContext, id: &RemoteId) -> Result<Prepared> {
        if !self.allow_delete {
            let detail = "Removing a contact also removes its conversations and messages, so it is off: set `allowDelete` in the credential's settings to allow it.";
            return Err(Failure::new(FailureKind::DeleteNotAllowed, detail));
        }
        // Beside contacts there are routes such as the removal of everything that a filter finds, and a template could
        // be made one of them by its id: what is removed by a path must be a contact that is there.
        if self.endpoints.deletes_by_path() {
            self.get_contact(context, id).await?;
        }
        Ok(Prepared {
            kind: WriteKind::Delete,
            call: self.endpoints.delete(id)?,
            losses: Vec::new(),
            expected: ContactPatch::default(),
            locator: RecordLocator { remote_id: Some(id.clone()), identity: ContactIdentity::default() },
            is_noop: false,
        })
    }

    async fn send(&self, context: &CallContext, write: &Prepared) -> Result<Applied> {
        let reply = self.endpoints.send(context, write).await?;
        if write.kind == WriteKind::Delete {
            // A path of the settings may answer nothing at all, as removals do.
            if !reply.body.is_empty() {
                let decode = |reply: Reply| reply.decode(translate::decode_deleted);
                reply.read_however_late(context, decode).await.map_err(unless_certain)?;
            }
            return Ok(Applied { remote_id: None, contact: None });
        }
        // A body that cannot be read does not undo the write: the read-back decides.
        let decode = |reply: Reply| reply.decode(translate::decode_written).ok().flatten();
        let contact = reply.read_however_late(context, decode).await;
        Ok(Applied { remote_id: contact.as_ref().map(|contact| contact.remote_id.clone()), contact })
    }

    async fn read_back(&self, context: &CallContext, write: &Prepared, applied: &Applied) -> Result<Contact> {
        let id = write.locator.remote_id.as_ref().or(applied.remote_id.as_ref());
        if let Some(id) = id {
            match self.get_contact(context, id).await {
                // Without a path that reads one contact, the list finds it by its phone; of a contact that was just
                // made, a 404 says no more than that.
                Err(failure) if unreadable_path(write.kind, failure.kind) => {}
                outcome => return outcome,
            }
        }
        let identity = write.locator.identity.clone().identifying(SPEC.create_identity);
        let found = self.find_contacts(context, &identity).await?.matches;
        let contacts = found.into_iter().map(|found| found.contact);
        let mut same = contacts.filter(|contact| id.is_none_or(|id| contact.remote_id == *id));
        match (same.next(), same.next()) {
            (Some(contact), None) => Ok(contact),
            _ => Err(Failure::new(
                FailureKind::ContactNotFound,
                "The contact just written could not be found again.",
            )),
        }
    }

    async fn read_other_way(&self, context: &CallContext, known: &Contact) -> Result<Option<Contact>> {
        for term in translate::terms_for(known, self.region) {
            let reply = self.endpoints.search(context, term).await?;
            let find = |reply: Reply| Ok(reply.decode(translate::decode_page)?.row_of(&known.remote_id));
            if let Some(row) = reply.read(context, find).await? {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }
}

impl PipelineAdapter {
    /// The change with one of two fields that name a stage. Which stage a name is the pipeline tells; where it cannot be
    /// read, the reading after the write shows whether both named the same.
    async fn with_one_stage(&self, context: &CallContext, change: PipelineChange) -> Result<PipelineChange> {
        let Some(StagePair { pipeline, .. }) = change.stage_pair() else { return Ok(change) };
        let read = async {
            let reply = self.endpoints.pipeline(context, pipeline.as_deref()).await?;
            reply.read(context, |reply| reply.decode(translate::decode_stages)).await
        };
        let stages = match read.await {
            Ok(stages) => Some(stages),
            Err(failure) if is_answered(&failure) => None,
            Err(failure) => return Err(failure),
        };
        change.with_one_stage(stages.as_ref())
    }
}

/// Whether the CRM answered that it does not show a pipeline here; a call that got no answer may succeed later.
fn is_answered(failure: &Failure) -> bool {
    let status = failure.upstream.and_then(|upstream| upstream.status);
    status.is_some_and(|status| matches!(status, 200..=299 | 400 | 403 | 404 | 405 | 422))
}

fn unreadable_path(kind: WriteKind, failure: FailureKind) -> bool {
    match kind {
        WriteKind::Create => {
            matches!(failure, FailureKind::OperationUnsupported | FailureKind::ContactNotFound)
        }
        WriteKind::Update => failure == FailureKind::OperationUnsupported,
        WriteKind::Delete => false,
    }
}

/// A removal whose answer cannot be read may have been done; one that says nobody was there has not.
fn unless_certain(failure: Failure) -> Failure {
    if failure.kind == FailureKind::ContactNotFound { failure } else { failure.with_effect(Effect::Unknown) }
}

impl LookupKey {
    /// What the CRM's search finds it by.
    fn term(&self) -> String {
        match self {
            Self::Email(email) => email.trim().to_owned(),
            Self::Phone(phone) => phone.search_digits().to_owned(),
        }
    }
}
