//! One tenant's names never resolve: lookups of other tenants are not delayed.

use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use contacts_gateway::domain::Scope;
use contacts_gateway::upstream::{AllowList, BaseUrlGuard, Lookup, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::testbed::Testbed;

const NEIGHBOUR: &str = "crm.example.com";
/// Concurrent loops of calls with a short deadline: more than the attacker's permits.
const LOOPS: usize = 60;
const CALLS: usize = 40;

/// Resolves as the system does, on a thread that blocks; names that begin with `hung` block it until the test ends.
#[derive(Default)]
struct Blocking {
    ended: Arc<(Mutex<bool>, Condvar)>,
    hung: AtomicUsize,
}

impl Blocking {
    fn end(&self) {
        *self.ended.0.lock().unwrap() = true;
        self.ended.1.notify_all();
    }
}

#[async_trait]
impl Lookup for Blocking {
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let (ended, hangs) = (Arc::clone(&self.ended), name.starts_with("hung"));
        self.hung.fetch_add(usize::from(hangs), Ordering::SeqCst);
        let thread = tokio::task::spawn_blocking(move || {
            let mut over = ended.0.lock().unwrap();
            while hangs && !*over {
                over = ended.1.wait(over).unwrap();
            }
        });
        thread.await.unwrap();
        if hangs { Err(io::ErrorKind::NotFound.into()) } else { Ok(vec![[127, 0, 0, 1].into()]) }
    }
}

/// A CRM that closes each connection, so that each call needs a lookup.
async fn crm() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = socket.read(&mut [0; 4096]).await;
                let body = r#"{"data":[],"count":0,"page":0,"pageSize":200}"#;
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
                let _ = socket.write_all(format!("{head}\r\n{body}").as_bytes()).await;
            });
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_whose_names_never_resolve_fails_no_call_of_a_neighbour() {
    let port = crm().await;
    let guard = BaseUrlGuard::new(AllowList::parse(&format!("127.0.0.1, {NEIGHBOUR}:{port}")).unwrap());
    let lookup = Arc::new(Blocking::default());
    let transport = Transport::with_lookup(&guard, Arc::clone(&lookup) as Arc<dyn Lookup>).unwrap();
    let testbed = Arc::new(Testbed::over(guard, transport.unpaced()).await);
    let (hostile, honest) = (testbed.tenant("hostile").await, testbed.tenant("honest").await);
    let hostile_key = testbed.key(&hostile, &Scope::ALL, None).await;
    let mut attacks = Vec::new();
    let mut credentials = Vec::new();
    for number in 0..20 {
        credentials
            .push(testbed.account(&hostile, &format!("https://hung{number}.example.com"), "token").await);
    }
    for number in 0..LOOPS {
        let (testbed, key) = (Arc::clone(&testbed), hostile_key.clone());
        let uri = format!("/crm/contacts?credentialId={}", credentials[number % credentials.len()]);
        attacks.push(tokio::spawn(async move {
            loop {
                let headers = [("x-request-timeout-ms", "300")];
                assert_ne!(testbed.send_with("GET", &uri, &key, None, &headers).await.status, 200);
            }
        }));
    }
    tokio::time::sleep(Duration::from_secs(4)).await;
    let key = testbed.key(&honest, &Scope::ALL, None).await;
    let credential = testbed.account(&honest, &format!("http://{NEIGHBOUR}:{port}"), "token").await;
    let uri = format!("/crm/contacts?credentialId={credential}");
    let mut failed = Vec::new();
    for _ in 0..CALLS {
        let answer = testbed.send_with("GET", &uri, &key, None, &[("x-request-timeout-ms", "2000")]).await;
        if answer.status != 200 {
            failed.push(answer.code());
        }
        if failed.len() >= 5 {
            break;
        }
    }
    attacks.iter().for_each(tokio::task::JoinHandle::abort);
    let hung = lookup.hung.load(Ordering::SeqCst);
    lookup.end();
    println!("{} of the neighbour's calls failed; {hung} lookups hung", failed.len());
    assert!(failed.is_empty(), "{failed:?}");
    assert!(hung <= 4, "{hung} lookups of one tenant hung at a time");
}
