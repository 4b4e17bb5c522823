//! The audit record of one operation, from its beginning to its end or its interruption.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::domain::{Failure, FailureKind, Result, Text};
use crate::store::{AuditRecord, AuditStore};
use crate::telemetry::series::{self, PendingAudit};

/// The outcome of a confirmed operation.
const OK: &str = "ok";
/// The outcome of a replay under a key, which returned the recorded response.
const REPLAYED: &str = "replayed";
/// The outcome of an operation whose caller disconnected. Its effect is not known here.
pub(super) const CUT_OFF: &str = "cut_off";
/// How long a response waits for its record. After that, the record is written in the background.
const PATIENCE: Duration = Duration::from_secs(2);
/// The pauses between attempts to append a record.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(3)];
/// The longest id of a caller that is recorded.
const LONGEST_ID: usize = 128;

/// An operation that has begun. If it is dropped before its end, it is recorded as cut off.
pub(in crate::gateway) struct Entry {
    store: Arc<dyn AuditStore>,
    record: Option<AuditRecord>,
}

impl Entry {
    pub(super) fn new(store: Arc<dyn AuditStore>, record: AuditRecord) -> Self {
        Self { store, record: Some(record) }
    }

    /// Sets the id of the object. A caller may send any text as an id, so a text that does not look like an id is left
    /// out.
    pub(in crate::gateway) fn on(mut self, id: &str) -> Self {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        let looks_like_an_id = (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(plain);
        if let (Some(record), true) = (&mut self.record, looks_like_an_id) {
            record.target = Some(id.into());
        }
        self
    }

    /// Sets the names of the fields in the request.
    pub(in crate::gateway) fn giving(mut self, fields: Vec<Text>) -> Self {
        if let Some(record) = &mut self.record {
            record.fields = fields;
        }
        self
    }

    /// Records that the recorded response of an earlier request was returned, and nothing else was done.
    pub(in crate::gateway) async fn end_replayed<T>(self, response: T) -> Result<T> {
        self.store(|record| record.outcome = Text::from_static(REPLAYED)).await;
        Ok(response)
    }

    /// Records nothing: the operation changes nothing.
    pub(in crate::gateway) fn discard(mut self) {
        self.record = None;
    }

    /// Records the outcome and returns it.
    pub(in crate::gateway) async fn end<T>(self, outcome: Result<T>) -> Result<T> {
        self.end_on(outcome, |_| None).await
    }

    /// Like [`Self::end`], but takes the id of the object from the result.
    pub(in crate::gateway) async fn end_on<T>(
        self,
        outcome: Result<T>,
        target: impl FnOnce(&T) -> Option<Text>,
    ) -> Result<T> {
        self.store(|record| match &outcome {
            Ok(done) => {
                record.outcome = Text::from_static(OK);
                record.target = target(done).or(record.target.take());
            }
            Err(failure) => fail(record, failure),
        })
        .await;
        outcome
    }

    async fn store(mut self, complete: impl FnOnce(&mut AuditRecord)) {
        let Some(mut record) = self.record.take() else { return };
        complete(&mut record);
        // In its own task, so the record is written even if the caller disconnects.
        let _ = timeout(PATIENCE, tokio::spawn(append(Arc::clone(&self.store), record))).await;
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if let Some(record) = self.record.take() {
            let _ = written(Arc::clone(&self.store), record);
        }
    }
}

/// Writes a record in the background. Returns `None` if the runtime is already gone because the process ends.
pub(super) fn written(store: Arc<dyn AuditStore>, record: AuditRecord) -> Option<JoinHandle<()>> {
    Handle::try_current().ok().map(|runtime| runtime.spawn(append(store, record)))
}

/// Records a failure. An id that does not exist is not recorded, because it may be any text of the caller.
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

/// Appends with retries. A record that is already stored is not stored again.
async fn append(store: Arc<dyn AuditStore>, record: AuditRecord) {
    let _pending = PendingAudit::begin();
    for pause in PAUSES {
        if store.append(&record).await.is_ok() {
            return;
        }
        sleep(pause).await;
    }
    if let Err(failure) = store.append(&record).await {
        series::audit_unstored();
        log_unstored(&record, &failure);
    }
}

/// Logs a record that could not be stored. The id of a token's subject stays out because it may identify a person.
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
        "AUDIT RECORD NOT STORED"
    );
}
