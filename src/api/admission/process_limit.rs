//! The requests in flight of the whole process: counted, limited, and awaited at shutdown.

use std::sync::Arc;

use tokio::sync::watch;

/// A limit on concurrent requests.
pub(super) struct ProcessLimit {
    most: Option<u32>,
    taken: watch::Sender<u32>,
}

/// A permit for one request, released when dropped.
pub(super) struct ProcessPermit(Arc<ProcessLimit>);

impl ProcessLimit {
    /// Allows `most` requests. `None` is unlimited; the requests are counted all the same.
    pub(super) fn new(most: Option<u32>) -> Self {
        Self { most, taken: watch::Sender::new(0) }
    }

    /// Takes a permit, if one is free.
    pub(super) fn take(self: &Arc<Self>) -> Option<ProcessPermit> {
        let taken = self.taken.send_if_modified(|taken| {
            let free = self.most.is_none_or(|most| *taken < most);
            *taken += u32::from(free);
            free
        });
        taken.then(|| ProcessPermit(Arc::clone(self)))
    }

    /// How many permits are held.
    pub(super) fn held(&self) -> u32 {
        *self.taken.borrow()
    }

    /// Waits until no permit is held.
    pub(super) async fn until_empty(&self) {
        // It fails only if the sender is dropped, and `self` owns the sender.
        let _ = self.taken.subscribe().wait_for(|taken| *taken == 0).await;
    }
}

impl Drop for ProcessPermit {
    fn drop(&mut self) {
        self.0.taken.send_modify(|taken| *taken -= 1);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn places_are_bounded_and_the_last_one_out_ends_the_wait() {
        let places = Arc::new(ProcessLimit::new(Some(2)));
        let (one, two) = (places.take().unwrap(), places.take().unwrap());
        assert!(places.take().is_none());
        drop(one);
        assert!(places.take().is_some(), "a place that was given back");
        let second = Duration::from_secs(1);
        assert!(timeout(second, places.until_empty()).await.is_err());
        drop(two);
        assert!(timeout(second, places.until_empty()).await.is_ok());
    }

    #[test]
    fn without_a_bound_all_are_let_in() {
        let places = Arc::new(ProcessLimit::new(None));
        let held: Vec<_> = (0..10_000).map(|_| places.take().unwrap()).collect();
        assert_eq!(*places.taken.borrow(), 10_000);
        drop(held);
        assert_eq!(*places.taken.borrow(), 0);
    }
}
