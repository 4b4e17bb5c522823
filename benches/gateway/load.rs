//! The callers: HTTP/1.1 over kept connections, closed loop for throughput, open loop for latency.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Makes the request of a connection: its number, and how many requests were made before.
pub(crate) type Requests = Arc<dyn Fn(u32, u32) -> Vec<u8> + Send + Sync>;

/// One kept connection.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(16 << 10) })
    }

    /// Sends a request and reads its whole response: the status, and the body.
    pub(crate) async fn call(&mut self, request: &[u8]) -> Result<(u16, &[u8])> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let (head, length) = loop {
            ensure!(self.stream.read_buf(&mut self.buffer).await? > 0, "the connection was closed");
            if let Some(end) = self.buffer.windows(4).position(|part| part == b"\r\n\r\n") {
                break (end + 4, content_length(&self.buffer[..end])?);
            }
        };
        while self.buffer.len() < head + length {
            ensure!(self.stream.read_buf(&mut self.buffer).await? > 0, "the response was cut off");
        }
        let status = std::str::from_utf8(&self.buffer[9..12])?.parse()?;
        Ok((status, &self.buffer[head..]))
    }
}

fn content_length(head: &[u8]) -> Result<usize> {
    let head = std::str::from_utf8(head)?;
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    let length = lines.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let (_, length) = length.with_context(|| format!("a response without Content-Length: {head}"))?;
    Ok(length.parse()?)
}

/// What one round of load came to.
#[derive(Clone, Copy, Default)]
pub(crate) struct Round {
    pub(crate) requests: u64,
    /// Responses that are not 2xx.
    pub(crate) failed: u64,
    pub(crate) elapsed: Duration,
}

/// Each of `connections` sends its next request as soon as it has a response, for `time` or until `most` requests were sent.
pub(crate) async fn closed(
    address: SocketAddr,
    connections: u32,
    time: Duration,
    most: u32,
    requests: &Requests,
) -> Result<Round> {
    let mut opened = Vec::new();
    for _ in 0..connections {
        opened.push(Connection::open(address).await?);
    }
    let began = Instant::now();
    let tasks: Vec<_> = (0..connections)
        .zip(opened)
        .map(|(number, mut connection)| {
            let requests = Arc::clone(requests);
            tokio::spawn(async move {
                let mut round = Round::default();
                for sent in 0..most {
                    if began.elapsed() >= time {
                        break;
                    }
                    let (status, body) = connection.call(&requests(number, sent)).await?;
                    round.requests += 1;
                    if !(200..300).contains(&status) {
                        round.failed += 1;
                        if round.failed == 1 {
                            say(status, body);
                        }
                    }
                }
                anyhow::Ok(round)
            })
        })
        .collect();
    let mut all = Round::default();
    for task in tasks {
        let round = task.await??;
        all.requests += round.requests;
        all.failed += round.failed;
    }
    all.elapsed = began.elapsed();
    Ok(all)
}

fn say(status: u16, body: &[u8]) {
    eprintln!("a response is {status}: {}", String::from_utf8_lossy(&body[..body.len().min(300)]));
}

/// One request every `gap`, whether or not the earlier ones have a response. The times from the intended starts, sorted.
pub(crate) async fn open(
    address: SocketAddr,
    gap: Duration,
    count: u32,
    requests: &Requests,
) -> Result<Vec<Duration>> {
    let idle = Arc::new(parking_lot::Mutex::new(Vec::new()));
    for _ in 0..8 {
        let connection = Connection::open(address).await?;
        idle.lock().push(connection);
    }
    let began = Instant::now() + gap;
    let mut tasks = Vec::new();
    for number in 0..count {
        let intended = began + gap * number;
        tokio::time::sleep_until(intended.into()).await;
        let (idle, requests) = (Arc::clone(&idle), Arc::clone(requests));
        tasks.push(tokio::spawn(async move {
            let kept = idle.lock().pop();
            let mut connection = match kept {
                Some(connection) => connection,
                None => Connection::open(address).await?,
            };
            let (status, _) = connection.call(&requests(number % 8, number)).await?;
            let took = intended.elapsed();
            idle.lock().push(connection);
            if !(200..300).contains(&status) {
                bail!("a response is {status}");
            }
            anyhow::Ok(took)
        }));
    }
    let mut times = Vec::new();
    for task in tasks {
        times.push(task.await??);
    }
    times.sort_unstable();
    Ok(times)
}
