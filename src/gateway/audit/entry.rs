//! The record of one operation from its beginning to its end, whatever cuts it off.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::domain::{Failure, FailureKind, Result, Text};
use crate::store::{AuditRecord, AuditStore};

/// The outcome of what was done and confirmed.
const OK: &str = "ok";
/// The outcome of a write under a key whose answer was recorded before.
const REPLAYED: &str = "replayed";
/// The outcome of an operation whose caller went away: what it did is not known here.
pub(super) const CUT_OFF: &str = "cut_off";
/// How long an answer waits for its record; the record is written on behind it.
const PATIENCE: Duration = Duration::from_secs(2);
/// When an append that failed is tried again.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(3)];
/// Ids that a caller gives are recorded up to this length.
const LONGEST_ID: usize = 128;

/// An operation that has begun. Dropped before its end, it is recorded as cut off.
pub(in crate::gateway) struct Entry {
    store: Arc<dyn AuditStore>,
    record: Option<AuditRecord>,
}

impl Entry {
    pub(super) fn new(store: Arc<dyn AuditStore>, record: AuditRecord) -> Self {
        Self { store, record: Some(record) }
    }

    /// The same, of an operation on `id`. A caller may write anything where an id stands: what does not look like
    /// one is left out.
    pub(in crate::gateway) fn on(mut self, id: &str) -> Self {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        let looks_like_an_id = (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(plain);
        if let (Some(record), true) = (&mut self.record, looks_like_an_id) {
            record.target = Some(id.into());
        }
        self
    }

    /// The same, of an operation that is given members of these names.
    pub(in crate::gateway) fn giving(mut self, fields: Vec<Text>) -> Self {
        if let Some(record) = &mut self.record {
            record.fields = fields;
        }
        self
    }

    /// Records that the recorded answer of an earlier request was given again, and nothing done.
    pub(in crate::gateway) async fn end_replayed<T>(mut self, answer: T) -> Result<T> {
        if let Some(mut record) = self.record.take() {
            record.outcome = Text::from_static(REPLAYED);
            let _ = timeout(PATIENCE, tokio::spawn(append(Arc::clone(&self.store), record))).await;
        }
        Ok(answer)
    }

    /// Records how the operation ended, and answers just that.
    pub(in crate::gateway) async fn end<T>(self, outcome: Result<T>) -> Result<T> {
        self.end_on(outcome, |_| None).await
    }

    /// The same, of an operation that tells what it was done to.
    pub(in crate::gateway) async fn end_on<T>(
        mut self,
        outcome: Result<T>,
        target: impl FnOnce(&T) -> Option<Text>,
    ) -> Result<T> {
        if let Some(mut record) = self.record.take() {
            match &outcome {
                Ok(done) => {
                    record.outcome = Text::from_static(OK);
                    record.target = target(done).or(record.target);
                }
                Err(failure) => fail(&mut record, failure),
            }
            // A task of its own, so that a caller who leaves now takes no record along.
            let _ = timeout(PATIENCE, tokio::spawn(append(Arc::clone(&self.store), record))).await;
        }
        outcome
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if let Some(record) = self.record.take() {
            let _ = written(Arc::clone(&self.store), record);
        }
    }
}

/// Writes a record behind whoever waits; there is no task where the process is ending already.
pub(super) fn written(store: Arc<dyn AuditStore>, record: AuditRecord) -> Option<JoinHandle<()>> {
    Handle::try_current().ok().map(|runtime| runtime.spawn(append(store, record)))
}

/// What is not there is no target: where an id stands that nobody has, a caller may have written anything.
fn fail(record: &mut AuditRecord, failure: &Failure) {
    record.outcome = Text::from_static(failure.kind.code());
    match failure.kind {
        FailureKind::TenantNotFound => (record.tenant, record.target) = (None, None),
        FailureKind::CredentialNotFound | FailureKind::ContactNotFound | FailureKind::KeyNotFound => {
            record.target = None;
        }
        _ => {}
    }
}

/// Appends, with patience: the append of a record that is there already changes nothing.
async fn append(store: Arc<dyn AuditStore>, record: AuditRecord) {
    for pause in PAUSES {
        if store.append(&record).await.is_ok() {
            return;
        }
        sleep(pause).await;
    }
    if let Err(failure) = store.append(&record).await {
        log_unstored(&record, &failure);
    }
}

/// The log gets what the audit lacks; whom an issuer names may be a person and stays out.
fn log_unstored(record: &AuditRecord, failure: &Failure) {
    let AuditRecord { id, at, actor_kind, actor_id, tenant, action, target, fields, outcome, request_id } =
        record;
    let shown = |text: &Option<Text>| text.as_deref().unwrap_or("none").to_owned();
    let names: Vec<&str> = fields.iter().map(Text::as_str).collect();
    tracing::error!(
        id = id.as_str(),
        at = %at,
        actor = actor_kind.as_str(),
        key = if actor_kind == "key" { shown(actor_id) } else { "none".to_owned() },
        tenant = tenant.as_ref().map_or("none", |tenant| tenant.as_str()),
        action = action.as_str(),
        target = shown(target),
        fields = names.join(" "),
        outcome = outcome.as_str(),
        request_id = shown(request_id),
        reason = failure.kind.code(),
        "THE AUDIT LACKS A RECORD: it could not be stored, and this line stands for it"
    );
}
