//! A CRM whose responses never end. Each is cut off early; one that never begins is cut off with its attempt.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use contacts_gateway::domain::Scope;
use contacts_gateway::upstream::{AllowList, BaseUrlGuard, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::testbed::{Tenant, Testbed, resident};

/// What a host sends: a beginning, then the same part repeatedly.
#[derive(Clone, Copy, Debug)]
struct Endless {
    name: &'static str,
    begin: &'static [u8],
    again: &'static [u8],
    /// The most bytes that it can send, including those in socket buffers.
    most: u64,
}

const MIB: u64 = 1 << 20;
/// How many bytes loopback buffers before the peer reads.
const BUFFERS: u64 = 12 * MIB;

const ENDLESS: [Endless; 4] = [
    Endless {
        name: "chunks of one byte",
        begin: b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n",
        again: b"1\r\n \r\n",
        most: BUFFERS + MIB,
    },
    Endless {
        name: "a gzip header",
        // FNAME: a text that would end with a zero byte, which is never sent.
        begin: b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\nconnection: close\r\n\r\n\x1f\x8b\x08\x08\0\0\0\0\0\x03",
        again: b"name",
        most: BUFFERS + 6 * MIB,
    },
    Endless {
        name: "empty gzip streams",
        begin: b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\nconnection: close\r\n\r\n",
        again: b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0",
        most: BUFFERS + MIB,
    },
    Endless {
        name: "trailers",
        begin: b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n0\r\n",
        again: b"x: y\r\n",
        most: BUFFERS + MIB,
    },
];

/// Starts the host. It counts the bytes that it sent.
async fn host(endless: Endless, sent: Arc<AtomicU64>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(serve(socket, endless, sent.clone()));
        }
    });
    url
}

async fn serve(mut socket: TcpStream, endless: Endless, sent: Arc<AtomicU64>) {
    let mut request = [0; 4096];
    let _ = socket.read(&mut request).await;
    if socket.write_all(endless.begin).await.is_err() {
        return;
    }
    let block = endless.again.repeat(16 * 1024 / endless.again.len());
    while let Ok(taken) = socket.write(&block).await {
        // Continue a partial write where it ended.
        if taken < block.len() && socket.write_all(&block[taken..]).await.is_err() {
            return;
        }
        sent.fetch_add(block.len() as u64, Ordering::SeqCst);
    }
}

async fn testbed() -> Testbed {
    let guard = BaseUrlGuard::new(AllowList::parse("127.0.0.1").unwrap());
    let transport = Transport::new(&guard).unwrap().unpaced();
    Testbed::over(guard, transport).await
}

async fn list(testbed: &Testbed, tenant: &Tenant, credential: &str) -> (u16, String) {
    let key = testbed.key(tenant, &Scope::ALL, None).await;
    let uri = format!("/crm/contacts?credentialId={credential}");
    let answer = testbed.send("GET", &uri, &key, None).await;
    (answer.status, answer.code())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_that_never_ends_is_cut_off_early() {
    let testbed = testbed().await;
    let mut wrong = Vec::new();
    for endless in ENDLESS {
        let sent = Arc::new(AtomicU64::default());
        let url = host(endless, sent.clone()).await;
        let tenant = testbed.tenant(endless.name).await;
        let credential = testbed.account(&tenant, &url, "token").await;
        let began = Instant::now();
        let (status, code) = list(&testbed, &tenant, &credential).await;
        let (took, sent) = (began.elapsed(), sent.load(Ordering::SeqCst));
        let Endless { name, most, .. } = endless;
        let told = format!("{name}: {status} {code} after {took:?} and {sent} bytes");
        println!("{told}");
        // Trailers above the client's limit count as a broken connection, which a read retries twice.
        let most = if name == "trailers" { 3 * most } else { most };
        if (status, code.as_str()) != (502, "upstream_invalid_response") || sent > most || took.as_secs() >= 4
        {
            wrong.push(told);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A host that sends only interim responses, on a thread of its own.
fn flood(open: Arc<AtomicUsize>) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let block = b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n".repeat(400);
    std::thread::spawn(move || {
        for mut socket in listener.incoming().map_while(Result::ok) {
            let (open, block) = (Arc::clone(&open), block.clone());
            open.fetch_add(1, Ordering::SeqCst);
            std::thread::spawn(move || {
                let _ = socket.read(&mut [0; 4096]);
                while socket.write_all(&block).is_ok() {}
                open.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    url
}

/// A CRM that responds at once.
async fn quick() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let body = r#"{"data":[],"count":0,"page":0,"pageSize":200}"#;
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 45\r\n\r\n";
                while socket.read(&mut [0; 4096]).await.is_ok_and(|read| read > 0) {
                    let _ = socket.write_all(format!("{head}{body}").as_bytes()).await;
                }
            });
        }
    });
    url
}

/// The deadline of each call to a flooding host.
const DEADLINE: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_interim_responses_ends_with_its_call_and_neighbours_are_served() {
    // One flood for two worker threads: a debug build processes a flood for seconds before it yields.
    println!("{}", flooded(1).await);
}

#[ignore = "a measurement, for a release build: cargo test --release --test wall three_floods -- --ignored --nocapture"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_floods_of_interim_responses_slow_their_neighbours_down() {
    println!("{}", flooded(3).await);
}

/// Runs so many calls to flooding hosts, and the calls of another tenant meanwhile.
async fn flooded(floods: usize) -> String {
    let testbed = Arc::new(testbed().await);
    let (hostile, honest) = (testbed.tenant("hostile").await, testbed.tenant("honest").await);
    let (hostile_key, key) =
        (testbed.key(&hostile, &Scope::ALL, None).await, testbed.key(&honest, &Scope::ALL, None).await);
    let open = Arc::new(AtomicUsize::default());
    let before = resident();
    let calls = floods;
    let mut floods = Vec::new();
    for _ in 0..calls {
        let credential = testbed.account(&hostile, &flood(Arc::clone(&open)), "token").await;
        let (testbed, key) = (Arc::clone(&testbed), hostile_key.clone());
        floods.push(tokio::spawn(async move {
            let uri = format!("/crm/contacts?credentialId={credential}");
            let deadline = DEADLINE.as_millis().to_string();
            let began = Instant::now();
            let headers = [("x-request-timeout-ms", deadline.as_str())];
            let answer = testbed.send_with("GET", &uri, &key, None, &headers).await;
            (answer.status, answer.code(), began.elapsed())
        }));
    }
    let credential = testbed.account(&honest, &quick().await, "token").await;
    let uri = format!("/crm/contacts?credentialId={credential}");
    let mut took = Vec::new();
    let mut most = before;
    while !floods.iter().all(tokio::task::JoinHandle::is_finished) {
        let began = Instant::now();
        assert_eq!(testbed.send("GET", &uri, &key, None).await.status, 200);
        took.push(began.elapsed());
        most = most.max(resident());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    took.sort();
    let (calls, p50, max) = (took.len(), took[took.len() / 2], took[took.len() - 1]);
    let mib = most.saturating_sub(before) / 1024;
    let mut told = format!("a neighbour's {calls} calls: p50 {p50:?}, max {max:?}; {mib} MiB more");
    for flood in floods {
        let (status, code, took) = flood.await.unwrap();
        let _ = write!(told, "; a flood ended after {took:?}");
        assert_eq!((status, code.as_str()), (504, "upstream_timeout"));
        assert!(took < DEADLINE + Duration::from_secs(20), "{took:?}");
    }
    let began = Instant::now();
    while open.load(Ordering::SeqCst) > 0 {
        assert!(began.elapsed() < Duration::from_mins(1), "{open:?} connections are still open");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Other tests run in this process as well.
    assert!(mib < 128, "{mib} MiB more");
    format!("{told}; closed {:?} later", began.elapsed())
}
