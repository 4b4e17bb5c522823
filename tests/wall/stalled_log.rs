//! A log that nobody reads: standard error is a pipe whose reader stalls, as a log driver may.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::gateway_process::master_key;

/// A timeout that is generous for a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// How many requests to send. Each logs about 200 bytes; together they exceed the pipe and the queue.
const REQUESTS: usize = 6_000;

/// A gateway whose log was read only until it listened.
struct Unread {
    process: Child,
    address: String,
    log: BufReader<ChildStderr>,
    _folder: tempfile::TempDir,
}

impl Unread {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_contacts-gateway"))
            .arg("serve")
            .env_clear()
            .env("GATEWAY_LISTEN", "127.0.0.1:0")
            .env("GATEWAY_DATABASE_URL", format!("sqlite://{}/gateway.db", folder.path().display()))
            .env("GATEWAY_MASTER_KEY", master_key())
            .env("GATEWAY_LOG", "debug")
            .env("GATEWAY_LOG_FORMAT", "json")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap());
        let address = loop {
            let mut line = String::new();
            assert!(log.read_line(&mut line).unwrap() > 0, "it does not listen");
            let line: Value = serde_json::from_str(&line).unwrap();
            if line["message"] == "listening" {
                break line["address"].as_str().unwrap().to_owned();
            }
        };
        Self { process, address, log, _folder: folder }
    }

    /// Sends many requests that are logged. Returns how many got the expected response.
    async fn ask_many(&self) -> usize {
        let client = client();
        let ask = |n: usize| {
            let (path, status) = if n.is_multiple_of(10) { ("/livez", 200) } else { ("/nowhere", 404) };
            let asked = client.get(format!("http://{}{path}", self.address)).send();
            async move { asked.await.is_ok_and(|reply| reply.status() == status) }
        };
        stream::iter(0..REQUESTS)
            .map(ask)
            .buffer_unordered(32)
            .take_while(|good| std::future::ready(*good))
            .count()
            .await
    }

    fn terminate(&self) {
        let pid = Pid::from_raw(i32::try_from(self.process.id()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
    }

    /// Waits until the gateway has ended. Returns its exit code and how long that took.
    fn ended(&mut self) -> (Option<i32>, Duration) {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if let Some(status) = self.process.try_wait().unwrap() {
                return (status.code(), began.elapsed());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("it runs on")
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

#[expect(clippy::disallowed_methods, reason = "a caller from outside; the gateway's own client is not his")]
fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_nobody_reads_delays_no_request_and_no_end() {
    let mut gateway = Unread::start();
    assert_eq!(gateway.ask_many().await, REQUESTS);
    gateway.terminate();
    let (code, time) = gateway.ended();
    assert_eq!(code, Some(0), "after {time:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_who_comes_back_is_told_how_many_lines_it_missed() {
    let mut gateway = Unread::start();
    assert_eq!(gateway.ask_many().await, REQUESTS);
    gateway.terminate();
    let mut rest = String::new();
    gateway.log.read_to_string(&mut rest).unwrap();
    assert_eq!(gateway.ended().0, Some(0));
    let lines: Vec<Value> = rest.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let dropped: u64 = lines.iter().filter_map(|line| line["lines"].as_u64()).sum();
    let requests = lines.iter().filter(|line| line["status"].is_u64()).count();
    assert!(dropped > 0 && requests > 0, "{dropped} {requests}");
    // The count matches the lines that were not read, except for a few lines about other things.
    let all = usize::try_from(dropped).unwrap() + requests;
    assert!((REQUESTS..REQUESTS + 20).contains(&all), "{dropped} dropped, {requests} read");
}
