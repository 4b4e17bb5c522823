//! Creating a credential with an `Idempotency-Key`.

use std::sync::Arc;

use futures_util::FutureExt;
use secrecy::ExposeSecret;

use super::access::check_unrestricted;
use super::{Credential, CredentialDraft, Credentials, settings};
use crate::domain::{CallContext, Caller, CredentialId, FailureKind, Result, Scope};
use crate::gateway::audit::Entry;
use crate::gateway::listing::ListRow;
use crate::gateway::names;
use crate::gateway::writes::{
    Begin, InFlightWrite, RequestIdentity, StoredResponse, WriteState, end, run_to_completion,
};
use crate::store::CredentialRecord;

/// Builds the response for a new credential. The API provides it, so that the recorded response is the sent one.
pub type CredentialResponseBuilder = Arc<dyn Fn(&Credential) -> Result<StoredResponse> + Send + Sync>;

/// A request for a new credential.
pub struct CredentialRequest {
    pub context: CallContext,
    pub caller: Caller,
    pub draft: CredentialDraft,
    /// Whether the CRM must accept the secret first.
    pub verify: bool,
    /// The `Idempotency-Key` and the request's identity, if there is one.
    pub identity: Option<RequestIdentity>,
    pub render: CredentialResponseBuilder,
}

impl CredentialRequest {
    /// Checks the permission, claims the key, stores the credential, and records the response.
    pub(super) async fn run(self, credentials: Credentials, entry: Entry) -> Result<StoredResponse> {
        let context = self.context.clone();
        let run = async move {
            let mut in_flight = match self.claim(&credentials).await {
                Ok(Some(Begin::Replay(response))) => {
                    self.context.record.note_replayed();
                    return entry.end_replayed(response).await;
                }
                Ok(Some(Begin::Started(write))) => Some(*write),
                Ok(None) => None,
                Err(failure) => return entry.end(Err(failure)).await,
            };
            let stored = self.store(&credentials, in_flight.as_mut()).await;
            let stored = entry.end_on(stored, |made| Some(made.id.as_str().into())).await;
            end(in_flight, stored.and_then(|made| (self.render)(&made))).await
        };
        run_to_completion(&context, run.boxed()).await
    }

    /// The permission is checked before the key, so a replay needs it too.
    async fn claim(&self, credentials: &Credentials) -> Result<Option<Begin>> {
        self.caller.require(Scope::CredentialsWrite)?;
        check_unrestricted(&self.caller, "add one")?;
        match &self.identity {
            Some(once) => credentials.ledger.claim(&self.caller, None, once).await.map(Some),
            None => Ok(None),
        }
    }

    async fn store(
        &self,
        credentials: &Credentials,
        in_flight: Option<&mut InFlightWrite>,
    ) -> Result<Credential> {
        let id = CredentialId::from(names::new_id("cred"));
        let add = credentials.add(&self.context, &self.caller, id, self.draft.clone(), self.verify);
        let Some(write) = in_flight else { return add.await };
        // The name is unique in the tenant, so an earlier request may have stored the credential with it. This is checked
        // before the CRM is called, which may be unavailable now.
        if *write.state() == WriteState::Sent
            && let Some(stored) = credentials.stored_as(&self.caller, &self.draft).await?
        {
            return Ok(stored);
        }
        let before = write.state().clone();
        write.sending(None).await?;
        let added = add.await;
        // After `StoreUnavailable` it is unknown whether the row was stored; a replay finds it by its name.
        if added.as_ref().is_err_and(|failure| failure.kind != FailureKind::StoreUnavailable) {
            write.not_sent(before);
        }
        added
    }
}

impl Credentials {
    /// The stored credential with the content of `draft`, if there is one.
    async fn stored_as(&self, caller: &Caller, draft: &CredentialDraft) -> Result<Option<Credential>> {
        let mut after = None;
        loop {
            let batch = self.store.list(&caller.tenant, after.as_ref(), super::BATCH).await?;
            if let Some(held) = batch.iter().find(|held| held.name.as_str() == draft.name.trim()) {
                return if self.has_same_content(held, draft)? {
                    self.shown(held.clone()).map(Some)
                } else {
                    Ok(None)
                };
            }
            match batch.last() {
                Some(last) => after = Some(last.position()),
                None => return Ok(None),
            }
        }
    }

    fn has_same_content(&self, held: &CredentialRecord, draft: &CredentialDraft) -> Result<bool> {
        let settings = settings::merged("{}", draft.settings.as_str())?;
        let secret = self.resolver.unseal(held)?;
        Ok(held.provider == draft.provider
            && held.settings.as_str() == settings
            && secret.expose_secret() == draft.secret.expose_secret())
    }
}
