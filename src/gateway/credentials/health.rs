//! Whether a credential works, as calls show it. There are no probes in the background: a wrong password, repeated by all
//! replicas, would lock the CRM's user out.
//!
//! The state is in the database, so that replicas agree. It is written only when it changes.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::domain::{CredentialId, FailureKind, Provider, TenantId, Text};
use crate::store::{CheckRecord, CredentialRecord, CredentialStore, now};
use crate::telemetry::series;

/// The minimum time between two changes that this process writes. A credential that works on one path and is refused on another
/// would change with each call. What a call showed meanwhile is written at the end of this time: no other call may follow.
const APART: Duration = Duration::from_secs(5);

/// The health of one credential.
pub(super) struct CredentialHealth {
    store: Arc<dyn CredentialStore>,
    tenant: TenantId,
    id: CredentialId,
    provider: Provider,
    host: Text,
    known: Mutex<KnownHealth>,
}

#[derive(Default)]
struct KnownHealth {
    revision: i64,
    /// `None` as long as no check and no call has told.
    ok: Option<bool>,
    changed_at: Option<Instant>,
    /// What the last call showed since then, if it is not written yet: the failure that refused the credential, or `None` if it
    /// works.
    postponed: Option<Option<FailureKind>>,
}

impl CredentialHealth {
    pub(super) fn new(
        store: Arc<dyn CredentialStore>,
        tenant: TenantId,
        id: CredentialId,
        provider: Provider,
        host: Text,
    ) -> Arc<Self> {
        Arc::new(Self { store, tenant, id, provider, host, known: Mutex::default() })
    }

    /// Takes over the state in the database, which another process may have changed.
    pub(super) fn load(&self, record: &CredentialRecord) {
        let mut known = self.known.lock();
        known.revision = record.revision;
        known.ok = record.last_check.as_ref().and_then(CheckRecord::health);
    }

    pub(super) fn note_success(self: &Arc<Self>) {
        self.note(None);
    }

    /// Notes a failure, if it says that the CRM refuses the credential.
    pub(super) fn note_failure(self: &Arc<Self>, kind: FailureKind) {
        if FailureKind::CREDENTIAL_REFUSALS.contains(&kind) {
            self.note(Some(kind));
        }
    }

    /// Writes the state if it changed, in the background: no call waits for it.
    fn note(self: &Arc<Self>, refused: Option<FailureKind>) {
        let (ok, now_at) = (refused.is_none(), crate::clock::monotonic());
        let Ok(runtime) = Handle::try_current() else { return };
        let revision = {
            let mut known = self.known.lock();
            if let Some(shown) = &mut known.postponed {
                *shown = refused;
                return;
            }
            if known.ok == Some(ok) {
                return;
            }
            if let Some(end) = known.changed_at.map(|at| at + APART).filter(|end| *end > now_at) {
                known.postponed = Some(refused);
                runtime.spawn(Arc::clone(self).note_at(end));
                return;
            }
            (known.ok, known.changed_at) = (Some(ok), Some(now_at));
            known.revision
        };
        let code = refused.map(|kind| Text::from_static(kind.code()));
        let (at, health) = (now(), Arc::clone(self));
        runtime.spawn(async move {
            let check = CheckRecord { at, since: at, ok, code };
            match health.store.note_change(&health.tenant, &health.id, revision, &check).await {
                Ok(true) => health.log(&check),
                // Another process was faster, or the credential was changed meanwhile.
                Ok(false) => {}
                // It is written after the next call.
                Err(_) => health.known.lock().ok = None,
            }
        });
    }

    async fn note_at(self: Arc<Self>, end: Instant) {
        tokio::time::sleep_until(end).await;
        let postponed = self.known.lock().postponed.take();
        if let Some(shown) = postponed {
            self.note(shown);
        }
    }

    /// Logs that the credential works, or that it does not any more.
    fn log(&self, check: &CheckRecord) {
        log_change(&self.tenant, &self.id, self.provider, Some(&self.host), check);
    }
}

/// The same for a check of a credential, which may have no host: its secret may be unreadable.
pub(super) fn log_change(
    tenant: &TenantId,
    id: &CredentialId,
    provider: Provider,
    host: Option<&Text>,
    check: &CheckRecord,
) {
    let (host, code) = (host.map(Text::as_str), check.code.as_deref());
    let Some(ok) = check.health() else {
        tracing::warn!(%tenant, credential = %id, %provider, host, code, "the credential could not be checked");
        return;
    };
    series::credential_changed(provider, ok);
    if ok {
        tracing::info!(%tenant, credential = %id, %provider, host, "credential works");
    } else {
        tracing::warn!(%tenant, credential = %id, %provider, host, code, "credential stopped working");
    }
}
