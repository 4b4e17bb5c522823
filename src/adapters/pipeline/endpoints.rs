//! The pipeline CRM's routes: the call of each operation, with its errors checked.

use async_trait::async_trait;
use http::Method;
use secrecy::{ExposeSecret, SecretString};

use super::{SPEC, failure, translate, wire};
use crate::adapters::adapter::{AdapterSpec, Prepared, WriteKind};
use crate::adapters::contact_list::{ContactList, Parameter};
use crate::adapters::identity::IdentityKind;
use crate::adapters::reading::Rows;
use crate::adapters::session::{LogIn, Session};
use crate::adapters::settings::CredentialSecret;
use crate::domain::{CallContext, Failure, RemoteId, Result, Text};
use crate::json::{self, CheckedJson};
use crate::upstream::{Authorization, Call, Reply, RetrySafety};

const GET_PATH: &str = "/api/contacts/{id}";

/// The routes of one account, with the templates of the undocumented ones.
pub(super) struct PipelineEndpoints {
    session: Session,
    get_path: Text,
    delete_path: Option<Text>,
}

impl PipelineEndpoints {
    pub(super) fn new(session: Session, get_path: Option<Text>, delete_path: Option<Text>) -> Self {
        Self { session, get_path: get_path.unwrap_or(Text::from_static(GET_PATH)), delete_path }
    }

    pub(super) async fn verify_token(&self, context: &CallContext) -> Result<()> {
        self.session.renew(context).await?;
        let call = Call::new(Method::GET, "api/auth/verify-token");
        let reply = self.session.call(context, &call).await?;
        reply.read(context, failure::check_list).await.map(|_| ())
    }

    /// The pipeline with this id, else the organisation's default pipeline.
    pub(super) async fn pipeline(&self, context: &CallContext, id: Option<&str>) -> Result<Reply> {
        let mut call = Call::new(Method::GET, "api/pipelines").query("type", "Contact");
        if let Some(id) = id {
            call = call.query("pipelineId", id);
        }
        self.definition(context, call).await
    }

    /// The users of the organisation.
    pub(super) async fn users(&self, context: &CallContext) -> Result<Reply> {
        self.definition(context, Call::new(Method::GET, "api/user/list")).await
    }

    /// The custom fields of contacts, by section.
    pub(super) async fn sections(&self, context: &CallContext, organization: &str) -> Result<Reply> {
        let call = Call::new(Method::GET, "api/organizations/sections/{id}").with_id(organization);
        self.definition(context, call.query("type", "Contact")).await
    }

    /// A read of a definition, without retries: they would use up the time of the write that follows.
    async fn definition(&self, context: &CallContext, call: Call) -> Result<Reply> {
        let call = Call { repeat: RetrySafety::AfterRefusal, ..call };
        self.session.call(context, &call).await?.read(context, failure::check_list).await
    }

    pub(super) async fn get(&self, context: &CallContext, id: &RemoteId) -> Result<Reply> {
        let reply = self
            .session
            .call(context, &filled(Call::new(Method::GET, "{getPath}"), &self.get_path, id))
            .await?;
        reply.read(context, failure::check_get).await
    }

    /// Whether a setting gives the path of a delete.
    pub(super) const fn deletes_by_path(&self) -> bool {
        self.delete_path.is_some()
    }

    /// Deletes one contact: by the setting's path, else by the documented bulk delete with exactly one id.
    pub(super) fn delete(&self, id: &RemoteId) -> Result<Call> {
        if let Some(path) = &self.delete_path {
            return Ok(filled(Call::new(Method::DELETE, "{deletePath}"), path, id));
        }
        let body = serde_json::to_string(&wire::BulkDelete { contact_ids: [id.as_str()] });
        let body = body.map_err(|_| Failure::internal("a removal could not be written"))?;
        Ok(Call::new(Method::DELETE, "api/contacts/bulk-delete").body(body))
    }

    pub(super) async fn send(&self, context: &CallContext, write: &Prepared) -> Result<Reply> {
        let reply = self.session.call(context, &write.call).await?;
        let check = match write.kind {
            WriteKind::Delete => failure::check_delete,
            WriteKind::Create => failure::check_route,
            WriteKind::Update => failure::check,
        };
        reply.read_however_late(context, check).await
    }
}

#[async_trait]
impl ContactList for PipelineEndpoints {
    const SPEC: &'static AdapterSpec = &SPEC;
    const FIRST_PAGE: u64 = 1;

    /// `ownerFilter=all`, because the default shows only the user's own contacts.
    async fn ask(
        &self,
        context: &CallContext,
        number: u64,
        size: u64,
        parameters: &[Parameter],
    ) -> Result<Reply> {
        let mut call = Call::new(Method::GET, "api/contacts")
            .query("page", number.to_string())
            .query("size", size.to_string())
            .query("ownerFilter", "all");
        call.query.extend_from_slice(parameters);
        self.session.call(context, &call).await?.read(context, failure::check_list).await
    }

    fn decode(text: &CheckedJson) -> Result<Rows> {
        translate::decode_page(text)
    }

    /// The search parameter covers e-mails, numbers and names.
    fn search_parameter(_: Option<IdentityKind>) -> Option<&'static str> {
        Some("search")
    }
}

pub(super) fn bearer(token: &str) -> Result<Authorization> {
    Authorization::new("authorization", &format!("Bearer {token}"))
}

/// The login by e-mail and password.
pub(super) struct PasswordLogin {
    email: SecretString,
    password: SecretString,
}

impl PasswordLogin {
    pub(super) fn of(secret: &CredentialSecret) -> Self {
        Self { email: secret.expose("email").into(), password: secret.expose("password").into() }
    }
}

impl LogIn for PasswordLogin {
    fn call(&self) -> Result<Call> {
        let (email, password) = (self.email.expose_secret(), self.password.expose_secret());
        let body = serde_json::to_string(&wire::LoginRequest { email, password });
        let body = body.map_err(|_| Failure::internal("a login could not be written"))?;
        Ok(Call::new(Method::POST, "api/auth/login").body(body))
    }

    fn authorization(&self, reply: Reply) -> Result<Authorization> {
        let reply = failure::check_login(reply)?;
        let text = reply.json().map_err(|_| failure::no_token(&reply))?;
        let token = json::members(&text).and_then(|members| json::string(members.get("token")?.get()));
        // A token that no header can contain is not usable.
        token.and_then(|token| bearer(&token).ok()).ok_or_else(|| failure::no_token(&reply))
    }
}

/// The singular path: a POST to the plural path is a list.
pub(super) fn create(body: String) -> Call {
    Call::new(Method::POST, "api/contact").body(body)
}

/// The documented partial update. `PUT /api/contact` is not documented as partial.
pub(super) fn update(id: &RemoteId, body: String) -> Call {
    Call::new(Method::PATCH, "api/contacts/{id}").with_id(id.as_str()).body(body)
}

/// `call` to the path of a setting, with `id` in place of `{id}`. The path itself is not logged: a tenant chose it.
fn filled(call: Call, path: &str, id: &RemoteId) -> Call {
    let segments = path.split('/').filter(|segment| !segment.is_empty());
    Call { path: segments.map(str::to_owned).collect(), ..call }.with_id(id.as_str())
}
