//! A request to write a contact, from the check of scopes to the stored response: authorization, the
//! idempotency key, the dry run, and the record of the outcome.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::timeout;

use super::condition::Condition;
use super::dry_run::{DryRun, DryRunBuilder};
use super::operation::WriteOperation;
use super::{ContactView, WriteOptions, create, delete, update, upsert};
use crate::adapters::IdentityKind;
use crate::blocking;
use crate::config::crash_point;
use crate::domain::{
    CallContext, Caller, ContactDraft, ContactPatch, ContactUpsert, CredentialId, Effect, Failure, Result,
    Scope, Text,
};
use crate::gateway::audit::Entry;
use crate::gateway::credentials::{ConnectedCredential, Credentials};
use crate::gateway::writes::{
    Begin, InFlightWrite, Ledger, Locks, RequestIdentity, StoredResponse, WriteState, end, run_to_completion,
};
use crate::store;

/// Builds the response of a write, or of a final failure. It comes from `api`, so that the stored response is
/// the sent one.
pub type ResponseBuilder =
    Arc<dyn Fn(std::result::Result<&ContactView, &Failure>) -> Result<StoredResponse> + Send + Sync>;

/// The parameters that all kinds of writes have.
pub struct WriteRequest {
    /// Deadline and request id.
    pub context: CallContext,
    pub caller: Caller,
    pub credential: CredentialId,
    pub options: WriteOptions,
    /// The caller's condition on the current contact. Creates and upserts have none.
    pub condition: Option<Condition>,
    /// The `Idempotency-Key` with the fingerprint of the request; `None` without a key.
    pub identity: Option<RequestIdentity>,
    pub render: ResponseBuilder,
    /// For a dry run, which ends before the write is sent: builds its response.
    pub dry_run: Option<DryRunBuilder>,
}

/// Dependencies of all writes. Clones share everything.
#[derive(Clone)]
pub(super) struct WriteDeps {
    pub(super) credentials: Credentials,
    pub(super) locks: Locks,
    pub(super) ledger: Ledger,
    /// The time between the two lookups that prove that a lost create was not applied.
    pub(super) settle: Duration,
}

/// What a write does.
pub(super) enum ContactWrite {
    Create(ContactDraft),
    /// Changes the contact with this id.
    Update(Text, ContactPatch),
    /// By values of these kinds; `None` for those that identify contacts in the CRM.
    Upsert(Box<ContactUpsert>, Option<Vec<IdentityKind>>),
    /// Deletes the contact with this id.
    Delete(Text),
}

/// Carries out `write`. Each operation has a file of its own. Its future is boxed, so that a
/// delete does not carry the size of an upsert.
async fn carry_out(operation: &mut WriteOperation<'_>, write: ContactWrite) -> Result<ContactView> {
    match write {
        ContactWrite::Create(draft) => create::create(operation, draft).boxed().await,
        ContactWrite::Update(id, patch) => update::update(operation, &id, patch).boxed().await,
        ContactWrite::Upsert(upsert, match_on) => {
            upsert::upsert(operation, *upsert, match_on.as_deref()).boxed().await
        }
        ContactWrite::Delete(id) => delete::delete(operation, &id).boxed().await,
    }
}

impl WriteRequest {
    /// Runs `write` to its end, from the check of scopes to the stored response. The key is claimed after that
    /// check, so that a replay needs the scope too. It is claimed before any read, so that a write with a key
    /// runs once.
    pub(super) async fn run(
        self,
        deps: WriteDeps,
        entry: Entry,
        write: ContactWrite,
    ) -> Result<StoredResponse> {
        if let Some(build) = self.dry_run.clone() {
            entry.discard();
            return self.rehearse(&deps, &build, write).await;
        }
        let context = self.context.clone();
        let run = async move {
            let opened = match self.authorise(&deps.credentials).await {
                Ok(opened) => opened,
                Err(failure) => return entry.end(Err(failure)).await,
            };
            let in_flight = match self.claim(&deps.ledger).await {
                Ok(Some(Begin::Started(write))) => {
                    crash_point("reserved");
                    Some(*write)
                }
                Ok(Some(Begin::Replay(response))) => {
                    self.context.record.note_replayed();
                    return entry.end_replayed(response).await;
                }
                Ok(None) => None,
                Err(failure) => return entry.end(Err(failure)).await,
            };
            let mut operation = self.operation(&deps, &opened, in_flight);
            let outcome = carry_out(&mut operation, write).await;
            let in_flight = operation.in_flight.take();
            drop(operation);
            opened.note(&outcome);
            match &outcome {
                Ok(view) => self.context.record.note_warnings(&view.warnings),
                Err(failure) => self.context.record.note_failure(failure),
            }
            // The response is stored before anything else is awaited: an unstored outcome must be searched for
            // again.
            let response = match (&outcome, &in_flight) {
                (Ok(view), _) => self.rendered(view).await,
                (Err(failure), Some(_)) if failure.effect == Effect::Final => (self.render)(Err(failure)),
                (Err(failure), _) => Err(failure.clone()),
            };
            if in_flight.is_some() {
                crash_point("before_record");
            }
            // Together, so that one commit stores both.
            let audited = entry.end_on(outcome, |view| Some(view.id.clone()));
            let (response, _) = tokio::join!(end(in_flight, response), audited);
            crash_point("recorded");
            response
        };
        let response = run_to_completion(&context, run.boxed()).await;
        crash_point("answered");
        response
    }

    /// Runs `write` until it would send. Claims no key and takes no locks: nothing is written that could be written twice.
    /// Fails as the write would, and with `invalid_parameter` if there is a key.
    async fn rehearse(
        self,
        deps: &WriteDeps,
        build: &DryRunBuilder,
        write: ContactWrite,
    ) -> Result<StoredResponse> {
        if self.identity.is_some() {
            let detail = "A dry run writes nothing and stores nothing. Send it without an Idempotency-Key.";
            return Err(Failure::parameter("dryRun", detail));
        }
        let opened = self.authorise(&deps.credentials).await?;
        let mut operation = self.operation(deps, &opened, None);
        let outcome = carry_out(&mut operation, write).await;
        opened.note(&outcome);
        let plan = match (operation.planned.take(), outcome) {
            (Some(plan), _) => plan,
            // Nothing is to be sent: the contact has the values already.
            (None, Ok(view)) => DryRun { calls: Vec::new(), warnings: view.warnings },
            (None, Err(failure)) => return Err(failure),
        };
        self.context.record.note_warnings(&plan.warnings);
        blocking::within(&self.context, plan.size(), || build(&plan)).await?
    }

    async fn authorise(&self, credentials: &Credentials) -> Result<ConnectedCredential> {
        self.caller.require(Scope::ContactsWrite)?;
        credentials.open(&self.context, &self.caller, &self.credential).await
    }

    /// Respects the deadline: a database that hangs must not block the caller.
    async fn claim(&self, ledger: &Ledger) -> Result<Option<Begin>> {
        let Some(identity) = &self.identity else { return Ok(None) };
        let identity = match &self.condition {
            None => identity,
            Some(condition) => &identity.under(&condition.canonical()),
        };
        let claim = ledger.claim(&self.caller, Some(&self.credential), identity);
        let claimed = timeout(self.context.remaining(), claim).await.unwrap_or_else(|_| {
            let detail = "The database did not respond in time. Nothing was sent. Try again.";
            Err(store::timed_out(detail))
        });
        claimed.map(Some)
    }

    async fn rendered(&self, view: &ContactView) -> Result<StoredResponse> {
        blocking::however_late(&self.context, view.contact.size(), || (self.render)(Ok(view))).await
    }

    /// The write through `opened`, under the key of `in_flight` if it has one.
    fn operation<'a>(
        &'a self,
        deps: &'a WriteDeps,
        opened: &'a ConnectedCredential,
        in_flight: Option<InFlightWrite>,
    ) -> WriteOperation<'a> {
        WriteOperation {
            context: &self.context,
            options: self.options,
            condition: self.condition.as_ref(),
            tenant: &self.caller.tenant,
            opened,
            settle: deps.settle,
            locks: &deps.locks,
            locks_held: Vec::new(),
            sent_before: in_flight.as_ref().is_some_and(|write| *write.state() == WriteState::Sent),
            in_flight,
            created_after: None,
            is_dry_run: self.dry_run.is_some(),
            planned: None,
        }
    }
}
