//! Aptly's routes: the call of each operation, with its errors checked.

use async_trait::async_trait;
use http::Method;

use super::{SPEC, failure, translate};
use crate::adapters::adapter::{AdapterSpec, Prepared, WriteKind};
use crate::adapters::contact_list::{ContactList, Parameter};
use crate::adapters::identity::IdentityKind;
use crate::adapters::reading::Rows;
use crate::domain::{CallContext, RemoteId, Result};
use crate::json::CheckedJson;
use crate::upstream::{Call, Reply, RetrySafety, Secrets, Upstream};

/// `GET /api/contacts` and related routes, for one account.
pub(super) struct AptlyEndpoints(Upstream);

impl AptlyEndpoints {
    pub(super) fn new(upstream: Upstream) -> Self {
        Self(upstream)
    }

    /// Secrets that must not appear in any text of this account.
    pub(super) const fn secrets(&self) -> &Secrets {
        self.0.secrets()
    }

    /// The account of the key; `None` if this version of the API does not have the route. Retries would use up the time of a
    /// write that follows.
    pub(super) async fn me(&self, context: &CallContext, repeat: RetrySafety) -> Result<Option<Reply>> {
        let call = Call { repeat, ..Call::new(Method::GET, "api/app/me") };
        let reply = self.0.call(context, &call).await?;
        if matches!(reply.status, 404 | 405) {
            return Ok(None);
        }
        reply.read(context, failure::check_list).await.map(Some)
    }

    /// The boards that the key may read.
    pub(super) async fn boards(&self, context: &CallContext) -> Result<Reply> {
        self.definition(context, Call::new(Method::GET, "api/boards")).await
    }

    pub(super) async fn board_configuration(&self, context: &CallContext, board: &str) -> Result<Reply> {
        let call = Call::new(Method::GET, "api/board/{id}/configuration").with_id(board);
        self.definition(context, call).await
    }

    /// A read of a definition, without retries: they would use up the time of the write that follows.
    async fn definition(&self, context: &CallContext, call: Call) -> Result<Reply> {
        let call = Call { repeat: RetrySafety::AfterRefusal, ..call };
        self.0.call(context, &call).await?.read(context, failure::check_list).await
    }

    pub(super) async fn get(&self, context: &CallContext, id: &RemoteId) -> Result<Reply> {
        let call = Call::new(Method::GET, "api/contacts/{id}").with_id(id.as_str());
        self.0.call(context, &call).await?.read(context, failure::check_get).await
    }

    /// Sends a prepared write. `POST /api/contacts/by-email` is never called: a version without that route
    /// could take the request as an update of a contact with the id `by-email`.
    pub(super) async fn send(&self, context: &CallContext, write: &Prepared) -> Result<Reply> {
        let reply = self.0.call(context, &write.call).await?;
        let check = match write.kind {
            WriteKind::Create => failure::check_route,
            WriteKind::Update | WriteKind::Delete => failure::check,
        };
        reply.read_however_late(context, check).await
    }
}

#[async_trait]
impl ContactList for AptlyEndpoints {
    const SPEC: &'static AdapterSpec = &SPEC;
    const FIRST_PAGE: u64 = 0;

    /// `page` is required. The CRM decides the page size.
    async fn ask(
        &self,
        context: &CallContext,
        number: u64,
        _: u64,
        parameters: &[Parameter],
    ) -> Result<Reply> {
        let mut call = Call::new(Method::GET, "api/contacts").query("page", number.to_string());
        call.query.extend_from_slice(parameters);
        self.0.call(context, &call).await?.read(context, failure::check_list).await
    }

    fn decode(text: &CheckedJson) -> Result<Rows> {
        translate::decode_page(text)
    }

    fn search_parameter(kind: Option<IdentityKind>) -> Option<&'static str> {
        match kind {
            None => Some("name"),
            Some(IdentityKind::EmailAddress) => Some("email"),
            Some(IdentityKind::PhoneNumber) => Some("phone"),
            Some(IdentityKind::RemoteField(_)) => None,
        }
    }
}

/// The upsert. Callers must look up every e-mail first.
pub(super) fn create(body: String) -> Call {
    Call::new(Method::POST, "api/contacts").body(body)
}

pub(super) fn update(id: &RemoteId, body: String) -> Call {
    Call::new(Method::POST, "api/contacts/{id}").with_id(id.as_str()).body(body)
}
