//! The source of an issuer's keys: the configuration, or a URL. The last good keys stay if the URL cannot be fetched.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use tokio::sync::{Semaphore, watch};

use super::RefreshPolicy;
use super::keys::KeySet;
use crate::config::JwtAlgorithm;
use crate::domain::{Failure, FailureKind, Result};
use crate::upstream::{FetchUrl, Transport};

/// A hundred keys of the longest kind fit.
const LARGEST_SET: usize = 1024 * 1024;
/// How many requests may wait for the keys of one issuer. Anybody can name the issuer in a token, and each waiting request
/// holds one of the process's permits.
const MOST_WAITING: usize = 8;
/// `Retry-After` if too many wait already.
const SOON: Duration = Duration::from_secs(1);

pub(super) enum Source {
    Held(Arc<KeySet>),
    At(Arc<Remote>),
}

pub(super) struct Remote {
    url: FetchUrl,
    transport: Transport,
    algorithms: Vec<JwtAlgorithm>,
    policy: RefreshPolicy,
    state: Mutex<SourceState>,
    waiting: Semaphore,
}

#[derive(Default)]
struct SourceState {
    keys: Option<Arc<KeySet>>,
    tried: Option<Instant>,
    /// When the fetch of the current keys began.
    fetched: Option<Instant>,
    /// Closed when the fetch in progress has ended.
    flight: Option<watch::Receiver<()>>,
}

impl Source {
    pub(super) const fn held(keys: Arc<KeySet>) -> Self {
        Self::Held(keys)
    }

    pub(super) fn at(
        url: FetchUrl,
        transport: Transport,
        algorithms: Vec<JwtAlgorithm>,
        policy: RefreshPolicy,
    ) -> Self {
        let (state, waiting) = (Mutex::default(), Semaphore::new(MOST_WAITING));
        Self::At(Arc::new(Remote { url, transport, algorithms, policy, state, waiting }))
    }

    /// The current keys. Waits only if there never were any. Fails with `issuer_unavailable`, `overloaded`.
    pub(super) async fn keys(&self) -> Result<Arc<KeySet>> {
        let remote = match self {
            Self::Held(keys) => return Ok(Arc::clone(keys)),
            Self::At(remote) => remote,
        };
        let (held, old) = remote.held();
        if let Some(keys) = held {
            if old {
                // This request starts the refresh and does not wait for it.
                drop(remote.flight());
            }
            return Ok(keys);
        }
        remote.landed().await?;
        remote.held().0.ok_or_else(|| remote.unavailable())
    }

    /// Keys newer than `known`, fetched if the policy allows. Fails with `overloaded`.
    pub(super) async fn newer_than(&self, known: &Arc<KeySet>) -> Result<Option<Arc<KeySet>>> {
        let Self::At(remote) = self else { return Ok(None) };
        remote.landed().await?;
        Ok(remote.held().0.filter(|keys| !Arc::ptr_eq(keys, known)))
    }
}

impl Remote {
    /// The keys, and whether they are due for a refresh.
    fn held(&self) -> (Option<Arc<KeySet>>, bool) {
        let state = self.state.lock();
        let old = state.fetched.is_none_or(|at| at.elapsed() >= self.policy.renewed_after);
        (state.keys.clone(), old)
    }

    /// Waits for the fetch that is in progress or due. Fails with `overloaded` if too many wait for it.
    async fn landed(self: &Arc<Self>) -> Result<()> {
        let Some(mut flight) = self.flight() else { return Ok(()) };
        let _permit = self.waiting.try_acquire().map_err(|_| {
            let detail = "Too many requests wait for the keys of the token's issuer. Nothing was done.";
            Failure::new(FailureKind::Overloaded, detail).with_retry_after(Some(SOON))
        })?;
        // It fails when the sender is dropped, which is what is waited for.
        drop(flight.changed().await);
        Ok(())
    }

    /// The fetch in progress, or one that begins now if the policy allows. It runs in its own task, so that a caller who
    /// disconnects does not end it for the others.
    fn flight(self: &Arc<Self>) -> Option<watch::Receiver<()>> {
        let mut state = self.state.lock();
        if let Some(flight) = state.flight.as_ref().filter(|flight| flight.has_changed().is_ok()) {
            return Some(flight.clone());
        }
        if state.tried.is_some_and(|at| at.elapsed() < self.policy.at_least) {
            return None;
        }
        let began = crate::clock::monotonic();
        let (landed, flight) = watch::channel(());
        state.tried = Some(began);
        state.flight = Some(flight.clone());
        let remote = Arc::clone(self);
        tokio::spawn(async move {
            remote.fetch(began).await;
            drop(landed);
        });
        Some(flight)
    }

    /// Fetches the keys. If anything is wrong with them, the old ones stay.
    async fn fetch(&self, began: Instant) {
        let fetched = self.transport.fetch(&self.url, LARGEST_SET, self.policy.within).await;
        let read = fetched.and_then(|body| {
            let text = std::str::from_utf8(&body).map_err(|_| "it is not UTF-8")?;
            KeySet::read(text, &self.algorithms)
        });
        let host = self.url.url().host_str().unwrap_or_default();
        match read {
            Ok(keys) => {
                let mut state = self.state.lock();
                state.keys = Some(Arc::new(keys));
                state.fetched = Some(began);
            }
            Err(reason) => {
                tracing::warn!(
                    host,
                    reason,
                    "the key set of a token issuer could not be fetched; the last good one stays"
                );
            }
        }
    }

    fn unavailable(&self) -> Failure {
        let since = self.state.lock().tried.map_or(Duration::ZERO, |at| at.elapsed());
        Failure::new(
            FailureKind::IssuerUnavailable,
            "The keys of the token's issuer are not available, so the token cannot be verified.",
        )
        .with_retry_after(Some(self.policy.at_least.saturating_sub(since)))
    }
}
