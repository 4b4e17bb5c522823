//! Rotation of the master key: seals every stored secret under the current key, while servers run.

use std::sync::Arc;

use secrecy::ExposeSecret;

use super::resolver::bound_to;
use crate::domain::{Actor, CredentialId, Failure, FailureKind, Result, TenantId};
use crate::gateway::audit::{Action, Audit};
use crate::sealing::{HEAD, Sealer};
use crate::store::{SealedRecord, SealedStore};

/// How many secrets are read at once.
const PAGE: u32 = 50;
/// How often all rows are read. A secret that its owner changed meanwhile is sealed again in the next pass.
const WALKS: usize = 5;

/// Stored secrets, and the keys that seal them.
pub struct Rotation {
    store: SealedStore,
    sealer: Arc<Sealer>,
    audit: Audit,
}

/// How many secrets are sealed under which keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyUsage {
    /// Under the current key.
    pub current: u64,
    /// Under a given previous key.
    pub previous: u64,
    /// Under no given key.
    pub closed: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rotated {
    /// How many secrets were sealed again.
    pub resealed: u64,
    /// How many are not sealed under the current key, including unreadable ones.
    pub left: u64,
    /// The credentials whose secrets could not be opened.
    pub unreadable: Vec<(TenantId, CredentialId)>,
}

impl KeyUsage {
    /// Counts the secrets with these heads, each [`HEAD`] bytes long.
    #[must_use]
    pub fn of(heads: Vec<(Vec<u8>, u64)>, sealer: &Sealer) -> Self {
        let mut usage = Self::default();
        for (head, secrets) in heads {
            let count = match head {
                head if head == sealer.head() => &mut usage.current,
                head if sealer.knows(&head) => &mut usage.previous,
                _ => &mut usage.closed,
            };
            *count += secrets;
        }
        usage
    }
}

impl Rotation {
    #[must_use]
    pub fn new(store: SealedStore, sealer: Arc<Sealer>, audit: Audit) -> Self {
        Self { store, sealer, audit }
    }

    /// Reads the heads of all stored secrets, and opens none.
    pub async fn seals(&self) -> Result<KeyUsage> {
        Ok(KeyUsage::of(self.store.heads(HEAD).await?, &self.sealer))
    }

    /// Seals every secret under the current key, and calls `progress` with their number. Each secret is replaced
    /// separately, and only if nobody changed it meanwhile. So the rotation can be stopped and run again. A secret that
    /// cannot be opened is left unchanged.
    pub async fn rotate(&self, progress: impl Fn(u64)) -> Result<Rotated> {
        let entry = self.audit.begin(&Actor::command_line(), Action::MasterKeyRotate, None);
        let outcome = self.walk_all(progress).await;
        let closed = || Failure::new(FailureKind::SecretUnreadable, "Some stored secrets cannot be opened.");
        let told = outcome.clone().and_then(|done| if done.left == 0 { Ok(()) } else { Err(closed()) });
        // The audit shows an incomplete rotation as failed; the caller gets the numbers.
        let _ = entry.end(told).await;
        outcome
    }

    async fn walk_all(&self, progress: impl Fn(u64)) -> Result<Rotated> {
        let mut done = Rotated::default();
        for _ in 0..WALKS {
            done.unreadable.clear();
            self.walk(&mut done, &progress).await?;
            let KeyUsage { current: _, previous, closed } = self.seals().await?;
            done.left = previous + closed;
            if done.left == u64::try_from(done.unreadable.len()).unwrap_or(u64::MAX) {
                break;
            }
        }
        Ok(done)
    }

    /// Visits each secret once that is not sealed under the current key.
    async fn walk(&self, done: &mut Rotated, progress: &impl Fn(u64)) -> Result<()> {
        let head = self.sealer.head();
        let mut after = None;
        loop {
            let page = self.store.unlike(&head, after.as_ref(), PAGE).await?;
            if page.is_empty() {
                return Ok(());
            }
            for held in &page {
                match self.reseal(held).await {
                    Ok(true) => done.resealed += 1,
                    Ok(false) => {}
                    Err(failure) if failure.kind == FailureKind::SecretUnreadable => {
                        done.unreadable.push((held.tenant.clone(), held.id.clone()));
                    }
                    Err(failure) => return Err(failure),
                }
            }
            progress(done.resealed);
            after = page.into_iter().last();
        }
    }

    async fn reseal(&self, held: &SealedRecord) -> Result<bool> {
        let bound = bound_to(&held.tenant, &held.id, &held.base_url);
        let plain = self.sealer.open(&bound, &held.secret)?;
        let sealed = self.sealer.seal(&bound, plain.expose_secret())?;
        self.store.reseal(held, &sealed).await
    }
}
