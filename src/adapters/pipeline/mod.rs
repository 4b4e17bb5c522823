//! The pipeline CRM (product name Tether): its declaration and its adapter.
//!
//! Its phones are required and unique. Its pages are counted from one. A POST to the plural path is a list. The
//! response to a create has few fields. The paths of get and delete are not documented, so they are settings.

#[cfg(test)]
#[path = "../../../tests/costs/pipeline.rs"]
pub(super) mod costs;
mod endpoints;
mod failure;
mod translate;
mod wire;

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::FutureExt;

use self::endpoints::PipelineEndpoints;
use self::translate::{KnownPipelines, ListedUsers, PipelineChange, PipelineDefinition, StageWish};
use super::adapter::{
    Account, Adapter, AdapterConnection, AdapterSpec, Applied, FieldSpec, FilterSpec, LookupResult, Moves,
    Operations, Prepared, Pushed, RemoteFieldSpec, RemoteKind, Verify, Write, WriteKind,
};
use super::contact_list::{self, ContactList};
use super::definitions::{LiveDefinitions, LiveSource, RemoteFieldDefinition, SeenFields};
use super::identity::{ContactIdentity, IdentityKind};
use super::lenient_reader::unreadable;
use super::paging::{PageRows, Paging, Traversal};
use super::recent_definitions::{Age, KnownDefinition, RecentDefinitions, before_write, judged};
use super::session::{Login, Session};
use super::settings::{SecretForm, SettingKind, SettingSpec};
use crate::blocking;
use crate::domain::{
    CallContext, Contact, ContactDraft, ContactPatch, Effect, Failure, FailureKind, Field, FilterName, Page,
    PageToken, Provider, ReadBy, Region, RemoteFields, RemoteId, Result, Text,
};
use crate::upstream::Reply;

/// The declaration of the pipeline CRM.
pub(super) static SPEC: AdapterSpec = AdapterSpec {
    provider: Provider::new("pipeline"),
    name: "Tether",
    title: "Tether (pipeline)",
    operations: Operations { create: true, update: true, delete: true },
    fields: FIELDS,
    remote_fields: REMOTE_FIELDS,
    live: LIVE,
    filters: FILTERS,
    paging: Paging::Numbered { rows: PageRows::UpTo(translate::PAGE_SIZE), traversal: Traversal::ByCreation },
    identities: &[IdentityKind::PhoneNumber, IdentityKind::EmailAddress],
    create_upserts: false,
    settings: SETTINGS,
    secrets: &[
        SecretForm {
            members: &["token"],
            note: "a session token of a user who can see all contacts, preferably an administrator",
        },
        SecretForm {
            members: &["email", "password"],
            note: "the login of such a user; the gateway logs in when needed and keeps the token only in memory",
        },
    ],
    default_base_url: None,
    limits: &[],
    examples: include_str!("examples.json"),
    docs: include_str!("docs.md"),
    connect,
};

const FIELDS: &[FieldSpec] = &[
    FieldSpec::of(Field::FirstName, Some("`firstName`"), Write::Stored("`firstName`"), Verify::Exact),
    FieldSpec::of(Field::LastName, Some("`lastName`"), Write::Stored("`lastName`"), Verify::Exact),
    FieldSpec::of(
        Field::Account,
        None,
        Write::Never("contacts of the pipeline CRM have no company"),
        Verify::Never,
    ),
    FieldSpec::of(
        Field::Addresses,
        None,
        Write::Never("contacts of the pipeline CRM have no address"),
        Verify::Never,
    ),
    FieldSpec::of(
        Field::EmailAddresses,
        Some("`email`"),
        Write::Stored("`email`, lower-cased"),
        Verify::Normalised,
    ),
    FieldSpec::of(
        Field::EmailAddressType,
        Some("`main` if `isPrimary`, else `secondary`"),
        Write::Partly("only which one is primary"),
        Verify::Never,
    ),
    FieldSpec {
        field: Field::PhoneNumbers,
        read: Some("`phoneNumber` and `secondaryPhoneNumber`"),
        write: Write::Stored("`phoneNumber`, as E.164, unique in the organisation; at least one is required"),
        verify: Verify::Normalised,
        required: true,
        in_lists: true,
    },
    FieldSpec::of(
        Field::PhoneNumberType,
        Some("`primary` if `isPrimary`, else `secondary`"),
        Write::Partly("only which one is primary; mobile, work and home are lost"),
        Verify::Normalised,
    ),
    FieldSpec::of(
        Field::RemoteFields,
        Some("every other key"),
        Write::Partly("`status`, `pipelineStage`, `pipelineId`; `process` on create"),
        Verify::Exact,
    ),
    FieldSpec::read_only(Field::LastActivityAt, Some("`lastMessageTime`")),
    FieldSpec::read_only(Field::RemoteCreatedAt, Some("`createdAt`")),
    FieldSpec::read_only(Field::RemoteUpdatedAt, Some("`updatedAt`")),
    FieldSpec::read_only(Field::RemoteDeleted, None),
];

const REMOTE_FIELDS: &[RemoteFieldSpec] = &[
    RemoteFieldSpec {
        kind: RemoteKind::Choice,
        moves: Moves::ByItself,
        ..RemoteFieldSpec::of("status", "name of a stage", Verify::Normalised)
    },
    RemoteFieldSpec {
        kind: RemoteKind::Choice,
        moves: Moves::ByItself,
        ..RemoteFieldSpec::of("pipelineStage", "id of a stage; null clears it", Verify::Exact)
    },
    RemoteFieldSpec {
        kind: RemoteKind::Choice,
        moves: Moves::ByItself,
        ..RemoteFieldSpec::of("pipelineId", "id of a pipeline", Verify::Exact)
    },
    RemoteFieldSpec { on_create_only: true, ..RemoteFieldSpec::of("process", "free tag", Verify::Exact) },
];

const LIVE: &[LiveSource] = &[
    LiveSource {
        call: "GET /api/pipelines",
        gives: "the stages of the default pipeline, and of pipelines that contacts are in",
        refuses: Some(
            "a `status` or `pipelineStage` that the contact's pipeline does not have; both, if they are different stages",
        ),
    },
    LiveSource { call: "GET /api/user/list", gives: "users, for `userId` and `assignees`", refuses: None },
    LiveSource {
        call: "GET /api/organizations/sections/{id}",
        gives: "custom fields; the API does not say that they can be written",
        refuses: None,
    },
];
const PIPELINES: &LiveSource = &LIVE[0];
const USERS: &LiveSource = &LIVE[1];
const SECTIONS: &LiveSource = &LIVE[2];

/// How many pipelines a description reads. The CRM shows one at a time.
const PIPELINES_MOST: usize = 10;

/// `search` is not said to find e-mail addresses and secondary numbers, so these filters are not left to it.
const FILTERS: &[FilterSpec] = &[
    FilterSpec::narrows(FilterName::FirstName, "search"),
    FilterSpec::narrows(FilterName::FirstNameContains, "search"),
    FilterSpec::narrows(FilterName::LastName, "search"),
    FilterSpec::narrows(FilterName::LastNameContains, "search"),
    FilterSpec::narrows(FilterName::RemoteCreatedAtMin, "dateRange.start"),
    FilterSpec::narrows(FilterName::RemoteCreatedAtMax, "dateRange.end"),
];

const SETTINGS: &[SettingSpec] = &[
    SettingSpec {
        name: "baseUrl",
        kind: SettingKind::BaseUrl,
        required: true,
        note: "Base URL of your instance, such as https://crm.example.com.",
    },
    SettingSpec::optional(
        "defaultRegion",
        SettingKind::Region,
        "Country of phone numbers without a country code.",
    ),
    SettingSpec::optional(
        "createDefaults",
        SettingKind::RemoteFields,
        "Default `remoteFields` of creates, such as {\"status\": \"New Lead\"}.",
    ),
    SettingSpec::optional(
        "allowDelete",
        SettingKind::Flag,
        "Whether contacts may be deleted. The CRM also deletes their conversations and messages. Default: false.",
    ),
    SettingSpec::optional(
        "getPath",
        SettingKind::PathTemplate,
        "Path that reads one contact. Default: /api/contacts/{id}.",
    ),
    SettingSpec::optional(
        "deletePath",
        SettingKind::PathTemplate,
        "Path that deletes one contact. Default: the documented bulk delete with one id.",
    ),
    SettingSpec::optional(
        "rateLimit",
        SettingKind::CallRates,
        "Calls that this gateway may send, as {\"perMinute\": 60, \"perSecond\": 5}. It only lowers the limit of the CRM or of the gateway's operator. Default: no limit.",
    ),
];

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
        pipelines: RecentDefinitions::default(),
        users: RecentDefinitions::default(),
        sections: RecentDefinitions::default(),
    }))
}

struct PipelineAdapter {
    endpoints: PipelineEndpoints,
    region: Region,
    create_defaults: RemoteFields,
    allow_delete: bool,
    /// By id; the default one has no id.
    pipelines: RecentDefinitions<PipelineDefinition>,
    users: RecentDefinitions<ListedUsers>,
    sections: RecentDefinitions<Vec<RemoteFieldDefinition>>,
}

#[async_trait]
impl Adapter for PipelineAdapter {
    fn region(&self) -> Region {
        self.region
    }

    async fn probe(&self, context: &CallContext) -> Result<Account> {
        self.endpoints.verify_token(context).await?;
        self.account(context).await
    }

    async fn read_page(
        &self,
        context: &CallContext,
        pushed: &Pushed,
        at: Option<&PageToken>,
        limit: usize,
    ) -> Result<Page> {
        let filters = translate::encode_filters(pushed)?;
        contact_list::read_page(&self.endpoints, context, &filters, at, limit).await
    }

    async fn get_contact(&self, context: &CallContext, id: &RemoteId) -> Result<Contact> {
        let reply = self.endpoints.get(context, id).await?;
        let decode = |reply: Reply| reply.decode(|text| translate::decode_single(text, id));
        let contact = reply.read(context, decode).await?;
        Ok(Contact { read_by: ReadBy::Id, ..contact })
    }

    async fn find_contacts(&self, context: &CallContext, by: &ContactIdentity) -> Result<LookupResult> {
        contact_list::find_contacts(&self.endpoints, context, by, self.region).await
    }

    async fn prepare_create(&self, context: &CallContext, draft: &ContactDraft) -> Result<Prepared> {
        let draft = translate::RULES.with_defaults(draft, &self.create_defaults);
        let size = draft.remote_fields.size();
        let change =
            blocking::within(context, size, || PipelineChange::of_draft(&draft, self.region)).await??;
        let change = self.with_known_stage(context, change).await?;
        let (body, expected, losses) = blocking::within(context, size, || change.encode()).await??;
        Ok(Prepared::of(WriteKind::Create, &SPEC, None, endpoints::create(body), expected, losses))
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
        let change = self.with_known_stage(context, change).await?;
        let is_noop = change.is_empty();
        let (body, expected, losses) = blocking::within(context, size, || change.encode()).await??;
        let call = endpoints::update(&held.remote_id, body);
        Ok(Prepared {
            is_noop,
            ..Prepared::of(WriteKind::Update, &SPEC, Some(&held.remote_id), call, expected, losses)
        })
    }

    async fn prepare_delete(&self, context: &CallContext, id: &RemoteId) -> Result<Prepared> {
        if !self.allow_delete {
            let detail = "Deletes are disabled, because the CRM also deletes the contact's conversations and messages. To allow them, set `allowDelete` in the credential's settings.";
            return Err(Failure::new(FailureKind::DeleteNotAllowed, detail));
        }
        // A template with an unsuitable id could match another route, such as the bulk delete by filter. So a
        // path of the settings is only used for a contact that exists.
        if self.endpoints.deletes_by_path() {
            self.get_contact(context, id).await?;
        }
        let call = self.endpoints.delete(id)?;
        Ok(Prepared::of(WriteKind::Delete, &SPEC, Some(id), call, ContactPatch::default(), Vec::new()))
    }

    async fn send(&self, context: &CallContext, write: &Prepared) -> Result<Applied> {
        let reply = self.endpoints.send(context, write).await?;
        if write.kind == WriteKind::Delete {
            // A delete path of the settings may return an empty body.
            if !reply.body.is_empty() {
                let decode = |reply: Reply| reply.decode(translate::decode_deleted);
                reply.read_however_late(context, decode).await.map_err(unless_certain)?;
            }
            return Ok(Applied { remote_id: None, contact: None });
        }
        Ok(Applied::of(context, reply, translate::decode_written).await)
    }

    async fn read_back(&self, context: &CallContext, write: &Prepared, applied: &Applied) -> Result<Contact> {
        let id = write.locator.remote_id.as_ref().or(applied.remote_id.as_ref());
        if let Some(id) = id {
            match self.get_contact(context, id).await {
                // If there is no path that reads one contact, the list finds it by its phone. For a new contact
                // a 404 may only mean that.
                Err(failure) if unreadable_path(write.kind, failure.kind) => {}
                outcome => return outcome,
            }
        }
        let identity = write.locator.identity.identifying(SPEC.create_identity());
        contact_list::found_again(self.find_contacts(context, &identity).await?, id)
    }

    async fn read_other_way(&self, context: &CallContext, known: &Contact) -> Result<Option<Contact>> {
        contact_list::read_other_way(&self.endpoints, context, known, self.region).await
    }

    async fn describe(&self, context: &CallContext, seen: &SeenFields) -> LiveDefinitions {
        let mut live = LiveDefinitions::default();
        let half = context.with_timeout(context.remaining() / 2);
        let (users, pipelines) = tokio::join!(self.users(&half), self.seen_pipelines(&half, seen));
        let users = users.map_err(|failure| live.unread.push((USERS, failure))).ok();
        let pipelines = pipelines.unwrap_or_else(|failure| {
            live.unread.push((PIPELINES, failure));
            Vec::new()
        });
        let organization = users.as_ref().and_then(|users| users.organization.as_ref());
        let half = context.with_timeout(context.remaining() / 2);
        let sections = self.sections(&half, organization).await;
        let sections = sections.map_err(|failure| live.unread.push((SECTIONS, failure))).ok();
        let custom = sections.as_ref().map_or(&[][..], |sections| sections.as_slice());
        live.fields = translate::definitions(&pipelines, users.as_deref(), custom);
        live
    }
}

impl PipelineAdapter {
    /// The token check shows no account. The first row of the list shows the organisation.
    async fn account(&self, context: &CallContext) -> Result<Account> {
        let reply = self.endpoints.ask(context, 1, 1, &[]).await?;
        reply.read(context, |reply| reply.decode(translate::decode_account)).await
    }

    /// Checks the stage that the change names, and sends only one of the two fields that set it. If the pipeline cannot be
    /// read, the CRM and the read-back decide.
    async fn with_known_stage(
        &self,
        context: &CallContext,
        change: PipelineChange,
    ) -> Result<PipelineChange> {
        let Some(wish) = change.stage_wish().filter(|wish| wish.needs_pipeline()) else { return Ok(change) };
        let read = |age| self.known_pipelines(context, wish, age).boxed();
        judged(read, |known| change.clone().with_known_stage(known)).await
    }

    /// The pipelines that may have the stage, and whether one of them is a kept definition.
    async fn known_pipelines(
        &self,
        context: &CallContext,
        wish: &StageWish,
        age: Age,
    ) -> Result<(KnownPipelines, bool)> {
        // Of two fields the pipeline decides which one is sent, so it may take all the time.
        let context = if wish.is_pair() { context.clone() } else { before_write(context) };
        let known = |read: Result<KnownDefinition<PipelineDefinition>>| match read {
            Ok(known) => Ok((Some(known.value), known.is_kept)),
            Err(failure) if wish.is_pair() && !is_answered(&failure) => Err(failure),
            Err(_) => Ok((None, false)),
        };
        let (first, is_kept) = match known(self.pipeline(&context, wish.pipeline(), age).await) {
            // A call without a response may succeed now.
            Err(_) if age == Age::Kept => known(self.pipeline(&context, wish.pipeline(), Age::Now).await)?,
            outcome => outcome?,
        };
        let (default, default_is_kept) = match &first {
            Some(first) if wish.may_be_default(first) => {
                known(self.pipeline(&context, None, age).await).unwrap_or_default()
            }
            _ => (None, false),
        };
        Ok((KnownPipelines { first, default }, is_kept || default_is_kept))
    }

    async fn pipeline(
        &self,
        context: &CallContext,
        id: Option<&str>,
        age: Age,
    ) -> Result<KnownDefinition<PipelineDefinition>> {
        let read = async {
            let reply = self.endpoints.pipeline(context, id).await?;
            let pipeline = reply.read(context, |reply| reply.decode(translate::decode_pipeline)).await?;
            match (id, &pipeline.id) {
                (Some(id), Some(other)) if *other != *id => Err(unreadable("_id", "the requested pipeline")),
                _ => Ok(pipeline),
            }
        };
        self.pipelines.get(context, id.unwrap_or_default(), age, read).await
    }

    /// The default pipeline and those that contacts are in. Fails if the default one cannot be read.
    async fn seen_pipelines(
        &self,
        context: &CallContext,
        seen: &SeenFields,
    ) -> Result<Vec<Arc<PipelineDefinition>>> {
        let mut pipelines = vec![self.pipeline(context, None, Age::Kept).await?.value];
        for id in seen.values("pipelineId").take(PIPELINES_MOST) {
            if pipelines[0].id.as_ref() != Some(id)
                && let Ok(known) = self.pipeline(context, Some(id), Age::Kept).await
            {
                pipelines.push(known.value);
            }
        }
        Ok(pipelines)
    }

    async fn users(&self, context: &CallContext) -> Result<Arc<ListedUsers>> {
        let read = async {
            let reply = self.endpoints.users(context).await?;
            reply.read(context, |reply| reply.decode(translate::decode_users)).await
        };
        self.users.recent(context, "", read).await
    }

    /// The custom fields of the organisation. If no user shows its id, a contact does.
    async fn sections(
        &self,
        context: &CallContext,
        organization: Option<&Text>,
    ) -> Result<Arc<Vec<RemoteFieldDefinition>>> {
        let read = async {
            let organization = match organization {
                Some(id) => id.clone(),
                None => {
                    self.account(context).await?.id.ok_or_else(|| unreadable("organizationId", "shown"))?
                }
            };
            let reply = self.endpoints.sections(context, &organization).await?;
            reply.read(context, |reply| reply.decode(translate::decode_sections)).await
        };
        self.sections.recent(context, "", read).await
    }
}

/// Whether the CRM responded that it does not show a pipeline. A call without a response may succeed later.
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

/// If the response to a delete cannot be read, the delete may have been done. If the contact was not found, it
/// was not.
fn unless_certain(failure: Failure) -> Failure {
    if failure.kind == FailureKind::ContactNotFound { failure } else { failure.with_effect(Effect::Unknown) }
}
