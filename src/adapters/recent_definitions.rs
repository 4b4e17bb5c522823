//! Definitions that were read live: kept for five minutes, and used to refuse a write.
//!
//! The cache is written by hand: one of the library takes more than 20 KiB even when it is empty, for its queues. Up to 20,000
//! adapters are kept, and each may have four caches.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::time::{Instant, timeout};

use crate::domain::{CallContext, Failure, FailureKind, Result};

/// How long a definition is kept.
const KEPT_FOR: Duration = Duration::from_mins(5);
/// How long a failed read is kept, so that a source that hangs does not delay every write.
const FAILURE_KEPT_FOR: Duration = Duration::from_secs(10);
/// The longest time that a write waits for a definition, and the part of its remaining time.
const LONGEST_BEFORE_WRITE: Duration = Duration::from_secs(3);
const PART_BEFORE_WRITE: u32 = 4;
/// The most definitions of one kind that are kept for one credential.
const MOST_KEPT: usize = 50;

/// The context of reads of definitions before a write, which must leave it enough time.
pub(super) fn before_write(context: &CallContext) -> CallContext {
    context.with_timeout((context.remaining() / PART_BEFORE_WRITE).min(LONGEST_BEFORE_WRITE))
}

/// How old a definition may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Age {
    /// It may be a kept one.
    Kept,
    /// It must be read now.
    Now,
}

/// A definition, and whether it is a kept one.
pub(super) struct KnownDefinition<V> {
    pub value: Arc<V>,
    pub is_kept: bool,
}

/// Definitions of one credential, by key. Concurrent requests share one read.
pub struct RecentDefinitions<V> {
    kept: Mutex<HashMap<String, KeptDefinition<V>>>,
    turn: tokio::sync::Mutex<()>,
}

struct KeptDefinition<V> {
    outcome: Result<Arc<V>>,
    /// When its read began.
    since: Instant,
}

impl<V> Clone for KeptDefinition<V> {
    fn clone(&self) -> Self {
        Self { outcome: self.outcome.clone(), since: self.since }
    }
}

impl<V> KeptDefinition<V> {
    fn is_fresh(&self) -> bool {
        let limit = if self.outcome.is_ok() { KEPT_FOR } else { FAILURE_KEPT_FOR };
        self.since.elapsed() < limit
    }

    fn known(self, is_kept: bool) -> Result<KnownDefinition<V>> {
        self.outcome.map(|value| KnownDefinition { value, is_kept })
    }
}

impl<V> Default for RecentDefinitions<V> {
    fn default() -> Self {
        Self { kept: Mutex::default(), turn: tokio::sync::Mutex::default() }
    }
}

impl<V> RecentDefinitions<V> {
    /// The definition of `key`, at most five minutes old, from `read` if it is not kept.
    pub async fn recent(
        &self,
        context: &CallContext,
        key: &str,
        read: impl Future<Output = Result<V>>,
    ) -> Result<Arc<V>> {
        self.get(context, key, Age::Kept, read).await.map(|known| known.value)
    }

    pub(super) async fn get(
        &self,
        context: &CallContext,
        key: &str,
        age: Age,
        read: impl Future<Output = Result<V>>,
    ) -> Result<KnownDefinition<V>> {
        let asked = crate::clock::monotonic();
        let of_age = |kept: &KeptDefinition<V>| kept.is_fresh() && (age == Age::Kept || kept.since >= asked);
        let kept = || self.kept.lock().get(key).filter(|kept| of_age(kept)).cloned();
        if let Some(kept) = kept() {
            return kept.known(true);
        }
        let _turn = timeout(context.remaining(), self.turn.lock()).await.map_err(|_| late())?;
        // Another request may have read it meanwhile.
        if let Some(kept) = kept() {
            let is_kept = kept.since < asked;
            return kept.known(is_kept);
        }
        let since = crate::clock::monotonic();
        let read = KeptDefinition { outcome: read.await.map(Arc::new), since };
        let mut all = self.kept.lock();
        if all.len() >= MOST_KEPT {
            all.retain(|_, kept| kept.is_fresh());
        }
        if all.len() >= MOST_KEPT {
            all.clear();
        }
        all.insert(key.to_owned(), read.clone());
        read.known(false)
    }
}

fn late() -> Failure {
    let detail = "Another request reads the CRM's definitions and did not end in time.";
    Failure::new(FailureKind::GatewayTimeout, detail)
}

/// Judges a write by definitions. `read` returns them, and whether some of them were kept: before a refusal by kept ones, all
/// are read again.
pub(super) async fn judged<'a, D, T>(
    read: impl Fn(Age) -> BoxFuture<'a, Result<(D, bool)>>,
    judge: impl Fn(&D) -> Result<T>,
) -> Result<T> {
    let (kept, are_kept) = read(Age::Kept).await?;
    match judge(&kept) {
        Err(_) if are_kept => judge(&read(Age::Now).await?.0),
        outcome => outcome,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use tokio::time::{advance, sleep};

    use super::*;

    fn context() -> CallContext {
        CallContext::within(Duration::from_hours(1), "test".into())
    }

    /// A source that counts its reads and shows their number.
    #[derive(Default)]
    struct CountedSource {
        reads: Cell<usize>,
        fails: Cell<bool>,
    }

    impl CountedSource {
        async fn read(&self) -> Result<usize> {
            sleep(Duration::from_millis(10)).await;
            self.reads.set(self.reads.get() + 1);
            if self.fails.get() { Err(Failure::internal("not readable")) } else { Ok(self.reads.get()) }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_definition_is_kept_for_five_minutes_and_a_failure_for_ten_seconds() {
        let (kept, source) = (RecentDefinitions::default(), CountedSource::default());
        let recent = async || kept.recent(&context(), "a", source.read()).await.map(|value| *value).ok();
        assert_eq!((recent().await, recent().await), (Some(1), Some(1)));
        advance(Duration::from_secs(299)).await;
        assert_eq!(recent().await, Some(1));
        advance(Duration::from_secs(2)).await;
        assert_eq!(recent().await, Some(2));
        let other = kept.recent(&context(), "b", source.read()).await.unwrap();
        assert_eq!((*other, recent().await), (3, Some(2)));
        source.fails.set(true);
        advance(KEPT_FOR).await;
        assert_eq!((recent().await, recent().await, source.reads.get()), (None, None, 4));
        advance(FAILURE_KEPT_FOR).await;
        source.fails.set(false);
        assert_eq!(recent().await, Some(5));
    }

    #[tokio::test(start_paused = true)]
    async fn concurrent_requests_share_one_read_and_each_has_its_own_deadline() {
        let (kept, source) = (RecentDefinitions::default(), CountedSource::default());
        let context = context();
        let all = (0..50).map(|_| kept.recent(&context, "", source.read()));
        let all = futures_util::future::join_all(all).await;
        assert!(all.into_iter().all(|value| value.is_ok_and(|value| *value == 1)));
        // One that must be fresh shares the read of another that began after it was asked for.
        advance(Duration::from_secs(1)).await;
        let fresh = || kept.get(&context, "", Age::Now, source.read());
        let (one, other) = tokio::join!(fresh(), fresh());
        assert_eq!((*one.unwrap().value, *other.unwrap().value), (2, 2));
        let hanging = async { kept.recent(&context, "x", std::future::pending::<Result<usize>>()).await };
        let hurried = CallContext::within(Duration::from_millis(50), "test".into());
        let late = async {
            sleep(Duration::from_millis(1)).await;
            kept.recent(&hurried, "y", source.read()).await
        };
        tokio::select! {
            _ = hanging => unreachable!(),
            late = late => assert_eq!(late.unwrap_err().kind, FailureKind::GatewayTimeout),
        }
    }

    #[tokio::test]
    async fn only_a_refusal_by_a_kept_definition_reads_again() {
        use futures_util::FutureExt;
        for (kept, now, is_kept, outcome, reads) in [
            (1, 1, true, Ok(1), vec![Age::Kept]),
            (0, 1, true, Ok(1), vec![Age::Kept, Age::Now]),
            (0, 0, true, Err(()), vec![Age::Kept, Age::Now]),
            (0, 1, false, Err(()), vec![Age::Kept]),
        ] {
            let asked = RefCell::new(Vec::new());
            let read = |age: Age| {
                asked.borrow_mut().push(age);
                std::future::ready(Ok((if age == Age::Kept { kept } else { now }, is_kept))).boxed()
            };
            let judge = |value: &i32| if *value > 0 { Ok(*value) } else { Err(Failure::internal("refused")) };
            assert_eq!(judged(read, judge).await.map_err(drop), outcome);
            assert_eq!(*asked.borrow(), reads);
        }
    }
}
