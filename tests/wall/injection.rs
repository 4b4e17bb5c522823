//! A CRM host that two tenants use sends unsolicited responses: neither tenant receives those of the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use contacts_gateway::domain::Scope;
use contacts_gateway::upstream::{AllowList, BaseUrlGuard, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::test_gateway::admin;
use crate::testbed::{Tenant, Testbed, resident};

/// When the host sends an unsolicited response on the attacker's connections.
#[derive(Clone, Copy, Debug)]
enum Extra {
    Never,
    /// Together with the response, as one write.
    SamePacket,
    /// So many milliseconds after each response.
    After(u64),
    /// Together with the second response on a connection, and each later one.
    AfterReuse,
}

/// The connections that a host accepted.
#[derive(Debug, Default)]
struct Connections {
    opened: AtomicUsize,
    open: AtomicUsize,
}

const CALLS: usize = 120;
const WORKERS: usize = 4;

fn response(name: &str) -> String {
    let body = format!(
        r#"{{"data":[{{"_id":"abc123","firstname":"{name}","lastname":"Okafor"}}],"count":1,"page":0,"pageSize":200}}"#
    );
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Starts the host. It returns to each account a contact that has the account's token as its name.
async fn host(extra: Extra, connections: Arc<Connections>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            socket.set_nodelay(true).unwrap();
            connections.opened.fetch_add(1, Ordering::SeqCst);
            connections.open.fetch_add(1, Ordering::SeqCst);
            let connections = Arc::clone(&connections);
            tokio::spawn(async move {
                serve(socket, extra).await;
                connections.open.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    url
}

async fn serve(mut socket: TcpStream, extra: Extra) {
    let mut buffer = Vec::new();
    let mut served = 0;
    loop {
        while !buffer.windows(4).any(|end| end == b"\r\n\r\n") {
            let mut part = [0; 4096];
            match socket.read(&mut part).await {
                Ok(read) if read > 0 => buffer.extend_from_slice(&part[..read]),
                _ => return,
            }
        }
        let head = String::from_utf8_lossy(&buffer).to_lowercase();
        buffer.clear();
        served += 1;
        let hostile = head.contains("x-token: attacker");
        let injected = response("INJECTED");
        let honest = response(if hostile { "attacker" } else { "victim" });
        let sent = match extra {
            Extra::SamePacket if hostile => socket.write_all((honest + &injected).as_bytes()).await,
            Extra::AfterReuse if hostile && served > 1 => {
                socket.write_all((honest + &injected).as_bytes()).await
            }
            Extra::After(ms) if hostile => {
                let sent = socket.write_all(honest.as_bytes()).await;
                tokio::time::sleep(Duration::from_millis(ms)).await;
                sent.and(socket.write_all(injected.as_bytes()).await)
            }
            _ => socket.write_all(honest.as_bytes()).await,
        };
        if sent.is_err() {
            return;
        }
    }
}

/// Runs one tenant's calls. Returns how many of them showed each name.
async fn calls(
    testbed: Arc<Testbed>,
    tenant: Arc<Tenant>,
    credential: String,
    own: &'static str,
) -> [usize; 3] {
    let key = testbed.key(&tenant, &Scope::ALL, None).await;
    let uri = format!("/crm/contacts?credentialId={credential}");
    let mut seen = [0; 3];
    for call in 0..CALLS {
        let answer = testbed.send("GET", &uri, &key, None).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let foreign = if own == "victim" { "attacker" } else { "victim" };
        for (count, name) in seen.iter_mut().zip([own, "INJECTED", foreign]) {
            *count += usize::from(answer.text.contains(name));
        }
        // Pauses of different lengths, so that unsolicited responses meet idle, busy and just acquired connections.
        tokio::time::sleep(Duration::from_millis(call as u64 % 7)).await;
    }
    seen
}

async fn testbed() -> Arc<Testbed> {
    let guard = BaseUrlGuard::new(AllowList::parse("127.0.0.1").unwrap());
    let transport = Transport::new(&guard).unwrap().unpaced();
    Arc::new(Testbed::over(guard, transport).await)
}

/// What attacker and victim saw with `extra`: their own contacts, injected ones, those of the other tenant.
async fn seen(extra: Extra) -> ([usize; 3], [usize; 3]) {
    let testbed = testbed().await;
    let url = host(extra, Arc::default()).await;
    let mut tasks = Vec::new();
    for own in ["attacker", "victim"] {
        let tenant = Arc::new(testbed.tenant(own).await);
        let credential = testbed.account(&tenant, &url, own).await;
        for _ in 0..WORKERS {
            tasks.push((own, tokio::spawn(calls(testbed.clone(), tenant.clone(), credential.clone(), own))));
        }
    }
    let (mut attacker, mut victim) = ([0; 3], [0; 3]);
    for (own, task) in tasks {
        let sum = if own == "victim" { &mut victim } else { &mut attacker };
        for (sum, count) in sum.iter_mut().zip(task.await.unwrap()) {
            *sum += count;
        }
    }
    (attacker, victim)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_that_nobody_asked_for_reaches_no_other_tenant() {
    let all = WORKERS * CALLS;
    let mut wrong = Vec::new();
    for extra in [Extra::SamePacket, Extra::AfterReuse]
        .into_iter()
        .chain([0, 1, 2, 3, 5, 10, 20, 50].map(Extra::After))
    {
        let (attacker, victim) = seen(extra).await;
        println!("{extra:?}: attacker {attacker:?}, victim {victim:?}");
        // Bytes that arrive before the next request are not its response, even on the attacker's own connections.
        let own = matches!(extra, Extra::After(_)) || attacker == [all, 0, 0];
        if victim != [all, 0, 0] || attacker[2] > 0 || !own {
            wrong.push(format!("{extra:?}: attacker {attacker:?}, victim {victim:?}"));
        }
    }
    assert!(wrong.is_empty(), "own, injected, the other's: {wrong:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_credentials_of_one_host_have_a_connection_each_and_close_it() {
    const CREDENTIALS: usize = 998; // The tenant has two more.
    let testbed = testbed().await;
    let connections = Arc::new(Connections::default());
    let url = host(Extra::Never, connections.clone()).await;
    let (tenant, other) = (testbed.tenant("many").await, testbed.tenant("other").await);
    let key = testbed.key(&tenant, &Scope::ALL, None).await;
    let other_key = testbed.key(&other, &Scope::ALL, None).await;
    let mut credentials = Vec::new();
    for _ in 0..CREDENTIALS {
        credentials.push(testbed.account(&tenant, &url, "victim").await);
    }
    let before = resident();
    for credential in &credentials {
        let uri = format!("/crm/contacts?credentialId={credential}");
        assert_eq!(testbed.send("GET", &uri, &key, None).await.status, 200);
    }
    let more = resident().saturating_sub(before);
    println!("{more} KiB more for {CREDENTIALS} credentials in use, {connections:?}");
    assert_eq!(connections.opened.load(Ordering::SeqCst), CREDENTIALS);
    assert!(connections.open.load(Ordering::SeqCst) > 0, "kept for the next call");
    // Both ends of the connections are in this process, which runs other tests as well.
    assert!(more < 256 * 1024, "{more} KiB");
    let removed = testbed.send("DELETE", &format!("/admin/tenants/{}", tenant.id()), &admin(), None).await;
    assert_eq!(removed.status, 204, "{}", removed.text);
    // Checked long before the idle timeout. Caches drop their entries while they serve other requests.
    let began = Instant::now();
    while connections.open.load(Ordering::SeqCst) > 0 {
        assert!(began.elapsed() < Duration::from_secs(20), "{connections:?}");
        let uri = format!("/crm/contacts?credentialId={}", other.credentials[0]);
        assert_eq!(testbed.send("GET", &uri, &other_key, None).await.status, 200);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    println!("closed after {:?}", began.elapsed());
}
