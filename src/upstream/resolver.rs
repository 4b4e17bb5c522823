//! Resolves names to addresses. A name is called only if all of its addresses are allowed.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;

use super::BaseUrlGuard;
use super::lookups::Lookups;
use crate::domain::TenantId;

/// A source of addresses; tests have their own.
#[async_trait]
pub trait Lookup: Send + Sync + 'static {
    /// The current addresses of `name`.
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

pub struct SystemLookup;

#[async_trait]
impl Lookup for SystemLookup {
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let found = tokio::net::lookup_host((name, 0)).await?;
        Ok(found.map(|address| address.ip()).collect())
    }
}

/// Resolves names for one client, which connects only to the returned addresses.
#[derive(Clone)]
pub(super) struct Resolver {
    lookups: Arc<Lookups>,
    /// `None` is the operator.
    tenant: Option<TenantId>,
    /// Absent if the host is on the allow-list: then any address is allowed.
    guard: Option<BaseUrlGuard>,
}

impl Resolver {
    pub(super) const fn new(
        lookups: Arc<Lookups>,
        tenant: Option<TenantId>,
        guard: Option<BaseUrlGuard>,
    ) -> Self {
        Self { lookups, tenant, guard }
    }

    /// The addresses of `name`, checked each time, cached or not. Fails if one of them is not allowed: a name with a public and a
    /// private address is an attack, and the client would choose one of them by chance.
    pub(super) async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let addresses = self.lookups.addresses(self.tenant.as_ref(), name).await?;
        let refused = |address: &&IpAddr| self.guard.as_ref().is_some_and(|guard| !guard.reaches(**address));
        if let Some(address) = addresses.iter().find(refused) {
            tracing::warn!(
                name,
                %address,
                "not called: the name resolves to an address that is neither public nor on the allow-list"
            );
            return Err(io::Error::from(io::ErrorKind::HostUnreachable));
        }
        Ok(addresses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::AllowList;

    struct Told(Vec<IpAddr>);

    #[async_trait]
    impl Lookup for Told {
        async fn addresses(&self, _: &str) -> io::Result<Vec<IpAddr>> {
            Ok(self.0.clone())
        }
    }

    #[derive(serde::Deserialize)]
    struct AddressCorpus {
        refused_answers: Vec<Vec<IpAddr>>,
    }

    async fn passes(allowed: &str, answer: &[IpAddr]) -> bool {
        let guard = BaseUrlGuard::new(AllowList::parse(allowed).unwrap());
        let lookups = Arc::new(Lookups::new(Arc::new(Told(answer.to_vec()))));
        let resolver = Resolver::new(lookups, None, Some(guard));
        resolver.resolve("crm.example.com").await.is_ok_and(|found| found == answer)
    }

    fn addresses(text: &str) -> Vec<IpAddr> {
        text.split_whitespace().map(|text| text.parse().unwrap()).collect()
    }

    #[tokio::test]
    async fn one_address_that_is_not_public_refuses_the_name() {
        let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/base_urls.json"));
        let corpus: AddressCorpus = serde_json::from_str(text).unwrap();
        assert!(corpus.refused_answers.len() >= 20);
        for answer in corpus.refused_answers {
            assert!(!passes("", &answer).await, "{answer:?}");
        }
        assert!(passes("", &addresses("8.8.8.8 1.1.1.1 2606:4700::1111")).await);
    }

    #[tokio::test]
    async fn names_may_lead_into_networks_of_the_allow_list_and_no_further() {
        let allowed = "10.1.0.0/16, fd00:1::/32, 192.168.0.9:8443";
        for (answer, expected) in [
            ("10.1.2.3", true),
            ("10.1.2.3 fd00:1::7 8.8.8.8", true),
            ("10.2.0.1", false),
            ("10.1.2.3 10.2.0.1", false),
            ("::ffff:10.1.2.3", false),
            // An entry with a port is for URLs that spell the address: a resolver knows no ports.
            ("192.168.0.9", false),
        ] {
            assert_eq!(passes(allowed, &addresses(answer)).await, expected, "{answer}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_remembered_name_that_turns_private_is_refused_when_it_is_looked_up_again() {
        struct Turning(std::sync::Mutex<Vec<IpAddr>>);
        #[async_trait]
        impl Lookup for Turning {
            async fn addresses(&self, _: &str) -> io::Result<Vec<IpAddr>> {
                Ok(self.0.lock().unwrap().clone())
            }
        }
        let (public, private) = (addresses("8.8.8.8"), addresses("127.0.0.1"));
        let turning = Arc::new(Turning(public.clone().into()));
        let lookups = Arc::new(Lookups::new(turning.clone()));
        let resolver = Resolver::new(Arc::clone(&lookups), None, Some(BaseUrlGuard::default()));
        assert_eq!(resolver.resolve("crm").await.unwrap(), public);
        *turning.0.lock().unwrap() = private.clone();
        assert_eq!(resolver.resolve("crm").await.unwrap(), public, "remembered, and connected to");
        tokio::time::advance(std::time::Duration::from_secs(11)).await;
        assert!(resolver.resolve("crm").await.is_err());
        // Judged each time, by whoever connects: what is remembered is what was looked up.
        assert!(resolver.resolve("crm").await.is_err());
        let vouched = Resolver::new(lookups, None, None);
        assert_eq!(vouched.resolve("crm").await.unwrap(), private);
    }
}
