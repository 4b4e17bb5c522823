//! DNS lookups: limited per tenant and per process, with a timeout, and cached for a short time.
//!
//! The system's resolver blocks a thread until it returns, and cannot be cancelled. A caller stops waiting at the timeout,
//! but the lookup holds its permits until its thread is free. So names that never resolve block at most as many threads
//! as their tenant has permits.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::Lookup;
use super::registry::Registry;
use crate::domain::TenantId;

/// The timeout of a lookup, including the wait for its permits.
const LOOKUP_TIME: Duration = Duration::from_secs(5);
const FOUND_FOR: Duration = Duration::from_secs(10);
const FAILED_FOR: Duration = Duration::from_secs(2);
const MOST_REMEMBERED: u64 = 10_000;

/// A tenant's first lookup takes one of `FIRST_PERMITS`, its further ones take `FURTHER_PERMITS`. So tenants with several
/// lookups cannot take the last permit from a tenant with none. Together they use less than half of the runtime's 512
/// blocking threads.
const FIRST_PERMITS: usize = 128;
const FURTHER_PERMITS: usize = 64;
const FURTHER_OF_TENANT: usize = 3;

/// `None` is the operator, who has the same limits as a tenant.
type TenantLookups = Option<TenantId>;
type Resolved = Result<Vec<IpAddr>, io::ErrorKind>;

pub(super) struct Lookups {
    lookup: Arc<dyn Lookup>,
    first: Arc<Semaphore>,
    further: Arc<Semaphore>,
    tenants: Registry<TenantId, TenantPermits>,
    /// Cached per tenant: otherwise the time of a lookup would reveal which hosts another tenant calls.
    remembered: Cache<(TenantLookups, String), Remembered>,
}

#[derive(Clone)]
struct Remembered {
    result: Resolved,
    until: Instant,
}

struct TenantPermits {
    first: Arc<Semaphore>,
    further: Arc<Semaphore>,
}

/// Held while a lookup runs.
struct LookupPermits {
    _own: OwnedSemaphorePermit,
    _shared: OwnedSemaphorePermit,
    _tenant: Arc<TenantPermits>,
}

impl Lookups {
    pub(super) fn new(lookup: Arc<dyn Lookup>) -> Self {
        Self {
            lookup,
            first: Arc::new(Semaphore::new(FIRST_PERMITS)),
            further: Arc::new(Semaphore::new(FURTHER_PERMITS)),
            tenants: Registry::default(),
            remembered: Cache::builder().max_capacity(MOST_REMEMBERED).time_to_live(2 * FOUND_FOR).build(),
        }
    }

    /// The addresses of `name`, at most [`FOUND_FOR`] old. Concurrent requests of a tenant for one name share one lookup.
    pub(super) async fn addresses(
        self: &Arc<Self>,
        tenant: Option<&TenantId>,
        name: &str,
    ) -> io::Result<Vec<IpAddr>> {
        let key = (tenant.cloned(), name.to_owned());
        if let Some(known) = self.remembered.get(&key).await.filter(Remembered::is_fresh) {
            return known.result.map_err(io::Error::from);
        }
        // In its own task: the result is cached even if the caller stops waiting.
        let lookups = Arc::clone(self);
        let task = tokio::spawn(async move {
            let resolving = lookups.resolve(key.clone());
            let entry = lookups.remembered.entry(key).or_insert_with_if(resolving, |known| !known.is_fresh());
            entry.await.into_value().result
        });
        task.await?.map_err(io::Error::from)
    }

    async fn resolve(&self, (tenant, name): (TenantLookups, String)) -> Remembered {
        let end = crate::clock::monotonic() + LOOKUP_TIME;
        let looked = timeout_at(end, async {
            let permits = self.permits(tenant).await?;
            let lookup = Arc::clone(&self.lookup);
            // In its own task: it holds its permits until the resolver returns, even after the timeout.
            let task = tokio::spawn(async move {
                let found = lookup.addresses(&name).await;
                drop(permits);
                found.map_err(|error| error.kind())
            });
            task.await.unwrap_or(Err(io::ErrorKind::Other))
        });
        let result = looked.await.unwrap_or(Err(io::ErrorKind::TimedOut));
        let fresh_for = if result.is_ok() { FOUND_FOR } else { FAILED_FOR };
        Remembered { result, until: crate::clock::monotonic() + fresh_for }
    }

    async fn permits(&self, tenant: TenantLookups) -> Result<LookupPermits, io::ErrorKind> {
        let permits = self.permits_of(tenant);
        let taken = tokio::select! {
            biased;
            taken = permits.take(&permits.first, &self.first) => taken,
            taken = permits.take(&permits.further, &self.further) => taken,
        };
        taken.map_err(|_| io::ErrorKind::Other)
    }

    fn permits_of(&self, tenant: TenantLookups) -> Arc<TenantPermits> {
        let tenant = tenant.unwrap_or_else(|| TenantId::from("operator"));
        self.tenants.get(&tenant, tenant.clone(), TenantPermits::new, |_| true)
    }
}

impl Remembered {
    fn is_fresh(&self) -> bool {
        crate::clock::monotonic() < self.until
    }
}

impl TenantPermits {
    fn new() -> Self {
        Self { first: Arc::new(Semaphore::new(1)), further: Arc::new(Semaphore::new(FURTHER_OF_TENANT)) }
    }

    /// Takes the tenant's permit before the process's, so that a waiting tenant holds no permit that others need.
    async fn take(
        self: &Arc<Self>,
        own: &Arc<Semaphore>,
        of_process: &Arc<Semaphore>,
    ) -> Result<LookupPermits, AcquireError> {
        Ok(LookupPermits {
            _own: Arc::clone(own).acquire_owned().await?,
            _shared: Arc::clone(of_process).acquire_owned().await?,
            _tenant: Arc::clone(self),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use parking_lot::Mutex;
    use tokio::time::{advance, timeout};

    use super::*;

    /// Names that begin with `hung` never resolve, `gone` fails, and all others resolve to `address`.
    struct Names {
        address: Mutex<IpAddr>,
        asked: AtomicUsize,
        under_way: AtomicUsize,
    }

    #[async_trait]
    impl Lookup for Names {
        async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            self.under_way.fetch_add(1, Ordering::SeqCst);
            if name.starts_with("hung") {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
            self.under_way.fetch_sub(1, Ordering::SeqCst);
            if name == "gone" {
                return Err(io::ErrorKind::NotFound.into());
            }
            Ok(vec![*self.address.lock()])
        }
    }

    fn names() -> (Arc<Names>, Arc<Lookups>) {
        let names = Arc::new(Names {
            address: Mutex::new([192, 0, 2, 1].into()),
            asked: AtomicUsize::default(),
            under_way: AtomicUsize::default(),
        });
        (names.clone(), Arc::new(Lookups::new(names)))
    }

    fn tenant(number: usize) -> TenantId {
        format!("ten_{number}").as_str().into()
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_is_remembered_for_ten_seconds_and_a_failure_for_two() {
        let (names, lookups) = names();
        let (one, other) = (tenant(1), tenant(2));
        let asked = || names.asked.load(Ordering::SeqCst);
        let first = lookups.addresses(Some(&one), "crm").await.unwrap();
        *names.address.lock() = [192, 0, 2, 2].into();
        advance(Duration::from_millis(9_990)).await;
        assert_eq!(lookups.addresses(Some(&one), "crm").await.unwrap(), first);
        assert_eq!(asked(), 1);
        assert_ne!(lookups.addresses(Some(&other), "crm").await.unwrap(), first, "of another tenant");
        advance(Duration::from_millis(20)).await;
        assert_ne!(lookups.addresses(Some(&one), "crm").await.unwrap(), first);
        assert_eq!(asked(), 3);
        for wait in [Duration::ZERO, Duration::from_millis(1_990), Duration::from_millis(20)] {
            advance(wait).await;
            let failed = lookups.addresses(Some(&one), "gone").await.unwrap_err();
            assert_eq!(failed.kind(), io::ErrorKind::NotFound);
        }
        assert_eq!(asked(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn all_of_a_tenant_that_ask_for_one_name_wait_for_one_lookup() {
        let (names, lookups) = names();
        let one = tenant(1);
        let all = (0..100).map(|_| lookups.addresses(Some(&one), "crm"));
        assert!(futures_util::future::join_all(all).await.iter().all(Result::is_ok));
        assert_eq!(names.asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn names_that_never_resolve_take_four_places_of_their_tenant_and_none_of_others() {
        let (names, lookups) = names();
        let (hostile, honest) = (tenant(1), tenant(2));
        for number in 0..2000 {
            // As callers with a deadline of 300 ms do.
            let name = format!("hung{number}");
            let looked = timeout(Duration::from_millis(1), lookups.addresses(Some(&hostile), &name));
            assert!(looked.await.is_err());
        }
        assert_eq!(names.under_way.load(Ordering::SeqCst), 1 + FURTHER_OF_TENANT);
        for number in 0..100 {
            let began = crate::clock::monotonic();
            lookups.addresses(Some(&honest), &format!("crm{number}")).await.unwrap();
            assert!(began.elapsed() < Duration::from_millis(10));
        }
        let refused = lookups.addresses(Some(&hostile), "crm").await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::TimedOut, "its own place is what it waits for");
    }

    #[tokio::test(start_paused = true)]
    async fn a_hundred_tenants_whose_names_never_resolve_leave_a_place_for_the_next() {
        let (names, lookups) = names();
        for number in 0..100 {
            for name in 0..10 {
                let (tenant, name) = (tenant(number), format!("hung{name}"));
                let looked = timeout(Duration::from_millis(1), lookups.addresses(Some(&tenant), &name));
                assert!(looked.await.is_err());
            }
        }
        assert_eq!(names.under_way.load(Ordering::SeqCst), 100 + FURTHER_PERMITS);
        assert!(lookups.addresses(Some(&tenant(1000)), "crm").await.is_ok());
    }
}
