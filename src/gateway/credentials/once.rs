//! A new credential under an `Idempotency-Key`: stored once, whatever happens to its answer.

use std::sync::Arc;

use secrecy::ExposeSecret;

use super::access::{allow, check_unrestricted};
use super::{Credential, CredentialDraft, Credentials, settings};
use crate::domain::{CallContext, Caller, CredentialId, Failure, FailureKind, Result, Scope};
use crate::gateway::audit::Entry;
use crate::gateway::idempotency::{Begin, InFlightWrite, Past, RequestIdentity, StoredResponse};
use crate::gateway::listing::ListRow;
use crate::gateway::names;
use crate::store::CredentialRecord;

/// Makes the answer that shows a new credential; api's, so that what is recorded is what is answered.
pub type CredentialResponseBuilder = Arc<dyn Fn(&Credential) -> Result<StoredResponse> + Send + Sync>;

/// A new credential, and what goes along with it.
pub struct CredentialRequest {
    /// Deadline and request id.
    pub context: CallContext,
    /// Who asks.
    pub caller: Caller,
    /// What it shall be.
    pub draft: CredentialDraft,
    /// Whether its CRM must accept the secret first.
    pub verify: bool,
    /// The `Idempotency-Key` and what it stands for, where there is one.
    pub once: Option<RequestIdentity>,
    /// Makes the answer.
    pub render: CredentialResponseBuilder,
}

impl CredentialRequest {
    /// Runs in a task of its own: a caller who leaves must not leave a credential stored and its key open.
    pub(super) async fn run_to_its_end(
        self,
        credentials: Credentials,
        entry: Entry,
    ) -> Result<StoredResponse> {
        let task = tokio::spawn(async move { self.run(&credentials, entry).await });
        task.await.unwrap_or_else(|_| Err(Failure::internal("the task of a new credential ended early")))
    }

    async fn run(self, credentials: &Credentials, entry: Entry) -> Result<StoredResponse> {
        let mut attempt = match self.claim(credentials).await {
            Ok(Some(Begin::Answered(answer))) => return entry.end_replayed(answer).await,
            Ok(Some(Begin::Run(attempt))) => Some(*attempt),
            Ok(None) => None,
            Err(failure) => return entry.end(Err(failure)).await,
        };
        let was_cut = attempt.as_ref().is_some_and(|attempt| *attempt.past() == Past::Sent);
        let stored = self.store(credentials, attempt.as_mut(), was_cut).await;
        let stored = entry.end_on(stored, |made| Some(made.id.as_str().into())).await;
        let Some(attempt) = attempt else { return (self.render)(&stored?) };
        match stored {
            Ok(made) => attempt.record((self.render)(&made)?).await,
            // Whether the row was stored is not known; a replay finds it by its name.
            Err(failure) if was_cut || failure.kind == FailureKind::StoreUnavailable => {
                attempt.leave().await;
                Err(failure)
            }
            Err(failure) => {
                attempt.release().await?;
                Err(failure)
            }
        }
    }

    /// The right is checked before the key, so that a replay needs it too.
    async fn claim(&self, credentials: &Credentials) -> Result<Option<Begin>> {
        allow(&self.caller, Scope::CredentialsWrite)?;
        check_unrestricted(&self.caller, "add one")?;
        match &self.once {
            Some(once) => credentials.ledger.claim(&self.caller, None, once).await.map(Some),
            None => Ok(None),
        }
    }

    async fn store(
        &self,
        credentials: &Credentials,
        attempt: Option<&mut InFlightWrite>,
        was_cut: bool,
    ) -> Result<Credential> {
        // The name is this tenant's alone: who has it may be what the attempt before stored. Looked at before the CRM is
        // asked, which may be away now.
        if was_cut && let Some(stored) = credentials.stored_as(&self.caller, &self.draft).await? {
            return Ok(stored);
        }
        if let Some(attempt) = attempt {
            attempt.sending(None).await?;
        }
        let id = CredentialId::from(names::new_id("cred"));
        credentials.add(&self.context, &self.caller, id, self.draft.clone(), self.verify).await
    }
}

impl Credentials {
    /// The credential that says the same as `draft`, if there is one.
    async fn stored_as(&self, caller: &Caller, draft: &CredentialDraft) -> Result<Option<Credential>> {
        let mut after = None;
        loop {
            let batch = self.store.list(&caller.tenant, after.as_ref(), super::BATCH).await?;
            if let Some(held) = batch.iter().find(|held| held.name.as_str() == draft.name.trim()) {
                return if self.says_the_same(held, draft)? {
                    self.shown(held.clone()).map(Some)
                } else {
                    Ok(None)
                };
            }
            match batch.last() {
                Some(last) => after = Some(last.place()),
                None => return Ok(None),
            }
        }
    }

    fn says_the_same(&self, held: &CredentialRecord, draft: &CredentialDraft) -> Result<bool> {
        let settings = settings::merged("{}", draft.settings.as_str())?;
        let secret = self.opening.unseal(held)?;
        Ok(held.provider == draft.provider
            && held.settings.as_str() == settings
            && secret.expose_secret() == draft.secret.expose_secret())
    }
}
