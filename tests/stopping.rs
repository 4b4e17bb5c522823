//! The process's end and its door: real signals, real sockets, real callers who leave.

#![expect(clippy::disallowed_methods, reason = "tests measure real time")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/gateway_process.rs"]
#[expect(dead_code, reason = "other suites need more of it")]
mod gateway_process;
#[path = "support/reply.rs"]
#[expect(dead_code, reason = "other suites need more of it")]
mod reply;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use contacts_gateway::simulators::{Fault, FaultKind, Running, aptly};
use gateway_process::{ADMIN_TOKEN, GatewayProcess, master_key};
use reply::Reply;
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use serde_json::json;

const SECOND: Duration = Duration::from_secs(1);
/// For what takes a moment, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(10);

/// A process with one tenant, who has a credential at a CRM.
struct Front {
    serving: GatewayProcess,
    key: String,
    credential: String,
    _folder: tempfile::TempDir,
}

impl Front {
    async fn open(base_url: &str, token: &str, settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let serving = GatewayProcess::start(folder.path(), "log", &master_key(), settings).await;
        let (_, key) = serving.tenant("one").await;
        let credential = json!({ "provider": "aptly", "name": "n", "settings": { "baseUrl": base_url,
            "defaultRegion": "US" }, "secret": { "apiKey": token } });
        let credential = serving.link(&key, credential).await;
        Self { serving, key, credential, _folder: folder }
    }

    async fn at(crm: &Running) -> Self {
        Self::open(&crm.base_url(), crm.token(), &[]).await
    }

    fn address(&self) -> &str {
        &self.serving.address
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.serving.id()).unwrap()).unwrap()
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// The code with which it ended.
    fn ended(&mut self) -> Option<i32> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if let Some(status) = self.serving.process.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("it runs on: {}", self.serving.logged())
    }

    async fn list(&self) -> Reply {
        let path = format!("/crm/contacts?credentialId={}", self.credential);
        self.serving.call("GET", &path, &self.key, None).await
    }

    async fn create(&self) -> Reply {
        let path = format!("/crm/contacts?credentialId={}", self.credential);
        let body = json!({ "firstName": "Ada", "lastName": "Okafor",
            "emailAddresses": [{ "emailAddress": "ada@example.com" }] });
        self.serving.call("POST", &path, &self.key, Some(body.to_string())).await
    }

    /// A request for a list, sent over a socket of its own and not read.
    fn send_list(&self) -> TcpStream {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        let (credential, key) = (&self.credential, &self.key);
        write!(stream, "GET /crm/contacts?credentialId={credential} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\r\n").unwrap();
        stream
    }

    async fn ready(&self) -> Reply {
        self.serving.call("GET", "/readyz", "", None).await
    }
}

/// A CRM whose writes take so long, and their answers too.
async fn slow(time: Duration) -> Running {
    let crm = aptly::AptlySimulator::start(aptly::AptlyOptions::empty()).await.unwrap();
    let ms = u64::try_from(time.as_millis()).unwrap();
    crm.fault(Fault { writes_only: true, ..Fault::once(FaultKind::Latency { ms }) });
    crm
}

/// Waits until `seen`.
async fn until(what: &str, mut seen: impl AsyncFnMut() -> bool) -> Duration {
    let began = Instant::now();
    while !seen().await {
        assert!(began.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    began.elapsed()
}

fn writes(crm: &Running) -> usize {
    crm.calls().iter().filter(|call| call.method == "POST").count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_is_told_at_once_and_ends_when_the_write_under_way_is_answered() {
    let crm = slow(SECOND * 3).await;
    let mut front = Front::at(&crm).await;
    let stop = async {
        until("the write is sent", async || writes(&crm) > 0).await;
        // A connection that is open already, so that only the answer is timed.
        assert_eq!(front.ready().await.status, 200);
        front.signal(Signal::TERM);
        let began = Instant::now();
        let mut told = front.ready().await;
        while told.status == 200 && began.elapsed() < SECOND {
            told = front.ready().await;
        }
        let time = began.elapsed();
        assert_eq!((told.status, told.code().as_str()), (503, "draining"));
        assert!(time < Duration::from_millis(100), "{time:?}");
        assert_eq!(front.list().await.code(), "draining");
        assert_eq!(front.serving.call("GET", "/livez", "", None).await.status, 200);
    };
    let (made, ()) = tokio::join!(front.create(), stop);
    assert_eq!(made.status, 200, "{}", made.text);
    let ended = Instant::now();
    assert_eq!(front.ended(), Some(0));
    assert!(ended.elapsed() < SECOND * 2, "it waited for nobody: {:?}", ended.elapsed());
    assert_eq!(crm.writes().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_whose_caller_left_is_finished_before_the_end() {
    let crm = slow(SECOND * 2).await;
    let mut front = Front::at(&crm).await;
    tokio::select! {
        made = front.create() => panic!("{made:?}"),
        _ = until("the write is sent", async || writes(&crm) > 0) => {}
    }
    front.signal(Signal::TERM);
    let began = Instant::now();
    assert_eq!(front.ended(), Some(0));
    assert!(began.elapsed() > SECOND, "it did not wait: {:?}", began.elapsed());
    let records = crm.calls().iter().filter(|call| call.method == "GET").count();
    assert_eq!(crm.writes().len(), 1);
    let last = crm.calls().last().map(|call| call.method.clone());
    assert!(records > 0 && last.as_deref() == Some("GET"), "the contact was read back: {last:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_it_now() {
    let crm = slow(SECOND * 20).await;
    let mut front = Front::at(&crm).await;
    let stop = async {
        until("the write is sent", async || writes(&crm) > 0).await;
        front.signal(Signal::TERM);
        until("it stops", async || front.ready().await.status == 503).await;
        front.signal(Signal::INT);
        Instant::now()
    };
    let began = tokio::select! {
        made = front.create() => panic!("{made:?}"),
        began = stop => began,
    };
    assert_eq!(front.ended(), Some(0));
    assert!(began.elapsed() < SECOND * 3, "{:?}", began.elapsed());
    assert!(front.serving.logged().contains("second signal"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_nothing_under_way_it_ends_at_once_whoever_is_connected() {
    let crm = aptly::AptlySimulator::start(aptly::AptlyOptions::empty()).await.unwrap();
    let mut front = Front::at(&crm).await;
    let mut open = Vec::new();
    for n in 0..200 {
        let mut stream = TcpStream::connect(front.address()).unwrap();
        match n % 3 {
            0 => {}
            1 => write!(stream, "GET /livez HT").unwrap(),
            _ => {
                write!(stream, "GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
                assert!(stream.read(&mut [0; 512]).unwrap() > 0);
            }
        }
        open.push(stream);
    }
    assert_eq!(front.list().await.status, 200, "two hundred connections keep nobody out");
    front.signal(Signal::TERM);
    let began = Instant::now();
    assert_eq!(front.ended(), Some(0));
    assert!(began.elapsed() < SECOND * 3, "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_whose_caller_left_is_cancelled_down_to_the_crm_and_its_place_is_free() {
    let crm = TcpListener::bind("127.0.0.1:0").unwrap();
    let base_url = format!("http://{}", crm.local_addr().unwrap());
    let front = Front::open(&base_url, "token", &[("GATEWAY_IN_FLIGHT", "1")]).await;
    let caller = front.send_list();
    let (mut call, mut head) = (crm.accept().unwrap().0, [0; 4096]);
    call.set_read_timeout(Some(PATIENCE)).unwrap();
    assert!(call.read(&mut head).unwrap() > 0, "the call came and is never answered");
    let tenants = async || front.serving.call("GET", "/admin/tenants", ADMIN_TOKEN, None).await;
    assert_eq!(tenants().await.code(), "overloaded");
    let began = Instant::now();
    drop(caller);
    let closed = tokio::task::spawn_blocking(move || call.read(&mut head).unwrap_or_default());
    assert_eq!(closed.await.unwrap(), 0, "the CRM's side is closed");
    until("the place is free", async || tenants().await.status == 200).await;
    assert!(began.elapsed() < SECOND * 5, "its own deadline would be 15 s: {:?}", began.elapsed());
}

/// The bound on connections comes from the system's limit of open files.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_connections_than_the_system_allows_end_neither_the_process_nor_its_answers() {
    let crm = aptly::AptlySimulator::start(aptly::AptlyOptions::empty()).await.unwrap();
    let mut front = Front::at(&crm).await;
    // Lowered behind its back: the process's own bound does not know of it, and accepting fails.
    let few = Rlimit { current: Some(40), maximum: Some(40) };
    prlimit(Some(front.pid()), Resource::Nofile, few).unwrap();
    let open: Vec<_> = (0..100).map(|_| TcpStream::connect(front.address()).unwrap()).collect();
    until("the log says so", async || front.serving.logged().contains("no connection can be accepted")).await;
    tokio::time::sleep(SECOND).await;
    let lines = front.serving.logged().matches("no connection can be accepted").count();
    assert!(lines <= 3, "it fills the log: {lines}");
    drop(open);
    until("it accepts again", async || front.ready().await.status == 200).await;
    assert!(front.serving.runs());
}
