//! The memory of an export: it stays flat, also where the caller reads slowly.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::ALONE;
use crate::gateway_process::{GatewayProcess, master_key};

/// What an export may add to the memory of the idle process, in KiB.
const MOST: u64 = 32 * 1024;
/// How fast a slow caller reads, in bytes a second.
const SLOW: usize = 50_000;

/// A CRM whose contacts are made up as they are asked for, one for each second.
struct Endless {
    people: i64,
    calls: AtomicUsize,
}

const NEWEST: i64 = 1_767_225_600_000;

fn contact(number: i64) -> Value {
    let created = jiff::Timestamp::from_millisecond(NEWEST - number * 1_000).unwrap();
    json!({
        "_id": format!("{number:024x}"), "firstName": "Ada", "lastName": format!("Byron {number}"),
        "phoneNumber": [{ "value": format!("+1415{number:07}"), "isPrimary": true }],
        "email": format!("ada.byron{number}@example.com"), "status": "New Lead", "source": "manual",
        "userId": "64f0a1b2c3d4e5f6a7b8c9d4", "organizationId": "64f0a1b2c3d4e5f6a7b8c9d5",
        "assignees": ["64f0a1b2c3d4e5f6a7b8c9d4"], "createdAt": format!("{created:.3}"), "updatedAt": format!("{created:.3}"),
    })
}

async fn list(State(crm): State<Arc<Endless>>, Query(query): Query<Vec<(String, String)>>) -> Response {
    crm.calls.fetch_add(1, Ordering::SeqCst);
    let parameter = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let number = |name: &str| parameter(name).unwrap().parse::<i64>().unwrap();
    let (page, size) = (number("page"), number("size").min(100));
    let range: Value = parameter("dateRange").map_or(json!({}), |text| serde_json::from_str(text).unwrap());
    let time = |key: &str| {
        let text = range.get(key).and_then(Value::as_str)?;
        Some(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
    };
    // Numbers grow with age.
    let first = time("end")
        .map_or(0, |end| (NEWEST - end).div_euclid(1_000) + i64::from((NEWEST - end).rem_euclid(1_000) > 0));
    let last = time("start").map_or(crm.people - 1, |start| (NEWEST - start).div_euclid(1_000));
    let (first, last) = (first.max(0), last.min(crm.people - 1));
    let total = (last - first + 1).max(0);
    let from = first + (page - 1) * size;
    let rows: Vec<Value> = (from..(from + size).min(last + 1)).map(contact).collect();
    let body = json!({ "success": true, "data": rows, "total": total, "page": page, "size": size });
    ([("content-type", "application/json")], body.to_string()).into_response()
}

/// A gateway with one credential for a CRM of so many people; the path of its export, and the key.
struct ExportBench {
    gateway: GatewayProcess,
    crm: Arc<Endless>,
    path: String,
    key: String,
    _folder: tempfile::TempDir,
}

impl ExportBench {
    async fn open(people: i64) -> Self {
        let crm = Arc::new(Endless { people, calls: AtomicUsize::new(0) });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(list).with_state(Arc::clone(&crm));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let folder = tempfile::tempdir().unwrap();
        let settings = [("GATEWAY_LOG", "info")];
        let gateway = GatewayProcess::start(folder.path(), "log", &master_key(), &settings).await;
        let (_, key) = gateway.tenant("one").await;
        let credential = json!({ "provider": "pipeline", "name": "n", "secret": { "token": "t" },
            "settings": { "baseUrl": address } });
        let credential = gateway.link(&key, credential).await;
        let path = format!("/crm/contacts/export?credentialId={credential}");
        // What is made once is made before it is measured.
        let list = path.replace("/export", "");
        assert_eq!(gateway.call("GET", &list, &key, None).await.status, 200);
        Self { gateway, crm, path, key, _folder: folder }
    }

    fn memory(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.gateway.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// The memory in use, in KiB; the peak is counted from now on.
    fn idle(&self) -> u64 {
        std::fs::write(format!("/proc/{}/clear_refs", self.gateway.id()), "5").unwrap();
        self.memory("VmRSS:")
    }

    fn request(&self) -> TcpStream {
        let mut socket = TcpStream::connect(&self.gateway.address).unwrap();
        let (path, key) = (&self.path, &self.key);
        let head = format!(
            "GET {path} HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\r\n"
        );
        socket.write_all(head.as_bytes()).unwrap();
        socket
    }

    /// Reads all, and returns how many bytes. The last line must tell the number of contacts.
    fn read_all(&self) -> usize {
        let (mut socket, mut piece, mut bytes, mut tail) =
            (self.request(), vec![0; 64 * 1024], 0, Vec::new());
        loop {
            let read = socket.read(&mut piece).unwrap();
            if read == 0 {
                let (tail, end) = (
                    String::from_utf8_lossy(&tail),
                    format!("\"complete\":true,\"count\":{}", self.crm.people),
                );
                assert!(tail.contains(&end), "{tail}");
                return bytes;
            }
            bytes += read;
            tail.extend_from_slice(&piece[..read]);
            tail.drain(..tail.len().saturating_sub(300));
        }
    }

    /// Reads slowly for this time, and returns how many bytes.
    fn read_slowly(&self, time: Duration) -> usize {
        let (mut socket, began, mut bytes) = (self.request(), Instant::now(), 0);
        let mut piece = vec![0; SLOW / 10];
        while began.elapsed() < time {
            bytes += socket.read(&mut piece).unwrap();
            std::thread::sleep(Duration::from_millis(100));
        }
        bytes
    }
}

async fn measured(people: i64, slowly: Duration) {
    let bench = Arc::new(ExportBench::open(people).await);
    let idle = bench.idle();
    let reader = Arc::clone(&bench);
    let began = Instant::now();
    let bytes = tokio::task::spawn_blocking(move || reader.read_all()).await.unwrap();
    let fast = bench.memory("VmHWM:").saturating_sub(idle);
    println!("{people} contacts, {bytes} bytes in {:?}: {fast} KiB above {idle} KiB", began.elapsed());
    assert!(fast < MOST, "{fast} KiB");
    let (before, idle) = (bench.crm.calls.load(Ordering::SeqCst), bench.idle().min(idle));
    let reader = Arc::clone(&bench);
    let read = tokio::task::spawn_blocking(move || reader.read_slowly(slowly)).await.unwrap();
    let slow = bench.memory("VmHWM:").saturating_sub(idle);
    let calls = bench.crm.calls.load(Ordering::SeqCst) - before;
    println!("read slowly: {read} bytes, {calls} calls of the CRM: {slow} KiB above {idle} KiB");
    assert!(slow < MOST, "{slow} KiB");
    // The system's buffers hold some megabytes, and the gateway reads no further.
    let most = (read + 8 * 1024 * 1024) / 20_000;
    assert!(calls < most.max(60), "{calls} calls for {read} bytes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_has_flat_memory_also_for_a_slow_reader() {
    let _alone = ALONE.lock().await;
    measured(5_000, Duration::from_secs(3)).await;
}

/// `cargo test --test load export_of_100_000 -- --ignored --nocapture`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it takes minutes"]
async fn export_of_100_000_contacts_has_flat_memory_also_for_a_slow_reader() {
    let _alone = ALONE.lock().await;
    measured(100_000, Duration::from_mins(2)).await;
}
