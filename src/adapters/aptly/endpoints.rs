//! Aptly's routes: which call each operation is, sent and checked for refusal.

use http::Method;

use super::failure;
use crate::adapters::adapter::{Prepared, WriteKind};
use crate::domain::{CallContext, RemoteId, Result};
use crate::upstream::{Call, Reply, RetrySafety, Secrets, Upstream};

/// `GET /api/contacts` and its kin, for one account.
pub(super) struct AptlyEndpoints(Upstream);

impl AptlyEndpoints {
    pub(super) fn new(upstream: Upstream) -> Self {
        Self(upstream)
    }

    /// What may stand in no text of this account.
    pub(super) const fn secrets(&self) -> &Secrets {
        self.0.secrets()
    }

    /// Whose key it is; `None` where this version has no such route.
    pub(super) async fn me(&self, context: &CallContext) -> Result<Option<Reply>> {
        self.me_by(context, &Call::new(Method::GET, "api/app/me")).await
    }

    /// The same, asked once: a failure costs the write that comes after it no retries.
    pub(super) async fn me_once(&self, context: &CallContext) -> Result<Option<Reply>> {
        let call = Call { repeat: RetrySafety::AfterRefusal, ..Call::new(Method::GET, "api/app/me") };
        self.me_by(context, &call).await
    }

    async fn me_by(&self, context: &CallContext, call: &Call) -> Result<Option<Reply>> {
        let reply = self.0.call(context, call).await?;
        if matches!(reply.status, 404 | 405) {
            return Ok(None);
        }
        reply.read(context, failure::check_list).await.map(Some)
    }

    /// A page of the list, counted from 0. `page` is required; the page size is the CRM's own.
    pub(super) async fn list(
        &self,
        context: &CallContext,
        page: u64,
        filters: &[(&'static str, String)],
    ) -> Result<Reply> {
        let mut call = Call::new(Method::GET, "api/contacts").query("page", page.to_string());
        call.query.extend_from_slice(filters);
        self.0.call(context, &call).await?.read(context, failure::check_list).await
    }

    pub(super) async fn get(&self, context: &CallContext, id: &RemoteId) -> Result<Reply> {
        let call = Call::new(Method::GET, "api/contacts").segment(id.as_str());
        self.0.call(context, &call).await?.read(context, failure::check_get).await
    }

    /// Sends a prepared write. `POST /api/contacts/by-email` is never called: where that route does not exist the
    /// same request could be read as an update of a contact named `by-email`.
    pub(super) async fn send(&self, context: &CallContext, write: &Prepared) -> Result<Reply> {
        let reply = self.0.call(context, &write.call).await?;
        let check = match write.kind {
            WriteKind::Create => failure::check_route,
            WriteKind::Update | WriteKind::Delete => failure::check,
        };
        reply.read_however_late(context, check).await
    }
}

/// The upsert. Whoever sends it has looked up every e-mail first.
pub(super) fn create(body: String) -> Call {
    Call::new(Method::POST, "api/contacts").body(body)
}

pub(super) fn update(id: &RemoteId, body: String) -> Call {
    Call::new(Method::POST, "api/contacts").segment(id.as_str()).body(body)
}
