//! Where a tenant's base URL may lead: names that change their mind, names of two minds, redirects.

#![expect(clippy::unwrap_used, reason = "shared pieces of tests fail as tests do")]

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use contacts_gateway::domain::{Failure, FailureKind};
use contacts_gateway::gateway::ListingRequest;
use contacts_gateway::simulators::{Fault, FaultKind};
use contacts_gateway::upstream::{AllowList, BaseUrlGuard, Lookup, Transport};
use serde_json::json;
use tokio::net::TcpListener;

use crate::support::account::Account;
use crate::support::crm::all;
use crate::support::worlds::{Start, WORLDS};
use crate::test_gateway::{Link, TestGateway};

/// Stands for a public address: the operator of these tests allows this one, and no other of the loopback.
const PUBLIC: &str = "127.0.0.2";
/// Allowed too, and nobody listens there.
const REFUSING: &str = "127.0.0.4";
const HOST: &str = "crm.example.com";

/// A resolver that answers as told.
#[derive(Default)]
struct Fickle {
    answer: Mutex<Vec<IpAddr>>,
    asked: AtomicUsize,
}

impl Fickle {
    fn tell(&self, addresses: &[&str]) {
        *self.answer.lock().unwrap() = addresses.iter().map(|text| text.parse().unwrap()).collect();
    }
}

#[async_trait]
impl Lookup for Fickle {
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        assert_eq!(name, HOST);
        self.asked.fetch_add(1, Ordering::SeqCst);
        let answer = self.answer.lock().unwrap().clone();
        if answer.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(answer) }
    }
}

/// Listens, counts who comes, and says nothing.
#[derive(Clone, Default)]
struct Canary(Arc<AtomicUsize>);

impl Canary {
    async fn at(address: SocketAddr) -> io::Result<(Self, u16)> {
        let listener = TcpListener::bind(address).await?;
        let (canary, port) = (Self::default(), listener.local_addr()?.port());
        let visits = Arc::clone(&canary.0);
        tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                visits.fetch_add(1, Ordering::SeqCst);
            }
        });
        Ok((canary, port))
    }

    fn visits(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// One port: a public host that answers nothing, and private ones that nobody may reach.
struct Net {
    public: Canary,
    private: Vec<Canary>,
    port: u16,
}

impl Net {
    async fn new() -> Self {
        // Another program may hold the port on one of the addresses.
        loop {
            let (public, port) = Canary::at(SocketAddr::new(PUBLIC.parse().unwrap(), 0)).await.unwrap();
            let mut private = Vec::new();
            for address in ["127.0.0.1", "::1", "127.0.0.3"] {
                if let Ok((canary, _)) = Canary::at(SocketAddr::new(address.parse().unwrap(), port)).await {
                    private.push(canary);
                }
            }
            if private.len() == 3 {
                return Self { public, private, port };
            }
        }
    }

    fn base_url(&self) -> String {
        format!("https://{HOST}:{}", self.port)
    }

    fn assert_untouched(&self) {
        assert_eq!(self.private.iter().map(Canary::visits).collect::<Vec<_>>(), [0, 0, 0]);
    }
}

fn link(base_url: String, verify: bool) -> Link<'static> {
    Link { base_url, secret: "canary-secret", settings: json!({}), verify }
}

/// Accounts at [`HOST`], and the resolver that knows the name.
struct Way {
    guard: BaseUrlGuard,
    transport: Transport,
    fickle: Arc<Fickle>,
}

impl Way {
    fn new() -> Self {
        let fickle = Arc::new(Fickle::default());
        let guard = BaseUrlGuard::new(AllowList::parse(&format!("{PUBLIC}/32, {REFUSING}")).unwrap());
        let transport = Transport::with_lookup(&guard, Arc::clone(&fickle) as Arc<dyn Lookup>).unwrap();
        Self { guard, transport, fickle }
    }

    /// An account over the same connections, where no breaker is open yet.
    async fn account(&self, net: &Net) -> Account {
        let transport = self.transport.clone().with_limits(contacts_gateway::config::Limits::default());
        let gateway = TestGateway::over(self.guard.clone(), transport).await;
        Account::link(&gateway, WORLDS[0].provider(), link(net.base_url(), false)).await
    }
}

/// A gateway whose operator allows `allowed`, with a resolver of its own.
async fn reaching(allowed: &str, fickle: &Arc<Fickle>) -> Arc<TestGateway> {
    let guard = BaseUrlGuard::new(AllowList::parse(allowed).unwrap());
    let transport = Transport::with_lookup(&guard, Arc::clone(fickle) as Arc<dyn Lookup>).unwrap();
    TestGateway::over(guard, transport).await
}

async fn failure(account: &Account) -> Failure {
    account.page(1, 20).await.err().unwrap()
}

#[tokio::test]
async fn a_name_that_turns_private_after_it_was_accepted_is_not_followed() {
    let net = Net::new().await;
    let way = Way::new();
    way.fickle.tell(&[PUBLIC]);
    let public = failure(&way.account(&net).await).await;
    // Once, and twice more as a read that may be repeated, after one lookup.
    assert_eq!((net.public.visits(), way.fickle.asked.load(Ordering::SeqCst)), (3, 1));
    let turns: [&[&str]; 8] = [
        &["127.0.0.1"],
        &["::1"],
        &[PUBLIC, "127.0.0.1"],
        &["127.0.0.1", PUBLIC],
        &[PUBLIC, "::1", "127.0.0.3"],
        &["::ffff:127.0.0.1"],
        &["::ffff:127.0.0.2"],
        &["0.0.0.0"],
    ];
    for round in 0..48 {
        way.fickle.tell(turns[round % turns.len()]);
        let failure = failure(&way.account(&net).await).await;
        assert_eq!(failure, public, "round {round}");
        // Asked once for each tenant; each connection is judged.
        assert_eq!(way.fickle.asked.load(Ordering::SeqCst), round + 2);
    }
    assert_eq!(net.public.visits(), 3);
    net.assert_untouched();
}

#[tokio::test]
async fn private_dead_refusing_and_unknown_hosts_are_told_apart_by_neither_words_nor_time() {
    let net = Net::new().await;
    let way = Way::new();
    let mut seen = Vec::new();
    for answer in
        [&[REFUSING][..], &[PUBLIC], &["127.0.0.1"], &["10.255.255.1"], &["169.254.169.254"], &["::1"], &[]]
    {
        way.fickle.tell(answer);
        let account = way.account(&net).await;
        let started = Instant::now();
        let failure = failure(&account).await;
        seen.push((failure, started.elapsed()));
    }
    for (failure, took) in &seen {
        assert_eq!(failure, &seen[0].0);
        assert_eq!(failure.kind, FailureKind::UpstreamUnreachable);
        // Loopback and no network at all take the same; waiting for a private host would take seconds.
        assert!(*took < Duration::from_secs(2), "{took:?}");
    }
    net.assert_untouched();
}

#[tokio::test]
async fn a_credential_whose_name_is_private_is_not_stored_and_its_secret_goes_nowhere() {
    let net = Net::new().await;
    let fickle = Arc::new(Fickle::default());
    for (world, answer) in WORLDS.iter().zip(["127.0.0.1", "::1"].into_iter().cycle()) {
        // A gateway for each, or the second would find the breaker open.
        let gateway = reaching("", &fickle).await;
        fickle.tell(&[answer]);
        let refused = gateway.link(&gateway.caller, world.provider(), link(net.base_url(), true)).await;
        assert_eq!(refused.unwrap_err().kind, FailureKind::UpstreamUnreachable);
        for url in ["https://127.0.0.1", "https://2130706433", "https://[::1]"] {
            let url = format!("{url}:{}", net.port);
            let refused = gateway.link(&gateway.caller, world.provider(), link(url, true)).await;
            assert_eq!(refused.unwrap_err().kind, FailureKind::BaseUrlRefused);
        }
        let page = ListingRequest { cursor: None, page_size: 10 };
        let stored = gateway.credentials.list(&gateway.caller, &page).await.unwrap();
        assert!(stored.items.is_empty());
    }
    net.assert_untouched();
}

#[tokio::test]
async fn no_redirect_is_followed_wherever_it_points() {
    let net = Net::new().await;
    let crm = all().await.remove(0);
    let elsewhere = [
        format!("http://127.0.0.1:{}/", net.port),
        format!("https://[::1]:{}/", net.port),
        format!("//127.0.0.3:{}/api/contacts", net.port),
        "/elsewhere".to_owned(),
    ];
    for location in elsewhere {
        for status in [301, 302, 303, 307, 308] {
            let kind = FaultKind::Redirect { status, location: location.clone() };
            crm.at.fault(Fault::once(kind));
            let before = crm.at.calls().len();
            assert_eq!(failure(&crm).await.kind, FailureKind::UpstreamRedirected, "{status} {location}");
            assert_eq!(crm.at.calls().len(), before + 1);
        }
    }
    net.assert_untouched();
}

#[tokio::test]
async fn a_host_that_the_operator_names_may_be_private_and_plain() {
    let crm = WORLDS[0].start(Start::default()).await;
    let port = crm.address().port();
    let fickle = Arc::new(Fickle::default());
    fickle.tell(&["127.0.0.1"]);
    let gateway = reaching(&format!("{HOST}:{port}"), &fickle).await;
    let named = Link {
        base_url: format!("http://{HOST}:{port}"),
        secret: crm.token(),
        settings: json!({}),
        verify: true,
    };
    let account = Account::link(&gateway, WORLDS[0].provider(), named).await;
    account.page(1, 20).await.unwrap();
    // The same name with another port is not what was named.
    let net = Net::new().await;
    let other = Account::link(&gateway, WORLDS[0].provider(), link(net.base_url(), false)).await;
    assert_eq!(failure(&other).await.kind, FailureKind::UpstreamUnreachable);
    net.assert_untouched();
}
